//! Reads typed values out of a TOML table, and notes every problem on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde_spanned::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use crate::base::{InvalidId, Millis, SafeText, SecretName, StepId, VarName};

use super::code::Code;
use super::model::Each;
use super::problem::{Place, Problem, SourceFile};
use super::secret::SecretSource;
use super::suggest;
use super::template::Quoting;

/// Longest string in bytes.
pub(super) const STRING_BYTES_MAX: usize = 64 * 1024;

/// A value and where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// What can be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Phase,
    Playbook,
    Step,
    Host,
    Group,
    Probe,
    Role,
    Channel,
    Secret,
}

impl Kind {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Phase => "phase",
            Self::Playbook => "playbook",
            Self::Step => "step",
            Self::Host => "host",
            Self::Group => "group",
            Self::Probe => "probe",
            Self::Role => "role",
            Self::Channel => "channel",
            Self::Secret => "secret",
        }
    }
}

/// Which captured values a template may use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// None, variables only.
    Vars,
    /// Those of the steps that run before this one.
    Before(StepId),
    /// Those and its own.
    After(StepId),
}

/// The use of a snippet that steps are being read for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Inside {
    /// The step that uses it.
    pub(super) of: StepId,
    /// The parameters.
    pub(super) with: BTreeMap<VarName, String>,
    /// Where it is used.
    pub(super) at: Place,
}

/// A template or an expression of the runbook.
#[derive(Clone, Debug)]
pub(super) struct TemplateUse {
    pub(super) text: At<String>,
    pub(super) scope: Scope,
    /// None for the expression of a `when`.
    pub(super) quoting: Option<Quoting>,
    /// The value of the step's `for_each`, for a template of such a step.
    pub(super) each: Option<Each>,
    /// The use of a snippet, for a template of such a step.
    pub(super) inside: Option<Inside>,
}

/// Where the parts of a runbook are written, for problems that are found later.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    keys: BTreeMap<(String, String), Place>,
    owners: BTreeMap<String, Place>,
    /// The name of the runbook file, where everything is that has no place of its own.
    main: String,
}

impl Places {
    /// Where the value of `key` of step `id` is; where the step is, if it has no such key.
    pub fn step(&self, id: &StepId, key: &str) -> Place {
        self.of(&format!("step {id}"), key)
    }

    /// The same for any part: `window`, `probe p99`, `host web1`, `undo of deploy`.
    pub fn of(&self, owner: &str, key: &str) -> Place {
        self.key(owner, key).or_else(|| self.owners.get(owner).cloned()).unwrap_or_else(|| Place {
            source: self.main.clone(),
            start: 0,
            end: 0,
        })
    }

    /// Where the value of `key` of `owner` is, if it is written.
    pub(super) fn key(&self, owner: &str, key: &str) -> Option<Place> {
        self.keys.get(&(owner.to_owned(), key.to_owned())).cloned()
    }

    pub(super) fn extend(&mut self, other: Self) {
        self.keys.extend(other.keys);
        self.owners.extend(other.owners);
    }
}

/// One file being read: its problems and what it names.
#[derive(Debug)]
pub(super) struct Reading<'s> {
    pub(super) source: &'s SourceFile,
    pub(super) problems: Vec<Problem>,
    pub(super) places: Places,
    pub(super) defined: Vec<(Kind, At<String>)>,
    pub(super) used: Vec<(Kind, At<String>)>,
    pub(super) templates: Vec<TemplateUse>,
    /// The keys that were asked for, by table: all that the program acts on.
    pub(super) asked: BTreeMap<&'static str, BTreeSet<&'static str>>,
    /// The value of `for_each` that the step is being read for.
    pub(super) each: Option<Each>,
    /// The use of a snippet that the step is being read for.
    pub(super) inside: Option<Inside>,
    /// Files of certificates, as written.
    pub(super) certificates: Vec<At<String>>,
    /// Secrets that a channel declares where it uses them.
    pub(super) own_secrets: BTreeMap<SecretName, SecretSource>,
}

