//! Digests of files on a host: by a tool of the host, or by reading them back.

use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;
use russh_sftp::protocol::OpenFlags;

use super::sftp::{Answer, Found, Sftp, Trouble, answer};
use super::target::Target;
use crate::base::{Digest, Hasher};
use crate::exec::shared::Shared;
use crate::exec::ssh::{Command, Output, RunEnd, StopSignal, Stream};

/// Defines `sum`, which prints the digest of what it reads; exits with 93 without a tool for it.
///
/// Where much is to be read (`GL_BIG`), openssl comes first: it uses what processors have for this,
/// which many a `sha256sum` does not, and is five times as fast then.
pub(super) const SUM: &str = r#"
if [ -n "${GL_BIG-}" ] && openssl dgst -sha256 -r < /dev/null > /dev/null 2>&1; then
  sum() { openssl dgst -sha256 -r; }
elif command -v sha256sum >/dev/null 2>&1; then sum() { sha256sum; }
elif command -v shasum >/dev/null 2>&1; then sum() { shasum -a 256; }
elif command -v openssl >/dev/null 2>&1; then sum() { openssl dgst -sha256 -r; }
else echo "no sha256sum, no shasum and no openssl is there" >&2; exit 93; fi
"#;
/// For each pair of lines, a number of bytes or `-` for all and a path, prints the digest of so
/// many bytes of that file, or `none` where there is no file.
const SCRIPT: &str = r#"
while IFS= read -r count && IFS= read -r path; do
  if [ ! -f "$path" ] || [ -L "$path" ]; then echo none
  elif [ "$count" = - ]; then sum < "$path" || echo none
  else head -c "$count" < "$path" | sum; fi
done
"#;
/// From so many bytes on it pays to look for a faster tool.
const BIG_BYTES: u64 = 8 << 20;
/// No digests: the host has no tool for them.
const NO_TOOL: u32 = 93;
/// Reads in flight.
const READS: usize = 32;
/// Bytes of one read.
const READ_BYTES: u32 = 32 * 1024;
/// A longer answer is nonsense.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// What a digest is wanted of.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// A file on the host.
    pub(super) path: &'a str,
    /// Only so many of its first bytes; else all of it.
    pub(super) first: Option<u64>,
    /// How many bytes it has, as far as anybody knows here.
    pub(super) bytes: u64,
}

impl<'a> Wanted<'a> {
    /// All of a file that should have so many bytes.
    pub(super) const fn all(path: &'a str, bytes: u64) -> Self {
        Self { path, first: None, bytes }
    }
}

/// The variable that tells [`SUM`] whether much is to be read.
pub(super) fn big(bytes: impl IntoIterator<Item = u64>) -> Option<(String, String)> {
    let big = bytes.into_iter().any(|bytes| bytes >= BIG_BYTES);
    big.then(|| ("GL_BIG".to_owned(), "1".to_owned()))
}

#[derive(Default)]
struct Heard(Vec<u8>);

impl Output for Heard {
    fn chunk(&mut self, stream: Stream, bytes: &[u8]) -> std::io::Result<()> {
        if stream == Stream::Stdout {
            let room = ANSWER_BYTES_MAX.saturating_sub(self.0.len());
            self.0.extend(bytes.iter().take(room));
        }
        Ok(())
    }
}

