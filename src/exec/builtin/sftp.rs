//! A session with a host's SFTP server.

use russh_sftp::client::error::Error;
use russh_sftp::client::rawsession::{Limits, SftpResult};
use russh_sftp::client::{Config, RawSftpSession};
use russh_sftp::protocol::{FileAttributes, FileType, OpenFlags, Packet, StatusCode};

use crate::base::HostId;
use crate::exec::ssh::{Pool, SshError};

/// The largest packet that is taken from a server.
const PACKET_BYTES_MAX: u32 = 512 * 1024;
/// A server that does not answer a request for so long is lost; requests queue behind each other.
const ANSWER_SECS: u64 = 120;
/// Bytes of one write where the server does not say what it takes.
const WRITE_BYTES: usize = 32 * 1024;
/// More is not sent in one write.
const WRITE_BYTES_MAX: usize = 255 * 1024;

/// Why something did not work.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    /// The link is gone, or the server does not answer: what was asked last may have been done.
    Lost(String),
    /// The server did not do it.
    Refused(String),
    /// There is no such file.
    Missing,
}

pub(super) type Answer<T> = Result<T, Trouble>;

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    File { bytes: u64, mode: u32 },
    Folder,
    Link,
    Other,
}

/// An open session. Dropped, it is closed.
pub(super) struct Sftp {
    pub(super) raw: RawSftpSession,
    /// The server syncs a file on demand.
    pub(super) fsync: bool,
    /// The server renames over what is there.
    posix_rename: bool,
    statvfs: bool,
    /// Bytes of one write.
    pub(super) chunk: usize,
}

impl Sftp {
    /// Opens a session.
    ///
    /// # Errors
    /// There is none; nothing was sent.
    pub(super) async fn open(pool: &Pool, host: &HostId, prove: bool) -> Result<Self, SshError> {
        let stream = pool.subsystem(host, "sftp", prove).await?;
        let config = Config {
            max_packet_len: PACKET_BYTES_MAX,
            request_timeout_secs: ANSWER_SECS,
            ..Config::default()
        };
        let mut raw = RawSftpSession::new_with_config(stream, config);
        let lost = |error: Error| SshError::LinkLost {
            host: host.to_string(),
            why: format!("its SFTP server does not answer: {error}"),
        };
        let hello = raw.init().await.map_err(lost)?;
        let offers = |name: &str| hello.extensions.contains_key(name);
        let mut chunk = WRITE_BYTES;
        if offers("limits@openssh.com") {
            let limits: Limits = raw.limits().await.map_err(lost)?.into();
            let room = limits.write_len.and_then(|len| usize::try_from(len).ok());
            chunk = room.unwrap_or(WRITE_BYTES).clamp(4 * 1024, WRITE_BYTES_MAX);
            raw.set_limits(limits);
        }
        let (fsync, posix_rename, statvfs) = (
            offers("fsync@openssh.com"),
            offers("posix-rename@openssh.com"),
            offers("statvfs@openssh.com"),
        );
        Ok(Self { raw, fsync, posix_rename, statvfs, chunk })
    }

    /// What is at `path` itself, no link followed.
    pub(super) async fn look(&self, path: &str) -> Answer<Found> {
        let attrs = match answer(self.raw.lstat(path).await) {
            Err(Trouble::Missing) => return Ok(Found::Nothing),
            other => other?.attrs,
        };
        Ok(found(&attrs))
    }

    /// The same, where a link counts as what it leads to.
    pub(super) async fn look_through(&self, path: &str) -> Answer<Found> {
        match answer(self.raw.stat(path).await) {
            Err(Trouble::Missing) => Ok(Found::Nothing),
            other => Ok(found(&other?.attrs)),
        }
    }

    /// Opens a file.
    pub(super) async fn open_file(
        &self,
        path: &str,
        flags: OpenFlags,
        mode: Option<u32>,
    ) -> Answer<String> {
        let attrs = FileAttributes { permissions: mode, ..FileAttributes::empty() };
        answer(self.raw.open(path, flags, attrs).await).map(|opened| opened.handle)
    }

