//! One run of one runbook, without a screen: the only clock, the journal, the dispatcher.
//!
//! A session is one task that owns the state and the journal. Everything else sends it commands
//! and reports through a [`Handle`] and reads [`View`]s.
//!
//! # Invariants
//!
//! - Decide, write down, believe, and only then do: nothing leaves before its line is on disk.
//! - The state shown is the state journaled. When the record fails, nothing new starts.
//! - Checkpoints, signatures and witnesses are the notary's, and nothing waits for it.
//! - After a crash nothing that was in flight runs again by itself.
//!
//! # Deliberately absent
//!
//! Nothing is drawn here, and no argument is parsed.

mod ahead;
mod ansible;
mod clock;
mod content;
mod core;
mod dispatcher;
mod door;
mod errand;
mod fallback;
mod handle;
mod held;
mod inputs;
mod late;
mod lookout;
mod notary;
mod output;
mod place;
mod recovery;
mod reports;
mod shell;
mod spools;
mod store;
mod witness;

pub use ahead::Ahead;
pub use ansible::read_ansible;
pub use clock::{Clock, boot_id, machine_name};
pub use core::Core;
pub use dispatcher::{Replan, Start, StartError, hold_to_keys, start};
pub use door::{Answered, Door, Knock, SOCKET_FILE, ask_to_leave, next_knock};
pub use errand::{Heard, Wish, run_of, send};
pub use handle::{Chunk, Gauge, Handle, LinkView, SubmitError, TailFact, View};
pub use inputs::{Environment, Inputs, InputsError, may_run};
pub use notary::{Notary, Signing};
pub use place::place_doubts;
pub use recovery::{RecoverError, Recovered, fold, open, open_on};
pub use shell::{FromShell, Shell};
pub use store::{Found, Store, StoreError, Summary};
pub use witness::held_by;
