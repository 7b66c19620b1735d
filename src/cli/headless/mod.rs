//! A run without a screen.

mod answers;

pub(super) use answers::{Answer, answer};