/// A key with its value.
#[derive(Clone, Copy)]
pub(super) struct Item<'t> {
    pub(super) key: &'t str,
    pub(super) key_span: (usize, usize),
    value: &'t Spanned<DeValue<'t>>,
}

/// A table being read. Every key that nobody asks for is a problem at the end.
pub(super) struct Table<'t> {
    /// What it is, for people: `a step`.
    what: &'static str,
    /// What it is, for [`Places`].
    owner: String,
    span: Range<usize>,
    keys: &'t DeTable<'t>,
    asked: Vec<&'static str>,
}

impl<'t> Item<'t> {
    pub(super) fn span(&self) -> Range<usize> {
        self.value.span()
    }

    pub(super) fn is_table(&self) -> bool {
        self.value.get_ref().is_table()
    }

    /// Whether it is a table with this key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.value.get_ref().as_table().is_some_and(|table| table.contains_key(key))
    }

    pub(super) fn is_text(&self) -> bool {
        self.value.get_ref().is_str()
    }

    pub(super) fn raw(&self) -> &'t DeValue<'t> {
        self.value.get_ref()
    }
}

impl<'s> Reading<'s> {
    pub(super) fn new(source: &'s SourceFile) -> Self {
        Self {
            source,
            problems: Vec::new(),
            places: Places { main: source.name.clone(), ..Places::default() },
            defined: Vec::new(),
            used: Vec::new(),
            templates: Vec::new(),
            asked: BTreeMap::new(),
            each: None,
            inside: None,
            certificates: Vec::new(),
            own_secrets: BTreeMap::new(),
        }
    }

    /// Notes a problem; the builder methods of [`Problem`] add to it.
    pub(super) fn problem(
        &mut self,
        code: Code,
        span: &Range<usize>,
        message: &str,
    ) -> &mut Problem {
        let problem = Problem::new(code, self.source.place(span), message);
        self.problems.push(problem);
        self.problems.last_mut().expect("one was just pushed")
    }

    /// Notes a problem with a remark at its place and a way out.
    pub(super) fn complain(
        &mut self,
        code: Code,
        span: &Range<usize>,
        message: &str,
        label: &str,
        help: &str,
    ) {
        let problem = Problem::new(code, self.source.place(span), message);
        self.problems.push(problem.label(label).help(help));
    }

    pub(super) fn at<T>(&self, value: T, span: &Range<usize>) -> At<T> {
        At { value, place: self.source.place(span) }
    }

    pub(super) fn wrong_type(&mut self, item: &Item<'_>, expected: &str) {
        let (key, found) = (item.key, item.raw().type_str());
        let message = format!("`{key}` is {}, not {expected}", with_article(found));
        self.complain(
            Code::WrongType,
            &item.span(),
            &message,
            &format!("expected {expected}"),
            &format!("write `{key}` as {expected}"),
        );
    }

    pub(super) fn text(&mut self, item: &Item<'_>) -> Option<At<String>> {
        let DeValue::String(text) = item.raw() else {
            self.wrong_type(item, "a string");
            return None;
        };
        if text.len() > STRING_BYTES_MAX {
            let message =
                format!("`{}` has {} bytes; the limit is {STRING_BYTES_MAX}", item.key, text.len());
            let help = "put a long command into a file and run it with `script`";
            self.complain(Code::Limit, &item.span(), &message, "too long", help);
            return None;
        }
        Some(self.at(text.clone().into_owned(), &item.span()))
    }

    /// A string with something in it.
    pub(super) fn filled(&mut self, item: &Item<'_>) -> Option<At<String>> {
        let text = self.text(item)?;
        if text.value.trim().is_empty() {
            let message = format!("`{}` is empty", item.key);
            self.complain(
                Code::BadValue,
                &item.span(),
                &message,
                "nothing here",
                "write a text, or remove the key",
            );
            return None;
        }
        Some(text)
    }

