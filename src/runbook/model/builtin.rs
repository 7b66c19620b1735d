//! What golive does itself: moving files, asking over HTTP, comparing.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::base::{Digest, Hasher, SecretName};

use super::super::secret::{Given, stands_for};
use super::{Ask, Reconcile};

/// Something that golive does itself. `T` is how its texts are held: as templates in a runbook,
/// with their variables filled in in a plan, whole when it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Builtin<T> {
    /// A file or folder of the operator's machine goes to hosts.
    Upload(Upload<T>),
    /// A file or folder of hosts comes into the session's evidence.
    Download(Download<T>),
    /// A request over HTTP from the operator's machine.
    Http(Http<T>),
    /// Two hosts are asked at the same time, and what they say is compared here.
    Reconcile(Reconcile<T>),
}

/// A file or folder that goes to hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload<T> {
    /// The local path; relative to [`Upload::folder`].
    pub from: T,
    /// The whole path on the hosts; relative to the account's home.
    pub to: T,
    /// Permission bits of every file; those of the local files where there are none.
    pub mode: Option<u32>,
    /// The digest that the author knows: of the file, or of the manifest of a folder.
    pub sha256: Option<T>,
    /// The folder of the runbook; empty in a runbook.
    pub folder: String,
    /// What was there when the plan was made: nothing else is ever sent.
    pub content: Option<Arc<Content>>,
}

/// A file or folder that comes from hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Download<T> {
    /// The path on the hosts; relative to the account's home.
    pub from: T,
    /// Its name in the evidence of the attempt; the last part of `from` where there is none.
    pub to: Option<String>,
}

/// A request over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http<T> {
    /// The method, in capitals.
    pub method: String,
    /// The address.
    pub url: T,
    /// What goes with it.
    pub ask: Ask,
    /// Its body.
    pub body: Option<Given<T>>,
    /// The statuses that count as done; any from 200 to 299 where there are none.
    pub expect_status: Vec<u16>,
    /// A regular expression that the body of the answer has to match.
    pub expect_body: Option<String>,
    /// The author's word that to send it twice is the same as to send it once.
    pub idempotent: bool,
    /// What on this machine may be asked: `host` or `host:port`.
    pub allow: Vec<String>,
}

impl<T> Http<T> {
    /// The secrets that go with it.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretName> {
        self.ask.secrets().chain(self.body.iter().filter_map(Given::secret))
    }

    /// Whether its method only asks.
    pub fn only_asks(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS")
    }

    /// Whether it does no harm to send it again when its answer was lost.
    pub fn may_be_repeated(&self) -> bool {
        self.only_asks() || self.idempotent
    }

    /// The statuses that count as done, in words.
    pub fn expected(&self) -> String {
        if self.expect_status.is_empty() {
            return "2xx".to_owned();
        }
        let all: Vec<_> = self.expect_status.iter().map(ToString::to_string).collect();
        all.join(" or ")
    }

    /// The same with `change` done to every text.
    ///
    /// # Errors
    /// What `change` says.
    pub fn try_map<U, E>(&self, change: &mut dyn FnMut(&T) -> Result<U, E>) -> Result<Http<U>, E> {
        Ok(Http {
            method: self.method.clone(),
            url: change(&self.url)?,
            ask: self.ask.clone(),
            body: self.body.as_ref().map(|body| body.try_map(&mut *change)).transpose()?,
            expect_status: self.expect_status.clone(),
            expect_body: self.expect_body.clone(),
            idempotent: self.idempotent,
            allow: self.allow.clone(),
        })
    }
}

/// What is to be uploaded, file by file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// Whether it is a folder; else it is one file, with an empty path.
    pub is_folder: bool,
    /// The files, sorted by path.
    pub files: Vec<ContentFile>,
    /// The folders inside, sorted by path: each comes after the one that it is in.
    pub folders: Vec<String>,
}

/// A file to be uploaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentFile {
    /// Its path inside the folder; empty for a file on its own.
    pub path: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// Its permission bits.
    pub mode: u32,
    /// Its digest.
    pub digest: Digest,
}

