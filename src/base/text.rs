//! Text that came from outside, made safe to show, and its width in cells.

use std::fmt;

use serde::{Deserialize, Serialize};
use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr;

/// One line of text that is safe to draw: no control character, nothing that hides or turns
/// round the text beside it. The only type that a screen accepts from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct SafeText(String);

impl SafeText {
    /// `text` made safe: tabs and line ends become blanks, every other control, bidi mark and
    /// invisible character becomes `·`.
    pub fn new(text: &str) -> Self {
        Self(text.chars().map(safe_char).collect())
    }

    /// The safe text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is drawn in place of `c`.
pub(super) const fn safe_char(c: char) -> char {
    match c {
        '\t' | '\n' | '\r' => ' ',
        // Control characters. Invisible and directional ones: soft hyphen, Arabic mark, Hangul fillers, zero-width, bidi,
        // line separators, variation selectors, byte-order mark, interlinear marks, tags.
        '\u{0}'..='\u{1f}'
        | '\u{7f}'..='\u{9f}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}' => '·',
        c => c,
    }
}

impl From<String> for SafeText {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl From<&str> for SafeText {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<SafeText> for String {
    fn from(text: SafeText) -> Self {
        text.0
    }
}

impl fmt::Display for SafeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The width of `text` in terminal cells.
pub fn cells(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// The longest start of `text` that fits `width` cells, cut at a grapheme edge; a cut shows as
/// `>` in the last cell.
pub fn cut_end(text: &str, width: usize) -> String {
    if cells(text) <= width {
        return text.to_owned();
    }
    let mut kept = take_cells(text.graphemes(true), width.saturating_sub(1));
    if width > 0 {
        kept.push('>');
    }
    kept
}

/// `text` without its middle, so that both ends are seen: `db-ne..01`.
pub fn cut_middle(text: &str, width: usize) -> String {
    if cells(text) <= width {
        return text.to_owned();
    }
    if width < 5 {
        return cut_end(text, width);
    }
    let tail_cells = (width - 2) / 2;
    let head = take_cells(text.graphemes(true), width - 2 - tail_cells);
    let tail = take_cells(text.graphemes(true).rev(), tail_cells);
    let tail: String = tail.graphemes(true).rev().collect();
    format!("{head}..{tail}")
}

/// `text` cut or filled with blanks to exactly `width` cells.
pub fn pad(text: &str, width: usize) -> String {
    let mut text = cut_end(text, width);
    let missing = width.saturating_sub(cells(&text));
    text.extend(std::iter::repeat_n(' ', missing));
    text
}

fn take_cells<'a, I: Iterator<Item = &'a str>>(graphemes: I, width: usize) -> String {
    let mut used = 0;
    graphemes
        .take_while(|grapheme| {
            used += cells(grapheme);
            used <= width
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{SafeText, cells, cut_end, cut_middle, pad};

    #[test]
    fn a_host_cannot_paint() {
        assert_eq!(SafeText::new("\u{1b}[2Jok\ttab\u{9b}1m").as_str(), "·[2Jok tab·1m");
        assert_eq!(SafeText::new("a\u{202e}b\u{e0041}").as_str(), "a·b·");
    }

    #[test]
    fn width_is_counted_in_cells() {
        assert_eq!(cells("生产"), 4);
        assert_eq!(cut_end("生产系统", 5), "生产>");
        assert_eq!(cut_middle("db-new-production-01", 9), "db-n..-01");
        assert_eq!(pad("生", 4), "生  ");
    }
}
