//! What the dry run of a step showed.

use super::{Lang, Say, say};

pub(in crate::ui) const DRY_RUN: Say = say("Dry run", "试运行");
pub(in crate::ui) const NOTHING_PRINTED: Say = say("it printed nothing", "没有输出");

pub(in crate::ui) fn shows_nothing(lang: Lang, step: &str, status: &str) -> String {
    both!(
        lang,
        "{step} is {status}: it shows nothing of this step",
        "{step} {status}：不能说明本步骤"
    )
}

/// After how it ended.
pub(in crate::ui) fn ago(lang: Lang, clock: &str) -> String {
    both!(lang, ", {clock} ago", "，{clock} 前")
}

pub(in crate::ui) fn last_lines(lang: Lang, n: usize) -> String {
    both!(lang, "the last {n} lines; all of them are in its log", "最后 {n} 行；全部在其日志中")
}

/// Where the output is that came before this screen was opened.
pub(in crate::ui) fn not_here(lang: Lang, files: &str) -> String {
    both!(lang, "its output is not on this screen: {files}", "其输出不在此屏幕上：{files}")
}
