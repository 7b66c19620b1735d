//! A template whose variables are known, and whose captured values may not be yet.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::base::VarName;

/// A command or a message. What earlier steps capture is filled in when the step starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The template as written.
    pub(super) template: String,
    /// Every variable of the plan, for the second rendering.
    pub(super) vars: std::sync::Arc<BTreeMap<VarName, String>>,
    /// Captured values that it needs.
    pub(super) captured: Vec<VarName>,
    /// What is shown before they exist: `‹captured: name›` in their place.
    pub(super) shown: String,
    /// Whether values are quoted for a POSIX shell.
    pub(super) quoting: Quoting,
}

/// How values enter a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quoting {
    /// Quoted for a POSIX shell, unless the template says `| raw`.
    Shell,
    /// As they are.
    Plain,
}

/// A text needs a captured value that no step has captured.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("it needs `{0}`, which no step has captured yet")]
pub struct NotCaptured(pub VarName);

impl Text {
    /// A text without any template in it.
    pub fn literal(text: &str) -> Self {
        Self {
            template: text.to_owned(),
            vars: std::sync::Arc::default(),
            captured: Vec::new(),
            shown: text.to_owned(),
            quoting: Quoting::Plain,
        }
    }

    /// The text as it can be shown now; `‹captured: name›` stands for values yet to come.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// The captured values that it needs.
    pub fn needs(&self) -> &[VarName] {
        &self.captured
    }
}
