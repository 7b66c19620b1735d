//! golive: the cutover console.
pub mod base;
