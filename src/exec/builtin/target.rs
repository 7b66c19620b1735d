//! The host that something is moved to or from.

use crate::base::HostId;
use crate::exec::job::{Task, down};
use crate::exec::ssh::{LinkState, Pool, SshError};

use super::Voice;
use super::sftp::{Sftp, Trouble};

/// A host, and how it is spoken with.
pub(super) struct Target<'a> {
    pub(super) task: &'a Task,
    pub(super) pool: &'a Pool,
    pub(super) host: &'a HostId,
    /// What makes commands run as another user.
    pub(super) prefix: Option<&'a str>,
    pub(super) voice: &'a Voice,
}

impl<'a> Target<'a> {
    pub(super) fn new(task: &'a Task, host: &'a HostId, voice: &'a Voice) -> Self {
        Self { task, pool: &task.pool, host, prefix: task.prefix.as_deref(), voice }
    }

    /// Opens a session; the console is told of a host that is not reached.
    pub(super) async fn open(&self) -> Result<Sftp, SshError> {
        let opened = Sftp::open(self.pool, self.host, self.task.run.prove).await;
        if let Err(why) = &opened {
            down(self.task, self.host, why);
        }
        opened
    }

    /// Whether the link to it is open.
    pub(super) fn is_up(&self) -> bool {
        matches!(self.pool.link(self.host), LinkState::Up { .. })
    }
}

impl From<SshError> for Trouble {
    fn from(error: SshError) -> Self {
        use crate::exec::ssh::ErrorKind;
        match error.kind() {
            ErrorKind::Unreachable => Self::Lost(error.to_string()),
            ErrorKind::HostKey | ErrorKind::Auth | ErrorKind::Other => {
                Self::Refused(error.to_string())
            }
        }
    }
}

/// The folder that a path is in.
pub(super) fn folder_of(path: &str) -> &str {
    match path.trim_end_matches('/').rsplit_once('/') {
        Some(("", _)) => "/",
        Some((folder, _)) => folder,
        None => ".",
    }
}

/// A name beside `path` that only this upload has.
pub(super) fn beside(path: &str, mark: &str) -> String {
    let path = path.trim_end_matches('/');
    let (folder, name) = path.rsplit_once('/').map_or(("", path), |(folder, name)| (folder, name));
    let slash = if path.contains('/') { "/" } else { "" };
    let name: String = name.chars().take(60).collect();
    format!("{folder}{slash}.{name}.golive-{mark}")
}

#[cfg(test)]
mod tests {
    use super::{beside, folder_of};

    #[test]
    fn temporary_names_are_beside() {
        assert_eq!(beside("/etc/app.conf", "x"), "/etc/.app.conf.golive-x");
        assert_eq!(beside("/app", "x"), "/.app.golive-x");
        assert_eq!(beside("app/", "x"), ".app.golive-x");
        assert_eq!(["/a/b", "/a", "a", "a/b"].map(folder_of), ["/a", "/", ".", "a"]);
    }
}
