//! What is fuzzed: one function a target, which panics on a finding. The cargo-fuzz programs of
//! this folder and the driver in `tests/it/fuzz.rs` call the same ones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use golive::base::{LineSanitizer, SafeText, SecretName};
use golive::exec::durable::{ErrorStream, Mode, OutputStream, Piece, Word, header};
use golive::exec::ssh::{KnownHostsFile, RecordedName, Verdict, judge_line};
use golive::exec::{Needles, Redactor};
use golive::journal::{JOURNAL_FILE, read_all, verify};
use golive::runbook::{Quoting, SourceFile, check, check_inventory, holds, render, variables};

/// A target: its name, which is its corpus's too, and what it does.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// All of them.
pub(crate) const TARGETS: &[Target] = &[
    ("runbook", runbook),
    ("inventory", inventory),
    ("template", template),
    ("sanitizer", sanitizer),
    ("known_hosts", known_hosts),
    ("journal", journal),
    ("redactor", redactor),
    ("wire", wire),
];

/// A runbook of any text is accepted or refused, and every problem has a place in its file.
pub(crate) fn runbook(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let checked = check(&SourceFile::new("x.toml", &text), &mut |path| {
        if path.len().is_multiple_of(2) {
            Ok(SourceFile::new(path, "true\n"))
        } else {
            Err("no such file".to_owned())
        }
    });
    let errors = checked.errors().count();
    assert_eq!(checked.runbook.is_some(), errors == 0, "a runbook exactly where no error is");
    for problem in &checked.problems {
        let place = &problem.at.place;
        let source = checked.sources.get(&place.source).expect("a file that was read");
        assert!(place.start <= place.end && place.end <= source.text.len(), "{problem:?}");
    }
}

/// The same for an inventory.
pub(crate) fn inventory(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let source = SourceFile::new("x.toml", &text);
    let (_, problems) = check_inventory(&source);
    for problem in &problems {
        assert!(problem.at.place.end <= source.text.len(), "{problem:?}");
    }
}

/// A template of any text ends, and a value in it is one word of the shell.
pub(crate) fn template(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let hostile = "$(reboot) `reboot`; ' \" \\ \n | & x";
    let vars = BTreeMap::from([("a".parse().expect("a name"), hostile.to_owned())]);
    let pending = BTreeSet::from(["b".parse().expect("a name")]);
    for quoting in [Quoting::Plain, Quoting::Shell] {
        render(&text, &vars, &pending, quoting).ok();
    }
    variables(&text).ok();
    holds(&text, &vars).ok();
}

/// Nothing that a host prints acts on a terminal, however it is cut.
pub(crate) fn sanitizer(data: &[u8]) {
    let whole = SafeText::new(&String::from_utf8_lossy(data));
    is_inert(whole.as_str());
    assert_eq!(SafeText::new(whole.as_str()), whole, "safe text stays as it is");
    let lines = |sizes: &mut dyn Iterator<Item = usize>| {
        let (mut sanitizer, mut lines, mut rest) = (LineSanitizer::default(), Vec::new(), data);
        while !rest.is_empty() {
            let size = sizes.next().unwrap_or(1).clamp(1, rest.len());
            let (piece, after) = rest.split_at(size);
            lines.extend(sanitizer.feed(piece));
            rest = after;
        }
        lines.extend(sanitizer.finish());
        lines
    };
    let at_once = lines(&mut std::iter::once(data.len()));
    for line in &at_once {
        is_inert(line.as_str());
    }
    assert_eq!(at_once, lines(&mut std::iter::repeat(1)), "byte by byte");
    assert_eq!(at_once, lines(&mut [3, 1, 7].into_iter().cycle()), "in pieces");
}

fn is_inert(text: &str) {
    let acts = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!text.contains(acts), "{text:?}");
}

/// A public key that stands in no corpus file but as this one.
const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKhHGCuX8Qr+d+e1qjOurdejqVn1xAb/2ugx5+22kGKW";

/// A file of known hosts is never taken to say more than it does: a key that it does not hold is
/// not known, and a line of its own makes it known unless another one revokes it.
pub(crate) fn known_hosts(data: &[u8]) {
    let text = String::from_utf8_lossy(data).into_owned();
    let file =
        |text: &str| KnownHostsFile { path: "known_hosts".to_owned(), text: text.to_owned() };
    let name = RecordedName::new("host.example", 2222);
    let holds_key = text.contains(KEY.split_once(' ').map_or("", |(_, base64)| base64));
    match judge_line(&[file(&text)], &name, KEY) {
        Ok(Verdict::Known(_) | Verdict::Revoked(_)) => assert!(holds_key, "{text:?}"),
        Ok(Verdict::Unknown | Verdict::Changed(_)) => {}
        Err(why) => panic!("our own key: {why}"),
    }
    let more = format!("{text}\n{} {KEY}\n", name.written());
    match judge_line(&[file(&more)], &name, KEY) {
        Ok(Verdict::Known(_)) => {}
        Ok(Verdict::Revoked(_)) => assert!(holds_key, "{text:?}"),
        other => panic!("{other:?} of {more:?}"),
    }
    judge_line(&[file(&text)], &RecordedName::alias("Alias"), KEY).ok();
    judge_line(&[], &name, &text).ok();
}

