//! The values of secrets, and the only place that they are in.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::base::{SafeText, SecretName};
use crate::engine::Run;
use crate::runbook::Given;

use super::redact::{Needles, Redactor, Unusable};
use super::ssh::Command;

/// The values of a session's secrets. They are wiped from memory with the last copy of this, and
/// nothing of them can be printed.
#[derive(Clone, Default)]
pub struct Secrets(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// As their sources gave them.
    values: BTreeMap<SecretName, Zeroizing<Vec<u8>>>,
    needles: Arc<Needles>,
    /// Variables of golive's own environment that no command of a step inherits.
    hidden: Vec<String>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Secrets").field(&self.0.values.keys().collect::<Vec<_>>()).finish()
    }
}

impl Secrets {
    /// No secrets.
    pub fn none() -> Self {
        Self::default()
    }

    /// These values. `hidden` are the variables of golive's own environment that hold some.
    ///
    /// # Errors
    /// Every value that cannot be kept out of the record, and why.
    pub fn new(
        values: BTreeMap<SecretName, Zeroizing<Vec<u8>>>,
        hidden: Vec<String>,
    ) -> Result<Self, Vec<(SecretName, Unusable)>> {
        let needles = Needles::new(values.iter().map(|(name, value)| (name, bare(value))))?;
        Ok(Self(Arc::new(Inner { values, needles: Arc::new(needles), hidden })))
    }

    /// Values that nobody has, for practice.
    pub fn made_up(names: impl IntoIterator<Item = SecretName>) -> Self {
        let value = |(number, name): (usize, SecretName)| {
            let value = format!("made-up/{number}/of-{}-letters", name.as_str().len());
            (name, Zeroizing::new(value.into_bytes()))
        };
        let values = names.into_iter().enumerate().map(value).collect();
        Self::new(values, Vec::new()).unwrap_or_default()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.values.is_empty()
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &SecretName> {
        self.0.values.keys()
    }

    /// What has to be found in output.
    pub fn needles(&self) -> &Arc<Needles> {
        &self.0.needles
    }

    /// A redactor for one stream.
    pub fn redactor(&self) -> Redactor {
        Redactor::new(&self.0.needles)
    }

    /// `text` with every value replaced.
    pub fn clean(&self, text: SafeText) -> SafeText {
        match self.0.needles.clean(text.as_str()) {
            Cow::Borrowed(_) => text,
            Cow::Owned(clean) => SafeText::new(&clean),
        }
    }

    /// The command of `run`, with the values that it is given.
    ///
    /// # Errors
    /// A value is not there, or cannot be a variable's.
    pub(super) fn command(&self, run: &Run) -> Result<Command, String> {
        let mut command = self.command_of(&run.line, &run.env)?;
        command.stdin = match &run.stdin {
            None => None,
            Some(Given::Text(text)) => Some(text.clone().into_bytes()),
            // Byte for byte, as `command < file` does it.
            Some(Given::Secret(secret)) => Some(self.value(secret)?.to_vec()),
        };
        Ok(command)
    }

    /// `line` in this environment, with the values that it is given.
    ///
    /// # Errors
    /// A value is not there, or cannot be a variable's.
    pub(super) fn command_of(
        &self,
        line: &str,
        env: &BTreeMap<String, Given<String>>,
    ) -> Result<Command, String> {
        let mut command = Command::new(line);
        for (name, given) in env {
            let value = match given {
                Given::Text(text) => text.clone(),
                // Without its last line end, as `$(command)` does it.
                Given::Secret(secret) => String::from_utf8(bare(self.value(secret)?).to_vec())
                    .map_err(|_| {
                        format!("secret `{secret}` is no UTF-8 text: no variable holds it")
                    })?,
            };
            command.env.push((name.clone(), value));
        }
        command.hidden.clone_from(&self.0.hidden);
        Ok(command)
    }

    /// The value as one line of text, without its line end.
    ///
    /// # Errors
    /// It is not there, or is no text.
    pub(super) fn text(&self, secret: &SecretName) -> Result<Zeroizing<String>, String> {
        let text = String::from_utf8(bare(self.value(secret)?).to_vec());
        let text = text.map_err(|_| format!("the value of secret `{secret}` is no UTF-8 text"))?;
        Ok(Zeroizing::new(text))
    }

    fn value(&self, secret: &SecretName) -> Result<&[u8], String> {
        let value = self.0.values.get(secret).map(|value| value.as_slice());
        value.ok_or_else(|| format!("the value of secret `{secret}` is not known"))
    }
}

/// Without the last line end, which files and commands have and secrets do not.
fn bare(value: &[u8]) -> &[u8] {
    let value = value.strip_suffix(b"\n").unwrap_or(value);
    value.strip_suffix(b"\r").unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::{Secrets, bare};

    #[test]
    fn values_are_never_printed() {
        let name = "db".parse().unwrap();
        let value = zeroize::Zeroizing::new(b"hunter2000\n".to_vec());
        let secrets = Secrets::new([(name, value)].into(), Vec::new()).unwrap();
        assert_eq!(format!("{secrets:?}"), "Secrets([SecretName(\"db\")])");
        assert_eq!(secrets.clean("is hunter2000!".into()).as_str(), "is ‹redacted:db›!");
        assert_eq!([bare(b"a\r\n"), bare(b"a\n\n")], [&b"a"[..], b"a\n"]);
        assert_eq!(
            format!("{:?}", secrets.needles()),
            "Needles { names: [SecretName(\"db\")], .. }"
        );
    }
}
