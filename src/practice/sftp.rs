//! The SFTP server of a practice host: the same files that its shell has.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use russh::{ChannelReadHalf, ChannelWriteHalf};
use russh_sftp::protocol::{
    Attrs, Data, File, FileAttributes, Handle, Name, OpenFlags, Packet, Status, StatusCode, Version,
};
use russh_sftp::server::{Handler, StatusReply};
use tokio::io::AsyncWriteExt as _;

use super::host::Host;
use super::shell::{FileError, absolute};

/// Where paths without `/` in front count from.
const HOME: &str = "/home/deploy";
/// Open files of one session.
const OPEN_MAX: usize = 64;
/// The longest piece that is given at once.
const READ_BYTES_MAX: usize = 256 * 1024;
/// Bytes between the session and its server.
const PIPE_BYTES: usize = 64 * 1024;

/// Serves one session until its client is gone.
pub(super) async fn serve(
    host: &Arc<Host>,
    read: &mut ChannelReadHalf,
    write: &ChannelWriteHalf<russh::server::Msg>,
) {
    let (near, far) = tokio::io::duplex(PIPE_BYTES);
    let visitor = Visitor { host: Arc::clone(host), open: BTreeMap::new(), last: 0 };
    russh_sftp::server::run(far, visitor).await;
    let (mut from_server, mut to_server) = tokio::io::split(near);
    let (mut reader, mut writer) = (read.make_reader(), write.make_writer());
    let inward = async {
        tokio::io::copy(&mut reader, &mut to_server).await.ok();
        to_server.shutdown().await.ok();
    };
    let outward = tokio::io::copy(&mut from_server, &mut writer);
    let ended = host.shared.end.cancelled();
    tokio::select! {
        _ = async { tokio::join!(inward, outward) } => {}
        () = ended => {}
    }
}

/// What a client has open.
enum Open {
    File(String),
    Folder { path: String, told: bool },
}

struct Visitor {
    host: Arc<Host>,
    open: BTreeMap<String, Open>,
    last: u32,
}

type Reply<T> = Result<T, StatusReply>;

fn refusal(error: FileError) -> StatusReply {
    let code = match error {
        FileError::Missing => StatusCode::NoSuchFile,
        FileError::Folder
        | FileError::NotFolder
        | FileError::Exists
        | FileError::NotEmpty
        | FileError::Full => StatusCode::Failure,
    };
    code.with_message(error.to_string())
}

fn fine(id: u32) -> Status {
    let (error_message, language_tag) = ("Ok".to_owned(), "en".to_owned());
    Status { id, status_code: StatusCode::Ok, error_message, language_tag }
}

impl Visitor {
    fn attributes(&self, path: &str) -> Reply<FileAttributes> {
        let files = &self.host.files;
        let size = files.size(path).ok_or_else(|| refusal(FileError::Missing))?;
        let permissions = if files.is_folder(path) { 0o40_755 } else { 0o100_644 };
        let size = u64::try_from(size).ok();
        Ok(FileAttributes { size, permissions: Some(permissions), ..FileAttributes::empty() })
    }

    fn keep(&mut self, id: u32, open: Open) -> Reply<Handle> {
        if self.open.len() >= OPEN_MAX {
            return Err(StatusCode::Failure.with_message("too many open files"));
        }
        self.last += 1;
        let handle = self.last.to_string();
        self.open.insert(handle.clone(), open);
        Ok(Handle { id, handle })
    }

    fn file(&self, handle: &str) -> Reply<&str> {
        match self.open.get(handle) {
            Some(Open::File(path)) => Ok(path),
            Some(Open::Folder { .. }) | None => {
                Err(StatusCode::Failure.with_message("no such handle"))
            }
        }
    }
}

impl Handler for Visitor {
    type Error = StatusReply;

    fn unimplemented(&self) -> Self::Error {
        StatusCode::OpUnsupported.into()
    }

    async fn init(&mut self, _: u32, _: HashMap<String, String>) -> Reply<Version> {
        let mut version = Version::new();
        for name in ["posix-rename@openssh.com", "fsync@openssh.com"] {
            version.extensions.insert(name.to_owned(), "1".to_owned());
        }
        Ok(version)
    }

    async fn open(
        &mut self,
        id: u32,
        filename: String,
        flags: OpenFlags,
        _: FileAttributes,
    ) -> Reply<Handle> {
        let path = absolute(HOME, &filename);
        let files = &self.host.files;
        if files.is_folder(&path) {
            return Err(refusal(FileError::Folder));
        }
        let there = files.is_file(&path);
        if there && flags.contains(OpenFlags::EXCLUDE) {
            return Err(refusal(FileError::Exists));
        }
        if !there && !flags.contains(OpenFlags::CREATE) {
            return Err(refusal(FileError::Missing));
        }
        if !there || flags.contains(OpenFlags::TRUNCATE) {
            files.write(&path, b"").map_err(refusal)?;
        }
        self.keep(id, Open::File(path))
    }

