//! Commands beside the places of the steps: they delay none of them.

use std::sync::Arc;
use std::time::Duration;

use russh::Channel;
use russh::client::Msg;
use tokio::time::timeout;

use crate::base::HostId;

use super::channel::{NoChannel, Session, open_channel};
use super::connect::Connection;
use super::error::SshError;
use super::pool::{LinkState, Pool};
use super::run::{Closing, Command, Flight, Output, RunEnd, StopSignal, collect};

/// A longer answer is not read to its end.
const ANSWER_MAX: usize = 4 << 20;

impl Pool {
    /// Runs `command` as [`Pool::run`] does, and takes no place from a step: on the connection that
    /// is open now, or not at all.
    pub async fn run_beside(
        &self,
        host: &HostId,
        command: Command,
        output: Box<dyn Output>,
        signal: StopSignal,
    ) -> RunEnd {
        let opened = match self.slot(host) {
            Ok(slot) => self.spare_channel(host).await.map(|opened| (slot, opened)),
            Err(why) => Err(why),
        };
        let (slot, (connection, channel)) = match opened {
            Ok(opened) => opened,
            Err(why) => return RunEnd::NotStarted { why },
        };
        let session = Session::beside(slot, connection);
        Flight::apart(self.clone(), (session, channel), command, output, signal).await
    }

    /// Runs `request`, one line that every login shell takes, and feeds it `input`; what it
    /// printed, and its exit code. Nothing is queued, and no connection is opened: without an open
    /// link, or room on it, it is an error at once.
    ///
    /// # Errors
    /// Why it was not run, or not to its end within `budget`.
    pub async fn aside(
        &self,
        host: &HostId,
        request: &str,
        input: &[u8],
        budget: Duration,
    ) -> Result<(Vec<u8>, Option<u32>), SshError> {
        let lost = |why: &str| SshError::LinkLost { host: host.to_string(), why: why.to_owned() };
        if !matches!(self.link(host), LinkState::Up { .. }) {
            return Err(lost("there is no open link"));
        }
        let work = async {
            let (_, channel) = self.spare_channel(host).await?;
            let (read, write) = channel.split();
            let write = Arc::new(write);
            let mut closing = Closing::new(&write);
            let gone = |_| lost("the session ended early");
            write.exec(true, request).await.map_err(gone)?;
            if !input.is_empty() {
                write.data_bytes(input.to_vec()).await.map_err(gone)?;
            }
            write.eof().await.ok();
            let answer = collect(read, ANSWER_MAX).await;
            closing.ended();
            Ok(answer)
        };
        timeout(budget, work).await.unwrap_or_else(|_| Err(lost("it did not answer in time")))
    }

    /// A channel beside the places, on the connection that is open now; none is opened.
    async fn spare_channel(
        &self,
        host: &HostId,
    ) -> Result<(Arc<Connection>, Channel<Msg>), SshError> {
        let slot = self.slot(host)?;
        let lost = |why: &str| SshError::LinkLost { host: host.to_string(), why: why.to_owned() };
        let connection = slot.connection().ok_or_else(|| lost("there is no open link"))?;
        match open_channel(&connection, self.0.options.budgets.open).await {
            Ok(channel) => Ok((connection, channel)),
            Err(NoChannel::Refused(why)) => {
                Err(SshError::NoSession { host: host.to_string(), why })
            }
            Err(NoChannel::Dead(why)) => Err(lost(&why)),
            Err(NoChannel::Slow) => Err(lost("it opens no session in time")),
        }
    }
}