    pub(super) fn safe_text(&mut self, item: &Item<'_>) -> Option<SafeText> {
        self.text(item).map(|text| SafeText::new(&text.value))
    }

    pub(super) fn flag(&mut self, item: &Item<'_>) -> Option<bool> {
        let flag = item.raw().as_bool();
        if flag.is_none() {
            self.wrong_type(item, "true or false");
        }
        flag
    }

    pub(super) fn duration(&mut self, item: &Item<'_>) -> Option<Millis> {
        let example = "a duration like \"90s\" or \"1h30m\"";
        let DeValue::String(text) = item.raw() else {
            self.wrong_type(item, example);
            return None;
        };
        match text.parse() {
            Ok(span) if span > MAX_DURATION => {
                let message = format!("`{}` is longer than 30 days", item.key);
                self.complain(Code::BadDuration, &item.span(), &message, "", "check the unit");
                None
            }
            Ok(span) => Some(span),
            Err(error) => {
                let help = "units are ms, s, m, h and d, written without blanks";
                self.complain(Code::BadDuration, &item.span(), &error.to_string(), example, help);
                None
            }
        }
    }

    /// A duration longer than nothing.
    pub(super) fn some_time(&mut self, item: &Item<'_>) -> Option<Millis> {
        let span = self.duration(item)?;
        if span == Millis::ZERO {
            let message = format!("`{}` is no time at all", item.key);
            self.complain(
                Code::BadDuration,
                &item.span(),
                &message,
                "",
                "write more than zero, or remove the key",
            );
            return None;
        }
        Some(span)
    }

    pub(super) fn integer(&mut self, item: &Item<'_>, allowed: Range<i64>) -> Option<i64> {
        let DeValue::Integer(number) = item.raw() else {
            self.wrong_type(item, "a whole number");
            return None;
        };
        let (low, high) = (allowed.start, allowed.end - 1);
        let value = whole(number).filter(|number| allowed.contains(number));
        if value.is_none() {
            let message =
                format!("`{}` is {}; it has to be {low} to {high}", item.key, number.as_str());
            self.complain(
                Code::BadValue,
                &item.span(),
                &message,
                "out of range",
                &format!("write {low} to {high}"),
            );
        }
        value
    }