    async fn close(&mut self, id: u32, handle: String) -> Reply<Status> {
        self.open.remove(&handle);
        Ok(fine(id))
    }

    async fn read(&mut self, id: u32, handle: String, offset: u64, len: u32) -> Reply<Data> {
        let path = self.file(&handle)?;
        let length = usize::try_from(len).unwrap_or(0).min(READ_BYTES_MAX);
        let data = self.host.files.read_at(path, offset, length).map_err(refusal)?;
        if data.is_empty() { Err(StatusCode::Eof.into()) } else { Ok(Data { id, data }) }
    }

    async fn write(
        &mut self,
        id: u32,
        handle: String,
        offset: u64,
        data: Vec<u8>,
    ) -> Reply<Status> {
        let path = self.file(&handle)?;
        self.host.files.write_at(path, offset, &data).map_err(refusal)?;
        Ok(fine(id))
    }

    async fn lstat(&mut self, id: u32, path: String) -> Reply<Attrs> {
        Ok(Attrs { id, attrs: self.attributes(&absolute(HOME, &path))? })
    }

    async fn stat(&mut self, id: u32, path: String) -> Reply<Attrs> {
        self.lstat(id, path).await
    }

    async fn fstat(&mut self, id: u32, handle: String) -> Reply<Attrs> {
        let path = self.file(&handle)?;
        Ok(Attrs { id, attrs: self.attributes(path)? })
    }

    async fn setstat(&mut self, id: u32, path: String, _: FileAttributes) -> Reply<Status> {
        self.attributes(&absolute(HOME, &path)).map(|_| fine(id))
    }

    async fn fsetstat(&mut self, id: u32, handle: String, _: FileAttributes) -> Reply<Status> {
        self.file(&handle).map(|_| fine(id))
    }

    async fn opendir(&mut self, id: u32, path: String) -> Reply<Handle> {
        let path = absolute(HOME, &path);
        if !self.host.files.is_folder(&path) {
            return Err(refusal(FileError::Missing));
        }
        self.keep(id, Open::Folder { path, told: false })
    }

    async fn readdir(&mut self, id: u32, handle: String) -> Reply<Name> {
        let Some(Open::Folder { path, told }) = self.open.get_mut(&handle) else {
            return Err(StatusCode::Failure.with_message("no such handle"));
        };
        if std::mem::replace(told, true) {
            return Err(StatusCode::Eof.into());
        }
        let path = path.clone();
        let names = self.host.files.names(&path).into_iter();
        let file = |name: String| {
            let attrs = self.attributes(&absolute(&path, &name)).ok()?;
            Some(File::new(name, attrs))
        };
        Ok(Name { id, files: names.filter_map(file).collect() })
    }

    async fn remove(&mut self, id: u32, filename: String) -> Reply<Status> {
        self.host.files.remove(&absolute(HOME, &filename), false).map_err(refusal)?;
        Ok(fine(id))
    }

    async fn mkdir(&mut self, id: u32, path: String, _: FileAttributes) -> Reply<Status> {
        self.host.files.make_folder(&absolute(HOME, &path), false).map_err(refusal)?;
        Ok(fine(id))
    }

    async fn rmdir(&mut self, id: u32, path: String) -> Reply<Status> {
        self.host.files.remove_folder(&absolute(HOME, &path)).map_err(refusal)?;
        Ok(fine(id))
    }

    async fn realpath(&mut self, id: u32, path: String) -> Reply<Name> {
        Ok(Name { id, files: vec![File::dummy(absolute(HOME, &path))] })
    }

    async fn rename(&mut self, id: u32, oldpath: String, newpath: String) -> Reply<Status> {
        let to = absolute(HOME, &newpath);
        if self.host.files.size(&to).is_some() {
            return Err(refusal(FileError::Exists));
        }
        self.host.files.rename(&absolute(HOME, &oldpath), &to).map_err(refusal)?;
        Ok(fine(id))
    }

    async fn extended(&mut self, id: u32, request: String, data: Vec<u8>) -> Reply<Packet> {
        match request.as_str() {
            "fsync@openssh.com" => Ok(fine(id).into()),
            "posix-rename@openssh.com" => {
                let names = two_names(&data).ok_or(StatusCode::BadMessage)?;
                let [from, to] = names.map(|name| absolute(HOME, &name));
                self.host.files.rename(&from, &to).map_err(refusal)?;
                Ok(fine(id).into())
            }
            _ => Err(StatusCode::OpUnsupported.into()),
        }
    }
}

/// Two strings, each with its length before it.
fn two_names(data: &[u8]) -> Option<[String; 2]> {
    let one = |data: &[u8]| {
        let (length, rest) = data.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let name = String::from_utf8(rest.get(..length)?.to_vec()).ok()?;
        Some((name, rest.get(length..)?.to_vec()))
    };
    let (from, rest) = one(data)?;
    let (to, _) = one(&rest)?;
    Some([from, to])
}
