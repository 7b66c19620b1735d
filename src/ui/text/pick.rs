//! Lists to choose from: emergency procedures, and who the second person is.

use super::{Lang, Say, counted, say};

pub(in crate::ui) const PLAYBOOKS: Say = say("Emergency procedures", "应急预案");
pub(in crate::ui) const NONE: Say =
    say("This runbook has no [[playbook]].", "此操作手册没有 [[playbook]]。");
pub(in crate::ui) const PROPOSED: Say = say("PROPOSED by its alarm", "其报警建议打开");
pub(in crate::ui) const LOOK_INTO: Say =
    say("look into it; opening asks why", "查看；打开须写原因");
pub(in crate::ui) const OPEN_STEP: Say = say("open the step", "打开步骤");
pub(in crate::ui) const CLOSE: Say = say("close the playbook", "关闭预案");
pub(in crate::ui) const BREAK_GLASS: Say = say("break-glass", "应急");
pub(in crate::ui) const FREE: Say = say(
    "A hold does not stop a playbook, nor a playbook a rollback: R works here.",
    "暂停不影响预案，预案也不影响回滚：此处可按 R。",
);

pub(in crate::ui) fn open_since(lang: Lang, at: &str) -> String {
    both!(lang, "OPEN since {at}", "{at} 已打开")
}

pub(in crate::ui) fn count(lang: Lang, n: usize) -> String {
    counted(lang, n, ("playbook", "playbooks"), "个预案")
}

pub(in crate::ui) fn title(lang: Lang, id: &str, title: &str) -> String {
    both!(lang, "Playbook {id}  {title}", "预案 {id}  {title}")
}

pub(in crate::ui) fn opened(lang: Lang, by: &str, at: &str, why: &str) -> String {
    both!(lang, "{by} at {at}: {why}", "{by} 于 {at}：{why}")
}

pub(in crate::ui) const SECOND: Say = say("second person", "复核人");
pub(in crate::ui) const SECOND_WHY: Say = say(
    "Ask them on the bridge. What they say is recorded in their name, as told to the driver.",
    "请在会议桥上询问。所言由操作员转述，记在其名下。",
);
pub(in crate::ui) const SECOND_KEYS: Say = say(
    "Enter  this one, and their words      Esc  back",
    "Enter  选定，并记其原话      Esc  返回",
);

pub(in crate::ui) fn who_agrees(lang: Lang, step: &str) -> String {
    both!(lang, "Who agrees that {step} starts?", "谁同意开始 {step}？")
}

pub(in crate::ui) fn agreed(lang: Lang, person: &str, role: &str, at: &str) -> String {
    both!(lang, "{person} ({role}) agreed at {at}", "{person} ({role}) 于 {at} 同意")
}
