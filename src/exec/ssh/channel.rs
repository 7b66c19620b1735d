//! The channel of a session, and why there is none.

use std::sync::Arc;
use std::time::Duration;

use russh::Channel;
use russh::client::Msg;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::timeout;

use super::connect::Connection;
use super::error::words;
use super::pool::Slot;

/// A place among the sessions of a connection, or what needs none.
pub(super) struct Session {
    pub(super) slot: Arc<Slot>,
    pub(super) connection: Arc<Connection>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Session {
    pub(super) fn new(
        slot: &Arc<Slot>,
        connection: &Arc<Connection>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        Self { slot: Arc::clone(slot), connection: Arc::clone(connection), _place: Some(place) }
    }

    /// One that takes no place.
    pub(super) const fn beside(slot: Arc<Slot>, connection: Arc<Connection>) -> Self {
        Self { slot, connection, _place: None }
    }
}

/// Why no session was opened.
pub(super) enum NoChannel {
    Refused(String),
    Dead(String),
    Slow,
}

/// Opens a session's channel. A late one, that nobody waits for any more, is closed again:
/// left open it would keep its place on the server.
pub(super) async fn open_channel(
    connection: &Arc<Connection>,
    budget: Duration,
) -> Result<Channel<Msg>, NoChannel> {
    let (tell, told) = oneshot::channel();
    let opening = Arc::clone(connection);
    tokio::spawn(async move {
        let opened = opening.handle.channel_open_session().await;
        if let Err(Ok(late)) = tell.send(opened) {
            late.close().await.ok();
        }
    });
    let end = || connection.end().unwrap_or_else(|| "the connection was closed".to_owned());
    match timeout(budget, told).await {
        Ok(Ok(Ok(channel))) => Ok(channel),
        Ok(Ok(Err(russh::Error::ChannelOpenFailure(reason)))) => {
            Err(NoChannel::Refused(words(&format!("{reason:?}"))))
        }
        Ok(Ok(Err(_)) | Err(_)) => Err(NoChannel::Dead(end())),
        Err(_) => Err(NoChannel::Slow),
    }
}
