//! Templates: `{{ variable }}` in commands and in text, strict, bounded, and quoted in commands.
//!
//! Statements (`{% if … %}`) work; nothing can be included or imported, nothing reads a clock, a
//! file or the environment, and the fuel is limited.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Object, ObjectRepr, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Output, State, UndefinedBehavior, filters, tests};

use crate::base::VarName;

/// Instructions that one rendering may take.
const FUEL: u64 = 20_000;

/// How values enter a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quoting {
    /// Quoted for a POSIX shell, unless the template says `| raw`.
    Shell,
    /// As they are.
    Plain,
}

/// Why a template or an expression does not work, and where in it if that is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateError {
    /// What is wrong.
    pub message: String,
    /// The bytes of the template that it is about.
    pub range: Option<Range<usize>>,
}

/// A value that does not exist yet; shown by its name, never quoted.
#[derive(Debug)]
struct Pending(String);

impl Object for Pending {
    fn repr(self: &std::sync::Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &std::sync::Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "‹captured: {}›", self.0)
    }
}

/// `template` with `known` values filled in; the names in `pending` show as `‹captured: name›`.
pub fn render(
    template: &str,
    known: &BTreeMap<VarName, String>,
    pending: &BTreeSet<VarName>,
    quoting: Quoting,
) -> Result<String, TemplateError> {
    let environment = environment(quoting);
    let parsed = environment.template_from_str(template).map_err(|error| failure(&error))?;
    parsed.render(context(known, pending)).map_err(|error| failure(&error))
}

/// Whether `text` is what it says, and nothing in it is filled in.
pub fn is_plain(text: &str) -> bool {
    !text.contains("{{") && !text.contains("{%") && !text.contains("{#")
}

/// The variables that `template` uses. Errors if it cannot be parsed.
pub fn variables(template: &str) -> Result<BTreeSet<String>, TemplateError> {
    let environment = environment(Quoting::Plain);
    let parsed = environment.template_from_str(template).map_err(|error| failure(&error))?;
    Ok(parsed.undeclared_variables(false).into_iter().collect())
}

/// The variables that the expression of a `when` uses. Errors if it cannot be parsed.
pub(super) fn expression_variables(expression: &str) -> Result<BTreeSet<String>, TemplateError> {
    let environment = environment(Quoting::Plain);
    let parsed = environment.compile_expression(expression).map_err(|error| failure(&error))?;
    Ok(parsed.undeclared_variables(false).into_iter().collect())
}

/// Whether the expression of a `when` holds. All values are text; `count | int > 5` compares as
/// numbers. Errors if it cannot be evaluated or its result is neither true nor false.
pub fn holds(expression: &str, known: &BTreeMap<VarName, String>) -> Result<bool, TemplateError> {
    let environment = environment(Quoting::Plain);
    let parsed = environment.compile_expression(expression).map_err(|error| failure(&error))?;
    let value = parsed.eval(context(known, &BTreeSet::new())).map_err(|error| failure(&error))?;
    if value.kind() == ValueKind::Bool {
        return Ok(value.is_true());
    }
    let kind = value.kind();
    let message = format!("it is a {kind}, neither true nor false; compare it: `x == \"yes\"`");
    Err(TemplateError { message, range: None })
}

fn context(known: &BTreeMap<VarName, String>, pending: &BTreeSet<VarName>) -> Value {
    let mut values: BTreeMap<String, Value> = BTreeMap::new();
    for (name, value) in known {
        values.insert(name.as_str().to_owned(), Value::from(value.as_str()));
    }
    for name in pending {
        let name = name.as_str().to_owned();
        values.insert(name.clone(), Value::from_object(Pending(name)));
    }
    Value::from(values)
}

fn environment<'a>(quoting: Quoting) -> Environment<'a> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL));
    environment.set_debug(true);
    let syntax = SyntaxConfig::builder().keep_trailing_newline(true).build();
    environment.set_syntax(syntax.expect("the usual braces are a good syntax"));
    environment.add_filter("raw", raw);
    environment.add_filter("default", filters::default);
    environment.add_filter("upper", filters::upper);
    environment.add_filter("lower", filters::lower);
    environment.add_filter("trim", filters::trim);
    environment.add_filter("replace", filters::replace);
    environment.add_filter("length", filters::length);
    environment.add_filter("split", filters::split);
    environment.add_filter("join", filters::join);
    environment.add_filter("first", filters::first);
    environment.add_filter("last", filters::last);
    environment.add_filter("int", filters::int);
    environment.add_filter("float", filters::float);
    environment.add_test("defined", tests::is_defined);
    environment.add_test("startingwith", tests::is_startingwith);
    environment.add_test("endingwith", tests::is_endingwith);
    environment.set_formatter(match quoting {
        Quoting::Shell => write_quoted,
        Quoting::Plain => write_plain,
    });
    environment
}

