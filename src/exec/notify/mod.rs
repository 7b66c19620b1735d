//! Notices: told to every channel in its order, again and again for some minutes, and never in
//! anybody's way.
//!
//! Each channel has a task of its own. What comes together is told together; what does not get
//! through is tried five times within ten minutes. The end is reported: delivered, or given up.

mod desk;
mod mail;
mod send;
mod words;

pub use desk::Patience;
pub(super) use desk::{Desk, Notice};
