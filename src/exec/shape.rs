//! Output that looks as if it held a secret that nobody declared: keys and tokens of well-known
//! shape. Such output is kept as it is; the operator is told, once.

use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use regex::bytes::Regex;

/// A longer line is looked at by its beginning.
const LINE_BYTES_MAX: usize = 4 * 1024;

/// A shape: its name, words that are in every such text, and the whole of it.
struct Shape {
    name: &'static str,
    anchors: &'static [&'static str],
    pattern: &'static str,
}

const SHAPES: [Shape; 7] = [
    Shape {
        name: "an AWS access key",
        anchors: &["AKIA", "ASIA"],
        pattern: r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    },
    Shape {
        name: "a GitHub token",
        anchors: &["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"],
        pattern: r"\b(?:gh[pousr]_[0-9A-Za-z]{36}|github_pat_[0-9A-Za-z_]{22})",
    },
    Shape {
        name: "a private key",
        anchors: &["PRIVATE KEY-----"],
        pattern: r"-----BEGIN [0-9A-Z ]*PRIVATE KEY-----",
    },
    Shape {
        name: "a JSON web token",
        anchors: &["eyJ"],
        pattern: r"\beyJ[0-9A-Za-z_-]{8,}\.eyJ[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]{8,}",
    },
    Shape {
        name: "a Slack token",
        anchors: &["xox", "hooks.slack.com"],
        pattern: r"\bxox[abeoprs]-[0-9A-Za-z-]{10,}|hooks\.slack\.com/services/[0-9A-Z]+/",
    },
    Shape {
        name: "a password",
        anchors: &["password", "passwd", "secret", "api_key", "apikey", "api-key"],
        // Not what stands for one: `***`, `<hidden>`, `$VAR`, and golive's own mark.
        pattern: r#"(?i)(?:password|passwd|secret|secret_key|api[_-]?key)["']?\s?[=:]\s?["']?[0-9A-Za-z!#%&+,./:;=?@^_~-]{6,}"#,
    },
    Shape {
        name: "a password in an address",
        anchors: &["://"],
        pattern: r"[a-z]://[^\s/:@]+:[^\s/:@*<\x80-\xff]{3,}@",
    },
];

/// The shapes, ready to be looked for.
struct Known {
    anchors: AhoCorasick,
    patterns: Vec<(&'static str, Regex)>,
}

static KNOWN: LazyLock<Option<Known>> = LazyLock::new(|| {
    let anchors = SHAPES.iter().flat_map(|shape| shape.anchors);
    let anchors = AhoCorasick::builder().ascii_case_insensitive(true).build(anchors).ok()?;
    let pattern = |shape: &Shape| Some((shape.name, Regex::new(shape.pattern).ok()?));
    Some(Known { anchors, patterns: SHAPES.iter().map(pattern).collect::<Option<_>>()? })
});

/// Looks at one stream.
#[derive(Debug, Default)]
pub(super) struct Watcher {
    line: Vec<u8>,
    told: Vec<&'static str>,
}

impl Watcher {
    /// Takes bytes, cut anywhere, and gives the shapes that are seen for the first time.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<&'static str> {
        if self.told.len() == SHAPES.len() {
            return Vec::new();
        }
        let Some(last) = bytes.iter().rposition(|byte| *byte == b'\n') else {
            self.keep(bytes);
            return Vec::new();
        };
        let (whole, rest) = bytes.split_at(last + 1);
        let lines = std::mem::take(&mut self.line);
        let seen =
            if lines.is_empty() { self.look(whole) } else { self.look(&[&lines, whole].concat()) };
        self.keep(rest);
        seen
    }

    /// The stream has ended.
    pub(super) fn finish(&mut self) -> Vec<&'static str> {
        let line = std::mem::take(&mut self.line);
        self.look(&line)
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = LINE_BYTES_MAX.saturating_sub(self.line.len());
        self.line.extend(bytes.iter().take(room));
    }

    fn look(&mut self, lines: &[u8]) -> Vec<&'static str> {
        let Some(known) = KNOWN.as_ref() else { return Vec::new() };
        if !known.anchors.is_match(lines) {
            return Vec::new();
        }
        let new = known
            .patterns
            .iter()
            .filter(|(name, pattern)| !self.told.contains(name) && pattern.is_match(lines));
        let new: Vec<_> = new.map(|(name, _)| *name).collect();
        self.told.extend(&new);
        new
    }
}

/// The first shape of a secret that `text` has.
pub fn looks_secret(text: &str) -> Option<&'static str> {
    let mut watcher = Watcher::default();
    let seen = watcher.feed(text.as_bytes());
    seen.into_iter().chain(watcher.finish()).next()
}

#[cfg(test)]
mod tests {
    use super::{KNOWN, SHAPES, Watcher};

    /// In pieces, so that no scanner takes this file for one with secrets.
    fn samples() -> [String; 7] {
        let key = |begin: &str, of: char, count: usize| {
            format!("{begin}{}", String::from(of).repeat(count))
        };
        [
            key("export KEY=AKIA", 'Q', 16),
            key("ghp_", 'x', 36),
            format!("-----BEGIN RSA {} KEY-----", "PRIVATE"),
            format!("Bearer eyJ{0}.eyJ{0}.{0}", "hbGciOiJI"),
            key("xoxb-", '1', 12),
            format!("{}=hunter2000", "DB_PASSWORD"),
            format!("postgres://app:{}@db/orders", "hunter2"),
        ]
    }

    #[test]
    fn every_shape_is_seen_once_however_it_is_cut() {
        assert!(KNOWN.is_some());
        for (sample, shape) in samples().iter().zip(&SHAPES) {
            for cut in 0..sample.len() {
                let mut watcher = Watcher::default();
                let mut seen = watcher.feed(&sample.as_bytes()[..cut]);
                seen.extend(watcher.feed(&sample.as_bytes()[cut..]));
                seen.extend(watcher.feed(b"\n"));
                seen.extend(watcher.feed(format!("{sample}\n").as_bytes()));
                seen.extend(watcher.finish());
                assert_eq!(seen, [shape.name], "{sample} cut at {cut}");
            }
        }
    }

    #[test]
    fn ordinary_output_is_not_taken_for_one() {
        let mut watcher = Watcher::default();
        for line in [
            "password: ",
            "Enter password for deploy: ok",
            "password=********",
            "secret: \u{2039}redacted:db\u{203a}",
            "PASSWORD=$DB_PASSWORD",
            "see https://example.com:8443/health@2 and git@host:path",
            "asia pacific, eyJust",
        ] {
            assert_eq!(watcher.feed(format!("{line}\n").as_bytes()), [""; 0], "{line}");
        }
    }
}
