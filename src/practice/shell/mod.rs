//! The practice hosts' shell: an interpreter of its own, in memory.
//!
//! It never starts a program and never touches the machine's files: somebody will rehearse a
//! runbook with `rm -rf` in it. Loops, calls, output in memory and files are all bounded.

mod arith;
mod ast;
mod builtins;
mod expand;
mod files;
mod glob;
mod io;
mod parse;
mod run;
mod streams;

pub(super) use files::{FileError, Files, absolute};
pub(super) use io::{Feed, Input, Output, standard_input};
pub(super) use run::{Ended, Shell, Unwind};

#[cfg(test)]
mod tests;
