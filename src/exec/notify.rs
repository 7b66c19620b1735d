//! Notices: a command on this machine for each channel, with the text on its input.

use std::time::Duration;

use crate::base::SafeText;
use crate::engine::{End, Job, Key, Place};
use crate::runbook::Channel;

use super::edge::Report;
use super::local;
use super::outbox::Outbox;
use super::redact::Redactor;
use super::secrets::Secrets;
use super::shared::Shared;
use super::ssh::{self, RunEnd};

/// A channel that takes longer is given up.
const LIMIT: Duration = Duration::from_secs(30);

/// Tells `channels`, all at the same time, and reports the end for `key`, if it has one.
pub(super) async fn deliver(
    key: Option<Key>,
    channels: Vec<Channel>,
    text: SafeText,
    reports: Outbox,
    secrets: Secrets,
) {
    let tasks: Vec<_> = channels
        .into_iter()
        .map(|channel| {
            let (text, secrets) = (text.clone(), secrets.clone());
            tokio::spawn(async move { tell(&channel, &text, &secrets).await })
        })
        .collect();
    let mut lost = Vec::new();
    for task in tasks {
        match task.await {
            Ok(Ok(())) => {}
            Ok(Err(why)) => lost.push(why),
            Err(_) => lost.push("the notice task ended early".to_owned()),
        }
    }
    let why = SafeText::new(&lost.join("; "));
    let report = match key {
        Some(key) => Report::Ended {
            job: Job { key, place: Place::Here },
            end: End::Exited {
                code: i32::from(!lost.is_empty()),
                unmet: (!lost.is_empty()).then_some(why),
                captured: std::collections::BTreeMap::new(),
            },
            transcript: None,
        },
        None if lost.is_empty() => return,
        None => Report::NoticeLost { why },
    };
    reports.send(report);
}

async fn tell(channel: &Channel, text: &SafeText, secrets: &Secrets) -> Result<(), String> {
    let mut command = ssh::Command::new(channel.command.clone());
    command.stdin = Some(format!("{text}\n").into_bytes());
    let said = Shared::new(Tail { redactor: secrets.redactor(), said: Vec::new() });
    let (handle, signal) = ssh::stop_pair();
    let run = local::run(command, Box::new(said.clone()), signal);
    tokio::pin!(run);
    let end = tokio::select! {
        end = &mut run => end,
        () = tokio::time::sleep(LIMIT) => {
            handle.stop(Duration::from_secs(2));
            run.await
        }
    };
    match end {
        RunEnd::Exited { code: 0, .. } => Ok(()),
        RunEnd::Exited { code, .. } => {
            Err(format!("channel {} exited with {code}: {}", channel.id, said.look().text()))
        }
        RunEnd::Stopped { .. } => {
            Err(format!("channel {} took more than {} s", channel.id, LIMIT.as_secs()))
        }
        RunEnd::Signalled { signal, .. } => {
            Err(format!("channel {} was ended by signal {signal}", channel.id))
        }
        RunEnd::NotStarted { why } | RunEnd::Lost { why, .. } => {
            Err(format!("channel {}: {why}", channel.id))
        }
        RunEnd::Unrecorded { why, .. } => Err(format!("channel {}: {why}", channel.id)),
    }
}

/// Keeps the end of what a command says, for an error message.
struct Tail {
    redactor: Redactor,
    said: Vec<u8>,
}

impl Tail {
    /// What is held back is the beginning of a secret, or no loss.
    fn text(&self) -> SafeText {
        SafeText::new(String::from_utf8_lossy(&self.said).trim())
    }
}

impl ssh::Output for Tail {
    fn chunk(&mut self, _: ssh::Stream, bytes: &[u8]) -> std::io::Result<()> {
        // Before anything is cut off: half a secret is not found again.
        self.said.extend_from_slice(&self.redactor.feed(bytes));
        let extra = self.said.len().saturating_sub(400);
        self.said.drain(..extra);
        Ok(())
    }
}
