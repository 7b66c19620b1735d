//! What a session is made from, kept byte for byte in its `pinned/` folder.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::base::{SafeText, VarName};
use crate::engine::RunKind;
use crate::journal::{self, Disk, Open, RealDisk};
use crate::plan::{self, Plan};
use crate::runbook::{self, Checked, Content, Options, SourceFile};

use super::ansible;
use super::content;
use super::store::{Found, StoreError};

/// The exact texts and values that a plan is made from. The same inputs give the same plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inputs {
    /// The runbook and everything that it names: path as written to text. The runbook itself is
    /// under its own name, [`Inputs::main`].
    pub files: BTreeMap<String, String>,
    /// The runbook's name among them.
    pub main: String,
    /// The inventory that replaces the runbook's own, by its name among the files.
    pub inventory: Option<String>,
    /// Values from the command line.
    pub vars: BTreeMap<VarName, String>,
    /// Whether the hosts are the practice fleet's.
    pub practice: bool,
    /// What is to be uploaded, by its path in the plan.
    pub contents: BTreeMap<String, Arc<Content>>,
    /// The folder of the runbook; empty where it has none.
    pub folder: String,
}

/// What `pinned/inputs.json` holds; the texts are files of their own beside it.
#[derive(Serialize, Deserialize)]
struct Manifest {
    main: String,
    inventory: Option<String>,
    vars: BTreeMap<VarName, String>,
    practice: bool,
    files: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    contents: BTreeMap<String, Arc<Content>>,
    #[serde(default)]
    folder: String,
}

/// Inputs that cannot be read, or make no plan.
#[derive(Debug, Error)]
pub enum InputsError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The runbook has errors.
    #[error("the runbook has {} errors", .0.errors().count())]
    Invalid(Box<Checked>),
    /// The plan cannot be made.
    #[error("{0}")]
    Plan(String),
    /// What is pinned is not what the session was started from.
    #[error("{}: {why}", path.display())]
    Pinned {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The session's folder cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl InputsError {
    /// Whether a file is there, and the disk does not give it back.
    pub fn is_of_the_disk(&self) -> bool {
        let Self::Read { source, .. } = self else { return false };
        source.raw_os_error().is_some() && source.kind() != io::ErrorKind::NotFound
    }
}

/// Why a run of this kind on that environment needs a reason.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Environment {
    /// A rehearsal or drill on production hosts.
    #[error("a {} refuses hosts of environment `{environment}`: use another --inventory, or give --override-environment REASON", kind.word().to_lowercase())]
    Production {
        /// The kind.
        kind: RunKind,
        /// The environment.
        environment: SafeText,
    },
    /// A live run on hosts of another environment.
    #[error(
        "a live run refuses hosts of environment `{0}`: it wants `production`; use another --inventory, or give --override-environment REASON"
    )]
    NotProduction(SafeText),
    /// A live run on hosts of no named environment.
    #[error(
        "the inventory names no environment: write environment = \"production\" into it, or give --environment production"
    )]
    Unnamed,
}

/// Whether a run of `kind` may touch hosts of `environment` (RUNBOOK.md, hosts).
pub fn may_run(kind: RunKind, environment: Option<&SafeText>) -> Result<(), Environment> {
    let production = environment.is_some_and(|name| name.as_str() == "production");
    match (kind, environment) {
        (RunKind::Live, None) => Err(Environment::Unnamed),
        (RunKind::Live, Some(name)) if !production => Err(Environment::NotProduction(name.clone())),
        (RunKind::Rehearsal | RunKind::Drill, Some(name)) if production => {
            Err(Environment::Production { kind, environment: name.clone() })
        }
        (RunKind::Live | RunKind::Rehearsal | RunKind::Drill, _) => Ok(()),
    }
}

