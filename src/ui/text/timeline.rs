//! The timeline.

use crate::base::Millis;

use super::super::header::short_span;
use super::{Lang, Say, say};

pub(in crate::ui) const TITLE: Say = say("5 Timeline", "5 时间线");
pub(in crate::ui) const BACK_TITLE: Say = say("5 Timeline of the way back", "5 回滚时间线");
pub(in crate::ui) const LEGEND: Say =
    say("= plan  # done  > runs  . forecast  x failed", "= 计划  # 完成  > 执行中  . 预测  x 失败");
pub(in crate::ui) const LEGEND_SHORT: Say =
    say("= plan # done > runs . forecast", "= 计划 # 完成 > 执行 . 预测");
pub(in crate::ui) const ACTUAL: Say = say("actual", "实际");
pub(in crate::ui) const MARKS: Say = say("marks", "标记");
pub(in crate::ui) const NONE_LATE: Say =
    say("Nothing ends later than planned. d shows all again.", "没有晚于计划的步骤。d 显示全部。");
/// What the marks `R`, `W` and `P` stand for, with room and without.
pub(in crate::ui) const LONG: [Say; 3] = [
    say("latest safe rollback", "最晚回滚"),
    say("window closes", "窗口结束"),
    say("point of no return", "难以回退点"),
];
pub(in crate::ui) const SHORT: [Say; 3] =
    [say("last safe", "最晚回滚"), say("window", "窗口"), say("no return", "难以回退")];
/// In place of `only late` in the key bar.
pub(in crate::ui) const ALL: Say = say("all", "全部");

pub(in crate::ui) fn column(lang: Lang, span: Millis) -> String {
    both!(lang, "{span} a column", "每列 {span}")
}

pub(in crate::ui) fn now(lang: Lang, minute: &str) -> String {
    both!(lang, "| now {minute}", "| 现在 {minute}")
}

pub(in crate::ui) fn ends(lang: Lang, about: &str) -> String {
    both!(lang, "Ends about {about}", "预计 {about} 结束")
}

pub(in crate::ui) fn ended(lang: Lang, at: &str) -> String {
    both!(lang, "Ended {at}", "{at} 已结束")
}

/// The end of a sentence.
pub(in crate::ui) const STOP: Say = say(".", "。");

/// What is left of the window at the end, in milliseconds; after another part of a sentence.
pub(in crate::ui) fn margin(lang: Lang, millis: i64) -> String {
    let span = Millis::new(millis.unsigned_abs());
    // To the minute where there are minutes enough.
    let secs = span.as_secs();
    let span = if secs < 600 { Millis::from_secs(secs) } else { Millis::from_secs(secs / 60 * 60) };
    if millis < 0 {
        both!(lang, ", {span} AFTER the window closes", "，超出窗口 {span}")
    } else {
        both!(lang, ", margin {span}", "，余量 {span}")
    }
}

pub(in crate::ui) fn critical(lang: Lang, chain: &str) -> String {
    both!(lang, "  Critical: {chain}.", "  关键路径：{chain}。")
}

pub(in crate::ui) fn cost(lang: Lang, most: &str) -> String {
    both!(lang, "  What cost most: {most}.", "  耗时最多：{most}。")
}

pub(in crate::ui) fn what_if(
    lang: Lang,
    step: &str,
    more: Millis,
    (end, margin): (&str, &str),
) -> String {
    let more = short_span(more);
    both!(
        lang,
        "If {step} takes {more} more: ends {end}{margin}.",
        "如果 {step} 再多 {more}：{end} 结束{margin}。"
    )
}

pub(in crate::ui) fn has_slack(lang: Lang, step: &str, slack: Millis) -> String {
    let slack = short_span(slack);
    both!(
        lang,
        "{step} may end {slack} later without delaying the end.",
        "{step} 可再晚 {slack} 结束，不影响结束时间。"
    )
}
