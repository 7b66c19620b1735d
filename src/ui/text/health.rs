//! Health panels.

use super::{Lang, Say, say};

pub(in crate::ui) const HEALTH: Say = say("Health", "健康");
pub(in crate::ui) const NO_READING: Say = say("no reading", "无读数");
pub(in crate::ui) const NO_VALUE: Say = say("no value", "无数值");
pub(in crate::ui) const NOT_OK: Say = say("not ok", "异常");
pub(in crate::ui) const NO_READING_YET: Say = say("unknown, no reading yet", "未知，尚无读数");
pub(in crate::ui) const NO_PROBES: Say =
    say(" This runbook has no probes: nothing is watched.", " 此操作手册没有探针：什么都不监测。");
/// Before the limits, with room and without.
pub(in crate::ui) const WARN: Say = say("warn ", "警戒 ");
pub(in crate::ui) const FAIL: Say = say("fail ", "失败 ");
pub(in crate::ui) const WARN_SHORT: Say = say("w", "警");
pub(in crate::ui) const FAIL_SHORT: Say = say("f", "败");

pub(in crate::ui) fn stale(lang: Lang, secs: u64) -> String {
    both!(lang, "unknown, stale {secs}s", "未知，数据过期 {secs}s")
}

pub(in crate::ui) fn unknown(lang: Lang, why: &str) -> String {
    both!(lang, "unknown: {why}", "未知：{why}")
}

pub(in crate::ui) fn ago(lang: Lang, word: &str, secs: u64) -> String {
    both!(lang, "{word} {secs}s ago", "{word} {secs}s 前")
}

pub(in crate::ui) fn now(lang: Lang, value: &str) -> String {
    both!(lang, "now {value}", "现值 {value}")
}

/// Panels for which the page has no room.
pub(in crate::ui) fn do_not_fit(lang: Lang, n: usize) -> String {
    both!(
        lang,
        " {n} more than fit: the audit and the strip tell when one turns ",
        " 另有 {n} 个放不下：变化时见审计和健康条 "
    )
}

pub(in crate::ui) fn more(lang: Lang, n: usize, counts: &str) -> String {
    both!(lang, "{n} more: 4   {counts}", "另有 {n} 个：4   {counts}")
}