    /// The elements of an array, each as an item with the array's key.
    pub(super) fn list<'t>(&mut self, item: &Item<'t>, of: &str) -> Vec<Item<'t>> {
        let Some(array) = item.raw().as_array() else {
            self.wrong_type(item, &format!("a list of {of}"));
            return Vec::new();
        };
        array.iter().map(|value| Item { key: item.key, key_span: item.key_span, value }).collect()
    }

    /// Notes a template, or the expression of a `when`.
    pub(super) fn uses_template(
        &mut self,
        text: At<String>,
        scope: &Scope,
        quoting: Option<Quoting>,
    ) {
        let (scope, each, inside) = (scope.clone(), self.each.clone(), self.inside.clone());
        self.templates.push(TemplateUse { text, scope, quoting, each, inside });
    }

    /// A list of strings; a single string counts as a list of one.
    pub(super) fn texts(&mut self, item: &Item<'_>) -> Vec<At<String>> {
        let items = if item.is_text() { vec![*item] } else { self.list(item, "strings") };
        items.iter().filter_map(|item| self.filled(item)).collect()
    }

    /// One of some words.
    pub(super) fn word<T: Copy>(
        &mut self,
        item: &Item<'_>,
        words: &[(&'static str, T)],
    ) -> Option<T> {
        let text = self.text(item)?;
        let found = words.iter().find(|(word, _)| *word == text.value).map(|(_, value)| *value);
        if found.is_none() {
            let message = format!("`{}` is none of the words for `{}`", text.value, item.key);
            let help = suggest::help(&text.value, words.iter().map(|(word, _)| *word), "");
            self.complain(Code::BadValue, &item.span(), &message, "unknown word", &help);
        }
        found
    }

    /// The value of a variable, as text.
    pub(super) fn value(&mut self, item: &Item<'_>) -> Option<String> {
        match item.raw() {
            DeValue::String(_) => self.text(item).map(|text| text.value),
            DeValue::Integer(number) => Some(number.to_string()),
            DeValue::Boolean(flag) => Some(flag.to_string()),
            DeValue::Float(number) => Some(number.as_str().to_owned()),
            DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                self.wrong_type(item, "a string, a number, true or false");
                None
            }
        }
    }

    /// A name.
    pub(super) fn name<T: std::str::FromStr<Err = InvalidId>>(
        &mut self,
        text: &At<String>,
    ) -> Option<T> {
        match text.value.parse() {
            Ok(name) => Some(name),
            Err(error) => {
                let help = "for example `stop-old` or `web1`";
                let problem = Problem::new(Code::BadName, text.place.clone(), &error.to_string());
                self.problems.push(problem.label("not a name").help(help));
                None
            }
        }
    }

    /// The name in `item` as a use of a thing of this kind.
    pub(super) fn used_name<T: std::str::FromStr<Err = InvalidId>>(
        &mut self,
        kind: Kind,
        text: At<String>,
    ) -> Option<At<T>> {
        let name = self.name(&text)?;
        let place = text.place.clone();
        self.used.push((kind, text));
        Some(At { value: name, place })
    }

    /// The items of a table whose keys are names, in the order of the file.
    pub(super) fn entries<'t>(&mut self, item: &Item<'t>, of: &str) -> Vec<Item<'t>> {
        let Some(table) = item.raw().as_table() else {
            self.wrong_type(item, &format!("a table of {of}"));
            return Vec::new();
        };
        let mut items: Vec<_> = table.iter().map(|(key, value)| entry(key, value)).collect();
        items.sort_by_key(|item| item.key_span);
        items
    }
}

/// Longer is a mistake.
const MAX_DURATION: Millis = Millis::from_secs(30 * 24 * 3600);

fn entry<'t>(
    key: &'t Spanned<std::borrow::Cow<'t, str>>,
    value: &'t Spanned<DeValue<'t>>,
) -> Item<'t> {
    let span = key.span();
    Item { key: key.get_ref(), key_span: (span.start, span.end), value }
}

fn with_article(kind: &str) -> String {
    let vowel = kind.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {kind}", if vowel { "an" } else { "a" })
}

