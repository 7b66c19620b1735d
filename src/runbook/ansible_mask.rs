//! What a message may show of an inventory of Ansible: its variables may be secrets, and a message
//! shows the lines around its place.
//!
//! Every byte stays where it is, so that places stay right. What is no JSON gives the same problem
//! at the same place, with nothing to read beside it but names.

use std::ops::Range;

use super::ansible::ANSIBLE_VARIABLES;
use super::json::{Json, Value, parse};

/// The longest escape in a string.
const ESCAPE_MAX: usize = 6;

/// The same text with asterisks for all texts and numbers but names and the variables that are
/// read; if it is no JSON, for all texts and numbers that are no names.
pub fn ansible_masked(text: &str) -> String {
    match parse(text) {
        Ok(json) => of_variables(text, &json),
        Err(error) => {
            let masked = of_everything(text, error.at);
            // A message about another place would help nobody: then nothing is shown at all.
            if parse(&masked).err().is_some_and(|same| same == error) {
                masked
            } else {
                blank(text)
            }
        }
    }
}

fn of_variables(text: &str, json: &Json<'_>) -> String {
    let mut bytes = text.as_bytes().to_vec();
    parts(json, &mut bytes, &|name, part, bytes| match name {
        "_meta" => parts(part, bytes, &|name, part, bytes| match name {
            "hostvars" => parts(part, bytes, &|_, vars, bytes| variables(vars, bytes)),
            _ => values(part, bytes),
        }),
        _ => parts(part, bytes, &|name, part, bytes| match name {
            "vars" => variables(part, bytes),
            "hosts" | "children" => names(part, bytes),
            _ => values(part, bytes),
        }),
    });
    String::from_utf8(bytes).unwrap_or_default()
}

/// What masks a part of a table that has this name.
type Masks<'a> = &'a dyn Fn(&str, &Json<'_>, &mut [u8]);

/// The parts of a table, each in its way. What is no table is not what is read here.
fn parts(json: &Json<'_>, bytes: &mut [u8], masks: Masks<'_>) {
    if matches!(json.value, Value::Table(_)) {
        json.entries().for_each(|(name, _, part)| masks(name, part, bytes));
    } else {
        values(json, bytes);
    }
}

/// The variables of a host or a group: those that are read are one text or one number.
fn variables(vars: &Json<'_>, bytes: &mut [u8]) {
    parts(vars, bytes, &|name, value, bytes| {
        let one = matches!(value.value, Value::Text(_) | Value::Number(_));
        if !one || !ANSIBLE_VARIABLES.contains(&name) {
            values(value, bytes);
        }
    });
}

/// A list of names. A table in its place is the form of an inventory that is written by hand.
fn names(list: &Json<'_>, bytes: &mut [u8]) {
    match &list.value {
        Value::List(items) => {
            let others = items.iter().filter(|item| !matches!(item.value, Value::Text(_)));
            others.for_each(|item| values(item, bytes));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Table(_) => {
            values(list, bytes);
        }
    }
}

fn values(json: &Json<'_>, bytes: &mut [u8]) {
    match &json.value {
        Value::Text(_) => stars(bytes, json.span.start + 1..json.span.end.saturating_sub(1)),
        Value::Number(_) => number(bytes, json.span.clone()),
        Value::List(items) => items.iter().for_each(|item| values(item, bytes)),
        Value::Table(entries) => entries.iter().for_each(|(_, value)| values(value, bytes)),
        Value::Null | Value::Bool(_) => {}
    }
}

fn stars(bytes: &mut [u8], span: Range<usize>) {
    bytes.get_mut(span).unwrap_or_default().fill(b'*');
}

/// A number becomes a text of the same length; a digit that is alone becomes another one.
fn number(bytes: &mut [u8], span: Range<usize>) {
    match bytes.get_mut(span).unwrap_or_default() {
        [first, middle @ .., last] => {
            middle.fill(b'*');
            (*first, *last) = (b'"', b'"');
        }
        one => one.fill(b'0'),
    }
}

/// All of a text that is no JSON from byte `wrong` on.
fn of_everything(text: &str, wrong: usize) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let old = text.as_bytes();
    let mut at = 0;
    while let Some(byte) = old.get(at) {
        let end = match byte {
            b'"' => {
                let end = string_end(old, at + 1);
                if !is_name(old, end) {
                    in_string(old, &mut bytes, at + 1..end, wrong);
                }
                end + 1
            }
            b'{' | b'}' | b'[' | b']' | b',' | b':' => at + 1,
            byte if byte.is_ascii_whitespace() => at + 1,
            _ => {
                let end = word_end(old, at);
                bare(text, &mut bytes, at..end, wrong);
                end
            }
        };
        at = end;
    }
    String::from_utf8(bytes).unwrap_or_default()
}

/// Where the string ends that begins before `from`: at its quote, or with its line.
fn string_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' | b'\n' => return at,
            b'\\' if bytes.get(at + 1).is_some_and(|next| *next != b'\n') => at += 2,
            _ => at += 1,
        }
    }
    at
}

/// Whether a colon follows the string that ends here: it is a name.
fn is_name(bytes: &[u8], end: usize) -> bool {
    let rest = bytes.get(end..).unwrap_or_default();
    let after = rest.strip_prefix(b"\"").map(<[u8]>::trim_ascii_start);
    after.is_some_and(|rest| rest.starts_with(b":"))
}

fn word_end(bytes: &[u8], from: usize) -> usize {
    let ends = |byte: &u8| byte.is_ascii_whitespace() || b"{}[],:\"".contains(byte);
    let rest = bytes.get(from..).unwrap_or_default();
    from + rest.iter().position(ends).unwrap_or(rest.len())
}

