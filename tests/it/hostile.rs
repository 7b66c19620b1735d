//! What a host prints cannot act on the terminal, and all of it is on disk.

use vte::{Params, Parser, Perform};

use crate::pty::Pty;

/// Everything that a terminal could obey, and text around it.
fn hostile() -> Vec<u8> {
    let mut bytes = b"BEGIN\n".to_vec();
    for c in (0..0x20_u8).chain([0x7f]) {
        bytes.extend_from_slice(&[b'a', c, b'b', b'\n']);
    }
    for c in 0x80..0xa0_u32 {
        bytes.extend_from_slice(format!("c{}d\n", char::from_u32(c).unwrap()).as_bytes());
        bytes.extend_from_slice(&[b'r', u8::try_from(c).unwrap(), b'w', b'\n']);
    }
    for last in 0x40..0x7f_u8 {
        for middle in ["", "?25", "1;1", "2", ">4;2", "=1", "!", "?1049", "200", "6", "31"] {
            bytes.extend_from_slice(b"\x1b[");
            bytes.extend_from_slice(middle.as_bytes());
            bytes.push(last);
        }
        bytes.push(b'\n');
    }
    for one in 0x20..0x7f_u8 {
        bytes.extend_from_slice(&[0x1b, one, b'x', b'\n']);
    }
    for text in [
        "\x1b]0;PWNED\x07",
        "\x1b]2;PWNED\x1b\\",
        "\x1b]52;c;UFdORUQ=\x07",
        "\x1b]8;;http://evil\x1b\\",
        "\x1b]10;?\x07",
        "\x1b]9;PWNED\x07",
        "\x1b]777;notify;a;b\x07",
        "\x1bP+q544e\x1b\\",
        "\x1bP$q m\x1b\\",
        "\x1b_apc\x1b\\",
        "\x1b^pm\x1b\\",
        "\x1bXsos\x1b\\",
        "\x1b[6n",
        "\x1b[c",
        "\x1b[?1000h",
        "\x1b[20t",
        "\x1b[21t",
        "\x1bc",
        "\x1b#8",
        "\x1b(0qqq\x1b(B",
        "\x0e\x0f",
        "\u{202e}gnirts\u{202c}",
        "a\u{2066}b\u{2069}",
        "z\u{200b}w\u{feff}",
        "t\u{e0041}g",
        "\u{9b}31mC1",
        "\u{90}dcs\u{9c}",
        "\u{9d}0;PWNED\u{9c}",
    ] {
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(b'\n');
    }
    bytes.extend_from_slice(b"\xff\xfe\xc0\xaf\xed\xa0\x80 not utf-8\n\xe7\x94 cut \xf0\x9f\x98\n");
    bytes.extend(std::iter::repeat_n(b'L', 10 << 20));
    bytes.extend_from_slice(b"\n\x1b]0;never closed and so it swallows");
    bytes.extend_from_slice("\x07\n生产 THE-END\n".as_bytes());
    bytes
}

/// What golive may send to its terminal: what drawing needs, and its own title.
#[derive(Default)]
struct Allowed {
    wrong: Vec<String>,
    titles: Vec<String>,
    asked: usize,
}

impl Perform for Allowed {
    fn print(&mut self, c: char) {
        let bidi = matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e0fff}');
        if bidi || c.is_control() {
            self.wrong.push(format!("print {c:?}"));
        }
    }

    fn execute(&mut self, byte: u8) {
        if !matches!(byte, b'\r' | b'\n' | 0x07) {
            self.wrong.push(format!("control {byte:#x}"));
        }
    }

    fn hook(&mut self, _: &Params, _: &[u8], _: bool, action: char) {
        self.wrong.push(format!("device string {action}"));
    }

    fn osc_dispatch(&mut self, params: &[&[u8]], _: bool) {
        match params {
            [b"0" | b"2", title @ ..] => {
                self.titles.push(String::from_utf8_lossy(&title.concat()).into_owned());
            }
            other => self.wrong.push(format!("operating system command {other:?}")),
        }
    }

    fn csi_dispatch(&mut self, params: &Params, private: &[u8], _: bool, action: char) {
        let numbers: Vec<u16> = params.iter().flatten().copied().collect();
        // golive asks once where the cursor is; a host never does.
        self.asked += usize::from(action == 'n');
        let fine = match (private, action) {
            (b"", 'm' | 'H' | 'A' | 'B' | 'C' | 'D' | 'G' | 'J' | 'K') => true,
            (b"?", 'h' | 'l') => {
                numbers.iter().all(|n| matches!(n, 25 | 1004 | 1049 | 2004 | 2026))
            }
            (b"", 'n') => numbers == [6] && self.asked == 1,
            (b"", 't') => matches!(numbers[..], [22 | 23, 2]),
            _ => false,
        };
        if !fine {
            self.wrong.push(format!("control sequence {private:?} {numbers:?} {action}"));
        }
    }

    fn esc_dispatch(&mut self, intermediates: &[u8], _: bool, byte: u8) {
        if byte != b'\\' {
            self.wrong.push(format!("escape {intermediates:?} {byte:#x}"));
        }
    }
}

#[test]
fn what_a_step_prints_is_raw_on_disk_and_inert_on_screen() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = hostile();
    std::fs::write(dir.path().join("hostile.bin"), &bytes).unwrap();
    let here = dir.path().display();
    let runbook = format!(
        r#"
golive = 1
[runbook]
id = "hostile"
title = "Hostile output"
strategy = "direct"
[[phase]]
id = "p"
title = "All"
[[phase.step]]
id = "print"
title = "Print"
local = "cat {here}/hostile.bin; cat {here}/hostile.bin >&2; sleep 1"
read_only = true
estimate = "1s"
timeout = "5m"
"#
    );
    std::fs::write(dir.path().join("night.toml"), runbook).unwrap();
    let mut golive = Pty::start(dir.path(), (120, 36), &["rehearse", "night.toml"]);
    golive.until("READY");
    golive.press_until("\r", "BEGIN the run?");
    golive.press_until("y", "WAITING FOR YOU");
    golive.press_until("\r", "y run");
    golive.press_until("y", "DONE");
    golive.until("THE-END");
    golive.press_until("3", "FOLLOW");
    golive.press_until("gg", "BEGIN");
    golive.press_until("q", "Leave");
    golive.press_until("c", "golive verify");
    assert!(golive.wait().success());
    let mut allowed = Allowed::default();
    Parser::new().advance(&mut allowed, &golive.bytes());
    assert_eq!(allowed.wrong, Vec::<String>::new());
    let own = |title: &String| title.starts_with("golive REHEARSAL ") || title.is_empty();
    assert!(allowed.titles.iter().all(own), "{:?}", allowed.titles);
    let session = std::fs::read_dir(dir.path().join("state/sessions")).unwrap().next().unwrap();
    let output = session.unwrap().path().join("output/print.1.local.log");
    let kept = std::fs::read(output).unwrap();
    assert_eq!(kept.len(), 2 * bytes.len());
    // Both streams arrive interleaved; each of them is whole and in order.
    let count = |haystack: &[u8]| haystack.split(|byte| *byte == b'L').count() - 1;
    assert_eq!(count(&kept), 2 * count(&bytes));
}
