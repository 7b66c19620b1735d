//! The plan as written: TOML in, a checked [`Runbook`] or every [`Problem`] at once out.
//!
//! # Invariants
//!
//! - A key that the program does not act on is a problem, never ignored.
//! - All problems of a file are reported in one run, each with its place and how to fix it.
//!
//! # Deliberately absent
//!
//! No file is read here: text comes in as an argument. No clock.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod model;

pub use model::*;