fn raw(value: Value) -> Value {
    if value.downcast_object_ref::<Pending>().is_some() {
        value
    } else {
        Value::from_safe_string(value.to_string())
    }
}

fn write_plain(out: &mut Output<'_>, _: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    write(out, &value.to_string())
}

fn write_quoted(out: &mut Output<'_>, _: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let text = value.to_string();
    if value.is_safe() || value.downcast_object_ref::<Pending>().is_some() {
        return write(out, &text);
    }
    let quoted = shlex::try_quote(&text).map_err(|_| {
        Error::new(ErrorKind::InvalidOperation, "a value holds a NUL byte, which no shell can take")
    })?;
    write(out, &quoted)
}

fn write(out: &mut Output<'_>, text: &str) -> Result<(), Error> {
    out.write_str(text).map_err(Error::from)
}

fn failure(error: &Error) -> TemplateError {
    let kind = error.kind().to_string();
    let mut message = match error.detail() {
        Some(detail) => format!("{kind}: {detail}"),
        None => kind,
    };
    if error.kind() == ErrorKind::OutOfFuel {
        "it computes for too long".clone_into(&mut message);
    }
    TemplateError { message, range: error.range() }
}

/// A piece of a template between its braces.
struct Tag<'a> {
    /// Where its text begins, after the braces.
    start: usize,
    text: &'a str,
    /// `{{ … }}`, not `{% … %}`.
    prints: bool,
}

/// The tags of a template, comments left out.
fn tags(template: &str) -> Vec<Tag<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some((open, rest)) = next_open(template, at) {
        let (close, prints, comment) = match open.1 {
            b'{' => ("}}", true, false),
            b'%' => ("%}", false, false),
            _ => ("#}", false, true),
        };
        let start = open.0 + 2;
        let length = rest.find(close).unwrap_or(rest.len());
        if !comment {
            found.push(Tag { start, text: rest.get(..length).unwrap_or(rest), prints });
        }
        at = (start + length + 2).min(template.len());
    }
    found
}

fn next_open(template: &str, from: usize) -> Option<((usize, u8), &str)> {
    let bytes = template.as_bytes();
    let at = (from..bytes.len().saturating_sub(1)).find(|&at| {
        bytes.get(at) == Some(&b'{')
            && bytes.get(at + 1).is_some_and(|next| matches!(next, b'{' | b'%' | b'#'))
    })?;
    Some(((at, *bytes.get(at + 1)?), template.get(at + 2..)?))
}

/// Where `template` uses the variable `name`.
pub(super) fn uses(template: &str, name: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for tag in tags(template) {
        found.extend(
            words(tag.text)
                .into_iter()
                .filter(|word| tag.text.get(word.clone()) == Some(name))
                .map(|word| tag.start + word.start..tag.start + word.end),
        );
    }
    found
}

/// The same in a bare expression.
pub(super) fn expression_uses(expression: &str, name: &str) -> Vec<Range<usize>> {
    words(expression)
        .into_iter()
        .filter(|word| expression.get(word.clone()) == Some(name))
        .collect()
}

/// The names in an expression: words outside of quotes that are not attributes.
fn words(expression: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut quote = None;
    let mut before = ' ';
    let mut word: Option<usize> = None;
    for (at, c) in expression.char_indices().chain([(expression.len(), ' ')]) {
        let in_word = quote.is_none() && (c.is_alphanumeric() || c == '_');
        match (word, in_word) {
            (None, true) => word = (before != '.').then_some(at),
            (Some(start), false) => {
                found.push(start..at);
                word = None;
            }
            (None, false) | (Some(_), true) => {}
        }
        if !in_word || word.is_some() {
            before = if c.is_whitespace() { before } else { c };
        }
        quote = match quote {
            None if c == '"' || c == '\'' => Some(c),
            Some(open) if open == c => None,
            other => other,
        };
    }
    found
}

/// `template` with the values of `known` written into it, and the other names left as they are.
pub(super) fn given(template: &str, known: &BTreeMap<VarName, String>) -> String {
    written(template, known, uses)
}

/// The same with a bare expression.
pub(super) fn expression_given(expression: &str, known: &BTreeMap<VarName, String>) -> String {
    written(expression, known, expression_uses)
}

