//! The forms in which programs print a value: encoded, escaped, quoted.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::base::SafeText;

/// A value that is wrapped over lines is recognised from so many characters on; so many of its
/// first ones may be on a line of their own and are not found.
pub(super) const WRAPPED_MIN: usize = 8;
/// The rest of a wrapped value is recognised if it is so long.
const REST_MIN: usize = 12;
/// Shorter lines of a value of several lines are not looked for by themselves.
const LINE_BYTES_MIN: usize = super::redact::SECRET_BYTES_MIN;

/// What to look for.
pub(super) struct Forms {
    /// In the bytes as they come.
    pub plain: BTreeSet<Vec<u8>>,
    /// In the bytes without their line ends.
    pub packed: BTreeSet<Vec<u8>>,
}

/// All forms of a value.
pub(super) fn forms(value: &[u8]) -> Forms {
    let mut plain = BTreeSet::new();
    written(value, &mut plain);
    if value.contains(&b'\n') {
        for line in value.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii) {
            if line.len() >= LINE_BYTES_MIN {
                written(line, &mut plain);
            }
        }
    }
    let mut packed = BTreeSet::new();
    for form in base64(value).into_iter().chain(hex(value)) {
        let without = (0..WRAPPED_MIN).filter_map(|skip| form.core.get(skip..));
        packed.extend(without.filter(|rest| rest.len() >= REST_MIN).map(<[u8]>::to_vec));
        plain.extend(form.whole);
        plain.insert(form.core);
    }
    Forms { plain, packed }
}

/// The value as text of programs: as it is, URL-encoded, JSON-escaped, quoted for a shell, and as
/// golive itself makes text safe.
fn written(value: &[u8], forms: &mut BTreeSet<Vec<u8>>) {
    forms.insert(value.to_vec());
    url(value, forms);
    shell(value, forms);
    let text = String::from_utf8_lossy(value);
    // As templates are quoted: with both kinds of quotes, where one is not enough.
    if let Ok(quoted) = shlex::try_quote(&text)
        && !quoted.contains(text.as_ref())
    {
        forms.insert(quoted.as_bytes().to_vec());
    }
    json(&text, forms);
    if text.as_bytes() != value {
        // No UTF-8: programs that want text make it some.
        forms.insert(text.as_bytes().to_vec());
        url(text.as_bytes(), forms);
        shell(text.as_bytes(), forms);
    }
    forms.insert(SafeText::new(&text).as_str().as_bytes().to_vec());
}

/// Percent encoding, by every usual opinion about what may stay as it is.
fn url(value: &[u8], forms: &mut BTreeSet<Vec<u8>>) {
    const OPINIONS: [&[u8]; 6] = [
        b"",                       // everything but letters and digits
        b"-._~",                   // RFC 3986
        b"*-._",                   // forms
        b"-._~/",                  // paths
        b"-_.!~*'()",              // encodeURIComponent
        b"-_.!~*'();,/?:@&=+$#[]", // encodeURI
    ];
    for kept in OPINIONS {
        for (plus, upper) in [(false, true), (false, false), (true, true), (true, false)] {
            let mut form = Vec::with_capacity(value.len() * 3);
            for byte in value {
                match byte {
                    b' ' if plus => form.push(b'+'),
                    byte if byte.is_ascii_alphanumeric() || kept.contains(byte) => form.push(*byte),
                    byte if upper => form.extend(format!("%{byte:02X}").bytes()),
                    byte => form.extend(format!("%{byte:02x}").bytes()),
                }
            }
            forms.insert(form);
        }
    }
}

/// JSON strings: as short as can be, with `/` escaped, safe for HTML, in ASCII.
fn json(text: &str, forms: &mut BTreeSet<Vec<u8>>) {
    for (slash, html, ascii, upper) in [
        (false, false, false, false),
        (true, false, false, false),
        (false, true, false, false),
        (false, false, true, false),
        (false, false, true, true),
        (true, false, true, false),
        (true, true, true, false),
    ] {
        let mut form = String::with_capacity(text.len() * 2);
        for c in text.chars() {
            let short = match c {
                '"' => Some("\\\""),
                '\\' => Some("\\\\"),
                '\n' => Some("\\n"),
                '\r' => Some("\\r"),
                '\t' => Some("\\t"),
                '\u{8}' => Some("\\b"),
                '\u{c}' => Some("\\f"),
                '/' if slash => Some("\\/"),
                _ => None,
            };
            let coded = c < ' '
                || (html && matches!(c, '<' | '>' | '&' | '\'' | '\u{2028}' | '\u{2029}'))
                || (ascii && !matches!(c, ' '..='~'));
            match short {
                Some(short) => form.push_str(short),
                None if coded => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        if upper {
                            write!(form, "\\u{unit:04X}").ok();
                        } else {
                            write!(form, "\\u{unit:04x}").ok();
                        }
                    }
                }
                None => form.push(c),
            }
        }
        forms.insert(form.into_bytes());
    }
}

