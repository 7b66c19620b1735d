//! The host's half: shell sources, joined to the one line that an exec request holds.
//!
//! A source is ordinary POSIX shell with comments and indentation. It keeps to what survives being
//! one line within single quotes of any login shell, csh and fish included: see [`join`].

use std::sync::LazyLock;

use crate::exec::ssh::TAKE_LINE;

const ROOT: &str = include_str!("root.sh");
const COMMON: &str = include_str!("common.sh");
const SPOOL: &str = include_str!("spool.sh");
const FOLLOW: &str = include_str!("follow.sh");
const START: &str = include_str!("start.sh");
const RUN: &str = include_str!("run.sh");
const ATTACH: &str = include_str!("attach.sh");
const CANCEL: &str = include_str!("cancel.sh");
const CLOSE: &str = include_str!("close.sh");
const WITNESS_PUT: &str = include_str!("witness_put.sh");
const WITNESS_GET: &str = include_str!("witness_get.sh");

/// What is asked of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Start a step, unless its key was used.
    Start,
    /// Say how a step is, and send what it wrote.
    Attach,
    /// Stop a step, or make sure that it never starts.
    Cancel,
    /// Nothing more of this run; its outputs go.
    Close,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Start, Self::Attach, Self::Cancel, Self::Close];

    /// Its word in the first line of a request.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Attach => "attach",
            Self::Cancel => "cancel",
            Self::Close => "close",
        }
    }

    /// The sources, in order: of the shell of a call two words' worth, and of the process that
    /// becomes the step.
    pub const fn sources(self) -> [&'static [&'static str]; 3] {
        match self {
            Self::Start => [&[COMMON, SPOOL], &[ROOT, FOLLOW, START], &[COMMON, RUN]],
            Self::Attach => [&[COMMON, SPOOL], &[ROOT, FOLLOW, ATTACH], &[]],
            Self::Cancel => [&[COMMON, SPOOL], &[ROOT, CANCEL], &[]],
            Self::Close => [&[COMMON, SPOOL], &[ROOT, CLOSE], &[]],
        }
    }
}

/// The exec request of a mode: one line, the same for every step.
pub fn request(mode: Mode) -> &'static str {
    static REQUESTS: LazyLock<[String; 4]> = LazyLock::new(|| Mode::ALL.map(composed));
    let [start, attach, cancel, close] = &*REQUESTS;
    match mode {
        Mode::Start => start,
        Mode::Attach => attach,
        Mode::Cancel => cancel,
        Mode::Close => close,
    }
}

/// The exec request that hands checkpoints to a host: the run's name, then four lines for each.
pub fn witness_put() -> &'static str {
    static REQUEST: LazyLock<String> = LazyLock::new(|| alone(WITNESS_PUT));
    &REQUEST
}

/// The exec request that asks a host for the checkpoints of the run that the first line names.
pub fn witness_get() -> &'static str {
    static REQUEST: LazyLock<String> = LazyLock::new(|| alone(WITNESS_GET));
    &REQUEST
}

/// A request of one script that finds the root as the steps' do.
fn alone(source: &str) -> String {
    format!("exec sh -c '{};{}'", join(ROOT), join(source))
}

/// What `sh -c` runs; the words of a request are its parameters. Two of them are its script: to csh
/// a word has at most 8 kB.
pub const EVAL: &str = "eval \"$1;$2\"";

fn composed(mode: Mode) -> String {
    let mut text = format!("exec sh -c '{EVAL}' sh");
    for word in words(mode, str::to_owned) {
        text.extend([" '", word.as_str(), "'"]);
    }
    text
}

/// The words that follow `sh -c EVAL sh` in the request of a mode, each source changed by `change`
/// before it is joined. Tests put deaths in place of the `#CP` comments this way.
pub fn words(mode: Mode, change: impl Fn(&str) -> String) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for sources in mode.sources().into_iter().filter(|it| !it.is_empty()) {
        let lines: Vec<String> = sources.iter().map(|source| join(&change(source))).collect();
        words.push(lines.join(";"));
    }
    if mode == Mode::Start {
        words.push(TAKE_LINE.to_owned());
    }
    words
}

/// A source as one line: without its comment lines, indentation and empty lines.
///
/// A line that ends a command gets a `;`. Nothing may stand behind code as a comment.
pub fn join(source: &str) -> String {
    let mut text = String::new();
    let mut separate = false;
    for line in source.lines() {
        let trimmed = line.trim_start();
        // The blank behind `$!` keeps csh from taking it for a word of its history.
        let code = if trimmed.ends_with("$! ") { trimmed } else { trimmed.trim_end() };
        if code.is_empty() || code.starts_with('#') {
            continue;
        }
        if separate {
            text.push(';');
        }
        text.push_str(code);
        let opens = ["{", "do", "then", "else", "in", "&&", "||", "|", ";;", "&"];
        let last = code.rsplit([' ', ';']).next().unwrap_or_default();
        let label = code.ends_with(')') && !code.contains('(');
        separate = !(opens.contains(&last) || code.ends_with(";;") || label);
        if !separate {
            text.push(' ');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Mode, join, request, words};

    #[test]
    fn lines_become_one() {
        let source = "# a comment\na() {\n  #CP here\n  b\n\n  c=$! \n}\nfor x in 1; do\n  d &\n  case e in\n    f)\n      g ;;\n  esac\ndone\n";
        assert_eq!(join(source), "a() { b;c=$! ;};for x in 1; do d & case e in f) g ;; esac;done");
    }

    #[test]
    fn a_request_holds_nothing_that_a_login_shell_could_take_for_its_own() {
        for mode in Mode::ALL {
            for word in words(mode, str::to_owned) {
                assert!(!word.contains(['\'', '\n', '`', '\t']), "{mode:?}");
                assert_eq!(word.matches('!').count(), word.matches("$! ").count(), "{mode:?}");
                assert_eq!(word.matches('\\').count(), word.matches("\\0").count(), "{mode:?}");
                assert!(word.is_ascii() && word.len() < 8000, "{mode:?}: {}", word.len());
            }
            assert!(!request(mode).contains("#CP"));
            // A channel request must fit one packet.
            assert!(request(mode).len() < 20_000, "{mode:?}: {}", request(mode).len());
        }
    }

    #[test]
    fn a_witness_is_asked_in_one_word_too() {
        for request in [super::witness_put(), super::witness_get()] {
            let word = request.strip_prefix("exec sh -c '").unwrap().strip_suffix('\'').unwrap();
            assert!(!word.contains(['\'', '\n', '`', '\t', '!', '\\']), "{word}");
            assert!(word.is_ascii() && word.len() < 8000);
        }
    }

    #[test]
    fn a_signal_to_a_group_has_the_one_safe_spelling() {
        for mode in Mode::ALL {
            for word in words(mode, str::to_owned) {
                for rest in word.split("kill ").skip(1) {
                    let command = rest.split([';', '|', '&']).next().unwrap();
                    assert!(!command.contains("-$") || command.contains(" -- "), "{command}");
                    assert!(command.starts_with("-s "), "{command}");
                }
            }
        }
    }
}
