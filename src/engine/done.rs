//! What became of something that golive did itself: moved, asked, compared.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::{Digest, SafeText, VarName};

use super::reconcile::Reconciled;

/// The end of something that golive did itself. Everything in it is certain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// What is now so, in words: `1.2 MiB in place, mode 0644`; for a failure what was left as it
    /// was.
    pub what: SafeText,
    /// Digest of what was moved or answered, where there is one thing to have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Why it does not count as done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unmet: Option<SafeText>,
    /// Nothing that it is about was changed: there is nothing to undo.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub untouched: bool,
    /// What a comparison found, difference by difference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reconciled: Option<Box<Reconciled>>,
    /// Values captured from what was answered.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub captured: BTreeMap<VarName, SafeText>,
}

impl Done {
    /// It is done.
    pub fn well(what: &str, digest: Option<Digest>) -> Self {
        Self { what: SafeText::new(what), digest, ..Self::default() }
    }

    /// Two systems were compared: done if they agree.
    pub fn reconciled(found: Reconciled) -> Self {
        let words = SafeText::new(&found.words());
        let (what, unmet) = if found.is_equal() {
            (words, None)
        } else {
            let sides = format!("{} against {}, {}", found.left.host, found.right.host, found.how);
            (SafeText::new(&sides), Some(words))
        };
        Self { what, unmet, reconciled: Some(Box::new(found)), ..Self::default() }
    }

    /// It is not done, for this reason; `what` says how things stand.
    pub fn not(why: &str, what: &str) -> Self {
        Self { what: SafeText::new(what), unmet: Some(SafeText::new(why)), ..Self::default() }
    }

    /// It in one line.
    pub fn words(&self) -> String {
        match &self.unmet {
            None => self.what.to_string(),
            Some(why) if self.what.as_str().is_empty() => why.to_string(),
            Some(why) => format!("{why}; {}", self.what),
        }
    }
}
