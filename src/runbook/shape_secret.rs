//! The shape of `[secrets]`, and of the two places where a secret can be used.

use std::collections::BTreeMap;

use crate::base::{SafeText, SecretName};

use super::code::Code;
use super::reader::{At, Item, Kind, Reading, Table};
use super::secret::{Given, SecretSource};
use super::shape::{key_name, variable_name};

/// The sources of a secret.
pub(super) const SOURCES: [&str; 4] = ["env", "file", "command", "prompt"];

/// Reads `[secrets]`.
pub(super) fn secrets(
    reading: &mut Reading<'_>,
    top: &mut Table<'_>,
    secrets: &mut BTreeMap<SecretName, SecretSource>,
) -> BTreeMap<SecretName, At<()>> {
    let mut places = BTreeMap::new();
    let Some(item) = top.take(reading, "secrets") else { return places };
    for item in reading.entries(&item, "secrets") {
        let span = item.key_span.0..item.key_span.1;
        // The same letters as a variable's name: people will try it in a template, and are told.
        if variable_name(reading, item.key, &span).is_none() {
            continue;
        }
        let Some(name) = key_name::<SecretName>(reading, Kind::Secret, &item) else { continue };
        places.insert(name.clone(), reading.at((), &span));
        if let Some(source) = source_of(reading, &name, &item) {
            secrets.insert(name, source);
        }
    }
    places
}

/// Where the value of a secret comes from.
pub(super) fn source_of(
    reading: &mut Reading<'_>,
    name: &SecretName,
    item: &Item<'_>,
) -> Option<SecretSource> {
    let help = "write { env = \"VAR\" }, { file = \"path\" }, { command = \"pass show x\" } or { prompt = \"Question\" }";
    if item.is_text() {
        let message = format!("secret `{name}` would have its value in the runbook");
        let label = "a runbook is read by many";
        reading.complain(Code::WrongType, &item.span(), &message, label, help);
        return None;
    }
    let mut table = Table::open(reading, item, "a secret", &format!("secret {name}"))?;
    let items: Vec<_> =
        SOURCES.into_iter().filter_map(|key| Some((key, table.take(reading, key)?))).collect();
    let source = if let [(key, item)] = items.as_slice() {
        one_source(reading, name, key, item)
    } else {
        let message = format!("secret `{name}` needs exactly one source");
        reading.complain(Code::BadValue, &item.span(), &message, "", help);
        None
    };
    table.finish(reading);
    source
}

fn one_source(
    reading: &mut Reading<'_>,
    name: &SecretName,
    key: &str,
    item: &Item<'_>,
) -> Option<SecretSource> {
    if key == "prompt" && item.raw().as_bool() == Some(true) {
        return Some(SecretSource::Prompt(SafeText::new(&format!("value of secret {name}"))));
    }
    let text = reading.filled(item)?.value;
    Some(match key {
        "env" => {
            let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if text.starts_with(|c: char| c.is_ascii_digit()) || !text.chars().all(good) {
                let message = format!("`{text}` cannot be the name of an environment variable");
                let help = "use letters, digits and `_`, without `$`";
                reading.complain(Code::BadName, &item.span(), &message, "not a name", help);
                return None;
            }
            SecretSource::Env(text)
        }
        "file" => SecretSource::File(text),
        "command" => SecretSource::Command(text),
        _ => SecretSource::Prompt(SafeText::new(&text)),
    })
}

/// A text or `{ secret = "name" }`.
pub(super) fn given(reading: &mut Reading<'_>, item: &Item<'_>) -> Option<Given<At<String>>> {
    if item.is_text() {
        return reading.text(item).map(Given::Text);
    }
    if !item.is_table() {
        reading.wrong_type(item, "a string or { secret = \"name\" }");
        return None;
    }
    let mut table = Table::open(reading, item, "a use of a secret", "secret use")?;
    let name = table.need(reading, "secret").and_then(|item| reading.filled(&item));
    let name = name.and_then(|name| reading.used_name::<SecretName>(Kind::Secret, name));
    table.finish(reading);
    name.map(|name| Given::Secret(name.value))
}