impl Target<'_> {
    /// The digests of files, none for each that is not there; asked for in the name of the account
    /// that `become` leads to, if `becoming`.
    pub(super) async fn digests(
        &self,
        sftp: &Sftp,
        wanted: &[Wanted<'_>],
        becoming: bool,
    ) -> Answer<Vec<Option<Digest>>> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        match self.by_tool(wanted, becoming).await? {
            Some(digests) => Ok(digests),
            None if becoming => {
                let why = "the host has no sha256sum, and what `become` moves cannot be read back";
                Err(Trouble::Refused(why.to_owned()))
            }
            None => {
                self.voice.say("the host has no sha256sum: what arrived is read back");
                let mut digests = Vec::new();
                for Wanted { path, first, .. } in wanted {
                    digests.push(read_back(sftp, path, *first).await?);
                }
                Ok(digests)
            }
        }
    }

    /// None if the host has no tool, or runs no commands.
    async fn by_tool(
        &self,
        wanted: &[Wanted<'_>],
        becoming: bool,
    ) -> Answer<Option<Vec<Option<Digest>>>> {
        let line = |Wanted { path, first, .. }: &Wanted<'_>| {
            let count = first.map_or_else(|| "-".to_owned(), |count| count.to_string());
            format!("{count}\n{path}\n")
        };
        let command = Command {
            stdin: Some(wanted.iter().map(line).collect::<String>().into_bytes()),
            become_prefix: self.prefix.filter(|_| becoming).map(str::to_owned),
            env: big(wanted.iter().map(|wanted| wanted.bytes)).into_iter().collect(),
            ..Command::new(format!("{SUM}{SCRIPT}"))
        };
        let heard = Shared::new(Heard::default());
        let run = self.pool.run(self.host, command, Box::new(heard.clone()), StopSignal::never());
        match run.await {
            RunEnd::Exited { code: 0, whole: true } => {
                let said = String::from_utf8_lossy(&heard.look().0).into_owned();
                let digests: Vec<_> = said.lines().map(digest).collect();
                if digests.len() == wanted.len() {
                    return Ok(Some(digests));
                }
                Err(Trouble::Refused("its digests cannot be read".to_owned()))
            }
            RunEnd::Exited { whole: false, .. } => Err(Trouble::Lost("half an answer".to_owned())),
            RunEnd::Exited { code: NO_TOOL | 126.., .. } => Ok(None),
            RunEnd::Exited { code, .. } => {
                Err(Trouble::Refused(format!("it cannot compute digests: exit {code}")))
            }
            RunEnd::Lost { why, .. } if self.is_up() => {
                // An account for files alone runs nothing, and says nothing.
                tracing::debug!(%why, "no digests by command");
                Ok(None)
            }
            RunEnd::NotStarted { why } if self.is_up() => {
                tracing::debug!(%why, "no digests by command");
                Ok(None)
            }
            RunEnd::Lost { why, .. } | RunEnd::NotStarted { why } => {
                Err(Trouble::Lost(why.to_string()))
            }
            RunEnd::Signalled { signal, .. } => {
                Err(Trouble::Refused(format!("its digest was ended by SIG{signal}")))
            }
            RunEnd::Stopped { .. } => Err(Trouble::Lost("stopped".to_owned())),
            RunEnd::Unrecorded { why, .. } => Err(Trouble::Refused(why.to_string())),
        }
    }
}

fn digest(line: &str) -> Option<Digest> {
    line.split_whitespace().next()?.trim_start_matches('\\').parse().ok()
}

/// Digest of what the host gives back.
async fn read_back(sftp: &Sftp, path: &str, count: Option<u64>) -> Answer<Option<Digest>> {
    let Found::File { bytes, .. } = sftp.look(path).await? else { return Ok(None) };
    let mut hasher = Hasher::default();
    let wanted = count.unwrap_or(bytes).min(bytes);
    read(sftp, path, wanted, &mut |piece| {
        hasher.update(piece);
        Ok(())
    })
    .await?;
    Ok(Some(hasher.digest()))
}

/// Reads the first `bytes` of a file, many requests ahead; fewer if it has become shorter.
pub(super) async fn read(
    sftp: &Sftp,
    path: &str,
    bytes: u64,
    take: &mut (dyn FnMut(&[u8]) -> Answer<()> + Send),
) -> Answer<u64> {
    let handle = sftp.open_file(path, OpenFlags::READ, None).await?;
    let step = u64::from(READ_BYTES);
    let (mut asked, mut got) = (0_u64, 0_u64);
    let mut flying = FuturesOrdered::new();
    let outcome = loop {
        while flying.len() < READS && asked < bytes {
            let length = step.min(bytes - asked);
            flying.push_back(piece(sftp, &handle, asked, length));
            asked += length;
        }
        match flying.next().await {
            None => break Ok(got),
            Some(Err(trouble)) => break Err(trouble),
            Some(Ok((data, whole))) => {
                take(&data)?;
                got = got.saturating_add(u64::try_from(data.len()).unwrap_or(0));
                if !whole {
                    break Ok(got);
                }
            }
        }
    };
    drop(flying);
    answer(sftp.raw.close(handle).await)?;
    outcome
}

/// One piece of a file, and whether all of it came.
async fn piece(sftp: &Sftp, handle: &str, offset: u64, length: u64) -> Answer<(Vec<u8>, bool)> {
    let mut data: Vec<u8> = Vec::new();
    loop {
        let have = u64::try_from(data.len()).unwrap_or(u64::MAX);
        let left = length.saturating_sub(have);
        let ask = u32::try_from(left).unwrap_or(READ_BYTES);
        if ask == 0 {
            return Ok((data, true));
        }
        match sftp.raw.read(handle, offset.saturating_add(have), ask).await {
            Ok(more) if more.data.is_empty() => return Ok((data, false)),
            Ok(more) => data.extend_from_slice(&more.data),
            Err(russh_sftp::client::error::Error::Status(status))
                if status.status_code == russh_sftp::protocol::StatusCode::Eof =>
            {
                return Ok((data, false));
            }
            Err(error) => return answer(Err(error)),
        }
    }
}