/// Quoted for a shell, as shells (`set -x`, `printf %q`) and libraries do it.
fn shell(value: &[u8], forms: &mut BTreeSet<Vec<u8>>) {
    let mut insert = |change: &dyn Fn(u8, &mut Vec<u8>)| {
        let mut form = Vec::with_capacity(value.len() * 2);
        for byte in value {
            change(*byte, &mut form);
        }
        forms.insert(form);
    };
    for quote in [&b"'\\''"[..], b"'\"'\"'"] {
        insert(&|byte, form| match byte {
            b'\'' => form.extend_from_slice(quote),
            byte => form.push(byte),
        });
    }
    // Between double quotes; a bang where history is on.
    for special in [&b"\"\\$`"[..], b"\"\\$`!"] {
        insert(&|byte, form| {
            if special.contains(&byte) {
                form.push(b'\\');
            }
            form.push(byte);
        });
    }
    // Without quotes, by two opinions about what is special.
    for kept in [&b"_-./:,@%+="[..], b"_-./:@%+"] {
        insert(&|byte, form| {
            let plain = byte.is_ascii_alphanumeric() || byte >= 0x80 || kept.contains(&byte);
            if !plain {
                form.push(b'\\');
            }
            form.push(byte);
        });
    }
    // $'…', with both ways to write ESC, in ASCII or not.
    for (escape, ascii) in [("\\E", true), ("\\E", false), ("\\033", true), ("\\033", false)] {
        insert(&|byte, form| {
            let coded = byte < b' ' || byte == 0x7f || (ascii && byte >= 0x80);
            let text = match byte {
                b'\'' => "\\'".to_owned(),
                b'\\' => "\\\\".to_owned(),
                b'\n' => "\\n".to_owned(),
                b'\t' => "\\t".to_owned(),
                b'\r' => "\\r".to_owned(),
                0x07 => "\\a".to_owned(),
                0x08 => "\\b".to_owned(),
                0x0b => "\\v".to_owned(),
                0x0c => "\\f".to_owned(),
                0x1b => escape.to_owned(),
                byte if coded => format!("\\{byte:03o}"),
                byte => return form.push(byte),
            };
            form.extend(text.bytes());
        });
    }
}

/// A form of letters and digits that means the value wherever it stands.
struct Packed {
    /// The characters that depend on nothing but the value.
    core: Vec<u8>,
    /// The core with what may follow where the value ends the text.
    whole: Vec<Vec<u8>>,
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const FOR_URLS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Base64 with both alphabets, at each of the three places that the value can have in a text.
fn base64(value: &[u8]) -> Vec<Packed> {
    let mut all = Vec::new();
    for alphabet in [STANDARD, FOR_URLS] {
        for before in 0..3 {
            let bytes: Vec<u8> =
                std::iter::repeat_n(0, before).chain(value.iter().copied()).collect();
            let text = encoded(&bytes, alphabet);
            let (start, end) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
            let core = text.get(start..end).unwrap_or_default().to_vec();
            let mut whole = Vec::new();
            if let Some(last) = text.get(start..).filter(|last| last.len() > core.len()) {
                let padding = vec![b'='; (4 - text.len() % 4) % 4];
                whole.push([last, &padding].concat());
                whole.push(last.to_vec());
            }
            all.push(Packed { core, whole });
        }
    }
    all
}

/// Base64 without padding.
fn encoded(bytes: &[u8], alphabet: &[u8; 64]) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len() * 4 / 3 + 3);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_usize, |word, byte| (word << 8) | usize::from(*byte));
        let word = word << (8 * (3 - chunk.len()));
        let sixes = [word >> 18, word >> 12, word >> 6, word];
        let letters = sixes.map(|six| alphabet.get(six & 63).copied().unwrap_or(b'='));
        text.extend(letters.into_iter().take(chunk.len() + 1));
    }
    text
}

fn hex(value: &[u8]) -> [Packed; 2] {
    let text: String = value.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").ok();
        text
    });
    let upper = text.to_ascii_uppercase();
    [text, upper].map(|text| Packed { core: text.into_bytes(), whole: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::{FOR_URLS, STANDARD, encoded, forms};

    fn holds(value: &str, form: &str) {
        let forms = forms(value.as_bytes());
        let found = forms.plain.iter().any(|known| known == form.as_bytes());
        assert!(found, "{form} is not among the forms of {value}");
    }

    #[test]
    fn base64_is_what_the_standard_says() {
        let all = [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (plain, coded) in all {
            assert_eq!(encoded(plain.as_bytes(), STANDARD), coded.as_bytes());
        }
        assert_eq!(encoded(&[0xfb, 0xff], FOR_URLS), b"-_8");
        holds("hunter2!", "aHVudGVyMiE=");
        holds("hunter2!", "aHVudGVyMiE");
    }

    #[test]
    fn programs_write_a_value_in_these_forms() {
        holds("a b/c&d%é", "a%20b%2Fc%26d%25%C3%A9"); // encodeURIComponent, Python's quote
        holds("a b/c&d%é", "a+b%2fc%26d%25%c3%a9");
        holds("a b/c&d%é", "a%20b/c&d%25%C3%A9"); // encodeURI
        holds("a\"b\\c\nd</é", "a\\\"b\\\\c\\nd</é");
        holds("a\"b\\c\nd</é", "a\\\"b\\\\c\\nd<\\/\\u00e9"); // PHP
        holds("a\"b\\c\nd</é", "a\\\"b\\\\c\\nd\\u003c/é"); // Go
        holds("😀😀", "\\ud83d\\ude00\\ud83d\\ude00"); // Python
        holds("it's a $x", "it'\\''s a $x"); // bash -x
        holds("it's a $x", "it'\"'\"'s a $x"); // dash -x, Python's shlex
        holds("it's a $x", "it\\'s\\ a\\ \\$x"); // bash's %q
        holds("it's a $x", "it's a \\$x");
        holds("$'aaaa", "'$'\"'aaaa\"");
        holds("a\tb'\u{1b}c", "a\\tb\\'\\Ec");
        holds("hunter2", "68756e74657232");
        holds("line one\nline two", "line two");
    }
}