fn written(
    text: &str,
    known: &BTreeMap<VarName, String>,
    uses: fn(&str, &str) -> Vec<Range<usize>>,
) -> String {
    let found = known.iter().flat_map(|(name, value)| {
        uses(text, name.as_str()).into_iter().map(move |range| (range, value))
    });
    let mut found: Vec<_> = found.collect();
    found.sort_by_key(|(range, _)| range.start);
    let mut whole = text.to_owned();
    for (range, value) in found.into_iter().rev() {
        whole.replace_range(range, &literal(value));
    }
    whole
}

/// A text as an expression writes it. Whatever could end it or a tag is escaped.
fn literal(value: &str) -> String {
    let mut text = String::from("\"");
    for c in value.chars() {
        if c.is_control() || "\"'\\{}%#".contains(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                text.extend(["\\u", format!("{unit:04x}").as_str()]);
            }
        } else {
            text.push(c);
        }
    }
    text.push('"');
    text
}

/// Where `template` prints a value unquoted with `| raw`.
pub(super) fn raw_uses(template: &str) -> Vec<Range<usize>> {
    let is_raw = |text: &str| {
        text.split('|').skip(1).any(|filter| filter.trim().trim_end_matches('-').trim() == "raw")
    };
    tags(template)
        .into_iter()
        .filter(|tag| tag.prints && is_raw(tag.text))
        .map(|tag| tag.start..tag.start + tag.text.len())
        .collect()
}

/// Where a command has a value inside quotes of its own, without `| raw`. The value would be
/// quoted twice, and what is in it could act on the shell.
pub(super) fn quoted_uses(command: &str) -> Vec<Range<usize>> {
    let raw = raw_uses(command);
    let tags: Vec<_> = tags(command);
    let mut found = Vec::new();
    let mut shell = Shell::default();
    let mut at = 0;
    for tag in &tags {
        shell.feed(command.get(at..tag.start.saturating_sub(2)).unwrap_or(""));
        let range = tag.start..tag.start + tag.text.len();
        if tag.prints && shell.quoted() && !raw.contains(&range) {
            found.push(range);
        }
        at = (tag.start + tag.text.len() + 2).min(command.len());
    }
    found
}

/// What a shell is inside of, as far as quotes go.
#[derive(Default)]
struct Shell {
    stack: Vec<Inside>,
    escaped: bool,
    comment: bool,
    last: Option<char>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Inside {
    Single,
    Double,
    /// `$( … )` or plain parentheses.
    Parens,
}

impl Shell {
    fn quoted(&self) -> bool {
        matches!(self.stack.last(), Some(Inside::Single | Inside::Double))
    }

    fn feed(&mut self, text: &str) {
        for c in text.chars() {
            self.step(c);
            self.last = Some(c);
        }
        if !text.is_empty() {
            self.last = self.last.filter(|last| last.is_whitespace()).or(Some('x'));
        }
    }

    fn step(&mut self, c: char) {
        if self.comment {
            self.comment = c != '\n';
            return;
        }
        if std::mem::take(&mut self.escaped) {
            return;
        }
        match (self.stack.last(), c) {
            (Some(Inside::Single), '\'')
            | (Some(Inside::Double), '"')
            | (Some(Inside::Parens), ')') => {
                self.stack.pop();
            }
            (Some(Inside::Single), _) => {}
            (_, '\\') => self.escaped = true,
            (Some(Inside::Double), '(') if self.last == Some('$') => {
                self.stack.push(Inside::Parens);
            }
            (Some(Inside::Double), _) => {}
            (_, '\'') => self.stack.push(Inside::Single),
            (_, '"') => self.stack.push(Inside::Double),
            (_, '(') => self.stack.push(Inside::Parens),
            (_, '#') if self.last.is_none_or(char::is_whitespace) => self.comment = true,
            _ => {}
        }
    }
}

#[cfg(test)]
mod unit {
    use std::collections::{BTreeMap, BTreeSet};

    use crate::base::VarName;

    use super::{
        Quoting, expression_given, given, holds, quoted_uses, raw_uses, render, uses, variables,
    };

