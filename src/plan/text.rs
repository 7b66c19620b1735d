//! A template whose variables are known, and whose captured values may not be yet.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use thiserror::Error;

use crate::base::VarName;
use crate::runbook::{
    Given, Quoting, TemplateError, holds as expression_holds, is_plain, render, stands_for,
    variables,
};

/// A command or a message. What earlier steps capture is filled in when the step starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The template as written.
    template: String,
    /// Every variable of the plan, for the second rendering.
    vars: Arc<BTreeMap<VarName, String>>,
    /// Captured values that it needs.
    captured: Vec<VarName>,
    /// What is shown before they exist: `‹captured: name›` in their place.
    shown: String,
    /// Whether values are quoted for a POSIX shell.
    quoting: Quoting,
}

/// A text cannot be completed yet, or not with these values.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NotCaptured {
    /// No step has captured a value that it needs.
    #[error("it needs `{0}`, which no step has captured yet")]
    Missing(VarName),
    /// The values do not work in the template.
    #[error("{0}")]
    Template(TemplateError),
}

impl Text {
    /// A text without any template in it.
    pub fn literal(text: &str) -> Self {
        Self {
            template: text.to_owned(),
            vars: Arc::default(),
            captured: Vec::new(),
            shown: text.to_owned(),
            quoting: Quoting::Plain,
        }
    }

    /// A template with its variables filled in. `capturable` are the values that some step of the
    /// plan captures. Errors if it uses anything else, or cannot be rendered.
    pub fn template(
        template: &str,
        vars: &Arc<BTreeMap<VarName, String>>,
        capturable: &BTreeSet<VarName>,
        quoting: Quoting,
    ) -> Result<Self, TemplateError> {
        if is_plain(template) {
            return Ok(Self { quoting, ..Self::literal(template) });
        }
        let names = variables(template)?;
        let captured = capturable.iter().filter(|name| names.contains(name.as_str()));
        let captured: Vec<_> = captured.filter(|name| !vars.contains_key(*name)).cloned().collect();
        let pending = captured.iter().cloned().collect();
        let shown = render(template, vars, &pending, quoting)?;
        Ok(Self { template: template.to_owned(), vars: Arc::clone(vars), captured, shown, quoting })
    }

    /// The text as it can be shown now; `‹captured: name›` stands for values yet to come.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// The captured values that it needs.
    pub fn needs(&self) -> &[VarName] {
        &self.captured
    }

    /// How values enter it.
    pub const fn quoting(&self) -> Quoting {
        self.quoting
    }

    /// The whole text with what earlier steps captured, ready to be run or sent. Errors if a
    /// value is missing.
    pub fn resolve(&self, captures: &BTreeMap<VarName, String>) -> Result<String, NotCaptured> {
        if self.captured.is_empty() {
            return Ok(self.shown.clone());
        }
        let mut values = (*self.vars).clone();
        for name in &self.captured {
            let value = captures.get(name).ok_or_else(|| NotCaptured::Missing(name.clone()))?;
            values.insert(name.clone(), value.clone());
        }
        render(&self.template, &values, &BTreeSet::new(), self.quoting)
            .map_err(NotCaptured::Template)
    }
}

impl Given<Text> {
    /// As it can be shown now; `‹secret: name›` stands for the value of a secret, always.
    pub fn shown(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text.shown()),
            Self::Secret(name) => Cow::Owned(stands_for(name)),
        }
    }
}

/// Whether the expression of a `when` holds. Errors if a value is missing, or if the result is
/// neither true nor false.
pub fn holds(
    when: &str,
    vars: &BTreeMap<VarName, String>,
    captures: &BTreeMap<VarName, String>,
) -> Result<bool, String> {
    let mut values = captures.clone();
    values.extend(vars.iter().map(|(name, value)| (name.clone(), value.clone())));
    expression_holds(when, &values).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::Arc;

    use super::{NotCaptured, Quoting, Text, holds};

    #[test]
    fn captured_values_come_later() {
        let vars = Arc::new(BTreeMap::from([("host".parse().unwrap(), "a b".to_owned())]));
        let rows = BTreeSet::from(["rows".parse().unwrap()]);
        let text = "check {{ host }} {{ rows }}";
        let text = Text::template(text, &vars, &rows, Quoting::Shell).unwrap();
        assert_eq!(text.shown(), "check 'a b' ‹captured: rows›");
        let missing = NotCaptured::Missing("rows".parse().unwrap());
        assert_eq!(text.resolve(&BTreeMap::new()), Err(missing));
        let captures = BTreeMap::from([("rows".parse().unwrap(), "$(id)".to_owned())]);
        assert_eq!(text.resolve(&captures).unwrap(), "check 'a b' '$(id)'");
        Text::template("{{ nope }}", &vars, &rows, Quoting::Plain).unwrap_err();
        assert_eq!(holds("rows == '$(id)'", &vars, &captures), Ok(true));
        holds("rows > 1", &vars, &BTreeMap::new()).unwrap_err();
    }
}
