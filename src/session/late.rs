//! Secrets that came to be known late: their values may stand in what was written before.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use tokio::sync::mpsc;

use crate::base::{SafeText, SecretName};
use crate::engine::Refusal;
use crate::exec::{Report, Secrets, looks_secret};
use crate::journal::{JOURNAL_FILE, continued, output_dirs};

/// Bytes read at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// Looks for the values of `secrets` in the transcripts and the journal of the session in `dir`,
/// and reports each file that holds one. A value that is not the one of before (it was changed
/// meanwhile) was not taken out of what is there already. Nothing is changed: it is the record.
pub(super) fn look_back(
    dir: &Path,
    secrets: &Secrets,
    reports: &mpsc::UnboundedSender<Report>,
) -> io::Result<()> {
    let mut files = Vec::new();
    for outputs in output_dirs(dir).map_err(io::Error::other)? {
        match std::fs::read_dir(outputs) {
            Ok(entries) => files.extend(entries.filter_map(|entry| Some(entry.ok()?.path()))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    files.retain(|path| path.extension().is_some_and(|end| end == "log"));
    files.sort();
    let away = continued(dir).map_err(io::Error::other)?;
    files.push(away.as_deref().unwrap_or(dir).join(JOURNAL_FILE));
    for path in files {
        let file = path.strip_prefix(dir).unwrap_or(&path).display().to_string();
        for secret in held_by(&path, secrets)? {
            let file = SafeText::new(&file);
            reports.send(Report::Tainted { file, secret }).ok();
        }
    }
    Ok(())
}

/// Refuses texts of a person that would bring a secret into the record: the value of a declared
/// one in any of its forms, or what has the shape of a key or a token.
pub(super) fn no_secret(secrets: &Secrets, texts: &[&str]) -> Result<(), Refusal> {
    for text in texts {
        if let Some(name) = secrets.needles().find(text.as_bytes()) {
            let what = SafeText::new(&format!("the value of secret `{name}`"));
            return Err(Refusal::HoldsSecret(what));
        }
        if let Some(shape) = looks_secret(text) {
            return Err(Refusal::HoldsSecret(SafeText::new(&format!("what looks like {shape}"))));
        }
    }
    Ok(())
}

/// The secrets whose values are in a file.
fn held_by(path: &Path, secrets: &Secrets) -> io::Result<BTreeSet<SecretName>> {
    let mut file = File::open(path)?;
    let mut redactor = secrets.redactor();
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            redactor.finish();
            return Ok(redactor.counts().keys().cloned().collect());
        }
        redactor.feed(buffer.get(..count).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::OUTPUT_DIR;

    #[test]
    fn what_was_written_before_the_value_was_known_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join(OUTPUT_DIR);
        std::fs::create_dir(&output).unwrap();
        std::fs::write(output.join("one.1.web1.log"), "the new word is aHVudGVyMjAwMA==\n")
            .unwrap();
        std::fs::write(output.join("two.1.web1.log"), "nothing\n").unwrap();
        std::fs::write(dir.path().join(JOURNAL_FILE), "{}\n").unwrap();
        let value = zeroize::Zeroizing::new(b"hunter2000".to_vec());
        let secrets = Secrets::new([("db".parse().unwrap(), value)].into(), Vec::new()).unwrap();
        let (sender, mut reports) = mpsc::unbounded_channel();
        look_back(dir.path(), &secrets, &sender).unwrap();
        let Some(Report::Tainted { file, secret }) = reports.try_recv().ok() else {
            panic!("nothing was reported")
        };
        assert_eq!((file.as_str(), secret.as_str()), ("output/one.1.web1.log", "db"));
        reports.try_recv().unwrap_err();
    }
}