impl Content {
    /// How many bytes all files have.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).fold(0, u64::saturating_add)
    }

    /// The digest of the file, or of the manifest of the folder: `DIGEST  PATH` a line, sorted by
    /// path, as `sha256sum` prints it.
    pub fn digest(&self) -> Digest {
        if let (false, [file]) = (self.is_folder, self.files.as_slice()) {
            return file.digest;
        }
        let mut hasher = Hasher::default();
        for ContentFile { path, digest, .. } in &self.files {
            hasher.update(format!("{digest}  {path}\n").as_bytes());
        }
        hasher.digest()
    }

    /// Everything of it that a plan depends on, as text.
    pub fn manifest(&self) -> String {
        let file = |file: &ContentFile| {
            let ContentFile { path, bytes, mode, digest } = file;
            format!("{digest} {mode:04o} {bytes} {path}\n")
        };
        let files = self.files.iter().map(file);
        files.chain(self.folders.iter().map(|folder| format!("folder {folder}\n"))).collect()
    }

    /// It in a few words: `3 files, 1.2 MiB`.
    pub fn words(&self) -> String {
        match (self.is_folder, self.files.len()) {
            (true, 1) => format!("a folder with 1 file, {}", size(self.bytes())),
            (true, count) => format!("a folder with {count} files, {}", size(self.bytes())),
            (false, _) => size(self.bytes()),
        }
    }
}

/// A number of bytes for people: `512 B`, `1.2 MiB`.
pub fn size(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let unit = units.into_iter().find(|(bits, _)| bytes >> bits > 0);
    unit.map_or_else(
        || format!("{bytes} B"),
        |(bits, name)| {
            let tenths = u128::from(bytes) * 10 / (1_u128 << bits);
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        },
    )
}

impl<T> Builtin<T> {
    /// The comparison, if it is one.
    pub const fn reconcile(&self) -> Option<&Reconcile<T>> {
        match self {
            Self::Reconcile(reconcile) => Some(reconcile),
            Self::Upload(_) | Self::Download(_) | Self::Http(_) => None,
        }
    }

    /// The request over HTTP, if it is one.
    pub const fn http(&self) -> Option<&Http<T>> {
        match self {
            Self::Http(http) => Some(http),
            Self::Upload(_) | Self::Download(_) | Self::Reconcile(_) => None,
        }
    }

    /// The word of the runbook for it.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Upload(_) => "upload",
            Self::Download(_) => "download",
            Self::Http(_) => "http",
            Self::Reconcile(_) => "reconcile",
        }
    }

    /// Whether it is done on hosts, one by one.
    pub const fn is_on_hosts(&self) -> bool {
        match self {
            Self::Upload(_) | Self::Download(_) => true,
            Self::Http(_) | Self::Reconcile(_) => false,
        }
    }

    /// Whether it changes nothing but golive's own record.
    pub fn only_reads(&self) -> bool {
        match self {
            Self::Upload(_) => false,
            Self::Download(_) | Self::Reconcile(_) => true,
            Self::Http(http) => http.only_asks(),
        }
    }

    /// The secrets that it is given.
    pub fn secrets(&self) -> Vec<&SecretName> {
        match self {
            Self::Upload(_) | Self::Download(_) | Self::Reconcile(_) => Vec::new(),
            Self::Http(http) => http.secrets().collect(),
        }
    }

    /// The same with `change` done to every text.
    ///
    /// # Errors
    /// What `change` says.
    pub fn try_map<U, E>(
        &self,
        change: &mut dyn FnMut(&T) -> Result<U, E>,
    ) -> Result<Builtin<U>, E> {
        Ok(match self {
            Self::Upload(upload) => Builtin::Upload(Upload {
                from: change(&upload.from)?,
                to: change(&upload.to)?,
                mode: upload.mode,
                sha256: upload.sha256.as_ref().map(&mut *change).transpose()?,
                folder: upload.folder.clone(),
                content: upload.content.clone(),
            }),
            Self::Download(download) => Builtin::Download(Download {
                from: change(&download.from)?,
                to: download.to.clone(),
            }),
            Self::Http(http) => Builtin::Http(http.try_map(change)?),
            Self::Reconcile(reconcile) => Builtin::Reconcile(reconcile.try_map(change)?),
        })
    }
}