/// The inside of a string, but for the byte or the escape that is wrong.
fn in_string(old: &[u8], bytes: &mut [u8], span: Range<usize>, wrong: usize) {
    stars(bytes, span.clone());
    if !(span.start..=span.end).contains(&wrong) {
        return;
    }
    let escape = old.get(span.start..wrong).unwrap_or_default().iter().rposition(|b| *b == b'\\');
    let from = escape.map(|at| span.start + at).filter(|from| wrong - from <= ESCAPE_MAX);
    let to = match from {
        Some(from) if wrong - from == ESCAPE_MAX => wrong, // A whole one that is half a character.
        None if old.get(wrong) == Some(&b'\\') => wrong + 2,
        Some(_) | None => wrong + 1,
    };
    let kept = from.unwrap_or(wrong)..to.min(span.end);
    if let (Some(to), Some(was)) = (bytes.get_mut(kept.clone()), old.get(kept)) {
        // An escape is of ASCII, and so is a character that may not be in a string.
        if was.is_ascii() {
            to.copy_from_slice(was);
        }
    }
}

/// Something outside of strings: a word of JSON, a number, or what is wrong.
fn bare(text: &str, bytes: &mut [u8], span: Range<usize>, wrong: usize) {
    let word = text.get(span.clone()).unwrap_or_default();
    if span.contains(&wrong) || span.start > wrong {
        stars(bytes, wrong.max(span.start)..span.end);
        if wrong > span.start {
            number(bytes, span.start..wrong);
        }
    } else if !matches!(word, "true" | "false" | "null") {
        number(bytes, span);
    }
}

/// Nothing but its lines.
fn blank(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    bytes.iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b'*');
    String::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::json::NotJson;
    use super::{ansible_masked, parse};

    #[test]
    fn what_is_no_json_gives_the_same_problem_and_shows_names_only() {
        let wrong = [
            "{\"web\": {\"vars\": {\"token\": \"hunter2\", \"pin\": 271828 \"x\": 1}}}",
            "{\"token\": 'hunter2'}",
            "{\"token\": hunter2}",
            "{\"token\": \"hunter2}",
            "{\"a\": \"hunter2\",\n \"token\": \"hun\\qter2\"}",
            "{\"a\": 271828, \"token\": \"hun\\u12ter2\"}",
            "{\"a\": \"hunter2\", \"b\": 271828x}",
            "{\"a\": [\"hunter2\", 271828,]}",
            "{\"a\": \"hunter2\nhunter2\"}",
            "{\"tok\\u00e9n\": \"hunter2\u{1}\"} hunter2",
            "{\"a\" \"hunter2\"}",
            "{\"a\": \"\\ud800 hunter2\"}",
            "",
        ];
        for text in wrong {
            let masked = ansible_masked(text);
            let NotJson { at, why } = parse(text).unwrap_err();
            assert_eq!(parse(&masked), Err(NotJson { at, why }), "{text}\n{masked}");
            assert_eq!(masked.len(), text.len());
            for secret in ["hunter2", "hunter", "ter2", "271828"] {
                assert!(!masked.contains(secret), "{text}\n{masked}");
            }
            let named = text.contains("token").then(|| masked.contains("\"token\""));
            assert_ne!(named, Some(false), "{masked}");
        }
    }

    #[test]
    fn texts_and_numbers_of_variables_that_are_not_read_are_masked() {
        let text = "{\"_meta\": {\"hostvars\": {\"w\": {\"ansible_port\": 22, \"pin\": 271828, \
                    \"n\": [7, -1.5e3, {\"k\": \"hunter2\"}], \"on\": true}}}}";
        let masked = ansible_masked(text);
        assert_eq!(
            masked,
            "{\"_meta\": {\"hostvars\": {\"w\": {\"ansible_port\": 22, \"pin\": \"****\", \
             \"n\": [0, \"****\", {\"k\": \"*******\"}], \"on\": true}}}}"
        );
        parse(&masked).unwrap();
    }

    #[test]
    fn what_is_not_read_is_masked_whatever_shape_it_has() {
        for text in [
            // The shape of an inventory that is written by hand, with groups in one another.
            r#"{"all": {"hosts": {"web1": {"ansible_password": "hunter2", "ansible_host": "hunter2"}}}}"#,
            r#"{"all": {"children": {"web": {"hosts": {"w": {"p": 271828}}, "vars": {"t": "hunter2"}}}}}"#,
            // Values that are no table where one is read, and the other way round.
            r#"{"_meta": {"hostvars": {"w": "hunter2", "x": ["hunter2"], "y": 271828}}}"#,
            r#"{"_meta": {"hostvars": {"w": {"ansible_user": {"x": "hunter2"}}}, "more": "hunter2"}}"#,
            r#"{"_meta": {"hostvars": "hunter2"}, "web": "hunter2", "db": ["hunter2"]}"#,
            r#"{"_meta": "hunter2", "web": {"hosts": [{"w": "hunter2"}, 271828], "vars": "hunter2"}}"#,
            r#"["hunter2", 271828, {"a": "hunter2"}]"#,
        ] {
            let masked = ansible_masked(text);
            assert_eq!(masked.len(), text.len());
            assert!(!masked.contains("hunter2") && !masked.contains("271828"), "{masked}");
            parse(&masked).unwrap();
        }
        // What is read stays as it is.
        let text = "{\"_meta\": {\"hostvars\": {\"w\": {\"ansible_host\": \"10.0.0.1\"}}}, \
                    \"all\": {\"children\": [\"web\"]}, \"web\": {\"hosts\": [\"w\"]}}";
        assert_eq!(ansible_masked(text), text);
    }
}
