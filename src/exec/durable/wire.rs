//! What goes to a host and what comes back, as bytes: the request's first line, and the lines of
//! the answer among the bytes of the step.
//!
//! # Invariants
//!
//! - Every byte that is not of one of our lines is passed on, in order, whatever the pieces are in
//!   which it came.
//! - Only bytes that may still become one of our lines are held back.

use std::collections::BTreeMap;

use crate::engine::Sync;

use super::script::Mode;

/// A line of ours is shorter: hosts write it at once, and a pipe keeps so much together.
const LINE_MAX: usize = 4_096;
/// So much may login scripts print before the host answers.
pub const NOISE_MAX: usize = 64 * 1024;

/// How a step stands on its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing of it is known there.
    Absent,
    /// It was sent, and has not begun.
    Staged,
    /// It runs.
    Running,
    /// It runs, and its supervisor is gone.
    Orphan,
    /// It ended.
    Exited,
    /// It never ran, and never will.
    Void,
    /// It and its supervisor are gone, and left no exit record.
    Lost,
    /// It ran in an earlier boot, and left no exit record.
    Rebooted,
}

impl Standing {
    const ALL: [(&'static str, Self); 8] = [
        ("ABSENT", Self::Absent),
        ("STAGED", Self::Staged),
        ("RUNNING", Self::Running),
        ("ORPHAN", Self::Orphan),
        ("EXITED", Self::Exited),
        ("VOID", Self::Void),
        ("LOST", Self::Lost),
        ("REBOOTED", Self::Rebooted),
    ];

    fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(name, _)| *name == word).map(|(_, standing)| *standing)
    }

    /// Its word in an answer.
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, it)| *it == self).map_or("", |(name, _)| name)
    }
}

/// Where a host keeps what it knows of runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// The folder.
    pub root: String,
    /// The name of that very folder.
    pub root_id: String,
    /// The boot of the host.
    pub boot: String,
}

/// The process of a step, as its host names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: Option<u32>,
    /// When it was born.
    pub born: Option<u64>,
    /// In which boot.
    pub boot: String,
}

/// What a host says in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// It understands, and keeps its records here.
    Hello(Home),
    /// The step's first instruction comes next.
    Started {
        /// The process.
        process: Process,
        /// Whether it has a group of its own.
        group: bool,
        /// How far its start outlives a power cut.
        sync: Sync,
    },
    /// How the step stands.
    State {
        /// In a word.
        standing: Standing,
        /// Its process.
        process: Process,
        /// Its exit status, once it has one.
        code: Option<i32>,
        /// Bytes that it printed on standard output.
        out: u64,
        /// Bytes that it printed on standard error.
        err: u64,
    },
    /// The step has ended.
    End {
        /// Its exit status.
        code: i32,
        /// Bytes that it printed on standard output.
        out: u64,
        /// Bytes that it printed on standard error.
        err: u64,
    },
    /// A process of the step lives.
    Alive(String),
    /// A process that the step started lives, outside its group.
    Strayed(String),
    /// The call has said all that it will.
    Done,
    /// The call does not do what it was asked.
    Error {
        /// The kind of error.
        code: String,
        /// In words.
        text: String,
    },
    /// A word of a newer protocol, or none.
    Strange(String),
}

impl Word {
    /// Reads a line without its mark and its end.
    fn parse(line: &str) -> Self {
        let strange = || Self::Strange(line.to_owned());
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let pairs: BTreeMap<&str, &str> =
            rest.split_ascii_whitespace().filter_map(|pair| pair.split_once('=')).collect();
        let text = |name: &str| pairs.get(name).copied().unwrap_or_default().to_owned();
        let number = |name: &str| pairs.get(name).and_then(|value| value.parse::<u64>().ok());
        let code = || pairs.get("rc").and_then(|value| value.parse::<i32>().ok());
        let process = || Process {
            pid: number("pid").and_then(|pid| u32::try_from(pid).ok()),
            born: number("born"),
            boot: text("boot"),
        };
        match word {
            "hello" => Self::Hello(Home {
                root: text("root"),
                root_id: text("rootid"),
                boot: text("boot"),
            }),
            "started" => Self::Started {
                process: process(),
                group: text("group") == "yes",
                sync: match text("sync").as_str() {
                    "file" | "dd" => Sync::File,
                    "full" => Sync::Full,
                    _none => Sync::None,
                },
            },
            "state" => {
                let named = rest.split_ascii_whitespace().next().and_then(Standing::parse);
                let (Some(standing), Some(out), Some(err)) = (named, number("out"), number("err"))
                else {
                    return strange();
                };
                Self::State { standing, process: process(), code: code(), out, err }
            }
            "end" => match (code(), number("out"), number("err")) {
                (Some(code), Some(out), Some(err)) => Self::End { code, out, err },
                (_, _, _) => strange(),
            },
            "alive" => Self::Alive(rest.to_owned()),
            "strayed" => Self::Strayed(rest.to_owned()),
            "done" => Self::Done,
            "error" => {
                let (code, text) = rest.split_once(' ').unwrap_or((rest, ""));
                Self::Error { code: code.to_owned(), text: text.to_owned() }
            }
            _other => strange(),
        }
    }
}

