//! Another command for a step, for this run only.

use super::{Lang, Say, say};

pub(in crate::ui) const BAR_RECORD: Say = say("record it", "记录");
pub(in crate::ui) const BAR_AGAIN: Say = say("edit again", "再改");
pub(in crate::ui) const BAR_REASON: Say = say("reason", "原因");
pub(in crate::ui) const MEANS: Say = say(
    "Only in this run: the runbook and its pinned copy stay as they are. Nothing is sent yet.",
    "仅限本次执行：操作手册及其固定副本不变。尚未发送任何命令。",
);
pub(in crate::ui) const SECOND: Say = say(
    "a second person has to agree to the new command before it starts",
    "新命令开始前须经复核人同意",
);
pub(in crate::ui) const BRACES: Say =
    say("{{ }} is sent as it stands: no variable is filled in", "{{ }} 原样发送：不会填入变量");
pub(in crate::ui) const UNDO: Say = say(
    "the undo is the runbook's: does it undo this command too?",
    "撤销仍用操作手册的命令：它也能撤销新命令吗？",
);
pub(in crate::ui) const Y_ASKS: Say =
    say("asks why, then records it: nothing is sent", "先问原因再记录：不发送任何命令");
pub(in crate::ui) const Y: Say = say("records it: nothing is sent", "记录：不发送任何命令");
pub(in crate::ui) const ESC: Say = say("  back, the text is kept", "  返回，文本保留");
pub(in crate::ui) const KEYS: Say = say(
    "e edit again   w reason   v all of it   Enter does nothing",
    "e 再改   w 原因   v 全部   Enter 无作用",
);

pub(in crate::ui) fn title(lang: Lang, is_undo: bool, step: &str) -> String {
    let undo = super::undo_of(is_undo, lang);
    both!(lang, "EDIT {undo}{step} for this run?", "本次执行改用新命令：{undo}{step}？")
}

pub(in crate::ui) fn other_class(lang: Lang, was: &str, is: &str, because: &str) -> String {
    both!(lang, "{was} -> {is}: {because}", "{was} -> {is}：{because}")
}

pub(in crate::ui) fn edited(lang: Lang, (by, at): (&str, &str), why: &str) -> String {
    both!(lang, "not the runbook's: {by} at {at}: {why}", "不是操作手册的命令：{by} 于 {at}：{why}")
}
