//! Notices: told to every channel in its order, again and again for some minutes, and never in
//! anybody's way.
//!
//! Each channel has a task of its own. What comes together is told together; what does not get
//! through is tried five times within ten minutes. The end is reported: delivered, or given up.

mod desk;
mod mail;
mod send;
mod words;

use std::sync::Arc;
use std::time::Duration;

pub use desk::Patience;
pub(super) use desk::{Desk, Notice};

use super::secrets::Secrets;
use super::web::Web;
use crate::runbook::Channel;

/// Tells one channel once, and says why if it could not be told.
pub(super) async fn tell_once(
    web: &Web,
    secrets: &Secrets,
    channel: &Channel,
    notice: Notice,
    limit: Duration,
) -> Result<(), String> {
    let sender = send::Sender { web: web.clone(), secrets: secrets.clone() };
    sender.send(channel, &[Arc::new(notice)], limit).await.map_err(|not| not.why)
}
