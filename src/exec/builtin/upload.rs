//! A local file or folder to a host: under a temporary name, checked there, then renamed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::base::{Digest, HostId, SafeText};
use crate::engine::{Done, Doubt, End, Place};
use crate::exec::job::Task;
use crate::runbook::{Content, ContentFile, Upload, size};

use super::content::read_content;
use super::digests::Wanted;
use super::sftp::{Answer, Found, Sftp, Trouble};
use super::target::{Target, beside};
use super::write::{Progress, changed, unreadable};
use super::{Voice, not_started};

/// Between a lost link and the next look at its host.
const PAUSE: Duration = Duration::from_secs(1);
/// So long may tidying up take.
const TIDY_MAX: Duration = Duration::from_secs(5);

/// One file, and its names on the host.
pub(super) struct Item<'a> {
    pub(super) local: PathBuf,
    pub(super) file: &'a ContentFile,
    /// Where it is written.
    pub(super) temp: String,
    /// What it is in the end.
    pub(super) to: String,
}

/// How far an upload has come, as far as golive itself has brought it.
#[derive(Debug, Default)]
pub(super) struct Stand {
    /// Something was written to the host.
    pub(super) touched: bool,
    /// A rename was sent, and its answer is not here.
    pub(super) renaming: bool,
    /// Files that were put in place.
    pub(super) placed: usize,
}

/// An upload to one host.
pub(super) struct Sending<'a> {
    pub(super) target: Target<'a>,
    pub(super) content: &'a Content,
    pub(super) upload: &'a Upload<String>,
    /// What tells its temporary names from all others.
    pub(super) mark: String,
}

/// Uploads to the job's host; none if it was let go.
pub(super) async fn upload(task: &Task, upload: &Upload<String>, voice: &Voice) -> Option<End> {
    let Place::Host(host) = &task.job.place else {
        return Some(not_started("an upload goes to a host"));
    };
    let content = match pinned(upload).await {
        Ok(content) => content,
        Err(why) if task.follow => return Some(End::unknown(Doubt::Link, &why)),
        Err(why) => return Some(not_started(&why)),
    };
    let sending = Sending {
        target: Target::new(task, host, voice),
        content: &content,
        upload,
        mark: mark(task, &content),
    };
    let mut stand = Stand { touched: task.follow, renaming: task.follow, placed: 0 };
    let (mut stopped, mut released) = (task.stopped.clone(), task.released.clone());
    if stopped.grace().is_some() {
        return Some(sending.stop(&stand).await);
    }
    loop {
        let outcome = tokio::select! {
            outcome = sending.trip(&mut stand) => outcome,
            _ = stopped.asked() => return Some(sending.stop(&stand).await),
            () = let_go(&mut released) => return None,
        };
        let why = match outcome {
            Ok(what) => {
                return Some(End::Done(Box::new(Done::well(&what, Some(content.digest())))));
            }
            Err(Trouble::Lost(why)) if stand.touched => why,
            Err(Trouble::Lost(why)) => return Some(not_started(&why)),
            Err(Trouble::Refused(why)) => return Some(sending.refused(&stand, &why).await),
            Err(Trouble::Missing) => {
                return Some(sending.refused(&stand, "a file of it is gone there").await);
            }
        };
        voice.say(&format!("{}: {why}; it goes on when the host is back", lost(host)));
        tokio::select! {
            () = sleep(PAUSE) => {}
            _ = stopped.asked() => return Some(sending.stop(&stand).await),
            () = let_go(&mut released) => return None,
        }
    }
}

