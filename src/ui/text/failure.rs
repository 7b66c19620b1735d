//! The choice after a failure.

use crate::engine::{Part, Status};

use super::{Lang, Say, say, steps};

pub(in crate::ui) const CHOOSE: Say = say("choose", "请选择");
pub(in crate::ui) const CHOICE: Say = say("Choice ", "选择 ");
pub(in crate::ui) const NOTHING_CHOSEN: Say = say(
    "letter, then y.  Enter does nothing.  Esc = hold and look",
    "先按字母，再按 y。Enter 无作用。Esc = 暂停并查看",
);

// The choices: what each is called and what it does.
pub(in crate::ui) const HOLD: Say = say("Hold and look", "暂停并查看");
pub(in crate::ui) const HOLD_WHAT: Say =
    say("nothing new runs, the clock goes on", "不再开始新步骤，时钟照走");
pub(in crate::ui) const RECHECK: Say = say("Check it again", "重新验证");
pub(in crate::ui) const RECHECK_WHAT: Say =
    say("nothing is run again, only its `verify`", "不重跑命令，只重做 `verify`");
pub(in crate::ui) const EDIT: Say = say("Edit the command", "修改命令");
pub(in crate::ui) const EDIT_WHAT: Say =
    say("in this run only; you see what changes", "仅限本次执行；会先显示差异");
pub(in crate::ui) const SKIP: Say = say("Skip, with a reason", "跳过，写明原因");
pub(in crate::ui) const SKIP_WHAT: Say =
    say("it is SKIPPED; what needs it may start", "记为跳过；依赖它的步骤可以开始");
pub(in crate::ui) const BY_HAND: Say = say("Done by hand", "标记完成");
pub(in crate::ui) const BY_HAND_PROVED: Say =
    say("say how; its `verify` runs and has to prove it", "写明怎么做的；由其 `verify` 证明");
pub(in crate::ui) const BY_HAND_WHAT: Say =
    say("how, and how it was checked; nothing is run", "写明怎么做、怎么查；不执行命令");
pub(in crate::ui) const ACCEPT: Say = say("Accept the failure", "接受失败");
pub(in crate::ui) const ACCEPT_WHAT: Say =
    say("the failure stays in the record, the run goes on", "失败留在记录里，执行继续");
pub(in crate::ui) const ROLL_BACK: Say = say("ROLL BACK everything", "全部回滚");
pub(in crate::ui) const AGAIN: Say = say("Run it again", "再执行一次");
pub(in crate::ui) const AGAIN_WHAT: Say =
    say("first write why it is safe, then confirm once more", "先写明为何安全，再确认一次");
pub(in crate::ui) const RETRY: Say = say("Retry", "重试");
pub(in crate::ui) const RETRY_WHAT: Say = say("the same command again", "同一条命令再执行");
pub(in crate::ui) const RETRY_THERE_WHAT: Say =
    say("the same command, only there", "同一条命令，只在这里");
pub(in crate::ui) const RETRY_ALL: Say = say("Retry on all", "全部重试");

pub(in crate::ui) fn roll_back_what(lang: Lang, items: usize) -> String {
    let items = steps(lang, items);
    both!(lang, "opens the guarded panel: {items}", "打开回滚护盖：{items}")
}

pub(in crate::ui) fn retry_on(lang: Lang, places: &str) -> String {
    both!(lang, "Retry on {places}", "在 {places} 重试")
}

pub(in crate::ui) fn retry_all_what(lang: Lang, all: usize) -> String {
    both!(lang, "the same command on all {all}", "同一条命令，全部 {all} 处")
}

pub(in crate::ui) fn chosen(lang: Lang, key: &str, name: &str) -> String {
    both!(lang, "[ {key} ] {name}:  y does it", "[ {key} ] {name}：按 y 执行")
}

/// `undo of c3 FAILED on lb-2 (1 of 2). What now?`
pub(in crate::ui) fn title(
    lang: Lang,
    (part, step): (Part, &str),
    status: Status,
    (failed, all): (&[String], usize),
) -> String {
    let undo = super::undo_short(part.is_undo(), lang);
    let what = match status {
        Status::Unknown => say("MAY HAVE RUN", "可能已执行"),
        Status::TimedOut => say("TIMED OUT", "超时"),
        Status::Cancelled => say("WAS STOPPED", "已被中止"),
        Status::Failed
        | Status::Pending
        | Status::Running
        | Status::Waiting
        | Status::Soaking { .. }
        | Status::Verifying
        | Status::Succeeded
        | Status::Skipped
        | Status::DoneByHand
        | Status::FailureAccepted => say("FAILED", "失败"),
    };
    let what = what.to(lang);
    let count = failed.len();
    match (lang, failed) {
        (Lang::En, []) => format!("{undo}{step} {what}. What now?"),
        (Lang::En, [one]) => format!("{undo}{step} {what} on {one} ({count} of {all}). What now?"),
        (Lang::En, [..]) => format!("{undo}{step} {what} on {count} of {all}. What now?"),
        (Lang::Zh, []) => format!("{undo}{step} {what}，怎么办？"),
        (Lang::Zh, [one]) => format!("{undo}{step} 在 {one} {what} ({count}/{all})，怎么办？"),
        (Lang::Zh, [..]) => format!("{undo}{step} 在 {count}/{all} 处{what}，怎么办？"),
    }
}

// The facts.
pub(in crate::ui) const UNKNOWN_1: Say =
    say("It may have run. golive does not know.", "它可能已经执行过。golive 不知道。");
pub(in crate::ui) const UNKNOWN_2: Say = say(
    "Look on the host first. Running it again needs a written reason.",
    "请先到主机上查看。再次执行须写明原因。",
);
pub(in crate::ui) const SAFE_TO_REPEAT: Say = say(
    "safe to repeat: yes, the runbook says (idempotent)",
    "可安全重跑：操作手册标明 (idempotent)",
);

pub(in crate::ui) fn after_start(lang: Lang, spent: &str) -> String {
    both!(lang, ", {spent} after its start", "，开始后 {spent}")
}
