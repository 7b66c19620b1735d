//! golive: the cutover console.
pub mod base;
pub mod plan;
pub mod runbook;
