//! golive: the cutover console.
//!
//! It loads a runbook, executes its steps over SSH when the operator confirms, shows live health
//! and logs side by side, rolls back with one key, and records everything in a journal that
//! anyone can verify later.
//!
//! # The layers, in reading order
//!
//! A folder is a layer and imports only layers above its own line.
//!
//! | layer | holds |
//! |---|---|
//! | [`base`] | names, times, digests, text that is safe to draw |
//! | [`runbook`] | the plan as written: TOML in, a checked runbook or all its problems out |
//! | [`plan`] | runbook, hosts and variables in, a plan with its times and its way back out |
//! | [`engine`] | what may happen next: commands in, events out, and the state they add up to |
//! | [`journal`] | the record: one chained line a decision, every byte that a job printed |
//! | [`exec`] | the edge: SSH, local commands, notices, probes |
//! | [`practice`] | the practice fleet: SSH servers in the process, a small world behind them |
//! | [`session`] | one run without a screen: the clock, the loop, the dispatcher |
//! | [`report`] | the record as documents |
//! | [`ui`] | state in, cells out; key in, intent out |
//! | [`console`] | the live terminal: joins the screen and the session |
//! | [`cli`] | arguments, messages, exit codes |
//!
//! # Invariants
//!
//! - Decide, write down, believe, and only then do.
//! - The state is a function of the plan and the journal, and of nothing else.
//! - No byte of a host acts on the terminal.
pub mod base;
pub mod cli;
pub mod console;
pub mod engine;
pub mod exec;
pub mod journal;
pub mod plan;
pub mod practice;
pub mod report;
pub mod runbook;
pub mod session;
pub mod ui;
