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

mod ansible;
mod ansible_mask;
mod check;
mod check_links;
mod code;
mod include;
mod json;
mod lint;
mod lint_http;
mod load;
mod model;
mod order;
mod problem;
mod reader;
mod schema;
mod secret;
mod shape;
mod shape_back;
mod shape_channel;
mod shape_each;
mod shape_hosts;
mod shape_objective;
mod shape_probe;
mod shape_secret;
mod shape_source;
mod shape_step;
mod shape_use;
mod shape_vars;
mod shell;
mod suggest;
mod template;

pub use ansible::ANSIBLE_VARIABLES;
pub use ansible_mask::ansible_masked;
pub use code::{Code, Severity, UnknownCode};
pub use load::{ANSIBLE, Checked, Options, check, check_inventory, check_with, sort_problems};
pub use model::*;
pub use problem::{Label, Place, Problem, SourceFile, line_col};
pub use reader::Places;
pub use schema::{INVENTORY_SCHEMA, RUNBOOK_SCHEMA};
pub use secret::{Given, SecretSource, stands_for};
pub use shell::destroys;
pub use suggest::{help as suggestion, nearest};
pub use template::{Quoting, TemplateError, holds, is_plain, render, variables};
