//! What the programmes of reliability counted, for `tests/RELIABILITY.md`.
//!
//! `tests/reliability.sh` sets `GOLIVE_COUNTS` to a file, runs the programmes in their long form,
//! and makes the page of it. Without the variable nothing is written.

use std::fs::OpenOptions;
use std::io::Write as _;

/// Whether the programmes run in their long form.
#[must_use]
pub(crate) fn is_long() -> bool {
    std::env::var("GOLIVE_TESTS").is_ok_and(|asked| asked == "long")
}

/// A programme has come to its end: what it tried, how often, and how often a promise was broken.
///
/// `programme` is a heading of the page, `what` a row under it.
pub(crate) fn counted(programme: &str, what: &str, trials: usize, violations: usize) {
    let Some(path) = std::env::var_os("GOLIVE_COUNTS") else { return };
    let row = serde_json::json!({
        "programme": programme, "what": what, "trials": trials, "violations": violations,
        "long": is_long(),
    });
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    writeln!(file, "{row}").unwrap();
}
