//! golive: the cutover console.
pub mod base;
pub mod engine;
pub mod exec;
pub mod journal;
pub mod plan;
pub mod practice;
pub mod report;
pub mod runbook;
pub mod session;
