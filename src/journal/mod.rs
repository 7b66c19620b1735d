//! The record of a session: what happened, line by line, each line chained to the one before;
//! and what every job printed, byte for byte.
//!
//! # Invariants
//!
//! - Every file of a record is touched through a [`Disk`], and through nothing else.
//! - One decision is one line, written whole, and on disk before [`Journal::append`] returns.
//! - A line that cannot be read back is never written.
//! - A file that failed is not believed again: the record is written anew, byte for byte. Where
//!   that fails too, nothing more is written: the record fails closed, and what has to be said all
//!   the same is kept in memory, as the next lines of the chain.
//! - A changed, cut, inserted or reordered line is found and named by [`verify()`], with
//!   `sha256sum` alone if need be.
//! - A checkpoint covers only lines that are on disk, and a signature only a checkpoint.
//!
//! # Deliberately absent
//!
//! No runbook text: only its digest. No clock: times come in. No signing: who has a key signs
//! elsewhere. No promise against who has the key: whoever can rewrite every file of a session and
//! sign can forge it, unless somebody else holds a checkpoint.

mod anew;
mod away;
mod ballast;
mod chain;
mod checkpoint;
mod disk;
mod entry;
mod error;
mod evidence;
mod fallback;
mod file;
mod keep;
mod lock;
mod output;
mod read;
mod signers;
mod sshsig;
mod transcript;

mod verify;
mod voice;
mod wire;
mod witness;

pub use anew::WrittenAnew;
pub use away::{has_outputs, output_dirs, output_dirs_on};
pub use checkpoint::{
    CHECKPOINT_DIR, Checkpoint, Checkpoints, NAMESPACE, Stored, checkpoint_name, stored,
};
pub use disk::{
    Cursor, Disk, DiskFile, Open, RealDisk, append_all, read_file, replace_file, write_all_at,
};
pub use entry::{Entry, Stamp};
pub use error::JournalError;
pub use evidence::{Evidence, Scrutiny, Signer, Witness, Witnessed};
pub use fallback::{continued, continued_on};
pub use file::{Head, Journal, Recovery};
pub use lock::{Holder, Lock, LockError};
pub use output::{Line, Lines, digest_file, digest_file_on, read_range};
pub use read::{Reader, read, read_all, read_all_on, read_on};
pub use signers::{AllowedSigners, Standing};
pub use sshsig::{Key, signer};
pub use transcript::{Stream, Transcript};
pub use verify::{
    Finding, Verdict, What, digest_files, verify, verify_files, verify_on, verify_with,
};
pub use voice::{Run, SignedWord, VOICE_NAMESPACE, Word};
pub use wire::{LINE_BYTES_MAX, VERSION, ascii};

/// The journal's file in a session's directory.
pub const JOURNAL_FILE: &str = "journal.jsonl";
/// The number and seal of the last line, so that a cut end is seen.
pub const HEAD_FILE: &str = "head";
/// The folder in which the record goes on when its own cannot be written.
pub const FALLBACK_FILE: &str = "fallback";
/// Who drives the session.
pub const LOCK_FILE: &str = "lock";
/// The directory of the transcripts.
pub const OUTPUT_DIR: &str = "output";
/// The directory of unfinished lines that a crash left.
pub const TORN_DIR: &str = "torn";
/// The directory of the exact inputs of the run.
pub const PINNED_DIR: &str = "pinned";
