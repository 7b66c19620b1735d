//! Words that every layer uses: names, points in time, digests, and text made safe.
//!
//! # Invariants
//!
//! - A name or a span is parsed once; after that it is known to be one.
//! - [`SafeText`] acts on no terminal, whoever wrote it.
//!
//! # Deliberately absent
//!
//! No clock, no disk, no network. Imports nothing from this crate.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod decimal;
mod digest;
mod id;
mod lines;
mod share;
mod text;
mod time;

pub use decimal::{Decimal, NoDecimal};
pub use digest::{Digest, Hasher, InvalidDigest};
pub use id::{
    ChannelId, GroupId, HostId, InvalidId, PhaseId, PlaybookId, ProbeId, RoleId, RunbookId,
    SecretName, SessionId, StepId, StreamId, VarName,
};
pub use lines::{LINE_CHARS_MAX, LineSanitizer};
pub use share::Share;
pub use text::{SafeText, cells, cut_end, cut_middle, pad};
pub use time::{InvalidSpan, Millis, Timestamp, Zone};
