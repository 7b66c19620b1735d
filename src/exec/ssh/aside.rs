//! A tiny command of golive's own, beside the places of the steps: it delays none of them.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use crate::base::HostId;

use super::error::SshError;
use super::pool::{LinkState, Pool};
use super::run::{Closing, collect};

/// A longer answer is not read to its end.
const ANSWER_MAX: usize = 4 << 20;

impl Pool {
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
            let channel = self.spare_channel(host).await?;
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
}
