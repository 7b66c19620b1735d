//! The live terminal: joins the screen and the session.
//!
//! # Invariants
//!
//! - A key is painted at once; what nobody asked for is paced.
//! - The terminal is given back after a panic, a signal, and every way out.
//! - A lost terminal holds the run; it does not stop what runs.
//! - Only an open shell hands the terminal to a host; it is reset before the console draws again.
//!
//! # Deliberately absent
//!
//! No decision about the run: keys become intents in `ui`, intents become facts in `session`.

mod look;
mod run;
mod shell;
mod terminal;

pub use look::Look;
pub use run::{Outcome, drive};
