//! Drives the fuzz targets without cargo-fuzz: their corpora, then what mutation makes of them.
//!
//! A few seconds for each target; `GOLIVE_TESTS=long` asks for 60 (`GOLIVE_FUZZ_SECONDS`). The
//! inputs come from a fixed seed, so the first ones are the same everywhere.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[path = "../fuzz/targets.rs"]
mod targets;

use targets::{TARGETS, Target};

/// Longer inputs are slow and find nothing that shorter ones do not.
const INPUT_MAX: usize = 16 * 1024;
/// Executions of each target, at least: the ones that are the same everywhere.
const EXECUTIONS_MIN: u64 = 200;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(name)
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let mut files: Vec<_> =
        std::fs::read_dir(folder(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut inputs: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let more: &[&str] = match name {
        "runbook" => &[
            "runbooks/blue-green.toml",
            "runbooks/canary.toml",
            "tests/it/runbooks/shop.toml",
            "tests/it/runbooks/wrong.toml",
            "tests/it/runbooks/zoo.toml",
        ],
        "inventory" => {
            &["runbooks/inventory/practice.toml", "tests/it/runbooks/inventory/shop.toml"]
        }
        "journal" => &["tests/it/golden/journal-v1.jsonl"],
        _ => &[],
    };
    inputs.extend(more.iter().map(|path| std::fs::read(own.join(path)).unwrap()));
    assert!(!inputs.is_empty(), "{name} has no corpus");
    inputs
}

/// Numbers by xorshift: the same ones everywhere.
struct Luck(u64);

impl Luck {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }

    /// A part of `input`.
    fn part(&mut self, input: &[u8]) -> std::ops::Range<usize> {
        let from = self.below(input.len() + 1);
        let most = (input.len() - from).min(if self.below(4) == 0 { 512 } else { 12 });
        from..from + self.below(most + 1)
    }
}

const WORDS: &[&[u8]] = &[
    b"{{ a }}",
    b"{% for x in b %}",
    b"\x1b[2J",
    b"\x1b]0;x\x07",
    b"\r\n",
    b"\xff",
    b"\xc3",
    b"\xe2\x80\xae",
    b"\0",
    b"[[phase.step]]\n",
    b"\"\"\"",
    b"@revoked ",
    b"@cert-authority *.x ",
    b"|1|",
    b"*,!host.example ",
    b"[host.example]:2222 ",
    b"-1",
    b"9223372036854775808",
    b"'",
    b"\\",
    b"undo = { run = \"x\" }\n",
    b"for_each = { a = [1, 2] }\n",
    b"hunter2",
    b"\xf0",
    b"\xf1",
    b"\xf2",
    b"\"seq\":2",
    b"{",
    b"}",
    b"\n",
];

fn mutate(luck: &mut Luck, inputs: &[Vec<u8>]) -> Vec<u8> {
    let mut input = inputs[luck.below(inputs.len())].clone();
    for _ in 0..=luck.below(6) {
        let part = luck.part(&input);
        match luck.below(8) {
            0 => input[part].iter_mut().for_each(|byte| *byte = byte.rotate_left(1)),
            1 => {
                let at = luck.below(input.len().max(1));
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << luck.below(8);
                }
            }
            2 => drop(input.drain(part)),
            3 => {
                let copy = input[part.clone()].to_vec();
                let times = 1 + luck.below(8);
                input.splice(part.end..part.end, copy.repeat(times));
            }
            4 => drop(input.splice(part, WORDS[luck.below(WORDS.len())].iter().copied())),
            5 => {
                let other = &inputs[luck.below(inputs.len())];
                let their = luck.part(other);
                input.splice(part.start..part.start, other[their].iter().copied());
            }
            6 => input.truncate(part.end),
            _ => {
                let byte = u8::try_from(luck.below(256)).unwrap();
                input.splice(part.start..part.start, [byte]);
            }
        }
    }
    input.truncate(INPUT_MAX);
    input
}

fn seconds() -> Duration {
    let long = std::env::var("GOLIVE_TESTS").is_ok_and(|word| word == "long");
    let asked = std::env::var("GOLIVE_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(asked.unwrap_or(if long { 60 } else { 2 }))
}

fn drive((name, target): Target) {
    let inputs = corpus(name);
    let run = |input: &[u8]| {
        if catch_unwind(AssertUnwindSafe(|| target(input))).is_err() {
            let file = std::env::temp_dir().join(format!("golive-fuzz-{name}"));
            std::fs::write(&file, input).unwrap();
            panic!("{name}: a finding of {} bytes, kept in {}", input.len(), file.display());
        }
    };
    for input in &inputs {
        run(input);
    }
    let (mut luck, mut count) = (Luck(0x9e37_79b9_7f4a_7c15), 0_u64);
    let (begun, span) = (Instant::now(), seconds());
    while count < EXECUTIONS_MIN || begun.elapsed() < span {
        run(&mutate(&mut luck, &inputs));
        count += 1;
    }
    println!("{name}: {count} executions, no finding");
    let what = format!("{name}: inputs by mutation");
    crate::counts::counted("fuzz", &what, usize::try_from(count).unwrap(), 0);
}

fn named(name: &str) {
    drive(*TARGETS.iter().find(|(it, _)| *it == name).unwrap());
}

#[test]
fn runbook() {
    named("runbook");
}

#[test]
fn inventory() {
    named("inventory");
}

#[test]
fn template() {
    named("template");
}

#[test]
fn sanitizer() {
    named("sanitizer");
}

#[test]
fn known_hosts() {
    named("known_hosts");
}

#[test]
fn journal() {
    named("journal");
}

#[test]
fn redactor() {
    named("redactor");
}

#[test]
fn wire() {
    named("wire");
}

/// The cargo-fuzz programs are not built by this test program: what they are made of agrees.
#[test]
fn every_target_has_its_program_and_its_corpus() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
    let names = |folder: &str| {
        let entries = std::fs::read_dir(own.join(folder)).unwrap();
        let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
        entries.map(|entry| stem(entry.unwrap().path())).collect::<BTreeSet<_>>()
    };
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names("corpus"), targets);
    assert_eq!(names("fuzz_targets"), targets);
    let manifest = std::fs::read_to_string(own.join("Cargo.toml")).unwrap();
    for name in &targets {
        let program = format!("[[bin]]\nname = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"\n");
        assert!(manifest.contains(&program), "{name}");
        let text = std::fs::read_to_string(own.join(format!("fuzz_targets/{name}.rs"))).unwrap();
        assert!(text.contains(&format!("fuzz_target!(|data: &[u8]| targets::{name}(data));")));
    }
    assert_eq!(manifest.matches("[[bin]]").count(), targets.len());
    let lock = std::fs::read_to_string(own.join("Cargo.lock")).unwrap();
    assert!(lock.contains("name = \"libfuzzer-sys\"") && lock.contains("name = \"golive-fuzz\""));
}
