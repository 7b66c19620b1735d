//! A subsystem of a host's server, as a stream of bytes.

use std::pin::Pin;
use std::task::{Context, Poll};

use russh::ChannelMsg;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::channel::Session;
use super::error::SshError;
use super::pool::Pool;
use crate::base::HostId;

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// An open subsystem. Dropped, it is closed.
pub(in crate::exec) struct Subsystem {
    stream: Box<dyn Duplex>,
    /// Its place among the sessions of the connection.
    _session: Session,
}

impl Pool {
    /// Opens the subsystem `name` of a host, which has to prove first which machine it is, if
    /// `prove`.
    ///
    /// # Errors
    /// There is none; nothing was sent.
    pub(in crate::exec) async fn subsystem(
        &self,
        host: &HostId,
        name: &'static str,
        prove: bool,
    ) -> Result<Subsystem, SshError> {
        let slot = self.slot(host)?;
        let (session, mut channel) = self.session(&slot, prove).await?;
        if channel.request_subsystem(true, name).await.is_err() {
            return Err(session.connection.lost(slot.name()));
        }
        loop {
            match channel.wait().await {
                Some(ChannelMsg::Success) => break,
                Some(ChannelMsg::Failure) => {
                    return Err(SshError::Config {
                        host: host.to_string(),
                        why: format!(
                            "its server has no subsystem `{name}`: add `Subsystem {name} internal-{name}` to its sshd_config"
                        ),
                    });
                }
                Some(_) => {}
                None => return Err(session.connection.lost(slot.name())),
            }
        }
        Ok(Subsystem { stream: Box::new(channel.into_stream()), _session: session })
    }
}

impl AsyncRead for Subsystem {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Subsystem {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
