//! Stand-in until `runbook::template` lands: whoever lands `Text::resolve` and `holds` removes this file.

use std::collections::BTreeMap;

use crate::base::VarName;

use super::text::{NotCaptured, Text};

impl Text {
    /// The text with its captured values.
    pub fn resolve(&self, captures: &BTreeMap<VarName, String>) -> Result<String, NotCaptured> {
        match self.captured.iter().find(|name| !captures.contains_key(name)) {
            Some(missing) => Err(NotCaptured(missing.clone())),
            None => Ok(self.shown.clone()),
        }
    }
}

/// Whether a `when` expression holds.
pub fn holds(
    when: &str,
    _vars: &BTreeMap<VarName, String>,
    _captures: &BTreeMap<VarName, String>,
) -> Result<bool, String> {
    Ok(when != "false")
}
