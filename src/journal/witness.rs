//! What somebody else holds of a record, read: a directory, a file, a head in a ticket.

use std::path::Path;

use crate::base::Timestamp;

use super::checkpoint::{Checkpoint, Stored, named, stored};
use super::disk::RealDisk;
use super::error::JournalError;
use super::evidence::Witness;

/// The file of a witness that says when each checkpoint came.
const ARRIVED_FILE: &str = "arrived";
/// What stands before the name of a file where several are in one text.
const NEXT_FILE: &str = "== ";
/// Fewer digits of a head say nothing.
const HEAD_DIGITS_MIN: usize = 12;

impl Witness {
    /// A copy of a witness's directory, or a file: a checkpoint, or several as a host sends them.
    ///
    /// # Errors
    /// It cannot be read, or is nothing of the kind.
    pub fn read(path: &Path) -> Result<Self, JournalError> {
        let by = path.display().to_string();
        if path.is_dir() {
            let (held, _) = stored(&RealDisk, path)?;
            let mut witness = Self { by, held, ..Self::default() };
            witness.arrivals(&std::fs::read_to_string(path.join(ARRIVED_FILE)).unwrap_or_default());
            return Ok(witness);
        }
        let text = std::fs::read_to_string(path)
            .map_err(|source| JournalError::io("read", path, source))?;
        let witness = Self::parse(&by, &text);
        if witness.held.is_empty() {
            let what = "it holds no checkpoint of a golive record".to_owned();
            return Err(JournalError::broken(path, 1, what));
        }
        Ok(witness)
    }

    /// The first digits of a line's head, as the screen and the report show them.
    ///
    /// # Errors
    /// They are none, or too few.
    pub fn noted(head: &str) -> Result<Self, String> {
        let head = head.trim().to_ascii_lowercase();
        let digits = head.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !digits || !(HEAD_DIGITS_MIN..=64).contains(&head.len()) {
            return Err(format!("a head is {HEAD_DIGITS_MIN} to 64 hex digits"));
        }
        Ok(Self { by: "the note".to_owned(), heads: vec![head], ..Self::default() })
    }

    /// What `by` holds, as one text: files one after the other, each behind a line `== NAME`; or
    /// one checkpoint alone.
    pub fn parse(by: &str, text: &str) -> Self {
        let mut witness = Self { by: by.to_owned(), ..Self::default() };
        if Checkpoint::parse(text).is_ok() {
            // Its number is not known.
            witness.held.push(Stored { number: 0, text: text.to_owned(), signature: None });
            return witness;
        }
        let mut files: Vec<(&str, String)> = Vec::new();
        for line in text.lines() {
            if let Some(name) = line.strip_prefix(NEXT_FILE) {
                files.push((name, String::new()));
            } else if let Some((_, text)) = files.last_mut() {
                text.push_str(line);
                text.push('\n');
            }
        }
        for (name, text) in files {
            if name == ARRIVED_FILE {
                witness.arrivals(&text);
            } else if let Some((number, is_signature)) = named(name) {
                witness.take(number, is_signature, text);
            }
        }
        witness
    }

    fn take(&mut self, number: u64, is_signature: bool, text: String) {
        let at = self.held.iter().position(|stored| stored.number == number);
        let at = at.unwrap_or_else(|| {
            self.held.push(Stored { number, ..Stored::default() });
            self.held.len() - 1
        });
        if let Some(stored) = self.held.get_mut(at) {
            if is_signature { stored.signature = Some(text) } else { stored.text = text }
        }
    }

    /// Lines of number and time.
    fn arrivals(&mut self, text: &str) {
        for (name, time) in text.lines().filter_map(|line| line.split_once(' ')) {
            if let (Some((number, false)), Ok(time)) = (named(name), time.parse::<Timestamp>()) {
                self.arrived.entry(number).or_insert(time);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Witness;

    #[test]
    fn a_hosts_answer_is_read() {
        let text = "noise\n== 000001\na\nb\n== 000001.sig\nc\n== arrived\n000001 2026-11-29T03:00:00Z\n== ../x\nd\n";
        let witness = Witness::parse("web-1", text);
        assert_eq!(witness.held.len(), 1);
        assert_eq!(witness.held[0].text, "a\nb\n");
        assert_eq!(witness.held[0].signature.as_deref(), Some("c\n"));
        assert_eq!(witness.arrived.len(), 1);
        assert_eq!(Witness::noted("0123456789ABcdef").unwrap().heads, ["0123456789abcdef"]);
        assert!(Witness::noted("0123").is_err() && Witness::noted("0123456789abcdeg").is_err());
    }
}
