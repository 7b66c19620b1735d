//! JSON with the place of every value, for inventories of other tools.

use std::borrow::Cow;
use std::ops::Range;

/// Deeper is a mistake.
const DEPTH_MAX: usize = 32;

/// A value and where it is written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Json<'t> {
    pub(super) span: Range<usize>,
    pub(super) value: Value<'t>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'t> {
    Null,
    Bool(bool),
    /// As written.
    Number(&'t str),
    Text(Cow<'t, str>),
    List(Vec<Json<'t>>),
    /// The keys in order.
    Table(Vec<(Json<'t>, Json<'t>)>),
}

impl Json<'_> {
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::List(_) | Value::Table(_) => {
                None
            }
        }
    }

    pub(super) fn list(&self) -> &[Self] {
        match &self.value {
            Value::List(items) => items,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Table(_) => {
                &[]
            }
        }
    }

    /// The entries of a table, by name and with the place of the name.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, &Self, &Self)> {
        let entries: &[(Self, Self)] = match &self.value {
            Value::Table(entries) => entries,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::List(_) => {
                &[]
            }
        };
        entries.iter().map(|(key, value)| (key.text().unwrap_or_default(), key, value))
    }

    /// The value of a name; the last one where it is there twice, as other readers have it.
    pub(super) fn get(&self, name: &str) -> Option<&Self> {
        self.entries().filter(|(key, ..)| *key == name).map(|(_, _, value)| value).last()
    }
}

/// What is wrong, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotJson {
    pub(super) at: usize,
    pub(super) why: &'static str,
}

