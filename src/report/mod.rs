//! Documents from the record: one line an event, Markdown for people, CSV for spreadsheets, and
//! how to check the record without this program.
//!
//! # Invariants
//!
//! - The same plan and the same entries give the same bytes.
//! - Text of hosts and people acts on no reader: not as Markdown, HTML, formula or terminal
//!   sequence.
//! - The report of a rehearsal or drill says so in every heading and every row.
//!
//! # Deliberately absent
//!
//! No file, no clock. No second history: everything is folded from the journal.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod check;
mod csv;
mod decided;
mod facts;
mod line;
mod markdown;
mod outcome;
mod reconciled;
mod review;
mod sections;
mod story;
mod words;
mod write;

pub use check::verify_txt;
pub use csv::csv;
pub use line::{json_line, timeline_line};
pub use markdown::markdown;
pub use words::{end_words, objectives_words};