/// A piece of standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Bytes of the step.
    Bytes(&'a [u8]),
    /// A line of ours.
    Word(Word),
}

/// Takes our lines out of standard error. What comes before the first of them is no step's.
#[derive(Debug)]
pub struct ErrorStream {
    mark: Vec<u8>,
    held: Vec<u8>,
    answered: bool,
    noise: usize,
}

impl ErrorStream {
    /// For the call with this nonce.
    pub fn new(nonce: &str) -> Self {
        let mark = format!("golive-{nonce} ").into_bytes();
        Self { mark, held: Vec::new(), answered: false, noise: 0 }
    }

    /// Bytes that came before the first of our lines, and are nobody's.
    pub fn noise(&self) -> usize {
        self.noise
    }

    /// Takes bytes in, hands pieces on.
    pub fn feed(&mut self, bytes: &[u8], mut take: impl FnMut(Piece<'_>)) {
        let mut joined = std::mem::take(&mut self.held);
        let mut left = if joined.is_empty() {
            bytes
        } else {
            joined.extend_from_slice(bytes);
            &joined[..]
        };
        loop {
            let (before, tail) = left.split_at(self.first_mark(left));
            self.pass(before, &mut take);
            if tail.len() < self.mark.len() {
                break self.hold(tail);
            }
            let Some(end) = tail.iter().take(LINE_MAX).position(|&byte| byte == b'\n') else {
                if tail.len() < LINE_MAX {
                    break self.hold(tail);
                }
                // No line of ours is so long: it only looks like one.
                let (like, after) = tail.split_at(self.mark.len());
                self.pass(like, &mut take);
                left = after;
                continue;
            };
            let (line, after) = tail.split_at(end);
            let words = line.get(self.mark.len()..).unwrap_or_default();
            self.answered = true;
            take(Piece::Word(Word::parse(&String::from_utf8_lossy(words))));
            left = after.get(1..).unwrap_or_default();
        }
    }

    /// The stream has ended: what is held back is the step's.
    pub fn end(&mut self, mut take: impl FnMut(Piece<'_>)) {
        let held = std::mem::take(&mut self.held);
        self.pass(&held, &mut take);
    }

    fn hold(&mut self, tail: &[u8]) {
        self.held = tail.to_vec();
    }

    fn pass(&mut self, bytes: &[u8], take: &mut impl FnMut(Piece<'_>)) {
        if self.answered && !bytes.is_empty() {
            take(Piece::Bytes(bytes));
        } else {
            self.noise = self.noise.saturating_add(bytes.len());
        }
    }

    /// Where the first mark begins, or what may still become one at the end.
    fn first_mark(&self, bytes: &[u8]) -> usize {
        let mut from = 0;
        loop {
            let rest = bytes.get(from..).unwrap_or_default();
            let Some(at) = rest.iter().position(|&byte| byte == b'g') else { return bytes.len() };
            let here = rest.get(at..).unwrap_or_default();
            let length = here.len().min(self.mark.len());
            if here.get(..length) == self.mark.get(..length) {
                return from.saturating_add(at);
            }
            from = from.saturating_add(at).saturating_add(1);
        }
    }
}

/// Finds where a step begins on standard output.
#[derive(Debug)]
pub struct OutputStream {
    mark: Vec<u8>,
    held: Vec<u8>,
    open: bool,
    noise: usize,
}

impl OutputStream {
    /// For the call with this nonce.
    pub fn new(nonce: &str) -> Self {
        let mark = format!("golive-{nonce} out\n").into_bytes();
        Self { mark, held: Vec::new(), open: false, noise: 0 }
    }

    /// Bytes that came before the step's, and are nobody's.
    pub fn noise(&self) -> usize {
        self.noise.saturating_add(self.held.len())
    }

    /// Takes bytes in, hands the step's on.
    pub fn feed(&mut self, bytes: &[u8], mut take: impl FnMut(&[u8])) {
        if self.open {
            take(bytes);
            return;
        }
        self.held.extend_from_slice(bytes);
        let found = self.held.windows(self.mark.len()).position(|window| window == self.mark);
        if let Some(at) = found {
            self.open = true;
            let held = std::mem::take(&mut self.held);
            self.noise = self.noise.saturating_add(at);
            let step = held.get(at.saturating_add(self.mark.len())..).unwrap_or_default();
            if !step.is_empty() {
                take(step);
            }
            return;
        }
        let keep = self.mark.len().saturating_sub(1);
        let gone = self.held.len().saturating_sub(keep);
        self.noise = self.noise.saturating_add(gone);
        self.held.drain(..gone);
    }
}

/// The first line of a request.
///
/// # Errors
/// Names the word that cannot be sent.
pub fn header(
    mode: Mode,
    nonce: &str,
    (run, key): (&str, &str),
    words: &[(&str, String)],
) -> Result<String, String> {
    let mut text = format!("golive2 {}", mode.word());
    let mut add = |word: &str| {
        let fine = |c: char| c.is_ascii_alphanumeric() || "._:=/+@,-".contains(c);
        if word.is_empty() || !word.chars().all(fine) {
            return Err(format!("`{word}` cannot be a word of a request"));
        }
        text.push(' ');
        text.push_str(word);
        Ok(())
    };
    for word in [nonce, run, key] {
        add(word)?;
    }
    for (name, value) in words {
        add(&format!("{name}={value}"))?;
    }
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{ErrorStream, OutputStream, Piece, Process, Standing, Word, header};
    use crate::engine::Sync;
    use crate::exec::durable::Mode;

    const NONCE: &str = "00ff";

    /// What comes out of standard error when it comes in these pieces.
    fn read(pieces: &[&[u8]]) -> (Vec<u8>, Vec<Word>) {
        let (mut bytes, mut words) = (Vec::new(), Vec::new());
        let mut stream = ErrorStream::new(NONCE);
        let mut take = |piece: Piece<'_>| match piece {
            Piece::Bytes(it) => bytes.extend_from_slice(it),
            Piece::Word(word) => words.push(word),
        };
        for piece in pieces {
            stream.feed(piece, &mut take);
        }
        stream.end(take);
        (bytes, words)
    }

    #[test]
    fn every_line_of_an_answer_is_understood() {
        let text = b"noise\ngolive-00ff hello root=/root/.golive rootid=ab boot=b-1 up=100\n\
            golive-00ff started pid=7 born=70 boot=b-1 group=yes sync=dd up=101\n\
            one line without an endgolive-00ff state EXITED pid=7 born=70 boot=b-1 group=1 cancel=0 out=3 err=4 rc=9 up=1\n\
            golive-00ff state ABSENT pid= born= boot= group=0 cancel=0 out=0 err=0 rc= up=\n\
            golive-00ff end rc=0 out=1 err=2 up=5\ngolive-00ff alive 12 S a name\n\
            golive-00ff error NOSPC cannot write\ngolive-00ff done\ngolive-00ff pause a=b\n";
        let (bytes, words) = read(&[text]);
        assert_eq!(bytes, b"one line without an end");
        let process = Process { pid: Some(7), born: Some(70), boot: "b-1".to_owned() };
        assert!(matches!(&words[0], Word::Hello(home) if home.root == "/root/.golive"));
        let started = Word::Started { process: process.clone(), group: true, sync: Sync::File };
        assert_eq!(words[1], started);
        let state =
            Word::State { standing: Standing::Exited, process, code: Some(9), out: 3, err: 4 };
        assert_eq!(words[2], state);
        assert!(matches!(
            &words[3],
            Word::State {
                standing: Standing::Absent,
                code: None,
                process: Process { pid: None, .. },
                ..
            }
        ));
        assert_eq!(words[4], Word::End { code: 0, out: 1, err: 2 });
        assert_eq!(words[5], Word::Alive("12 S a name".to_owned()));
        let error = Word::Error { code: "NOSPC".to_owned(), text: "cannot write".to_owned() };
        assert_eq!(words[6..], [error, Word::Done, Word::Strange("pause a=b".to_owned())]);
    }

    #[test]
    fn what_only_looks_like_a_line_of_ours_is_the_steps() {
        let hello = b"golive-00ff hello root=r rootid=i boot=b up=1\n";
        let long = [&b"golive-00ff "[..], &[b'x'; 5000], b"\n"].concat();
        for step in [&b"golive-00fe done\n"[..], b"golive-00f", b"ggolive-golive-0", &long] {
            let (bytes, words) = read(&[hello, step]);
            assert_eq!((bytes.as_slice(), words.len()), (step, 1));
        }
        // Nothing but the beginning of a mark is held back.
        let mut stream = ErrorStream::new(NONCE);
        let mut seen = Vec::new();
        for piece in [&hello[..], b"abc golive-0", b"1"] {
            stream.feed(piece, |piece| {
                if let Piece::Bytes(bytes) = piece {
                    seen.push(bytes.to_vec());
                }
            });
        }
        assert_eq!(seen, [b"abc ".to_vec(), b"golive-01".to_vec()]);
    }

    #[test]
    fn a_header_holds_plain_words_only() {
        let words = [("root", "/root/.golive".to_owned())];
        let line = header(Mode::Attach, "ff", ("s-1", "a.1"), &words);
        assert_eq!(line.as_deref(), Ok("golive2 attach ff s-1 a.1 root=/root/.golive\n"));
        for odd in ["a b", "a'b", "a\nb", "$x", ""] {
            assert!(header(Mode::Start, "ff", ("s-1", odd), &[]).is_err(), "{odd}");
        }
    }

    fn cut(bytes: &[u8], sizes: &[usize]) -> Vec<Vec<u8>> {
        let (mut pieces, mut left) = (Vec::new(), bytes);
        for size in sizes {
            let (piece, rest) = left.split_at((*size).min(left.len()));
            pieces.push(piece.to_vec());
            left = rest;
        }
        pieces.push(left.to_vec());
        pieces
    }

    fn step_bytes() -> impl Strategy<Value = Vec<u8>> {
        let like = prop_oneof![
            Just(b"golive-00ff".to_vec()),
            Just(b"golive-".to_vec()),
            Just(b"g".to_vec()),
            Just(b"\n".to_vec()),
            proptest::collection::vec(any::<u8>(), 0..8),
        ];
        proptest::collection::vec(like, 0..12).prop_map(|parts| {
            // Not by chance a mark of ours.
            parts.concat().into_iter().map(|byte| if byte == b' ' { b'_' } else { byte }).collect()
        })
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same(
            steps in proptest::collection::vec(step_bytes(), 1..6),
            sizes in proptest::collection::vec(0_usize..40, 0..40),
            noise in proptest::collection::vec(any::<u8>(), 0..50),
        ) {
            let mut text = noise;
            text.retain(|byte| *byte != b'g');
            let dropped = text.len();
            text.extend_from_slice(b"golive-00ff hello root=r rootid=i boot=b up=1\n");
            for step in &steps {
                text.extend_from_slice(step);
                text.extend_from_slice(b"golive-00ff end rc=3 out=1 err=2 up=5\n");
            }
            let pieces = cut(&text, &sizes);
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let (bytes, words) = read(&pieces);
            prop_assert_eq!(bytes, steps.concat());
            prop_assert_eq!(words.len(), steps.len() + 1);
            let end = Word::End { code: 3, out: 1, err: 2 };
            prop_assert!(words[1..].iter().all(|it| *it == end));
            let mut stream = OutputStream::new(NONCE);
            let out = [&text[..dropped], b"golive-00ff out\n", &steps.concat()].concat();
            let mut taken = Vec::new();
            for piece in cut(&out, &sizes) {
                stream.feed(&piece, |bytes| taken.extend_from_slice(bytes));
            }
            prop_assert_eq!(taken, steps.concat());
            prop_assert_eq!(stream.noise(), dropped);
        }
    }
}
