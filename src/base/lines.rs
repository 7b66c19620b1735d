//! A host's byte stream, cut into lines that are safe to draw.
//!
//! Terminal sequences are parsed, not passed on: cursor moves, titles, hyperlinks and device
//! strings vanish, a carriage return starts the line again, a backspace steps back. Bytes that
//! are not UTF-8 show as `�`. The raw bytes are kept elsewhere, in the transcript.

use vte::{Params, Parser, Perform};

use super::text::{SafeText, safe_char};

/// A longer line is cut on screen, and says so; the transcript has all of it.
pub const LINE_CHARS_MAX: usize = 4_096;

/// Cuts one stream of bytes into safe lines. Feed it chunks as they come.
#[derive(Default)]
pub struct LineSanitizer {
    parser: Parser,
    line: Line,
    /// The start of a character whose end has not come: the parser loses what follows such a cut.
    held: Vec<u8>,
}

impl std::fmt::Debug for LineSanitizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LineSanitizer").field("line", &self.line).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Line {
    text: Vec<char>,
    column: usize,
    dropped: usize,
    done: Vec<SafeText>,
}

impl LineSanitizer {
    /// Takes in `bytes` and returns the lines that they complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<SafeText> {
        let mut whole = std::mem::take(&mut self.held);
        whole.extend_from_slice(bytes);
        self.held = whole.split_off(whole.len().saturating_sub(unfinished(&whole)));
        self.parser.advance(&mut self.line, &whole);
        std::mem::take(&mut self.line.done)
    }

    /// The unfinished line, when the stream has ended.
    pub fn finish(&mut self) -> Option<SafeText> {
        if !std::mem::take(&mut self.held).is_empty() {
            self.line.put(char::REPLACEMENT_CHARACTER);
        }
        if self.line.text.is_empty() {
            return None;
        }
        self.line.end();
        self.line.done.pop()
    }
}

/// How many bytes at the end of `bytes` begin a character and do not end it.
fn unfinished(bytes: &[u8]) -> usize {
    let tail = bytes.iter().rev().take(3).enumerate();
    let lead = tail.map(|(index, byte)| (index + 1, *byte)).find(|(_, byte)| byte & 0xc0 != 0x80);
    match lead {
        Some((1, 0xc2..=0xdf) | (1..=2, 0xe0..=0xef) | (1..=3, 0xf0..=0xf4)) => {
            lead.map_or(0, |(count, _)| count)
        }
        Some(_) | None => 0,
    }
}

impl Line {
    fn put(&mut self, c: char) {
        let c = safe_char(c);
        if self.column >= LINE_CHARS_MAX {
            self.dropped += 1;
            return;
        }
        match self.text.get_mut(self.column) {
            Some(cell) => *cell = c,
            None => self.text.push(c),
        }
        self.column += 1;
    }

    fn end(&mut self) {
        let mut text: String = self.text.drain(..).collect();
        if self.dropped > 0 {
            let more = self.dropped;
            text = format!("{text} … {more} more characters, all in the transcript");
        }
        self.done.push(SafeText::new(&text));
        (self.column, self.dropped) = (0, 0);
    }
}

impl Perform for Line {
    fn print(&mut self, c: char) {
        // A control character of two bytes comes here when it is cut between two chunks.
        if !c.is_control() {
            self.put(c);
        }
    }

    fn execute(&mut self, byte: u8) {
        match byte {
            b'\n' => self.end(),
            b'\r' => self.column = 0,
            b'\t' => {
                for _ in 0..8 - self.column % 8 {
                    self.put(' ');
                }
            }
            0x08 => self.column = self.column.saturating_sub(1),
            _ => {}
        }
    }

    fn csi_dispatch(&mut self, params: &Params, _: &[u8], _: bool, action: char) {
        // Erase to the end of the line, as progress bars do after `\r`; all else is dropped.
        let whole = params.iter().next().and_then(|p| p.first().copied()).unwrap_or(0);
        if action == 'K' && whole == 0 {
            self.text.truncate(self.column);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LINE_CHARS_MAX, LineSanitizer};

    fn lines(chunks: &[&[u8]]) -> Vec<String> {
        let mut sanitizer = LineSanitizer::default();
        let mut lines: Vec<_> = chunks.iter().flat_map(|chunk| sanitizer.feed(chunk)).collect();
        lines.extend(sanitizer.finish());
        lines.into_iter().map(String::from).collect()
    }

    #[test]
    fn sequences_vanish_and_text_stays() {
        assert_eq!(lines(&[b"\x1b[31mred\x1b[0m\x1b]0;title\x07 end\n"]), ["red end"]);
        assert_eq!(lines(&[b"\x1bP+q544e\x1b\\a\x1b]8;;http://x\x1b\\b\n"]), ["ab"]);
        assert_eq!(lines(&[b"10 %\r55 %\r100 %\n"]), ["100 %"]);
        assert_eq!(lines(&[b"abc\r\x1b[Kx\n"]), ["x"]);
        assert_eq!(lines(&[b"a\x08b\n"]), ["b"]);
        assert_eq!(lines(&[b"no newline"]), ["no newline"]);
    }

    #[test]
    fn a_character_may_be_split_between_chunks() {
        let text = "生产".as_bytes();
        assert_eq!(lines(&[&text[..1], &text[1..4], &text[4..], b"\n"]), ["生产"]);
        assert_eq!(lines(&[b"bad \xff\xfe end\n"]), ["bad \u{fffd}\u{fffd} end"]);
        assert_eq!(lines(&["a\u{202e}b\u{9b}c\n".as_bytes()]), ["a·bc"]);
        assert_eq!(lines(&[b"b\xc2", b"\x9bc\n"]), ["bc"], "as if it came at once");
    }

    #[test]
    fn a_line_without_end_costs_no_memory() {
        let chunk = vec![b'x'; 1 << 20];
        let mut sanitizer = LineSanitizer::default();
        for _ in 0..10 {
            assert!(sanitizer.feed(&chunk).is_empty());
        }
        let line = String::from(sanitizer.finish().unwrap());
        assert!(line.chars().count() < LINE_CHARS_MAX + 80, "{}", line.len());
        assert!(line.ends_with("more characters, all in the transcript"));
    }
}
