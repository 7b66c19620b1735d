//! golive: the cutover console.
pub mod base;
pub mod runbook;
pub mod plan;
pub mod engine;
pub mod journal;
pub mod exec;
