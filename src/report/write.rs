//! Text that came from outside, made safe for Markdown and for spreadsheets.

use crate::base::{Millis, SafeText};

/// A Markdown document as it grows.
#[derive(Debug)]
pub(super) struct Document {
    text: String,
    mark: &'static str,
}

impl Document {
    /// An empty document whose headings begin with `mark`.
    pub(super) const fn new(mark: &'static str) -> Self {
        Self { text: String::new(), mark }
    }

    /// A heading of the level, and a blank line. The heading is Markdown.
    pub(super) fn heading(&mut self, level: usize, heading: &str) {
        let hashes = "#".repeat(level);
        let mark = self.mark;
        self.line(&format!("{hashes} {mark}{heading}"));
        self.line("");
    }

    /// One line of Markdown.
    pub(super) fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// A paragraph of Markdown and a blank line.
    pub(super) fn paragraph(&mut self, text: &str) {
        self.line(text);
        self.line("");
    }

    /// A table; its cells are Markdown. Without rows, `empty` stands there.
    pub(super) fn table(&mut self, head: &[&str], rows: &[Vec<String>], empty: &str) {
        if rows.is_empty() {
            self.paragraph(empty);
            return;
        }
        self.line(&format!("| {} |", head.join(" | ")));
        self.line(&format!("|{}", "---|".repeat(head.len())));
        for row in rows {
            self.line(&format!("| {} |", row.join(" | ")));
        }
        self.line("");
    }

    /// The document.
    pub(super) fn finish(self) -> String {
        let mut text = self.text.trim_end().to_owned();
        text.push('\n');
        text
    }
}

/// One line of text from outside as Markdown that shows it and nothing else: no markup, no HTML,
/// no link, no mention, no end of a table cell.
pub(super) fn md(text: &str) -> String {
    let safe = SafeText::new(text.trim());
    let mut out = String::with_capacity(text.len());
    for c in safe.as_str().chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '@' => out.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '$' | '!' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    // Nothing that a reader would turn into a link by itself.
    out.replace("://", "&#58;//").replace("www.", "www&#46;").replace("WWW.", "WWW&#46;")
}

/// Several lines from outside as a quotation.
pub(super) fn quoted(text: &str) -> String {
    let lines = text.trim().lines().map(|line| format!("> {}", paragraph(line)));
    lines.map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("  \n")
}

/// A line from outside that may stand at the beginning of a line: it begins no list, heading or
/// rule.
fn paragraph(line: &str) -> String {
    let line = line.trim();
    let escaped = md(line);
    if line.starts_with(['-', '+', '=']) {
        return format!("\\{escaped}");
    }
    let digits = escaped.len() - escaped.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, rest) = escaped.split_at(digits);
    if digits > 0 && rest.starts_with(['.', ')']) {
        return format!("{number}\\{rest}");
    }
    escaped
}

/// A cell of text for a spreadsheet: a formula becomes text, quotes where RFC 4180 asks for them.
pub(super) fn cell(text: &str) -> String {
    let safe = SafeText::new(text).to_string();
    let formula = safe.trim_start().starts_with(['=', '+', '-', '@']);
    let guarded = if formula { format!("'{safe}") } else { safe };
    if guarded.contains([',', '"']) || guarded != guarded.trim() {
        format!("\"{}\"", guarded.replace('"', "\"\""))
    } else {
        guarded
    }
}

/// A span in seconds, exact to the millisecond.
pub(super) fn seconds(span: Millis) -> String {
    let millis = span.as_millis();
    let (whole, rest) = (millis / 1000, millis % 1000);
    if rest == 0 { whole.to_string() } else { format!("{whole}.{rest:03}") }
}

/// A difference in milliseconds, in seconds, with its sign where it is negative.
pub(super) fn signed_seconds(millis: i64) -> String {
    let sign = if millis < 0 { "-" } else { "" };
    format!("{sign}{}", seconds(Millis::new(millis.unsigned_abs())))
}

/// A difference in milliseconds for people: `+2m05s`, `-40s`, `0s`.
pub(super) fn delta(millis: i64) -> String {
    // To the second: nobody plans finer.
    let span = to_second(Millis::new(millis.unsigned_abs()));
    let sign = match (span == Millis::ZERO, millis < 0) {
        (true, _) => "",
        (false, true) => "-",
        (false, false) => "+",
    };
    format!("{sign}{span}")
}

/// A span, rounded to the second.
pub(super) const fn to_second(span: Millis) -> Millis {
    Millis::from_secs(span.plus(Millis::new(500)).as_secs())
}

#[cfg(test)]
mod tests {
    use super::{cell, delta, md, quoted, seconds, signed_seconds};
    use crate::base::Millis;

    #[test]
    fn a_host_cannot_write_the_report() {
        let html = "a|b `c` <img src=x> [x](y)";
        assert_eq!(md(html), "a\\|b \\`c\\` &lt;img src=x&gt; \\[x\\](y)");
        let link = "https://evil @all\n# x\u{1b}[2J";
        assert_eq!(md(link), "https&#58;//evil &#64;all \\# x·\\[2J");
        let lines = "one\n\n- two\n3. x\n</details>";
        assert_eq!(quoted(lines), "> one  \n>  \n> \\- two  \n> 3\\. x  \n> &lt;/details&gt;");
    }

    #[test]
    fn a_spreadsheet_computes_nothing() {
        assert_eq!(cell("=1+1"), "'=1+1");
        assert_eq!(cell("@SUM(A1),\"x\""), "\"'@SUM(A1),\"\"x\"\"\"");
        assert_eq!(cell("\t-2"), "' -2");
        assert_eq!(cell("two\nlines"), "two lines");
        assert_eq!(seconds(Millis::new(1250)), "1.250");
        assert_eq!(signed_seconds(-90_000), "-90");
        let deltas = [125_400, -40_000, 400].map(delta);
        assert_eq!(deltas, ["+2m05s", "-40s", "0s"]);
    }
}