/// The number, if it fits 64 bits.
pub(super) fn whole(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

impl<'t> Table<'t> {
    /// The document itself.
    pub(super) fn document(table: &'t DeTable<'t>, end: usize) -> Self {
        Self {
            what: "a runbook",
            owner: "runbook file".to_owned(),
            span: 0..end.min(1),
            keys: table,
            asked: Vec::new(),
        }
    }

    /// The table in `item`, or a problem.
    pub(super) fn open(
        reading: &mut Reading<'_>,
        item: &Item<'t>,
        what: &'static str,
        owner: &str,
    ) -> Option<Self> {
        let Some(table) = item.raw().as_table() else {
            reading.wrong_type(item, "a table");
            return None;
        };
        let span = item.span();
        let mut open = Self { what, owner: String::new(), span, keys: table, asked: Vec::new() };
        open.name_owner(reading, owner);
        Some(open)
    }

    pub(super) fn called(mut self, what: &'static str) -> Self {
        self.what = what;
        self
    }

    /// Gives the table its name in [`Places`].
    pub(super) fn name_owner(&mut self, reading: &mut Reading<'_>, owner: &str) {
        owner.clone_into(&mut self.owner);
        reading.places.owners.insert(self.owner.clone(), reading.source.place(&self.span));
    }

    pub(super) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.keys.contains_key(key)
    }

    /// The value of `key`, if it is there.
    pub(super) fn take(
        &mut self,
        reading: &mut Reading<'_>,
        key: &'static str,
    ) -> Option<Item<'t>> {
        self.asked.push(key);
        let (key, value) = self.keys.get_key_value(key)?;
        let item = entry(key, value);
        let place = reading.source.place(&item.span());
        reading.places.keys.insert((self.owner.clone(), item.key.to_owned()), place);
        Some(item)
    }

    /// Whether the table in `item` has `key`.
    pub(super) fn has_in(item: &Item<'_>, key: &str) -> bool {
        item.raw().as_table().is_some_and(|table| table.contains_key(key))
    }

    /// The value of `key`, without asking for it.
    pub(super) fn peek(&self, key: &str) -> Option<Item<'t>> {
        Self::peek_in(self.keys, key)
    }

    /// The same for a table that is not being read yet.
    pub(super) fn peek_in(table: &'t DeTable<'t>, key: &str) -> Option<Item<'t>> {
        let (key, value) = table.get_key_value(key)?;
        Some(entry(key, value))
    }

    /// The value of `key`; a problem if it is not there.
    pub(super) fn need(
        &mut self,
        reading: &mut Reading<'_>,
        key: &'static str,
    ) -> Option<Item<'t>> {
        let item = self.take(reading, key);
        if item.is_none() {
            let message = format!("{} without `{key}`", self.what);
            let help = format!("add `{key} = …`");
            reading.complain(
                Code::MissingKey,
                &self.span,
                &message,
                &format!("`{key}` is missing"),
                &help,
            );
        }
        item
    }

    /// Every key that nobody asked for is a problem.
    pub(super) fn finish(self, reading: &mut Reading<'_>) {
        reading.asked.entry(self.what).or_default().extend(&self.asked);
        for (key, _) in self.keys {
            let name: &str = key.get_ref();
            if self.asked.contains(&name) {
                continue;
            }
            if LATER.iter().any(|(what, keys)| *what == self.what && keys.contains(&name)) {
                let message = format!("`{name}` is not supported by this version of golive");
                let help = "remove it: a key that has no effect would promise something that does not happen";
                reading.complain(Code::NotSupported, &key.span(), &message, "not supported", help);
                continue;
            }
            let message = format!("unknown key `{name}` in {}", self.what);
            let hint = HINTS.iter().find(|(what, key, _)| *what == self.what && *key == name);
            let near = || suggest::help(name, self.asked.iter().copied(), "remove it");
            let help = hint.map_or_else(near, |(_, _, help)| (*help).to_owned());
            reading.complain(
                Code::UnknownKey,
                &key.span(),
                &message,
                &format!("not a key of {}", self.what),
                &help,
            );
        }
    }
}

/// What people write in the wrong place, by table.
const HINTS: &[(&str, &str, &str)] = &[
    ("a notice", "template", "did you mean `text`?"),
    ("a host's proof", "command", "did you mean `run`?"),
    ("a host's proof", "expect", "did you mean `equals`?"),
    ("a step", "stage", "a stage belongs to the phase, to the undo, or to a step of the rollback"),
    ("a step", "command", "did you mean `run`?"),
    ("a step", "host", "did you mean `on`?"),
    ("a step", "hosts", "did you mean `on`?"),
    ("a step", "depends_on", "did you mean `needs`?"),
    ("a step", "rollback", "did you mean `undo`?"),
    ("a runbook", "environment", "write it under [runbook], or in the inventory file"),
    ("a runbook", "steps", "steps stand in phases: [[phase]] and [[phase.step]]"),
    ("a runbook", "step", "steps stand in phases: [[phase]] and [[phase.step]]"),
];

/// Keys of the format that this version does not act on, by table.
const LATER: &[(&str, &[&str])] = &[("a step that uses a snippet", &["for_each"])];
