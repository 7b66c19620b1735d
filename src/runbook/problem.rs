//! What is wrong with a runbook: code, place, labels and the way out, for every output format.

use std::ops::Range;

use crate::base::SafeText;

use super::code::{Code, Severity};

/// A text with the name that people know it by: usually its path as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceFile {
    /// Its name.
    pub name: String,
    /// All of it.
    pub text: String,
}

/// A range of bytes in a named source; always inside the text and on character boundaries.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The name of the source.
    pub source: String,
    /// First byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

/// A place with a remark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub place: Place,
    /// What is there; safe to print.
    pub text: String,
}

/// One thing that is wrong with a runbook, or that its author should think about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which kind it is.
    pub code: Code,
    /// What is wrong, one line, safe to print.
    pub message: String,
    /// Where it is, with the remark at the place.
    pub at: Label,
    /// Other places that belong to it.
    pub also: Vec<Label>,
    /// How to fix it.
    pub help: Option<String>,
}

impl SourceFile {
    /// A source of this name with this text.
    pub fn new(name: &str, text: &str) -> Self {
        Self { name: name.to_owned(), text: text.to_owned() }
    }

    /// The file, the line and the column of a byte, for people.
    pub(super) fn spot(&self, offset: usize) -> String {
        let (line, column) = line_col(&self.text, offset);
        format!("{}:{line}:{column}", self.name)
    }

    /// The place of `span` in this text, moved onto character boundaries.
    pub fn place(&self, span: &Range<usize>) -> Place {
        let start = self.text.floor_char_boundary(span.start);
        let end = self.text.ceil_char_boundary(span.end).max(start);
        Place { source: self.name.clone(), start, end }
    }
}

impl Place {
    /// The range of bytes.
    pub fn span(&self) -> Range<usize> {
        self.start..self.end
    }
}

impl Problem {
    /// A problem at `place`.
    pub fn new(code: Code, place: Place, message: &str) -> Self {
        let at = Label { place, text: String::new() };
        Self { code, message: safe(message), at, also: Vec::new(), help: None }
    }

    /// The same with a remark at the place.
    #[must_use]
    pub fn label(mut self, text: &str) -> Self {
        self.at.text = safe(text);
        self
    }

    /// The same with one more place.
    #[must_use]
    pub fn also(mut self, place: Place, text: &str) -> Self {
        self.also.push(Label { place, text: safe(text) });
        self
    }

    /// The same with a way out.
    #[must_use]
    pub fn help(mut self, text: &str) -> Self {
        self.help = Some(safe(text));
        self
    }

    /// Does it keep the runbook from being used?
    pub const fn severity(&self) -> Severity {
        self.code.severity()
    }

    /// Whether it is an error.
    pub fn is_error(&self) -> bool {
        self.severity() == Severity::Error
    }

    /// The order in which problems are told: by source, place and code.
    pub(super) fn order(&self) -> (&Place, Code, &str) {
        (&self.at.place, self.code, &self.message)
    }
}

fn safe(text: &str) -> String {
    String::from(SafeText::new(text))
}

/// Line and column of the byte at `offset`, both from 1, the column counted in characters.
pub fn line_col(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..text.floor_char_boundary(offset)).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    (line, column)
}

/// The place of a part of a TOML string: `within` counts bytes of the string's value, `written`
/// is what the file has for it, quotes included, from byte `start` on. The whole string if the
/// two cannot be matched.
pub(super) fn part_of_string(
    written: &str,
    start: usize,
    value: &str,
    within: &Range<usize>,
) -> Range<usize> {
    let whole = start..start + written.len();
    let Some(offsets) = byte_offsets(written, value) else { return whole };
    let (Some(from), Some(to)) = (offsets.get(within.start), offsets.get(within.end)) else {
        return whole;
    };
    start + from..start + to
}

/// For every byte of `value` (and its end) the offset in `written` that it comes from.
fn byte_offsets(written: &str, value: &str) -> Option<Vec<usize>> {
    let (quote, literal) = match () {
        () if written.starts_with("\"\"\"") => ("\"\"\"", false),
        () if written.starts_with("'''") => ("'''", true),
        () if written.starts_with('"') => ("\"", false),
        () if written.starts_with('\'') => ("'", true),
        () => return None,
    };
    let inner = written.strip_prefix(quote)?.strip_suffix(quote)?;
    let mut at = quote.len();
    let mut rest = inner;
    if quote.len() == 3 {
        let newline =
            if rest.starts_with("\r\n") { 2 } else { usize::from(rest.starts_with('\n')) };
        at += newline;
        rest = rest.get(newline..)?;
    }
    let mut offsets = Vec::with_capacity(value.len() + 1);
    let mut decoded = String::with_capacity(value.len());
    while let Some(c) = rest.chars().next() {
        let (taken, text) =
            if c == '\\' && !literal { escape(rest)? } else { (c.len_utf8(), Some(c)) };
        if let Some(text) = text {
            offsets.extend(std::iter::repeat_n(at, text.len_utf8()));
            decoded.push(text);
        }
        at += taken;
        rest = rest.get(taken..)?;
    }
    offsets.push(at);
    (decoded == value).then_some(offsets)
}

/// How many bytes an escape of a basic string takes, and the character that it stands for.
fn escape(text: &str) -> Option<(usize, Option<char>)> {
    let mut chars = text.chars().skip(1);
    let simple = |c| Some((2, Some(c)));
    let hex = |digits: usize| {
        let code = u32::from_str_radix(text.get(2..2 + digits)?, 16).ok()?;
        Some((2 + digits, Some(char::from_u32(code)?)))
    };
    match chars.next()? {
        'b' => simple('\u{8}'),
        't' => simple('\t'),
        'n' => simple('\n'),
        'f' => simple('\u{c}'),
        'r' => simple('\r'),
        'e' => simple('\u{1b}'),
        '"' => simple('"'),
        '\\' => simple('\\'),
        'x' => hex(2),
        'u' => hex(4),
        'U' => hex(8),
        c if c.is_ascii_whitespace() => {
            let rest = text.get(1..)?;
            Some((1 + rest.len() - rest.trim_ascii_start().len(), None))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{SourceFile, line_col, part_of_string};

    #[test]
    fn columns_count_characters() {
        let text = "a = 1\nb = \"生产\" x";
        assert_eq!(line_col(text, 0), (1, 1));
        assert_eq!(line_col(text, text.len() - 1), (2, 10));
        assert_eq!(line_col(text, text.len() + 99), (2, 11));
    }

    #[test]
    fn a_place_is_never_inside_a_character() {
        let source = SourceFile::new("x", "a生b");
        let place = source.place(&(2..3));
        assert_eq!(place.span(), 1..4);
        assert_eq!(source.place(&(90..99)).span(), 5..5);
    }

    #[test]
    fn a_part_of_a_string_is_found_in_the_file() {
        for (written, value, within, expected) in [
            (r#""a {{ b }}""#, "a {{ b }}", 5..6, 16..17),
            (r#""a\t{{ b }}""#, "a\t{{ b }}", 5..6, 17..18),
            ("'''\nx {{ b }}'''", "x {{ b }}", 5..6, 19..20),
            ("\"\"\"\nx \\\n   {{ b }}\"\"\"", "x {{ b }}", 5..6, 24..25),
            (r#""\u00e4{{ b }}""#, "ä{{ b }}", 5..6, 20..21),
            ("bare", "bare", 0..1, 10..14),
        ] {
            assert_eq!(part_of_string(written, 10, value, &within), expected, "{written}");
        }
    }
}
