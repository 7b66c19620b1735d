//! A login shell in a pseudo-terminal, for a person: the one thing that a host gets a terminal for.
//!
//! It goes over the connection that the steps go over, and the host has proved itself on it where
//! the inventory asks for that. It takes no place from a step: it is beside the sessions.

use std::sync::Arc;

use bytes::Bytes;
use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use super::channel::NoChannel;
use super::connect::Connection;
use super::error::{Budget, SshError};
use super::pool::Pool;
use super::prove::{self, Unproved};
use super::run::{Closing, Status, signal_text};
use crate::base::HostId;

/// The size of a terminal, in cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cells {
    /// From left to right.
    pub columns: u16,
    /// From top to bottom.
    pub rows: u16,
}

/// What comes from the other side of a terminal.
#[derive(Debug)]
pub enum Shown {
    /// Bytes for the terminal.
    Bytes(Bytes),
    /// The shell has ended so.
    Ended(Status),
    /// The link is gone, or nobody said how it ended.
    Lost(SshError),
}

/// What goes to the other side.
enum Given {
    Typed(Vec<u8>),
    Size(Cells),
}

/// An open shell. Dropped, it is closed: the host hangs up on what runs in it.
pub struct Terminal {
    host: String,
    read: ChannelReadHalf,
    giving: UnboundedSender<Given>,
    connection: Arc<Connection>,
    closing: Closing,
    status: Option<Status>,
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terminal").field("host", &self.host).finish_non_exhaustive()
    }
}

impl Pool {
    /// Opens a login shell on `host`, in a terminal of this kind (`TERM`) and size.
    ///
    /// # Errors
    /// There is none: nothing was started there.
    pub async fn terminal(
        &self,
        host: &HostId,
        kind: &str,
        size: Cells,
    ) -> Result<Terminal, SshError> {
        let slot = self.slot(host)?;
        let name = slot.name().to_owned();
        let (connection, channel) = self.control_channel(&slot).await?;
        let budget = self.open_budget();
        let late = || SshError::Timeout {
            host: name.clone(),
            address: connection.peer.address.clone(),
            budget: Budget::Open,
            after: budget,
        };
        match prove::once(&connection, &name, slot.proof(), budget).await {
            Ok(()) => {}
            Err(Unproved::Not(error)) => return Err(error),
            Err(Unproved::NoChannel(NoChannel::Slow)) => return Err(late()),
            Err(Unproved::NoChannel(NoChannel::Refused(why))) => {
                return Err(SshError::NoSession { host: name, why });
            }
            Err(Unproved::NoChannel(NoChannel::Dead(why))) => {
                return Err(SshError::LinkLost { host: name, why });
            }
        }
        let asked = timeout(budget, Terminal::ask(&name, &connection, channel, kind, size)).await;
        asked.unwrap_or_else(|_| Err(late()))
    }
}

/// Sends what there is to be sent, until nobody has any more or the other side takes no more.
async fn give_all(write: Arc<ChannelWriteHalf<Msg>>, mut given: UnboundedReceiver<Given>) {
    while let Some(part) = given.recv().await {
        let sent = match part {
            Given::Typed(bytes) => write.data_bytes(bytes).await,
            Given::Size(Cells { columns, rows }) => {
                write.window_change(columns.into(), rows.into(), 0, 0).await
            }
        };
        if sent.is_err() {
            return;
        }
    }
}

impl Terminal {
    async fn ask(
        host: &str,
        connection: &Arc<Connection>,
        channel: Channel<Msg>,
        kind: &str,
        size: Cells,
    ) -> Result<Self, SshError> {
        let (mut read, write) = channel.split();
        let write = Arc::new(write);
        let closing = Closing::new(&write);
        let (columns, rows) = (size.columns.into(), size.rows.into());
        let gone = || connection.lost(host);
        let refused = |what: &str| SshError::NoSession {
            host: host.to_owned(),
            why: format!("its server gives no {what}"),
        };
        write.request_pty(true, kind, columns, rows, 0, 0, &[]).await.map_err(|_| gone())?;
        granted(&mut read)
            .await
            .ok_or_else(gone)?
            .then_some(())
            .ok_or_else(|| refused("terminal"))?;
        write.request_shell(true).await.map_err(|_| gone())?;
        granted(&mut read).await.ok_or_else(gone)?.then_some(()).ok_or_else(|| refused("shell"))?;
        let (giving, given) = unbounded_channel();
        tokio::spawn(give_all(write, given));
        let (host, connection) = (host.to_owned(), Arc::clone(connection));
        Ok(Self { host, read, giving, connection, closing, status: None })
    }

    /// Sends what was typed.
    pub fn give(&self, typed: Vec<u8>) {
        // A failure is a dead link, and shows at the reading end.
        self.giving.send(Given::Typed(typed)).ok();
    }

    /// Says that the terminal has another size now.
    pub fn resize(&self, size: Cells) {
        self.giving.send(Given::Size(size)).ok();
    }

    /// What comes next. Safe to be dropped and asked again.
    pub async fn next(&mut self) -> Shown {
        loop {
            match self.read.wait().await {
                Some(ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. }) => {
                    return Shown::Bytes(data);
                }
                Some(ChannelMsg::ExitStatus { exit_status }) => {
                    self.status = Some(Status::Code(exit_status));
                }
                Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
                    self.status = Some(Status::Signal(signal_text(&signal_name)));
                }
                // What the shell has left running may hold the terminal open: it is over all the
                // same, once it has said so.
                Some(ChannelMsg::Eof | ChannelMsg::Close) if self.status.is_some() => break,
                Some(_) => {}
                None => {
                    self.closing.ended();
                    break;
                }
            }
        }
        match self.status.clone() {
            Some(status) => Shown::Ended(status),
            None => Shown::Lost(self.connection.no_status(&self.host)),
        }
    }
}

/// Whether a request was granted; nothing where the channel is gone.
async fn granted(read: &mut ChannelReadHalf) -> Option<bool> {
    loop {
        #[expect(clippy::wildcard_enum_match_arm, reason = "the library's messages are not ours")]
        match read.wait().await? {
            ChannelMsg::Success => return Some(true),
            ChannelMsg::Failure => return Some(false),
            _ => {}
        }
    }
}
