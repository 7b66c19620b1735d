//! A shell on a host, and what is said around it.

use crate::base::SafeText;
use crate::engine::{RunKind, ShellEnd};

use super::{Lang, Say, Told, say};

pub(in crate::ui) const OPENS: Say = say("open it", "打开");
pub(in crate::ui) const OTHER: Say = say("another host", "换主机");
pub(in crate::ui) const REASON: Say = say("reason", "原因");
pub(in crate::ui) const REMARK: Say = say("outside the guards, recorded", "不受护盖保护，有记录");
pub(in crate::ui) const OUTSIDE: Say = say(
    "What you type there is outside the runbook: no guard, no undo.",
    "在那里输入的内容不属于操作手册：没有护盖，不能撤销。",
);
pub(in crate::ui) const RECORD: Say = say(
    "who, where, why, the end, and all that the host prints, without declared secrets; \
     what you type only as far as it is echoed.",
    "谁、哪台主机、为什么、如何结束，以及主机输出的全部内容(不含已声明的密钥)；您的输入只记录被回显的部分。",
);
pub(in crate::ui) const TERMINAL: Say = say(
    "What the host prints acts on your terminal, and a secret that comes in pieces can show there. \
     It is reset when you are back.",
    "主机的输出直接作用于您的终端，分段到达的密钥可能显示在那里。返回时终端会复位。",
);
pub(in crate::ui) const ONLY_RINGS: Say = say(
    "an automatic rollback that comes due meanwhile only rings; R takes it.",
    "期间到期的自动回滚只会响铃，不会开始；按 R 执行。",
);
pub(in crate::ui) const BACK: Say = say(
    "exit or Ctrl-D. If nothing answers, Enter ~ . cuts it off.",
    "exit 或 Ctrl-D。如果没有响应，Enter ~ . 强行断开。",
);
pub(in crate::ui) const Y: Say = say("opens it", "打开");
pub(in crate::ui) const Y_ASKS: Say = say("asks why, then this once more", "先问原因，再回到这里");
pub(in crate::ui) const KEYS: Say =
    say("w reason   j k another host   Enter does nothing", "w 原因   j k 换主机   Enter 无作用");
pub(in crate::ui) const WHY: Say = say("A shell on a host: why?", "在主机上打开 Shell：为什么？");
pub(in crate::ui) const NOTHING_OPENS: Say = say("back, nothing opens", "返回，不打开");
pub(in crate::ui) const BACK_TO_DIALOG: Say = say("back to the dialog", "回到对话框");
pub(in crate::ui) const NO_HOSTS: Say = say("This runbook has no hosts.", "此操作手册没有主机。");

/// What becomes of the run meanwhile.
pub(in crate::ui) const fn holds((over, held): (bool, bool)) -> Say {
    match (over, held) {
        (true, _) => say("It is over: nothing is held.", "执行已结束：不暂停任何步骤。"),
        (false, true) => say(
            "It is on HOLD, and stays so: H goes on when you are back.",
            "已暂停，并保持暂停：返回后按 H 继续。",
        ),
        (false, false) => say(
            "It goes to HOLD now, a rollback too: what runs goes on to its end, nothing new starts. \
             H goes on when you are back.",
            "现在起暂停，回滚也一样：正在执行的会执行完，不开始新的。返回后按 H 继续。",
        ),
    }
}

pub(in crate::ui) fn title(lang: Lang, host: &str) -> String {
    both!(lang, "Open a SHELL on {host}?", "在 {host} 上打开 Shell？")
}

pub(in crate::ui) fn more_hosts(lang: Lang, all: usize) -> String {
    both!(lang, "  {all} hosts in all: j k", "  共 {all} 台主机：j k")
}

pub(in crate::ui) fn no_host(name: &str, near: Option<&str>) -> Told {
    Told::of(|lang| match near {
        Some(near) => both!(
            lang,
            "There is no host `{name}`: did you mean `{near}`?",
            "没有主机 `{name}`：是 `{near}` 吗？"
        ),
        None => both!(
            lang,
            "There is no host `{name}` in this runbook.",
            "此操作手册中没有主机 `{name}`。"
        ),
    })
}

pub(in crate::ui) fn not_now(lang: Lang, why: &str) -> String {
    both!(lang, "NOT POSSIBLE NOW: {why}", "现在不可行：{why}")
}

/// What is said while the host has not answered yet.
pub const SHELL_OPENING: Say = say(
    "Opening the shell: the host is asked. Keys work here until it answers.",
    "正在打开 Shell：正在询问主机。主机应答之前，按键仍在这里有效。",
);

/// The rows that stand on the terminal before the host gets it.
pub fn shell_banner(lang: Lang, kind: RunKind, host: &str, number: u32) -> [String; 2] {
    let kind = kind.word();
    [
        both!(
            lang,
            "{kind} golive: SHELL {number} on {host}: recorded, outside the runbook.",
            "{kind} golive: {host} 上的 SHELL {number}：有记录，不属于操作手册。"
        ),
        both!(
            lang,
            "exit or Ctrl-D comes back. If nothing answers, Enter ~ . cuts it off.",
            "exit 或 Ctrl-D 返回。如果没有响应，Enter ~ . 强行断开。"
        ),
    ]
}

/// How a shell ended.
pub(in crate::ui) fn end(lang: Lang, end: &ShellEnd) -> String {
    match end {
        ShellEnd::Exited { code } => both!(lang, "exit status {code}", "退出码 {code}"),
        ShellEnd::Signalled { signal } => {
            both!(lang, "ended by signal {signal}", "被信号 {signal} 结束")
        }
        ShellEnd::CutOff => {
            say("cut off; what ran there may run on", "已强行断开；那里执行的命令可能还在执行")
                .own(lang)
        }
        ShellEnd::Lost { why } => both!(
            lang,
            "the link was lost ({why}); what ran there may run on",
            "连接已断开({why})；那里执行的命令可能还在执行"
        ),
        ShellEnd::NotOpened { why } => both!(lang, "not opened: {why}", "未打开：{why}"),
    }
}

/// The row that stands below what the host has printed, once the terminal is golive's again.
pub fn shell_closed(lang: Lang, host: &str, how: &ShellEnd) -> String {
    let words = end(lang, how);
    both!(
        lang,
        "golive: the shell on {host} is over: {words}.",
        "golive: {host} 上的 Shell 已结束：{words}。"
    )
}

/// What is said of a shell that is over.
pub fn shell_over(host: &str, how: &ShellEnd, held: bool) -> Told {
    let host = SafeText::new(host);
    Told::of(|lang| {
        let held =
            if held { say(" H ends the HOLD.", " 按 H 结束暂停。") } else { Say::NONE };
        let held = held.to(lang);
        let words = end(lang, how);
        match how {
            ShellEnd::NotOpened { why } => {
                both!(
                    lang,
                    "No shell on {host}: {why}.{held}",
                    "{host} 上没有 Shell：{why}。{held}"
                )
            }
            ShellEnd::Exited { .. }
            | ShellEnd::Signalled { .. }
            | ShellEnd::CutOff
            | ShellEnd::Lost { .. } => {
                both!(lang, "Back from {host}: {words}.{held}", "已从 {host} 返回：{words}。{held}")
            }
        }
    })
}