    fn values(pairs: &[(&str, &str)]) -> BTreeMap<VarName, String> {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), (*value).to_owned())).collect()
    }

    fn shell(template: &str) -> String {
        let known = values(&[("f", "a b;c"), ("n", "5"), ("empty", ""), ("evil", "'$(id)'")]);
        let pending = BTreeSet::from(["rows".parse().unwrap()]);
        render(template, &known, &pending, Quoting::Shell).unwrap()
    }

    #[test]
    fn a_value_in_a_command_is_one_word() {
        assert_eq!(shell("rm {{ f }}"), "rm 'a b;c'");
        assert_eq!(shell("rm {{ f | raw }}"), "rm a b;c");
        assert_eq!(shell("x {{ n }} {{ empty }}"), "x 5 ''");
        assert_eq!(shell("x {{ f ~ n }}"), "x 'a b;c5'");
        assert_eq!(shell("x {{ rows }} {{ rows | raw }}"), "x ‹captured: rows› ‹captured: rows›");
        assert_eq!(shell("{% if n == '5' %}yes{% endif %}\n"), "yes\n");
        let evil = shell("echo {{ evil }}");
        assert_eq!(shlex::split(&evil).unwrap(), ["echo", "'$(id)'"]);
        assert_eq!(shlex::split(&shell("echo {{ f | upper }}")).unwrap(), ["echo", "A B;C"]);
    }

    #[test]
    fn templates_are_strict_and_bounded() {
        let none = BTreeSet::new();
        let error = render("a {{ nope }}", &values(&[]), &none, Quoting::Plain).unwrap_err();
        assert_eq!(error.range, Some(5..9), "{error}");
        let endless = "{% for a in x %}{% for b in x %}{% for c in x %}{{ a }}{% endfor %}\
                       {% endfor %}{% endfor %}";
        let long = values(&[("x", &"y".repeat(1000))]);
        render(endless, &long, &none, Quoting::Plain).unwrap_err();
        for bad in
            ["{{ x", "{% include 'x' %}", "{% import 'a' as b %}", "{{ x | env }}", "{{ f() }}"]
        {
            assert!(render(bad, &values(&[("x", "1")]), &none, Quoting::Plain).is_err(), "{bad}");
        }
        assert_eq!(
            variables("{{ a }}{% if b %}{{ c.d }}{% endif %}").unwrap(),
            ["a", "b", "c"].map(str::to_owned).into()
        );
    }

    #[test]
    fn an_expression_is_true_or_false() {
        let known = values(&[("n", "12"), ("mode", "full"), ("flag", "false")]);
        assert_eq!(holds("mode == 'full' and n | int > 5", &known), Ok(true));
        assert_eq!(holds("n | int > 50", &known), Ok(false));
        assert!(holds("flag", &known).is_err(), "text is never a truth");
        holds("nope == 1", &known).unwrap_err();
        holds("mode | int > 1", &known).unwrap_err();
    }

    #[test]
    fn names_are_found_where_they_stand() {
        assert_eq!(
            uses("a {{ b.a }} {{ a }} a {# a #}", "a"),
            std::iter::once(15..16).collect::<Vec<_>>()
        );
        assert_eq!(uses("{{ 'a' ~ a }}", "a"), std::iter::once(9..10).collect::<Vec<_>>());
        assert_eq!(
            raw_uses("{{ a | raw }} {{ b }} {{ 'raw' }}"),
            std::iter::once(2..11).collect::<Vec<_>>()
        );
    }

    #[test]
    fn values_are_written_into_a_text_that_is_filled_in_later() {
        let odd = "a \"b' \\ }} %} {# \n 中 🚀";
        let known = values(&[("who", odd), ("n", "5")]);
        let later = values(&[("release", "2")]);
        let text = given("{{ who }} {{ n | int + 1 }} {{ release }} who {{ 'who' }}", &known);
        let filled = render(&text, &later, &BTreeSet::new(), Quoting::Plain);
        assert_eq!(filled.unwrap(), format!("{odd} 6 2 who who"));
        let when = expression_given("n | int > 4 and release == 'n'.replace('n', '2')", &known);
        assert!(when.starts_with("\"5\" | int > 4"), "{when}");
        let when = expression_given("n == '5' and release == '2'", &known);
        assert_eq!(holds(&when, &later), Ok(true), "{when}");
    }

    #[test]
    fn values_inside_quotes_are_found() {
        for (command, count) in [
            ("echo {{ x }}", 0),
            ("echo \"{{ x }}\"", 1),
            ("echo '{{ x }}' \"a {{ x }}\"", 2),
            ("echo \"$(cat {{ x }})\"", 0),
            ("echo \"{{ x | raw }}\"", 0),
            ("echo a\\'{{ x }}", 0),
            ("# don't\necho {{ x }}", 0),
            ("echo a#'{{ x }}'", 1),
            ("echo 'a'{{ x }}'b'", 0),
        ] {
            assert_eq!(quoted_uses(command).len(), count, "{command}");
        }
    }
}
