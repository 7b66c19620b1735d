//! Pages to read: help, alarms, leave, audit, notes; and the frame of dialogs.

use super::{Lang, Say, counted, say};

/// Rows of a dialog that do not fit.
pub(in crate::ui) fn hidden(lang: Lang, above: usize, below: usize) -> String {
    both!(lang, "{above} rows above, {below} below: j k", "上方 {above} 行，下方 {below} 行：j k")
}

// Help.
pub(in crate::ui) const HELP: Say = say("Help", "帮助");
pub(in crate::ui) const SAFE: Say = say("SAFE AT ANY TIME", "随时安全");
pub(in crate::ui) const STEPS: Say = say("STEPS", "步骤");
pub(in crate::ui) const LOG: Say = say("LOG", "日志");
pub(in crate::ui) const GUARDED: Say = say("GUARDED", "有护盖");
pub(in crate::ui) const HELP_KEYS: Say =
    say("Esc closes   j k scroll.  Help stops nothing.", "Esc 关闭   j k 滚动。看帮助不影响执行。");
pub(in crate::ui) const IME: Say = say(
    "Input method on? Letters do nothing then. Digits, arrows, Tab, Enter, Esc, F1 F2 F8 F9 always work.",
    "输入法打开时字母键无效。数字、方向键、Tab、Enter、Esc、F1 F2 F8 F9 始终可用。",
);
pub(in crate::ui) const GLYPHS: Say = say("GLYPHS", "符号");
pub(in crate::ui) const GLYPH_LEVELS: Say =
    say("!! WARNING  ! CAUTION  P point of no return", "!! 告警  ! 警戒  P 难以回退点");

/// The marks of states, each with its word.
pub(in crate::ui) fn glyph_states(lang: Lang, marks: [&str; 5]) -> String {
    let [pending, running, ok, failed, skipped] = marks;
    both!(
        lang,
        "{pending} to do  {running} runs  {ok} ok  {failed} failed  {skipped} skipped",
        "{pending} 待执行  {running} 执行中  {ok} 成功  {failed} 失败  {skipped} 跳过"
    )
}

pub(in crate::ui) fn glyph_others(lang: Lang, [waits, undone, unknown]: [&str; 3]) -> String {
    both!(
        lang,
        "{waits} waits  {undone} undone  {unknown} nobody knows  * critical path",
        "{waits} 等待  {undone} 已撤销  {unknown} 未知  * 关键路径"
    )
}

// Alarms.
pub(in crate::ui) const ALL_ALARMS: Say = say("All alarms of this run", "本次执行的全部报警");
pub(in crate::ui) const NO_ALARM: Say = say("No alarm in this run.", "本次执行没有报警。");
pub(in crate::ui) const ALARM_KEYS: Say = say("Esc closes   c acknowledges", "Esc 关闭   c 确认");

pub(in crate::ui) fn alarms(lang: Lang, n: usize) -> String {
    counted(lang, n, ("alarm", "alarms"), "条报警")
}

// Leave.
pub(in crate::ui) const IS_OVER: Say = say(
    "The run is over. Closing completes its record: nothing follows.",
    "本次执行已结束。关闭即完成记录，之后不再追加。",
);
pub(in crate::ui) const CLOSE: Say = say("Leave: close the session?", "离开：关闭会话？");
pub(in crate::ui) const CLOSE_AND_LEAVE: Say = say("close it and leave", "关闭并离开");
pub(in crate::ui) const LEAVE_OPEN: Say = say("leave it open", "不关闭");
pub(in crate::ui) const STAY: Say = say("stay", "留下");
pub(in crate::ui) const GOES_ON_HOLD: Say = say(
    "The run goes to HOLD: nothing new starts. `golive resume` takes it up again.",
    "执行将暂停：不再开始新步骤。用 `golive resume` 继续。",
);
pub(in crate::ui) const LEAVE: Say = say("Leave the run?", "离开本次执行？");
pub(in crate::ui) const HOLD_AND_LEAVE: Say = say("hold and leave", "暂停并离开");

pub(in crate::ui) fn runs_on(lang: Lang, n: usize) -> String {
    let runs = counted(lang, n, ("attempt runs", "attempts run"), "个任务在执行");
    both!(
        lang,
        "{runs} now: it goes on to its end on its host.",
        "现有 {runs}：会在主机上执行至结束。"
    )
}

// Audit.
pub(in crate::ui) const AUDIT: Say = say("6 Audit", "6 审计");
pub(in crate::ui) const NUMBER: Say = say("#", "#");
pub(in crate::ui) const TIME: Say = say("time", "时间");
pub(in crate::ui) const WHO: Say = say("who", "何人");
pub(in crate::ui) const WHAT: Say = say("what", "类型");
pub(in crate::ui) const ABOUT: Say = say("about", "内容");
pub(in crate::ui) const TOUCH: Say = say(
    "touch your security key: it is asked to sign the record; all else goes on",
    "请触碰安全密钥：正请求它为记录签名；其余照常",
);
pub(in crate::ui) const BY_OWN: Say =
    say(" by a key of this session, certified by ", "，本会话密钥签名，认证者 ");
pub(in crate::ui) const BY: Say = say(" by ", "，签名者 ");

pub(in crate::ui) fn on_disk(lang: Lang, seq: u64) -> String {
    both!(lang, "on disk to #{seq}", "已落盘至 #{seq}")
}

pub(in crate::ui) fn signed(lang: Lang, upto: u64, seq: u64) -> String {
    both!(lang, "signed up to #{upto} of {seq}", "已签名至 #{upto}，共 {seq}")
}

pub(in crate::ui) fn signed_short(lang: Lang, upto: &str) -> String {
    both!(lang, "{upto} by a key of this session", "{upto}，本会话密钥签名")
}

// Notes.
pub(in crate::ui) const NOTES: Say = say("7 Notes", "7 备注");
pub(in crate::ui) const NO_NOTE: Say = say("No note yet. N writes one.", "尚无备注。按 N 写一条。");

pub(in crate::ui) fn note_keys(lang: Lang, n: usize) -> String {
    both!(lang, "{n}   N new note", "{n}   N 新备注")
}
