//! What is sent in a call, whoever carries it.

use crate::engine::Key;

use super::fate::Ask;
use super::script::Mode;
use super::wire::header;

/// What a step is to its host.
#[derive(Clone, Debug, Default)]
pub struct Errand {
    /// The run that it belongs to.
    pub run: String,
    /// Its name in there.
    pub key: String,
    /// What its payload is told by from any other.
    pub digest: String,
    /// The line that has a shell of the step's user take the next one, with its end.
    pub r#become: Option<String>,
    /// The line of the step, with its end.
    pub step: String,
    /// What it reads.
    pub input: Vec<u8>,
    /// Its payload must not touch the disk.
    pub secret: bool,
    /// Attempts that have to be final before it may begin.
    pub after: Vec<Key>,
    /// The id of the records that hold those attempts, where they were heard of.
    pub after_in: Option<String>,
    /// The id of the records that were there when it started, where they were heard of.
    pub records: Option<String>,
    /// The id of the records that have passed for the host's own last.
    pub seen: Option<String>,
}

/// What is sent in one call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sending {
    /// The request.
    pub mode: Mode,
    /// What follows at once.
    pub at_once: Vec<Vec<u8>>,
    /// The step itself, where the host has to answer first.
    pub later: Vec<Vec<u8>>,
}

impl Errand {
    /// The words of `ask`. `new_id` names records that have no name yet; `home` is where this step
    /// was found before, and the id there.
    ///
    /// # Errors
    /// Says what cannot be sent; waiting changes nothing of it.
    pub fn sending(
        &self,
        ask: Ask,
        nonce: &str,
        new_id: String,
        home: Option<(&str, &str)>,
    ) -> Result<Sending, String> {
        let mut words: Vec<(&str, String)> = Vec::new();
        let (mut at_once, mut later) = (Vec::new(), Vec::new());
        let mode = match ask {
            Ask::Start { whole } => {
                if self.secret {
                    words.push(("secret", "1".to_owned()));
                }
                words.push(("newid", new_id));
                if let Some(seen) = &self.seen {
                    words.push(("seen", seen.clone()));
                }
                let mut payload = self.r#become.clone().unwrap_or_default();
                payload.push_str(&self.step);
                words.push(("digest", self.digest.clone()));
                words.push(("lines", if self.r#become.is_some() { "2" } else { "1" }.to_owned()));
                words.push(("stdin", self.input.len().to_string()));
                if !self.after.is_empty() {
                    let keys: Vec<String> = self.after.iter().map(Key::to_string).collect();
                    words.push(("after", keys.join(",")));
                    if let Some(id) = &self.after_in {
                        // Other records would say of them that they never ran.
                        words.push(("rootid", id.clone()));
                    }
                }
                let payload = vec![payload.into_bytes(), self.input.clone()];
                *(if whole { &mut at_once } else { &mut later }) = payload;
                Mode::Start
            }
            Ask::Attach { out, err, void } => {
                words.push(("o", out.to_string()));
                words.push(("e", err.to_string()));
                words.push(("void", u8::from(void).to_string()));
                if void {
                    words.push(("newid", new_id));
                }
                Mode::Attach
            }
            Ask::Cancel { grace } => {
                words.push(("grace", grace.to_std().as_secs().to_string()));
                words.push(("newid", new_id));
                if let Some(line) = &self.r#become {
                    words.push(("become", "1".to_owned()));
                    at_once.push(line.clone().into_bytes());
                }
                Mode::Cancel
            }
        };
        if mode != Mode::Start {
            if let Some((root, id)) = home {
                words.push(("root", root.to_owned()));
                words.push(("rootid", id.to_owned()));
            } else if let Some(id) = &self.records {
                // Records that are not those that were there when it started cannot say that it never
                // ran.
                words.push(("rootid", id.clone()));
            }
        }
        let first = header(mode, nonce, (&self.run, &self.key), &words)?.into_bytes();
        // One packet, where it fits.
        let mut more = at_once.into_iter();
        let mut at_once = vec![[first, more.next().unwrap_or_default()].concat()];
        at_once.extend(more);
        Ok(Sending { mode, at_once, later })
    }
}