/// Reads a whole text.
pub(super) fn parse(text: &str) -> Result<Json<'_>, NotJson> {
    let mut parser = Parser { text, at: 0 };
    let value = parser.value(0)?;
    parser.blanks();
    if parser.at < text.len() {
        Err(parser.not("more after the end of the value"))
    } else {
        Ok(value)
    }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Parser<'t> {
    const fn not(&self, why: &'static str) -> NotJson {
        NotJson { at: self.at, why }
    }

    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        let blank = |c: char| matches!(c, ' ' | '\t' | '\r' | '\n');
        self.at += rest.len() - rest.trim_start_matches(blank).len();
    }

    fn takes(&mut self, word: &str) -> bool {
        let is_next = self.rest().starts_with(word);
        if is_next {
            self.at += word.len();
        }
        is_next
    }

    fn value(&mut self, depth: usize) -> Result<Json<'t>, NotJson> {
        if depth > DEPTH_MAX {
            return Err(self.not("nested too deep"));
        }
        self.blanks();
        let start = self.at;
        let value = match self.rest().chars().next() {
            Some('{') => self.table(depth)?,
            Some('[') => self.list(depth)?,
            Some('"') => Value::Text(self.string()?),
            Some('-' | '0'..='9') => {
                let rest = self.rest();
                let part = |c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.' | 'e' | 'E');
                let number = rest.get(..rest.len() - rest.trim_start_matches(part).len());
                self.at += number.map_or(0, str::len);
                Value::Number(number.unwrap_or_default())
            }
            _ if self.takes("true") => Value::Bool(true),
            _ if self.takes("false") => Value::Bool(false),
            _ if self.takes("null") => Value::Null,
            Some(_) => return Err(self.not("a value is expected here")),
            None => return Err(self.not("it ends too early")),
        };
        Ok(Json { span: start..self.at, value })
    }

    fn list(&mut self, depth: usize) -> Result<Value<'t>, NotJson> {
        self.at += 1;
        let mut items = Vec::new();
        self.blanks();
        if self.takes("]") {
            return Ok(Value::List(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.blanks();
            if self.takes("]") {
                return Ok(Value::List(items));
            }
            if !self.takes(",") {
                return Err(self.not("`,` or `]` is expected here"));
            }
        }
    }

    fn table(&mut self, depth: usize) -> Result<Value<'t>, NotJson> {
        self.at += 1;
        let mut entries = Vec::new();
        self.blanks();
        if self.takes("}") {
            return Ok(Value::Table(entries));
        }
        loop {
            self.blanks();
            let start = self.at;
            if !self.rest().starts_with('"') {
                return Err(self.not("a name in quotes is expected here"));
            }
            let name = Value::Text(self.string()?);
            let key = Json { span: start..self.at, value: name };
            self.blanks();
            if !self.takes(":") {
                return Err(self.not("`:` is expected here"));
            }
            entries.push((key, self.value(depth + 1)?));
            self.blanks();
            if self.takes("}") {
                return Ok(Value::Table(entries));
            }
            if !self.takes(",") {
                return Err(self.not("`,` or `}` is expected here"));
            }
        }
    }

    fn string(&mut self) -> Result<Cow<'t, str>, NotJson> {
        self.at += 1;
        let (start, mut made) = (self.at, None::<String>);
        loop {
            let Some(c) = self.rest().chars().next() else {
                return Err(self.not("the text has no end"));
            };
            match c {
                '"' => {
                    let whole = self.text.get(start..self.at).unwrap_or_default();
                    self.at += 1;
                    return Ok(made.map_or(Cow::Borrowed(whole), Cow::Owned));
                }
                '\\' => {
                    let so_far = self.text.get(start..self.at).unwrap_or_default();
                    let mut text = made.unwrap_or_else(|| so_far.to_owned());
                    self.at += 1;
                    text.push(self.escape()?);
                    made = Some(text);
                }
                c if c.is_control() && c.is_ascii() && c != '\x7f' => {
                    return Err(self.not("a control character in a text"));
                }
                c => {
                    self.at += c.len_utf8();
                    if let Some(text) = &mut made {
                        text.push(c);
                    }
                }
            }
        }
    }

    fn escape(&mut self) -> Result<char, NotJson> {
        for (word, c) in [
            ("\"", '"'),
            ("\\", '\\'),
            ("/", '/'),
            ("b", '\u{8}'),
            ("f", '\u{c}'),
            ("n", '\n'),
            ("r", '\r'),
            ("t", '\t'),
        ] {
            if self.takes(word) {
                return Ok(c);
            }
        }
        let first = self.unit()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first).ok_or_else(|| self.not("half a character"));
        }
        if !self.takes("\\") {
            return Err(self.not("half a character"));
        }
        let second = self.unit()?;
        let low = second.checked_sub(0xdc00).filter(|low| *low < 0x400);
        let whole = low.map(|low| 0x10000 + ((first - 0xd800) << 10) + low);
        whole.and_then(char::from_u32).ok_or_else(|| self.not("half a character"))
    }

    /// The four digits of `\u00e9`.
    fn unit(&mut self) -> Result<u32, NotJson> {
        let digits = self.rest().strip_prefix('u').and_then(|rest| rest.get(..4));
        let digits = digits.filter(|digits| digits.chars().all(|c| c.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or_else(|| self.not("an escape that is none"))?;
        self.at += 5;
        Ok(unit)
    }
}

#[cfg(test)]
mod tests {
    use super::{Json, NotJson, Value, parse};

    fn plain(json: &Json<'_>) -> serde_json::Value {
        match &json.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(is) => (*is).into(),
            Value::Number(number) => serde_json::from_str(number).expect("a number"),
            Value::Text(text) => text.as_ref().into(),
            Value::List(items) => items.iter().map(plain).collect(),
            Value::Table(entries) => {
                let entry = |(key, value): &(Json<'_>, Json<'_>)| {
                    (key.text().unwrap_or_default().to_owned(), plain(value))
                };
                serde_json::Value::Object(entries.iter().map(entry).collect())
            }
        }
    }

    #[test]
    fn it_reads_what_others_read_and_knows_where() {
        for text in [
            "{}",
            " [1, -2.5e3, true, false, null] ",
            r#"{"a": {"b": ["c", "d\n\"\\\/é\ud83d\ude00"]}, "e": ""}"#,
            "\"äöü\"",
        ] {
            let read = parse(text).expect(text);
            assert_eq!(plain(&read), serde_json::from_str::<serde_json::Value>(text).expect(text));
        }
        let read = parse("{\n  \"a\": [10, \"x\"]\n}").expect("it is JSON");
        let list = read.get("a").expect("it is there");
        assert_eq!(list.span, 9..18);
        assert_eq!(
            list.list().iter().map(|it| it.span.clone()).collect::<Vec<_>>(),
            [10..12, 14..17]
        );
    }

    #[test]
    fn what_is_no_json_is_refused_where_it_stops_being() {
        for (text, at) in [
            ("", 0),
            ("{", 1),
            ("{\"a\" 1}", 5),
            ("[1 2]", 3),
            ("{a: 1}", 1),
            ("\"abc", 4),
            ("\"\\ud83d\"", 7),
            ("\"\\x\"", 2),
            ("[1] x", 4),
            ("\"a\nb\"", 2),
        ] {
            assert!(serde_json::from_str::<serde_json::Value>(text).is_err(), "{text}");
            assert_eq!(parse(text).map_err(|NotJson { at, .. }| at), Err(at), "{text}");
        }
        parse(&"[".repeat(100_000)).unwrap_err();
    }
}