    /// Bytes that are free where `path` is; none if the server does not say.
    pub(super) async fn free(&self, path: &str) -> Answer<Option<u64>> {
        if !self.statvfs {
            return Ok(None);
        }
        match answer(self.raw.statvfs(path).await) {
            Ok(disk) => Ok(Some(disk.fragment_size.saturating_mul(disk.blocks_avail))),
            Err(Trouble::Lost(why)) => Err(Trouble::Lost(why)),
            Err(Trouble::Refused(_) | Trouble::Missing) => Ok(None),
        }
    }

    /// Renames `from`, over `to` if that is there; false if the server cannot do that in one go.
    pub(super) async fn rename(&self, from: &str, to: &str, over: bool) -> Answer<bool> {
        if self.posix_rename {
            let data = [from, to].into_iter().flat_map(string).collect();
            let done = self.raw.extended("posix-rename@openssh.com", data).await;
            let Packet::Status(status) = answer(done)? else {
                return Err(Trouble::Refused("it answered something else to a rename".to_owned()));
            };
            return if status.status_code == StatusCode::Ok {
                Ok(true)
            } else {
                Err(refused(Error::Status(status)))
            };
        }
        if over {
            return Ok(false);
        }
        answer(self.raw.rename(from, to).await).map(|_| true)
    }

    /// Sets the permission bits of an open file.
    pub(super) async fn set_mode(&self, handle: &str, mode: u32) -> Answer<()> {
        let attrs = FileAttributes { permissions: Some(mode), ..FileAttributes::empty() };
        answer(self.raw.fsetstat(handle, attrs).await).map(|_| ())
    }

    /// Removes a file, if it can.
    pub(super) async fn remove(&self, path: &str) -> Answer<()> {
        match answer(self.raw.remove(path).await) {
            Err(Trouble::Lost(why)) => Err(Trouble::Lost(why)),
            Ok(_) | Err(Trouble::Refused(_) | Trouble::Missing) => Ok(()),
        }
    }
}

fn found(attrs: &FileAttributes) -> Found {
    match attrs.file_type() {
        FileType::File => {
            Found::File { bytes: attrs.len(), mode: attrs.permissions.unwrap_or(0) & 0o7777 }
        }
        FileType::Dir => Found::Folder,
        FileType::Symlink => Found::Link,
        FileType::Other => Found::Other,
    }
}

/// A string as the protocol writes it.
fn string(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], text.as_bytes()].concat()
}

/// What the server said, or why it did not.
pub(super) fn answer<T>(said: SftpResult<T>) -> Answer<T> {
    said.map_err(refused)
}

fn refused(error: Error) -> Trouble {
    match error {
        Error::Status(status) => match status.status_code {
            StatusCode::NoSuchFile => Trouble::Missing,
            StatusCode::PermissionDenied => Trouble::Refused("permission denied".to_owned()),
            StatusCode::NoConnection | StatusCode::ConnectionLost => {
                Trouble::Lost(status.error_message)
            }
            StatusCode::Ok
            | StatusCode::Eof
            | StatusCode::Failure
            | StatusCode::BadMessage
            | StatusCode::OpUnsupported => {
                let words = status.error_message.trim().to_lowercase();
                let words = if words.is_empty() { "failure".to_owned() } else { words };
                Trouble::Refused(format!("its SFTP server says `{words}`"))
            }
        },
        Error::Timeout => Trouble::Lost(format!("no answer for {ANSWER_SECS} s")),
        Error::IO(_) | Error::UnexpectedBehavior(_) => {
            Trouble::Lost("the connection was closed".to_owned())
        }
        Error::Limited(why) => Trouble::Refused(why),
        Error::UnexpectedPacket => {
            Trouble::Refused("its SFTP server answers what was not asked".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn strings_are_written_with_their_length() {
        assert_eq!(super::string("ab"), [0, 0, 0, 2, b'a', b'b']);
    }
}
