//! Secrets as a runbook names them: where a value comes from, and where it goes. No value is here.

use serde::{Deserialize, Serialize};

use crate::base::{SafeText, SecretName};

/// Where the value of a secret comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretSource {
    /// A variable of golive's own environment.
    Env(String),
    /// A file on the operator's machine; without `/` or `~/` in front it counts from the folder of
    /// the runbook.
    File(String),
    /// What a command on the operator's machine prints.
    Command(String),
    /// A person types it; this is the question.
    Prompt(SafeText),
}

impl SecretSource {
    /// The source in a few words.
    pub fn words(&self) -> String {
        match self {
            Self::Env(name) => format!("variable {name} of the environment"),
            Self::File(path) => format!("file {path}"),
            Self::Command(command) => format!("what `{command}` prints"),
            Self::Prompt(_) => "asked for at the start".to_owned(),
        }
    }
}

/// What a command is given: a text, or the value of a secret. Only the secret's name is known
/// here; its value is put in at the last moment, where the command is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Given<T> {
    /// A text.
    Text(T),
    /// The value of the secret of this name.
    Secret(SecretName),
}

impl<T> Given<T> {
    /// The text; none for a secret.
    pub const fn text(&self) -> Option<&T> {
        match self {
            Self::Text(text) => Some(text),
            Self::Secret(_) => None,
        }
    }

    /// The name of the secret; none for a text.
    pub const fn secret(&self) -> Option<&SecretName> {
        match self {
            Self::Text(_) => None,
            Self::Secret(name) => Some(name),
        }
    }

    /// The same with `change` done to a text.
    pub fn try_map<U, E>(&self, change: impl FnOnce(&T) -> Result<U, E>) -> Result<Given<U>, E> {
        match self {
            Self::Text(text) => change(text).map(Given::Text),
            Self::Secret(name) => Ok(Given::Secret(name.clone())),
        }
    }
}

/// What stands for the value of a secret wherever text is shown before it is sent.
pub fn stands_for(secret: &SecretName) -> String {
    format!("‹secret: {secret}›")
}