/// Waits until nobody wants to know what becomes of it.
async fn let_go(released: &mut watch::Receiver<bool>) {
    if released.wait_for(|released| *released).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// A refusal is an answer too: what was refused was not done.
fn answered(stand: &mut Stand, answer: Answer<()>) -> Answer<()> {
    stand.renaming = matches!(answer, Err(Trouble::Lost(_)));
    answer
}

fn lost(host: &HostId) -> String {
    format!("the link to {host} is lost")
}

/// What is to be sent: pinned when the plan was made, or known by its digest alone.
async fn pinned(upload: &Upload<String>) -> Result<Arc<Content>, String> {
    let wanted: Option<Digest> = upload.sha256.as_ref().and_then(|text| text.trim().parse().ok());
    if let Some(content) = &upload.content {
        return match wanted.filter(|wanted| *wanted != content.digest()) {
            Some(wanted) => Err(format!("{} is not {wanted}, as it should be", upload.from)),
            None => Ok(Arc::clone(content)),
        };
    }
    let Some(wanted) = wanted else {
        return Err(format!("nobody has said which {} is meant: no digest", upload.from));
    };
    let path = Path::new(&upload.folder).join(&upload.from);
    let there = path.clone();
    let read = tokio::task::spawn_blocking(move || read_content(&path)).await;
    let content = read.unwrap_or_else(|error| Err(std::io::Error::other(error)));
    let content = content.map_err(|why| unreadable(&there, &why))?;
    if content.digest() == wanted {
        Ok(Arc::new(content))
    } else {
        Err(format!("{} is {}, and not {wanted}", there.display(), content.digest()))
    }
}

fn mark(task: &Task, content: &Content) -> String {
    let session = task.run.session.as_ref().map_or("", |session| session.as_str());
    let key = &task.job.key;
    let all = format!("{session} {} {:?} {}", key.step, key.part, content.digest());
    Digest::of(all.as_bytes()).to_string().chars().take(12).collect()
}

impl Sending<'_> {
    /// Whether it is put in place in another account's name.
    pub(super) const fn becomes(&self) -> bool {
        self.target.prefix.is_some()
    }

    /// One way to the host: all that is still to be done, or why not.
    async fn trip(&self, stand: &mut Stand) -> Answer<String> {
        let sftp = self.target.open().await?;
        let to = self.upload.to.trim_end_matches('/');
        let there = if self.becomes() { Found::Nothing } else { sftp.look(to).await? };
        self.suits(to, there)?;
        let whole = self.content.is_folder && there == Found::Nothing;
        let items = self.items(to, whole);
        let here = self.in_place(&sftp, &items, there).await?;
        stand.renaming = false; // It has been looked at: what is not there was not renamed.
        let mut missing: Vec<&Item<'_>> =
            items.iter().zip(&here).filter(|(_, here)| !**here).map(|(item, _)| item).collect();
        let in_place = items.len() - missing.len();
        stand.placed = if stand.touched { stand.placed.max(in_place) } else { stand.placed };
        if missing.is_empty() && !whole {
            self.set_modes(&sftp, &items).await?;
            return Ok(self.words(if stand.touched { "in place" } else { "there already" }));
        }
        if self.target.task.follow {
            let why = "golive ended while it was being sent, and not all of it was in place";
            return Err(Trouble::Refused(why.to_owned()));
        }
        let bytes = missing.iter().map(|item| item.file.bytes).fold(0, u64::saturating_add);
        let mut progress = Progress::new(self.target.voice, bytes);
        self.folders(&sftp, to, whole, stand).await?;
        let mut unseen = Vec::new();
        for item in &missing {
            if !self.send(&sftp, item, stand, &mut progress).await? {
                unseen.push(*item);
            }
        }
        if progress.done() > 0 {
            progress.tell();
        }
        self.check(&sftp, &unseen).await?;
        if whole {
            stand.renaming = true;
            let temp = beside(to, &self.mark);
            answered(stand, self.rename(&sftp, &temp, to, false).await)?;
            stand.placed = items.len();
        } else {
            missing.sort_by(|a, b| a.to.cmp(&b.to));
            for item in missing {
                stand.renaming = true;
                answered(stand, self.put(&sftp, item, there).await)?;
                stand.placed += 1;
            }
        }
        Ok(self.words("in place"))
    }

    /// Whether what is there can be replaced by what is sent.
    fn suits(&self, to: &str, there: Found) -> Answer<()> {
        let what = match (there, self.content.is_folder) {
            (Found::Nothing | Found::Folder, true)
            | (Found::Nothing | Found::File { .. }, false) => {
                return Ok(());
            }
            (Found::Link, _) => "a symbolic link there: name what it points to",
            (Found::Other, _) => "no ordinary file there",
            (Found::Folder, false) => "a folder there: write the whole name of the file",
            (Found::File { .. }, true) => "a file there, and a folder is to be uploaded",
        };
        Err(Trouble::Refused(format!("{to} is {what}")))
    }

    /// All files with their names on the host.
    fn items(&self, to: &str, whole: bool) -> Vec<Item<'_>> {
        let local = Path::new(&self.upload.folder).join(&self.upload.from);
        let item = |file: &'_ ContentFile| -> (PathBuf, String, String) {
            if !self.content.is_folder {
                let temp = if self.becomes() {
                    format!(".golive-{}", self.mark) // In the home of the account that logs in.
                } else {
                    beside(to, &self.mark)
                };
                return (local.clone(), temp, to.to_owned());
            }
            let own = if whole {
                format!("{}/{}", beside(to, &self.mark), file.path)
            } else {
                beside(&format!("{to}/{}", file.path), &self.mark)
            };
            (local.join(&file.path), own, format!("{to}/{}", file.path))
        };
        let all = self.content.files.iter();
        all.map(|file| {
            let (local, temp, to) = item(file);
            Item { local, file, temp, to }
        })
        .collect()
    }

    /// Which files are in place already.
    async fn in_place(&self, sftp: &Sftp, items: &[Item<'_>], there: Found) -> Answer<Vec<bool>> {
        let other_size = match (there, items) {
            (Found::File { bytes, .. }, [item]) => bytes != item.file.bytes,
            (Found::Nothing, _) => !self.becomes(),
            (_, _) => false,
        };
        if other_size {
            return Ok(vec![false; items.len()]);
        }
        let wanted: Vec<_> =
            items.iter().map(|item| Wanted::all(&item.to, item.file.bytes)).collect();
        let digests = self.target.digests(sftp, &wanted, self.becomes()).await?;
        let same = |(item, digest): (&Item<'_>, Option<Digest>)| digest == Some(item.file.digest);
        Ok(items.iter().zip(digests).map(same).collect())
    }

    /// The permission bits of a file in the end.
    pub(super) fn mode(&self, file: &ContentFile) -> u32 {
        self.upload.mode.unwrap_or(file.mode)
    }

    fn words(&self, standing: &str) -> String {
        let mode = match (self.upload.mode, self.content.files.as_slice()) {
            (Some(mode), _) => format!("{mode:04o}"),
            (None, [file]) => format!("{:04o}", file.mode),
            (None, _) => "as here".to_owned(),
        };
        let checked = "its sha256 is right there";
        format!("{} {standing}, {checked}, mode {mode}", self.content.words())
    }

    /// It was not done, for certain.
    async fn refused(&self, stand: &Stand, why: &str) -> End {
        if stand.renaming && !self.target.task.follow {
            return self.in_doubt(why);
        }
        self.tidy(stand).await;
        let all = self.content.files.len();
        let mut done = Done::not(why, "the target is as it was");
        done.untouched = stand.placed == 0 && !self.target.task.follow;
        if stand.placed > 0 {
            let what = format!("{} of {all} files are in place", stand.placed);
            done.what = SafeText::new(&what);
        } else if self.target.task.follow {
            done.what = SafeText::new("what is there is not what was sent");
        }
        End::Done(Box::new(done))
    }

    fn in_doubt(&self, why: &str) -> End {
        let to = &self.upload.to;
        let why = format!("whether {to} was replaced is not known: {why}. A retry looks first");
        End::unknown(Doubt::Link, &why)
    }

    /// It was stopped on demand.
    async fn stop(&self, stand: &Stand) -> End {
        if stand.renaming {
            return self.in_doubt("it was stopped before the answer to its last request");
        }
        if stand.placed > 0 {
            return self.refused(stand, "it was stopped").await;
        }
        if stand.touched {
            let tidied = self.tidy(stand).await;
            let rest = if tidied { "nothing of it is left" } else { "a temporary file is left" };
            self.target.voice.say(&format!("stopped: the target is as it was, {rest}"));
        }
        End::Stopped { survivors: Some(Vec::new()) }
    }

    /// Takes away what was written under temporary names; false if that is not certain.
    async fn tidy(&self, stand: &Stand) -> bool {
        if !stand.touched || self.target.task.follow || !self.target.is_up() {
            return !stand.touched;
        }
        let work = async {
            let sftp = self.target.open().await?;
            let to = self.upload.to.trim_end_matches('/');
            for whole in [true, false] {
                if whole && !self.content.is_folder {
                    continue;
                }
                for item in self.items(to, whole) {
                    sftp.remove(&item.temp).await?;
                }
            }
            if self.content.is_folder {
                let top = beside(to, &self.mark);
                for folder in self.content.folders.iter().rev() {
                    sftp.raw.rmdir(format!("{top}/{folder}")).await.ok();
                }
                sftp.raw.rmdir(top).await.ok();
            }
            Ok::<_, Trouble>(())
        };
        matches!(timeout(TIDY_MAX, work).await, Ok(Ok(())))
    }

    /// A local file that is not what was confirmed, without reading all of it.
    pub(super) fn glance(item: &Item<'_>) -> Answer<()> {
        match std::fs::metadata(&item.local) {
            Ok(there) if there.len() == item.file.bytes => Ok(()),
            Ok(_) => Err(Trouble::Refused(changed(&item.local))),
            Err(why) => Err(Trouble::Refused(unreadable(&item.local, &why))),
        }
    }

    /// The refusal of a write, with the reason that servers do not give.
    pub(super) async fn why(
        &self,
        sftp: &Sftp,
        folder: &str,
        need: u64,
        trouble: Trouble,
    ) -> Trouble {
        match trouble {
            Trouble::Refused(why) => match sftp.free(folder).await {
                Ok(Some(free)) if free < need.max(4096) => Trouble::Refused(format!(
                    "no space is left in {folder}: {} are free, {} are needed",
                    size(free),
                    size(need)
                )),
                Ok(_) | Err(_) => Trouble::Refused(why),
            },
            other @ (Trouble::Lost(_) | Trouble::Missing) => other,
        }
    }
}