impl Builtin<String> {
    /// What it does, fact by fact: for the confirmation, the plan and the record. Never the value
    /// of a secret.
    pub fn facts(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Upload(upload) => upload.facts(),
            Self::Download(download) => {
                let to = format!("the evidence of this session, as {}", download.name());
                vec![("Download", download.from.clone()), ("To", to)]
            }
            Self::Http(http) => http.facts(),
            Self::Reconcile(reconcile) => reconcile.facts(),
        }
    }

    /// The same as text, one fact a line.
    pub fn text(&self) -> String {
        let line = |(what, text): (&str, String)| format!("{:<8} {text}", what.to_lowercase());
        self.facts().into_iter().map(line).collect::<Vec<_>>().join("\n")
    }

    /// It in one line: for rows of a table.
    pub fn brief(&self) -> String {
        match self {
            Self::Upload(Upload { from, to, .. }) => format!("upload {from} to {to}"),
            Self::Download(Download { from, .. }) => format!("download {from}"),
            Self::Http(Http { method, url, .. }) => format!("{method} {url}"),
            Self::Reconcile(reconcile) => reconcile.brief(),
        }
    }
}

impl Download<String> {
    /// Its name in the evidence.
    pub fn name(&self) -> &str {
        self.to.as_deref().unwrap_or_else(|| last_part(&self.from))
    }
}

impl Http<String> {
    /// What is asked, and what has to be answered, in one line.
    pub fn words(&self) -> String {
        let body = self.expect_body.as_ref().map(|it| format!(", body matches /{it}/"));
        let body = body.unwrap_or_default();
        format!("{} {} answers HTTP {}{body}", self.method, self.url, self.expected())
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let shown = |given: &Given<String>| match given {
            Given::Text(text) => text.clone(),
            Given::Secret(name) => stands_for(name),
        };
        let mut facts = vec![("HTTP", format!("{} {}", self.method, self.url))];
        if let Some(secret) = &self.ask.bearer {
            facts.push(("Header", format!("authorization: Bearer {}", stands_for(secret))));
        }
        for (name, value) in &self.ask.headers {
            facts.push(("Header", format!("{name}: {}", shown(value))));
        }
        facts.extend(self.body.as_ref().map(|body| ("Body", shown(body))));
        let body = self.expect_body.as_ref().map(|it| format!(", body matches /{it}/"));
        let expected = format!("HTTP {}{}", self.expected(), body.unwrap_or_default());
        facts.push(("Pass", expected));
        facts
    }
}

impl Upload<String> {
    fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = vec![("Upload", self.from.clone()), ("To", self.to.clone())];
        if let Some(content) = &self.content {
            facts.push(("Size", content.words()));
            facts.push(("SHA-256", content.digest().to_string()));
        } else if let Some(digest) = &self.sha256 {
            facts.push(("SHA-256", format!("{digest}, or it is not sent")));
        }
        let mode = match (self.mode, self.content.as_deref().map(|it| it.files.as_slice())) {
            (Some(mode), _) => format!("{mode:04o}"),
            (None, Some([ContentFile { mode, .. }])) => format!("{mode:04o}, as here"),
            (None, _) => "as here".to_owned(),
        };
        facts.push(("Mode", mode));
        facts
    }
}

/// The name at the end of a path.
pub fn last_part(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::{Content, ContentFile, last_part, size};
    use crate::base::Digest;

    #[test]
    fn sizes_names_and_digests() {
        assert_eq!([size(0), size(1023), size(1024)], ["0 B", "1023 B", "1.0 KiB"]);
        assert_eq!(size(u64::MAX), "17179869183.9 GiB");
        assert_eq!([last_part("/a/b/"), last_part("b"), last_part("/")], ["b", "b", ""]);
        let file = |path: &str| ContentFile {
            path: path.to_owned(),
            bytes: 3,
            mode: 0o644,
            digest: Digest::of(b"abc"),
        };
        let one = Content { files: vec![file("")], ..Content::default() };
        assert_eq!(one.digest(), Digest::of(b"abc"));
        let many = Content {
            is_folder: true,
            files: vec![file("a"), file("b/c")],
            folders: vec!["b".to_owned()],
        };
        let line = Digest::of(b"abc");
        assert_eq!(many.digest(), Digest::of(format!("{line}  a\n{line}  b/c\n").as_bytes()));
        assert_eq!([one.words(), many.words()], ["3 B", "a folder with 2 files, 6 B"]);
        assert!(many.manifest().ends_with("folder b\n"));
    }
}
