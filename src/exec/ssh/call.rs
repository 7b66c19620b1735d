//! One exec channel whose two ends are the caller's to speak over.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::channel::Session;
use super::connect::Connection;
use super::error::SshError;
use super::pool::Pool;
use super::run::{Closing, Status, signal_text};
use crate::base::HostId;

/// Something that the other side sent.
pub(in crate::exec) enum Said {
    /// On standard output.
    Out(Bytes),
    /// On standard error.
    Err(Bytes),
    /// The process has ended; more may be under way.
    Status(Status),
    /// Nothing more comes.
    Over,
}

/// How a call ended.
pub(in crate::exec) enum CallEnd {
    /// The server executed nothing.
    Refused(SshError),
    /// The process ended so.
    Ended(Status),
    /// The link is gone, or nobody said how it ended.
    Lost(SshError),
}

/// Where a call is opened.
#[derive(Clone, Copy, Debug)]
pub(in crate::exec) enum At {
    /// Among the sessions of the connection.
    Place {
        /// The host has to prove first which machine it is.
        prove: bool,
    },
    /// On no place of its own, for what must not wait for others.
    Beside,
}

/// An open call. Dropped, it is closed.
pub(in crate::exec) struct Call {
    host: String,
    read: ChannelReadHalf,
    /// What was heard before there was anything to answer.
    early: VecDeque<Said>,
    /// What is to be sent, in order.
    sending: UnboundedSender<Vec<u8>>,
    connection: Arc<Connection>,
    closing: Closing,
    refused: bool,
    status: Option<Status>,
    /// Its place among the sessions of the connection.
    _session: Option<Session>,
}

impl Pool {
    /// Opens a channel and sends `request`.
    ///
    /// # Errors
    /// There is no channel; nothing was sent.
    pub(in crate::exec) async fn call(
        &self,
        host: &HostId,
        request: &'static str,
        place: At,
    ) -> Result<Call, SshError> {
        let slot = self.slot(host)?;
        let (connection, channel, session) = match place {
            At::Beside => {
                let (connection, channel) = self.control_channel(&slot).await?;
                (connection, channel, None)
            }
            At::Place { prove } => {
                if let Some(call) = self.ready_call(&slot, request, prove).await {
                    return Ok(call);
                }
                let (session, channel) = self.session(&slot, prove).await?;
                (Arc::clone(&session.connection), channel, Some(session))
            }
        };
        Call::begin(slot.name(), connection, channel, session, request).await
    }
}

/// Sends what there is to be sent, until nobody has any more or the other side takes no more.
async fn send_all(write: Arc<ChannelWriteHalf<Msg>>, mut parts: UnboundedReceiver<Vec<u8>>) {
    while let Some(part) = parts.recv().await {
        if write.data_bytes(part).await.is_err() {
            return;
        }
    }
}

impl Call {
    /// Sends `request` over `channel`.
    ///
    /// # Errors
    /// The connection is gone; nothing was sent.
    pub(super) async fn begin(
        host: &str,
        connection: Arc<Connection>,
        channel: Channel<Msg>,
        session: Option<Session>,
        request: &'static str,
    ) -> Result<Self, SshError> {
        let (read, write) = channel.split();
        let write = Arc::new(write);
        let closing = Closing::new(&write);
        // A failure says that the connection's task is gone; it never took the request.
        write.exec(true, request).await.map_err(|_| connection.lost(host))?;
        let (sending, parts) = unbounded_channel();
        tokio::spawn(send_all(write, parts));
        Ok(Self {
            host: host.to_owned(),
            read,
            early: VecDeque::new(),
            sending,
            connection,
            closing,
            refused: false,
            status: None,
            _session: session,
        })
    }

    /// What it goes over.
    pub(super) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Whether the other side still waits for words. What login scripts have printed is kept.
    pub(super) fn waits(&mut self) -> bool {
        while let Some(said) = self.heard().now_or_never() {
            match said {
                Said::Out(_) | Said::Err(_) => self.early.push_back(said),
                Said::Status(_) | Said::Over => return false,
            }
        }
        true
    }

    /// Sends bytes as the other side takes them, beside the reading. A failure is a dead link,
    /// and shows at the reading end.
    pub(in crate::exec) fn send(&self, parts: Vec<Vec<u8>>) {
        for part in parts.into_iter().filter(|part| !part.is_empty()) {
            self.sending.send(part).ok();
        }
    }

    /// What comes next. Safe to be dropped and asked again.
    pub(in crate::exec) async fn next(&mut self) -> Said {
        match self.early.pop_front() {
            Some(said) => said,
            None => self.heard().await,
        }
    }

    async fn heard(&mut self) -> Said {
        loop {
            match self.read.wait().await {
                Some(ChannelMsg::Data { data }) => return Said::Out(data),
                Some(ChannelMsg::ExtendedData { data, .. }) => return Said::Err(data),
                Some(ChannelMsg::ExitStatus { exit_status }) => {
                    self.status = Some(Status::Code(exit_status));
                }
                Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
                    self.status = Some(Status::Signal(signal_text(&signal_name)));
                }
                Some(ChannelMsg::Failure) => {
                    self.refused = true;
                    return Said::Over;
                }
                Some(_) => continue,
                None => {
                    self.closing.ended();
                    return Said::Over;
                }
            }
            if let Some(status) = &self.status {
                return Said::Status(status.clone());
            }
        }
    }

    /// How it ended, once it is over.
    pub(in crate::exec) fn end(&self) -> CallEnd {
        if self.refused {
            return CallEnd::Refused(SshError::ExecRefused { host: self.host.clone() });
        }
        match &self.status {
            Some(status) => CallEnd::Ended(status.clone()),
            None => CallEnd::Lost(self.connection.no_status(&self.host)),
        }
    }

    /// How long its host has given no sign of life.
    pub(in crate::exec) fn quiet(&self) -> Duration {
        self.connection.quiet()
    }
}
