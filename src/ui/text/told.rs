//! What the console tells the operator of by itself.

use super::{Lang, Told, say};

/// Somebody else wants to drive.
pub fn asks_to_drive(driver: &str, machine: &str) -> Told {
    Told::of(|lang| {
        both!(lang, "{driver} on {machine} asks to drive", "{machine} 上的 {driver} 请求操作")
    })
}

/// Something was asked for, and the record could not take it.
pub fn not_recorded_so_not_done(why: &str) -> Told {
    Told::of(|lang| both!(lang, "not recorded, so not done: {why}", "未能记录，故未执行：{why}"))
}

/// The session has ended by itself.
pub fn session_gone() -> Told {
    say("the session has ended", "会话已结束").into()
}

/// Somebody tried to suspend the console.
pub fn cannot_suspend() -> Told {
    say("a run is not stopped with SIGTSTP; q leaves", "执行不会因 SIGTSTP 停下；按 q 离开").into()
}

/// What the language is from now on.
pub(in crate::ui) fn language(lang: Lang) -> Told {
    // In the new language, whichever is shown.
    Told::from(say("Language: English.", "语言：简体中文。").to(lang))
}
