//! The log.

use super::{Lang, Say, counted, say};

pub(in crate::ui) const ALL_STEPS: Say = say("all steps", "全部步骤");
pub(in crate::ui) const WRAP: Say = say("  wrap", "  折行");
pub(in crate::ui) const ONLY_HITS: Say = say("  ONLY HITS", "  仅匹配");
pub(in crate::ui) const NOTHING_FITS: Say = say(
    "No line fits the search and the host. x shows all again.",
    "没有符合查找和主机的行。x 恢复全部。",
);
pub(in crate::ui) const NO_OUTPUT: Say = say("No output yet.", "尚无输出。");
pub(in crate::ui) const PRINTED_NOTHING: Say = say("It printed nothing.", "没有输出。");

/// Where the output is that came before this screen was opened.
pub(in crate::ui) fn not_here(lang: Lang, files: &str) -> String {
    both!(lang, "Its output is not on this screen: {files}", "其输出不在此屏幕上：{files}")
}

pub(in crate::ui) fn title(lang: Lang, about: &str, on: Option<&str>) -> String {
    let on = on.map(|place| both!(lang, " on {place}", " 主机 {place}")).unwrap_or_default();
    both!(lang, "3 Log {about}{on}", "3 日志 {about}{on}")
}

pub(in crate::ui) fn paused(lang: Lang, new: usize) -> String {
    both!(lang, "PAUSED, {new} below", "停住，下方 {new} 行")
}

pub(in crate::ui) fn follows(lang: Lang, lines: u64) -> String {
    both!(lang, "FOLLOW  {lines} lines", "跟随  {lines} 行")
}

pub(in crate::ui) fn typing(lang: Lang, find: &str) -> String {
    both!(lang, "Find /{find}_   Enter find  Esc leave", "查找 /{find}_   Enter 查找  Esc 离开")
}

pub(in crate::ui) fn found(
    lang: Lang,
    find: &str,
    here: Option<usize>,
    all: usize,
    only: bool,
) -> String {
    let hits = counted(lang, all, ("hit", "hits"), "处");
    let only = if only { ONLY_HITS.to(lang) } else { "" };
    let here = match (lang, here) {
        (_, None) => String::new(),
        (Lang::En, Some(here)) => format!("{here} of "),
        (Lang::Zh, Some(here)) => format!("第 {here} 处 / "),
    };
    both!(
        lang,
        "Find /{find}  {here}{hits}{only}   n N  & only  x clear",
        "查找 /{find}  {here}{hits}{only}   n N  & 仅匹配  x 清除"
    )
}