impl Inputs {
    /// Reads a runbook and all that it names from the disk, and checks it.
    ///
    /// # Errors
    /// The runbook itself cannot be read. What is wrong with it is in the second value.
    pub fn read(path: &Path, options: &Options) -> Result<(Self, Checked), InputsError> {
        let name = path.display().to_string();
        let text = read_text(path)
            .map_err(|source| InputsError::Read { path: path.to_owned(), source })?;
        let beside = path.parent().unwrap_or(Path::new("")).to_owned();
        let replaced = options.inventory.clone();
        let mut files = BTreeMap::from([(name.clone(), text.clone())]);
        let checked =
            runbook::check_with(&SourceFile::new(&name, &text), options, &mut |written| {
                // The inventory of the command line is relative to the folder one is in.
                let from_flag = replaced.as_deref() == Some(written);
                let (is_ansible, path) = match written.strip_prefix(runbook::ANSIBLE) {
                    Some(path) => (true, path),
                    None => (false, written),
                };
                let file = if from_flag { PathBuf::from(path) } else { beside.join(path) };
                if is_ansible {
                    let source = ansible::read_ansible(&file)?;
                    files.insert(written.to_owned(), ansible::to_keep(&source.text));
                    return Ok(source);
                }
                let text =
                    read_text(&file).map_err(|error| format!("{}: {error}", file.display()))?;
                files.insert(written.to_owned(), text.clone());
                Ok(SourceFile::new(&file.display().to_string(), &text))
            });
        let folder = std::path::absolute(&beside).unwrap_or(beside);
        let mut inputs = Self {
            files,
            main: name,
            inventory: options.inventory.clone(),
            vars: options.vars.clone(),
            practice: false,
            contents: BTreeMap::new(),
            folder: folder.display().to_string(),
        };
        let mut checked = checked;
        content::take(&mut inputs, &mut checked);
        let checked = inputs.with_doubts(checked);
        Ok((inputs, checked))
    }

    /// Checks the texts again, without the disk.
    pub fn check(&self) -> Checked {
        let text = self.files.get(&self.main).map_or("", String::as_str);
        let options = Options { inventory: self.inventory.clone(), vars: self.vars.clone() };
        let checked =
            runbook::check_with(&SourceFile::new(&self.main, text), &options, &mut |written| {
                let text = self.files.get(written).ok_or("it is not among the pinned files")?;
                Ok(SourceFile::new(written, text))
            });
        self.with_doubts(checked)
    }

    /// The problems with those that only the plan's times show.
    fn with_doubts(&self, mut checked: Checked) -> Checked {
        if let Ok(plan) = self.plan(&checked) {
            checked.problems.extend(plan::lint(&plan, &checked.places));
            runbook::sort_problems(&mut checked.problems, &self.main);
        }
        checked
    }

    /// The plan of these inputs.
    ///
    /// # Errors
    /// The runbook has errors, or a template or an expression of it cannot be worked out.
    pub fn plan(&self, checked: &Checked) -> Result<Arc<Plan>, InputsError> {
        let Some(runbook) = &checked.runbook else {
            return Err(InputsError::Invalid(Box::new(checked.clone())));
        };
        let inputs = plan::Inputs {
            vars: self.vars.clone(),
            scripts: checked.scripts.clone(),
            contents: self.contents.clone(),
            folder: self.folder.clone(),
        };
        let plan = plan::compile(runbook, &checked.inventory, &inputs, self.digest());
        plan.map(Arc::new).map_err(|errors| {
            let lines: Vec<_> = errors.iter().map(ToString::to_string).collect();
            InputsError::Plan(lines.join("\n"))
        })
    }

    /// Digest of everything the plan is made from.
    pub fn digest(&self) -> crate::base::Digest {
        let mut hasher = crate::base::Hasher::default();
        let mut field = |text: &str| {
            hasher.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
            hasher.update(text.as_bytes());
        };
        field("golive-plan/1");
        // Where the files lie on this machine is not part of what they say.
        for (name, text) in &self.files {
            let is_inventory = self.inventory.as_ref() == Some(name);
            field(if *name == self.main {
                "the runbook"
            } else if is_inventory {
                "the inventory"
            } else {
                name
            });
            field(text);
        }
        for (name, value) in &self.vars {
            field(name.as_str());
            field(value);
        }
        for (name, content) in &self.contents {
            field(name);
            field(&content.manifest());
        }
        hasher.digest()
    }

    /// Keeps the inputs in a session's folder.
    ///
    /// # Errors
    /// The disk refused.
    pub fn pin(&self, session: &Found) -> Result<(), InputsError> {
        self.pin_on(&RealDisk, session)
    }

    /// The same on any disk.
    pub fn pin_on(&self, disk: &dyn Disk, session: &Found) -> Result<(), InputsError> {
        self.pin_in(disk, &session.pinned(), &session.dir)
    }

    /// Keeps the inputs of another plan of a session beside those that it was opened with, in a
    /// folder of their own: nothing that is there already is touched.
    pub fn pin_beside(&self, disk: &dyn Disk, session: &Found) -> Result<(), InputsError> {
        let (dir, _) = later_folders(disk, session)?;
        self.pin_in(disk, &dir, &session.pinned())
    }

