//! The screen: state in, cells out; key in, intent out.
//!
//! [`Screen`] remembers what only a screen has to know (views, dialogs, drafts); everything else
//! comes in with a [`Model`] for each drawing and each key, and wishes go out as [`Intent`]s.
//!
//! # Invariants
//!
//! - Enter only opens. What runs is confirmed in a dialog that was on screen before its key.
//! - A rollback starts only after its own two digits and an undisturbed count-down.
//! - Ten facts never leave the screen, and no dialog covers them.
//! - No byte of a host acts on the terminal: all text is `SafeText` or made safe here.
//!
//! # Deliberately absent
//!
//! No clock, no terminal, no session, no randomness: time and digits come in.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod act;
mod action;
mod audit;
mod bottom;
mod canvas;
mod choose;
mod confirm;
mod dry_run;
mod edit;
mod failure;
mod gate;
mod gesture;
mod guard;
mod header;
mod health;
mod keymap;
mod keys;
mod layout;
mod line;
mod log;
mod logview;
mod model;
mod order;
mod output;
mod pages;
mod person;
mod pick;
mod press;
mod prompt;
mod readiness;
mod reconciled;
mod reins;
mod screen;
mod sheet;
mod shell;
mod step;
mod steps;
mod text;
mod theme;
mod timeline;
mod words;

pub use audit::{AuditLine, AuditTail, FACTS_MAX, end_words, said_elsewhere, unrecorded_end};
pub use log::{JOB_LINES_MAX, LINES_MAX, LogLine, LogStore, Stream};
pub use model::{Model, Signed};
pub use screen::{Codes, Intent, Leave, Screen};
pub use text::{
    Lang, SHELL_OPENING, Say, Told, asks_to_drive, cannot_suspend, not_recorded_so_not_done,
    session_gone, shell_banner, shell_closed, shell_over,
};
pub use theme::{Depth, GlyphSet, Theme};
