//! What a terminal driver does for a person who types to a practice host: it shows what is typed,
//! lets it be mended, and hands it on line by line.

/// A line that is longer is cut.
const LINE_MAX: usize = 4_096;

/// A line while it is typed.
#[derive(Debug, Default)]
pub(super) struct Typing {
    line: String,
    /// Bytes of a character that has not come whole.
    part: Vec<u8>,
    /// Inside the sequence of a key that types nothing.
    escape: bool,
}

/// What became of some typed bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Typed {
    /// To be shown.
    pub(super) echo: Vec<u8>,
    /// Lines that are whole, with their ends.
    pub(super) lines: Vec<u8>,
    /// Nothing more is to come: Ctrl-D on an empty line.
    pub(super) ends: bool,
}

impl Typing {
    pub(super) fn take(&mut self, bytes: &[u8]) -> Typed {
        let mut typed = Typed::default();
        for byte in bytes {
            if self.escape {
                self.escape = !(byte.is_ascii_alphabetic() || *byte == b'~');
                continue;
            }
            match byte {
                b'\r' | b'\n' => {
                    typed.echo.extend(b"\r\n");
                    typed.lines.extend(self.line.as_bytes());
                    typed.lines.push(b'\n');
                    self.line.clear();
                }
                0x7f | 0x08 => {
                    if self.line.pop().is_some() {
                        typed.echo.extend(b"\x08 \x08");
                    }
                }
                0x03 | 0x15 => {
                    self.line.clear();
                    typed.echo.extend(if *byte == 0x03 { &b"^C\r\n"[..] } else { &b"^U\r\n"[..] });
                    typed.lines.push(b'\n');
                }
                0x04 if self.line.is_empty() => typed.ends = true,
                0x1b => self.escape = true,
                byte if byte.is_ascii_control() => {}
                byte => {
                    self.part.push(*byte);
                    if let Ok(text) = std::str::from_utf8(&self.part) {
                        if self.line.len() < LINE_MAX {
                            self.line.push_str(text);
                            typed.echo.extend(text.as_bytes());
                        }
                        self.part.clear();
                    } else if self.part.len() > 4 {
                        self.part.clear();
                    }
                }
            }
        }
        typed
    }
}

/// Output for a terminal: each line end goes back to the first column.
pub(super) fn cooked(bytes: &[u8]) -> Vec<u8> {
    let mut cooked = Vec::with_capacity(bytes.len() + 8);
    for byte in bytes {
        if *byte == b'\n' {
            cooked.push(b'\r');
        }
        cooked.push(*byte);
    }
    cooked
}

#[cfg(test)]
mod tests {
    use super::{Typing, cooked};

    #[test]
    fn what_is_typed_is_shown_mended_and_handed_on() {
        let mut typing = Typing::default();
        let typed = typing.take("lx\x7fs \u{1b}[A生".as_bytes());
        assert_eq!(typed.echo, "lx\x08 \x08s 生".as_bytes());
        assert_eq!(typed.lines, b"");
        assert_eq!(typing.take(b"\r").lines, "ls 生\n".as_bytes());
        assert!(typing.take(b"\x04").ends);
        assert!(!typing.take(b"x\x04").ends);
        assert_eq!(cooked(b"a\nb\n"), b"a\r\nb\r\n");
    }
}