    fn pin_in(&self, disk: &dyn Disk, dir: &Path, parent: &Path) -> Result<(), InputsError> {
        match disk.make_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made.map_err(|source| {
                let path = dir.to_owned();
                StoreError::Io { doing: "create", path, source }
            })?,
        }
        let mut files = BTreeMap::new();
        for (index, (name, text)) in self.files.iter().enumerate() {
            let base = Path::new(name).file_name().and_then(|base| base.to_str());
            let safe = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
            let base: String = base.unwrap_or("file").chars().map(safe).collect();
            let kept = format!("{index}-{base}");
            write_private(disk, &dir.join(&kept), text)?;
            files.insert(name.clone(), kept);
        }
        let manifest = Manifest {
            main: self.main.clone(),
            inventory: self.inventory.clone(),
            vars: self.vars.clone(),
            practice: self.practice,
            files,
            contents: self.contents.clone(),
            folder: self.folder.clone(),
        };
        let text = serde_json::to_string_pretty(&manifest).map_err(|error| {
            InputsError::Pinned { path: dir.join("inputs.json"), why: error.to_string() }
        })?;
        write_private(disk, &dir.join("inputs.json"), &format!("{text}\n"))?;
        // The folder's own name has to survive too.
        for dir in [dir, parent] {
            disk.sync_dir(dir).map_err(|source| {
                let path = dir.to_owned();
                StoreError::Io { doing: "sync", path, source }
            })?;
        }
        Ok(())
    }

    /// The inputs that a session was started from.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn pinned(session: &Found) -> Result<Self, InputsError> {
        Self::pinned_on(&RealDisk, session)
    }

    /// The same on any disk.
    pub fn pinned_on(disk: &dyn Disk, session: &Found) -> Result<Self, InputsError> {
        Self::pinned_in(disk, session.pinned())
    }

    /// The inputs of this digest among those that were pinned beside the first ones.
    ///
    /// # Errors
    /// None of them has it, or that one cannot be read.
    pub fn pinned_beside(
        disk: &dyn Disk,
        session: &Found,
        digest: crate::base::Digest,
    ) -> Result<Self, InputsError> {
        let (_, folders) = later_folders(disk, session)?;
        // What a crash left half written has no digest, and no line of the journal names it.
        let mut all = folders.into_iter().filter_map(|dir| Self::pinned_in(disk, dir).ok());
        all.find(|inputs| inputs.digest() == digest).ok_or_else(|| InputsError::Pinned {
            path: session.pinned(),
            why: format!("the texts of plan {digest}, which the run went on by, are not here"),
        })
    }

    fn pinned_in(disk: &dyn Disk, dir: PathBuf) -> Result<Self, InputsError> {
        let path = dir.join("inputs.json");
        let read = |path: PathBuf| {
            let bytes = journal::read_file(disk, &path);
            let utf8 = |bytes| {
                String::from_utf8(bytes).map_err(|_| io::Error::other("it is not UTF-8 text"))
            };
            bytes.and_then(utf8).map_err(|source| InputsError::Read { path, source })
        };
        let manifest: Manifest = serde_json::from_str(&read(path.clone())?)
            .map_err(|error| InputsError::Pinned { path, why: error.to_string() })?;
        let mut files = BTreeMap::new();
        for (name, kept) in manifest.files {
            if kept.contains('/') || kept.contains("..") {
                let why = format!("`{}` is not a file of this folder", SafeText::new(&kept));
                return Err(InputsError::Pinned { path: dir, why });
            }
            files.insert(name, read(dir.join(kept))?);
        }
        Ok(Self {
            files,
            main: manifest.main,
            inventory: manifest.inventory,
            vars: manifest.vars,
            practice: manifest.practice,
            contents: manifest.contents,
            folder: manifest.folder,
        })
    }
}

/// The folder for the next inputs beside the first ones, and those that are there.
fn later_folders(disk: &dyn Disk, session: &Found) -> Result<(PathBuf, Vec<PathBuf>), InputsError> {
    let mut folders = Vec::new();
    loop {
        let dir = session.pinned().join(format!("after-{}", folders.len() + 1));
        match disk.is_there(&dir) {
            Ok(true) => folders.push(dir),
            Ok(false) => return Ok((dir, folders)),
            Err(source) => return Err(InputsError::Read { path: dir, source }),
        }
    }
}

/// A text file of at most what the loader takes, and a bit: it says itself what is too much.
pub(super) fn read_text(path: &Path) -> io::Result<String> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(8 << 20).read_to_end(&mut bytes)?;
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is not UTF-8 text"))
}

fn write_private(disk: &dyn Disk, path: &Path, text: &str) -> Result<(), StoreError> {
    let written = disk.open(path, Open::WriteNew).and_then(|mut file| {
        journal::write_all_at(&mut *file, text.as_bytes(), 0)?;
        file.sync_all()
    });
    written.map_err(|source| StoreError::Io { doing: "write", path: path.to_owned(), source })
}
