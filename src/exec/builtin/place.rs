//! The steps of an upload on its host: folders, the temporary file, its check, its rename.

use crate::exec::shared::Shared;
use crate::exec::ssh::{Command, Output, RunEnd, StopSignal, Stream};
use crate::runbook::size;

use russh_sftp::protocol::FileAttributes;

use super::digests::{SUM, Wanted, big};
use super::sftp::{Answer, Found, Sftp, Trouble, answer};
use super::target::{beside, folder_of};
use super::upload::{Item, Sending, Stand};
use super::write::{Progress, changed, flags, prefix_digest, unreadable, write};

/// Puts its input in place under another account's name: checked, then renamed.
const BECOMING: &str = r#"
set -e
if [ -L "$to" ]; then echo "$to is a symbolic link there: name what it points to" >&2; exit 3; fi
if [ -d "$to" ]; then echo "$to is a folder there: write the whole name of the file" >&2; exit 3; fi
umask 077
trap 'rm -f -- "$temp"' EXIT
cat > "$temp"
was=$(sum < "$temp")
if [ "${was%% *}" != "$wanted" ]; then echo "what arrived is not what was sent" >&2; exit 4; fi
chmod "$mode" "$temp"
sync "$temp" 2>/dev/null || sync
mv -f -- "$temp" "$to"
trap - EXIT
"#;

/// A file of so many bytes is read by its host while it is synced; smaller ones are read together.
const BESIDE_BYTES: u64 = 8 << 20;

/// Keeps the start of what is said.
#[derive(Default)]
struct Said(Vec<u8>);

impl Output for Said {
    fn chunk(&mut self, _: Stream, bytes: &[u8]) -> std::io::Result<()> {
        let room = 4096_usize.saturating_sub(self.0.len());
        self.0.extend(bytes.iter().take(room));
        Ok(())
    }
}