/// A record of any bytes is read or refused; what is changed in a good one is noticed.
pub(crate) fn journal(data: &[u8]) {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join(JOURNAL_FILE), data).expect("a file");
    let read = read_all(dir.path());
    let verified = verify(dir.path(), None);
    if let (Ok(entries), Ok(_)) = (&read, &verified) {
        // Numbers and times of what is read only grow.
        let grows = entries.windows(2).all(|two| match two {
            [one, next] => one.seq < next.seq && one.at <= next.at,
            _ => true,
        });
        assert!(grows, "lines out of order were read");
    }
}

/// The secrets of the redactor's target.
static SECRETS: LazyLock<Arc<Needles>> = LazyLock::new(|| {
    let names: Vec<SecretName> =
        ["one", "two"].into_iter().map(|name| name.parse().expect("a name")).collect();
    let values: [&[u8]; 2] = [b"hunter2-hunter2", b"p\xc3\xa4ss'word/+=&"];
    let values = names.iter().zip(values);
    Arc::new(Needles::new(values).expect("usable values"))
});

/// No secret comes out, however the bytes are cut; and how they are cut makes no difference.
pub(crate) fn redactor(data: &[u8]) {
    // What of a mark or a form can be made from the input is in it more often like this.
    let dense: Vec<u8> = data
        .iter()
        .flat_map(|byte| match byte {
            0xf0 => b"hunter2-hunter2".to_vec(),
            0xf1 => b"p\xc3\xa4ss'word/+=&".to_vec(),
            0xf2 => b"aHVudGVyMi1odW50ZXIy".to_vec(),
            other => vec![*other],
        })
        .collect();
    let run = |size: usize| {
        let (mut redactor, mut out) = (Redactor::new(&SECRETS), Vec::new());
        for piece in dense.chunks(size.max(1)) {
            out.extend_from_slice(&redactor.feed(piece));
        }
        out.extend(redactor.finish());
        out
    };
    let whole = run(dense.len());
    assert_eq!(SECRETS.find(&whole), None, "a secret came out");
    for size in [1, 2, 7, 64] {
        assert_eq!(run(size), whole, "in pieces of {size}");
    }
}

/// What stands on a host's line among the bytes of a step.
const NONCE: &str = "00ff";

/// What came out of a stream: bytes of the step, and lines of ours among them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Answer {
    bytes: Vec<u8>,
    /// Each with how many bytes stood before it.
    words: Vec<(usize, Word)>,
    noise: usize,
}

/// What a host sends, of any bytes and however they are cut: nothing comes out that did not go in,
/// and the pieces make no difference. A header is one line, or none.
pub(crate) fn wire(data: &[u8]) {
    let dense: Vec<u8> = data
        .iter()
        .flat_map(|byte| match byte {
            0xf0 => b"golive-00ff ".to_vec(),
            0xf1 => b"golive-00ff hello root=r rootid=i boot=b up=1\n".to_vec(),
            0xf2 => b"golive-00ff end rc=3 out=1 err=2 up=5\n".to_vec(),
            0xf3 => b"golive-00ff out\n".to_vec(),
            0xf4 => b"golive-00ff state EXITED pid=7 born=70 boot=b rc=".to_vec(),
            other => vec![*other],
        })
        .collect();
    let errors = |size: usize| {
        let (mut stream, mut answer) = (ErrorStream::new(NONCE), Answer::default());
        let mut take = |piece: Piece<'_>| match piece {
            Piece::Bytes(bytes) => answer.bytes.extend_from_slice(bytes),
            Piece::Word(word) => answer.words.push((answer.bytes.len(), word)),
        };
        for piece in dense.chunks(size.max(1)) {
            stream.feed(piece, &mut take);
        }
        stream.end(take);
        answer.noise = stream.noise();
        answer
    };
    let output = |size: usize| {
        let (mut stream, mut answer) = (OutputStream::new(NONCE), Answer::default());
        for piece in dense.chunks(size.max(1)) {
            stream.feed(piece, |bytes| answer.bytes.extend_from_slice(bytes));
        }
        answer.noise = stream.noise();
        answer
    };
    for read in [&errors as &dyn Fn(usize) -> Answer, &output] {
        let whole = read(dense.len());
        assert!(whole.bytes.len() + whole.noise <= dense.len(), "more came out than went in");
        let mut sought = whole.bytes.iter();
        let mut source = dense.iter();
        assert!(sought.all(|byte| source.any(|it| it == byte)), "bytes out of order");
        for size in [1, 2, 7, 64] {
            assert_eq!(read(size), whole, "in pieces of {size}");
        }
    }
    let text = String::from_utf8_lossy(data);
    if let Ok(line) = header(Mode::Attach, NONCE, ("run", &text), &[("root", text.to_string())]) {
        assert_eq!(line.find('\n'), Some(line.len() - 1), "{line:?}");
        assert_eq!(line.split(' ').count(), 6, "{line:?}");
    }
}
