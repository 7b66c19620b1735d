//! `golive export`: the record as documents.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::journal::{self, JOURNAL_FILE, Verdict};
use crate::report;
use crate::session::{Found, Recovered, Store, open};

use super::args::{ExportArgs, ExportFormat};
use super::exit::Exit;
use super::message::Failure;
use super::screen::Screen;

/// Documents by the names of their files.
type Documents = BTreeMap<String, Vec<u8>>;

/// Runs the command.
pub(super) fn run(screen: Screen, store: &Store, args: &ExportArgs) -> Result<Exit, Failure> {
    let found = store.find(&args.session)?;
    let recovered = open(&found).map_err(|error| {
        Failure::from(error).help("`golive verify` says what is wrong with the record")
    })?;
    let verdict = journal::verify(&found.dir, Some(&found.id))?;
    screen.say_where_it_goes_on(&found.dir);
    let mut documents = Documents::new();
    for format in &args.format {
        add(&mut documents, *format, &found, &recovered, &verdict)?;
    }
    let output = &args.output;
    if output.as_os_str() == "-" || is_file(output, &args.format) {
        let main = main_document(&args.format)?;
        let bytes = documents.remove(main).unwrap_or_default();
        if output.as_os_str() == "-" {
            screen.data(&String::from_utf8_lossy(&bytes))?;
        } else {
            write(output, &bytes)?;
            screen.say(&format!("{} written", output.display()));
        }
        return Ok(finish(screen, &verdict));
    }
    fs::create_dir_all(output).map_err(|error| {
        Failure::new(Exit::Failed, format!("cannot create {}: {error}", output.display()))
    })?;
    for (name, bytes) in &documents {
        write(&output.join(name), bytes)?;
        screen.say(&format!("{} written", output.join(name).display()));
    }
    Ok(finish(screen, &verdict))
}

fn add(
    documents: &mut Documents,
    format: ExportFormat,
    found: &Found,
    recovered: &Recovered,
    verdict: &Verdict,
) -> Result<(), Failure> {
    let Recovered { plan, entries, .. } = recovered;
    match format {
        ExportFormat::Md => {
            let text = report::markdown(plan, entries, Some(verdict));
            documents.insert("report.md".to_owned(), text.into_bytes());
        }
        ExportFormat::Csv => {
            let tables = report::csv(plan, entries).into_iter();
            documents.extend(tables.map(|(name, text)| (name.to_owned(), text.into_bytes())));
        }
        ExportFormat::Jsonl => {
            let away = journal::continued(&found.dir)?;
            let path = away.as_deref().unwrap_or(&found.dir).join(JOURNAL_FILE);
            let bytes = fs::read(&path).map_err(|error| {
                Failure::new(Exit::Failed, format!("cannot read {}: {error}", path.display()))
            })?;
            documents.insert("audit.jsonl".to_owned(), bytes);
            let how = report::verify_txt(&found.id, verdict);
            documents.insert("verify.txt".to_owned(), how.into_bytes());
        }
    }
    Ok(())
}

/// Whether one document goes into a file of this name.
fn is_file(path: &Path, formats: &[ExportFormat]) -> bool {
    let one = matches!(formats, [ExportFormat::Md | ExportFormat::Jsonl]);
    one && path.extension().is_some() && !path.is_dir()
}

/// The one document that a format is.
fn main_document(formats: &[ExportFormat]) -> Result<&'static str, Failure> {
    match formats {
        [ExportFormat::Md] => Ok("report.md"),
        [ExportFormat::Jsonl] => Ok("audit.jsonl"),
        _ => Err(Failure::usage("these are several documents").help("give a directory with -o")),
    }
}

/// Whole or not at all: a reader never sees half a document.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = path.with_file_name(name);
    let written = fs::write(&part, bytes).and_then(|()| fs::rename(&part, path));
    written.map_err(|error| {
        Failure::new(Exit::Failed, format!("cannot write {}: {error}", path.display()))
    })
}

/// A record that is contradicted is exported all the same, and the code says so.
fn finish(screen: Screen, verdict: &Verdict) -> Exit {
    if verdict.intact {
        for one in &verdict.unreadable {
            screen.complain(&format!("a part of the record cannot be read: {one}"));
        }
        return if verdict.unreadable.is_empty() { Exit::Done } else { Exit::Failed };
    }
    screen.complain(&format!("the record is contradicted: {verdict}"));
    Exit::Contradicted
}
