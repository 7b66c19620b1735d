//! What golive does itself: moving, asking, comparing.
//!
//! # Invariants
//!
//! - What is sent is what was confirmed: a local file that has changed since is refused.
//! - Nothing is replaced on a host but by one rename of something that is known to be whole.
//! - Names and bytes that come from a host are data: none names a place on this machine.

mod content;
mod digests;
mod download;
mod http;
mod place;
mod reconcile;
mod sftp;
mod target;
mod upload;
mod write;

use std::io;

use crate::base::SafeText;
use crate::engine::{Done, End};
use crate::runbook::Builtin;

pub use content::read_content;

use super::job::{Ear, Task};
use super::redact::Redactor;
use super::shared::Shared;
use super::ssh::{Output as _, Stream};

/// Does it to its end; none if it was let go before.
pub(super) async fn perform(
    task: &Task,
    builtin: &Builtin<String>,
    ear: &Shared<Ear>,
) -> Option<End> {
    let voice = Voice(ear.clone());
    match builtin {
        Builtin::Upload(upload) => upload::upload(task, upload, &voice).await,
        Builtin::Http(http) => Some(http::http(task, http, &voice).await),
        Builtin::Reconcile(plan) => Some(reconcile::reconcile(task, plan, &voice).await),
        Builtin::Download(download) => Some(download::download(task, download, &voice).await),
    }
}

/// What is said of it while it goes on: the job's output.
#[derive(Clone)]
struct Voice(Shared<Ear>);

impl Voice {
    /// A line for people. Where it cannot be kept, that shows when the transcript is closed.
    fn say(&self, text: &str) {
        let line = format!("{}\n", SafeText::new(text));
        self.print(Stream::Stdout, line.as_bytes()).ok();
    }

    /// What was taken out of the output before it was said.
    fn redacted(&self, by: &Redactor) {
        self.0.look().also_redacted(by.counts());
    }

    /// Bytes of what was answered.
    fn print(&self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        self.0.look().chunk(stream, bytes)
    }
}

/// It is not done, for this reason; `what` says how things stand.
fn not_done(why: &str, what: &str) -> End {
    End::Done(Box::new(Done::not(why, what)))
}

/// Nothing was sent.
fn not_started(why: &str) -> End {
    End::NotStarted { why: SafeText::new(why) }
}