impl Sending<'_> {
    /// Makes the folders that are not there.
    pub(super) async fn folders(
        &self,
        sftp: &Sftp,
        to: &str,
        whole: bool,
        stand: &mut Stand,
    ) -> Answer<()> {
        if !self.content.is_folder {
            return Ok(());
        }
        let top = if whole { beside(to, &self.mark) } else { to.to_owned() };
        let inside = self.content.folders.iter().map(|folder| format!("{top}/{folder}"));
        for folder in std::iter::once(top.clone()).chain(inside) {
            match sftp.look(&folder).await? {
                Found::Folder => continue,
                Found::Nothing => {}
                Found::File { .. } | Found::Link | Found::Other => {
                    return Err(Trouble::Refused(format!("{folder} is no folder there")));
                }
            }
            let made = answer(sftp.raw.mkdir(folder.as_str(), FileAttributes::empty()).await);
            made.map_err(|trouble| in_words(trouble, &folder))?;
            stand.touched = true;
        }
        Ok(())
    }

    /// Writes one file under its temporary name; what is there of it already is kept. Says whether
    /// it has been seen to be right there: a big file is read by its host while it is synced, or
    /// once it is closed.
    pub(super) async fn send(
        &self,
        sftp: &Sftp,
        item: &Item<'_>,
        stand: &mut Stand,
        progress: &mut Progress,
    ) -> Answer<bool> {
        Self::glance(item)?;
        let offset = self.kept(sftp, item).await?;
        let folder = folder_of(&item.temp);
        let need = item.file.bytes.saturating_sub(offset);
        if let Some(free) = sftp.free(folder).await?
            && free < need
        {
            return Err(Trouble::Refused(format!(
                "no space is left in {folder}: {} are free, {} are needed",
                size(free),
                size(need)
            )));
        }
        let opened = sftp.open_file(&item.temp, flags(offset == 0), Some(0o600)).await;
        let handle = opened.map_err(|trouble| in_words(trouble, folder))?;
        stand.touched = true;
        progress.given(offset);
        let settle = async {
            if sftp.fsync {
                answer(sftp.raw.fsync(handle.as_str()).await)?;
            }
            if !self.becomes() {
                sftp.set_mode(&handle, self.mode(item.file)).await?;
            }
            answer(sftp.raw.close(handle.as_str()).await).map(|_| ())
        };
        let seen = async {
            let big = item.file.bytes >= BESIDE_BYTES && !self.becomes();
            if big { self.check(sftp, &[item]).await.map(|()| true) } else { Ok(false) }
        };
        // A server without fsync may keep the last bytes to itself until the file is closed.
        let settled = async {
            if sftp.fsync {
                tokio::join!(settle, seen)
            } else {
                match settle.await {
                    Ok(()) => (Ok(()), seen.await),
                    Err(trouble) => (Err(trouble), Ok(false)),
                }
            }
        };
        let trouble = match write(sftp, &item.local, (&handle, offset), progress).await {
            Ok(()) => match settled.await {
                (Ok(()), seen) => return seen,
                (Err(trouble), _) => trouble,
            },
            Err(trouble) => trouble,
        };
        Err(self.why(sftp, folder, need, trouble).await)
    }

    /// How many bytes of a file are on the host and right: it goes on behind them.
    async fn kept(&self, sftp: &Sftp, item: &Item<'_>) -> Answer<u64> {
        let bytes = match sftp.look(&item.temp).await? {
            Found::Nothing => return Ok(0),
            Found::File { bytes, .. } => bytes,
            Found::Folder | Found::Link | Found::Other => {
                let why = format!("something else is at {} there", item.temp);
                return Err(Trouble::Refused(why));
            }
        };
        if bytes > 0 && bytes <= item.file.bytes {
            let wanted = [Wanted { path: &item.temp, first: Some(bytes), bytes }];
            let there = self.target.digests(sftp, &wanted, false).await?;
            let here = prefix_digest(&item.local, bytes).await;
            let here = here.map_err(|why| Trouble::Refused(unreadable(&item.local, &why)))?;
            if there.first() == Some(&Some(here)) {
                let kept = size(bytes);
                self.target.voice.say(&format!("{kept} are there and right: it goes on there"));
                return Ok(bytes);
            }
        }
        sftp.remove(&item.temp).await?;
        Ok(0)
    }

    /// What arrived is what was sent, by the host's own word.
    pub(super) async fn check(&self, sftp: &Sftp, items: &[&Item<'_>]) -> Answer<()> {
        if self.becomes() {
            return Ok(()); // What puts it in place checks it there.
        }
        if !sftp.fsync && !items.is_empty() {
            self.target.voice.say("its SFTP server offers no fsync: a power cut may undo it");
        }
        let wanted: Vec<_> =
            items.iter().map(|item| Wanted::all(&item.temp, item.file.bytes)).collect();
        let digests = self.target.digests(sftp, &wanted, false).await?;
        for (item, digest) in items.iter().zip(digests) {
            if digest != Some(item.file.digest) {
                let is = digest.map_or_else(|| "gone".to_owned(), |digest| digest.to_string());
                let why = format!("what arrived for {} is not what was sent: {is}", item.to);
                return Err(blamed(item, Trouble::Refused(why)).await);
            }
        }
        Ok(())
    }

    /// Puts a file in place.
    pub(super) async fn put(&self, sftp: &Sftp, item: &Item<'_>, there: Found) -> Answer<()> {
        let Some(prefix) = self.target.prefix else {
            let over = there != Found::Nothing;
            return self.rename(sftp, &item.temp, &item.to, over).await;
        };
        let quoted = |text: &str| {
            let quoted = shlex::try_quote(text).map(std::borrow::Cow::into_owned);
            quoted.map_err(|error| Trouble::Refused(error.to_string()))
        };
        let big = if big([item.file.bytes]).is_some() { "1" } else { "" };
        let script = format!(
            "GL_BIG={big} to={} temp={} wanted={} mode={:04o}\n{SUM}{BECOMING}",
            quoted(&item.to)?,
            quoted(&beside(&item.to, &self.mark))?,
            item.file.digest,
            self.mode(item.file),
        );
        // The other account may not read the temporary file, so it is given its bytes.
        let line = format!("{prefix} sh -c {} < {}", quoted(&script)?, quoted(&item.temp)?);
        match self.run(&line).await {
            Err(Trouble::Lost(why)) => Err(Trouble::Lost(why)),
            Err(trouble) => {
                sftp.remove(&item.temp).await?;
                Err(blamed(item, trouble).await)
            }
            Ok(()) => sftp.remove(&item.temp).await,
        }
    }

    /// Renames over what is there, by the server, else by `mv` of the host.
    pub(super) async fn rename(&self, sftp: &Sftp, from: &str, to: &str, over: bool) -> Answer<()> {
        let renamed = sftp.rename(from, to, over).await;
        if renamed.map_err(|trouble| in_words(trouble, to))? {
            return Ok(());
        }
        let command = Command {
            env: vec![("GL_A".to_owned(), from.to_owned()), ("GL_B".to_owned(), to.to_owned())],
            ..Command::new("mv -f -- \"$GL_A\" \"$GL_B\"")
        };
        self.run_command(command).await.map_err(|trouble| match trouble {
            Trouble::Refused(why) => Trouble::Refused(format!(
                "its SFTP server cannot replace a file in one go, and `mv` does not either: {why}"
            )),
            other @ (Trouble::Lost(_) | Trouble::Missing) => other,
        })
    }

    /// Gives files that are in place their permission bits.
    pub(super) async fn set_modes(&self, sftp: &Sftp, items: &[Item<'_>]) -> Answer<()> {
        if self.becomes() {
            return Ok(()); // Whoever put it in place gave them to it.
        }
        for item in items {
            let mode = self.mode(item.file);
            let Found::File { mode: is, .. } = sftp.look(&item.to).await? else { continue };
            if is != mode {
                let attrs = FileAttributes { permissions: Some(mode), ..FileAttributes::empty() };
                let set = answer(sftp.raw.setstat(item.to.as_str(), attrs).await);
                set.map_err(|trouble| in_words(trouble, &item.to))?;
            }
        }
        Ok(())
    }

    async fn run(&self, line: &str) -> Answer<()> {
        self.run_command(Command::new(line)).await
    }

    async fn run_command(&self, mut command: Command) -> Answer<()> {
        command.prove = self.target.task.run.prove;
        let said = Shared::new(Said::default());
        let (pool, host) = (self.target.pool, self.target.host);
        let output = Box::new(said.clone());
        match pool.run(host, command, output, StopSignal::never()).await {
            RunEnd::Exited { code: 0, .. } => Ok(()),
            RunEnd::Exited { code, .. } => {
                let said = String::from_utf8_lossy(&said.look().0).trim().to_owned();
                let said = if said.is_empty() { format!("exit {code}") } else { said };
                Err(Trouble::Refused(said))
            }
            RunEnd::NotStarted { why } => Err(why.into()),
            RunEnd::Lost { why, .. } => Err(Trouble::Lost(why.to_string())),
            RunEnd::Signalled { signal, .. } => {
                Err(Trouble::Lost(format!("SIG{signal} ended what put it in place")))
            }
            RunEnd::Stopped { .. } => Err(Trouble::Lost("stopped".to_owned())),
            RunEnd::Unrecorded { why, .. } => Err(Trouble::Lost(why.to_string())),
        }
    }
}

/// A refusal, or what led to it: the local file has changed since it was confirmed, without
/// becoming longer or shorter.
async fn blamed(item: &Item<'_>, trouble: Trouble) -> Trouble {
    match prefix_digest(&item.local, item.file.bytes).await {
        Ok(is) if is != item.file.digest => Trouble::Refused(changed(&item.local)),
        Ok(_) | Err(_) => trouble,
    }
}

/// A refusal with the name of what it is about.
fn in_words(trouble: Trouble, path: &str) -> Trouble {
    match trouble {
        Trouble::Lost(why) => Trouble::Lost(why),
        Trouble::Refused(why) => Trouble::Refused(format!("{path}: {why}")),
        Trouble::Missing => {
            Trouble::Refused(format!("{path} is not there: make its folder in a step before"))
        }
    }
}
