//! What the compiler doesn't check: the layers, the sizes, the headers, the words, the samples.

use std::fs;
use std::path::{Path, PathBuf};

use golive::runbook::{SourceFile, check};

/// The layers, lowest first, and what each may import. The whole architecture is this table.
const LAYERS: &[(&str, &[&str])] = &[
    ("base", &[]),
    ("runbook", &["base"]),
    ("plan", &["base", "runbook"]),
    ("engine", &["base", "runbook", "plan"]),
    ("journal", &["base", "engine"]),
    ("exec", &["base", "runbook", "plan", "engine"]),
    ("practice", &["base", "runbook", "plan"]),
    ("session", &["base", "runbook", "plan", "engine", "journal", "exec"]),
    ("report", &["base", "runbook", "plan", "engine", "journal"]),
    ("ui", &["base", "runbook", "plan", "engine"]),
    ("console", &["base", "runbook", "plan", "engine", "journal", "exec", "session", "ui"]),
    (
        "cli",
        &[
            "base", "runbook", "plan", "engine", "journal", "exec", "practice", "session",
            "report", "ui", "console",
        ],
    ),
];
const PURE: &[&str] = &["base", "runbook", "plan", "engine", "report", "ui"];
const FILE_LINES_MAX: usize = 650;

#[test]
fn layers_only_import_downwards() {
    for (path, text) in sources("src") {
        let Some(layer) = layer_of(&path) else { continue };
        let (_, may) = LAYERS.iter().find(|(name, _)| *name == layer).unwrap_or_else(|| {
            panic!("{}: `{layer}` is not in LAYERS", path.display());
        });
        for (number, line) in code_lines(&text) {
            let plain = !line.contains("crate::{");
            assert!(plain, "{}:{number}: one `use crate::LAYER::…` a layer", path.display());
            for used in line.split("crate::").skip(1).filter_map(first_word) {
                let known = LAYERS.iter().any(|(name, _)| *name == used);
                let fine = !known || used == layer || may.contains(&used);
                assert!(fine, "{}:{number}: `{layer}` may not import `{used}`", path.display());
            }
        }
    }
}

#[test]
fn files_are_short_and_say_what_they_are() {
    for (path, text) in sources("src").into_iter().chain(sources("tests")) {
        let lines = text.lines().count();
        let short = lines <= FILE_LINES_MAX || path.starts_with("tests");
        assert!(short, "{}: {lines} lines: split it", path.display());
        assert!(text.starts_with("//!"), "{}: no module doc", path.display());
    }
}

#[test]
fn every_layer_says_what_it_is() {
    for (layer, _) in LAYERS {
        let path = format!("src/{layer}/mod.rs");
        if !Path::new(&path).exists() {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for heading in ["//! # Invariants", "//! # Deliberately absent"] {
            assert!(text.contains(heading), "{path}: no `{heading}`");
        }
    }
}

#[test]
fn pure_layers_say_so() {
    for layer in PURE.iter().filter(|layer| Path::new(&format!("src/{layer}")).exists()) {
        let text = fs::read_to_string(format!("src/{layer}/mod.rs")).unwrap();
        let line = "#![deny(clippy::disallowed_methods, clippy::disallowed_types)]";
        assert!(text.contains(line), "src/{layer}/mod.rs: no `{line}`");
        let of_layer = |path: &Path| layer_of(path).as_deref() == Some(layer);
        for (path, text) in sources("src").into_iter().filter(|(path, _)| of_layer(path)) {
            for async_word in ["tokio::", "async fn", ".await"] {
                let found = code_lines(&text).find(|(_, line)| line.contains(async_word));
                assert!(found.is_none(), "{}: `{async_word}` in a pure layer", path.display());
            }
        }
    }
}

/// Literals with letters that are no words of a language, by the file that may hold them.
const NO_WORDS: &[(&str, &[&str])] = &[
    // Names of keys.
    ("press.rs", &[]),
    // What a line of output is looked through for.
    ("log.rs", &[]),
    // The names of commands, which are the same in both languages; what they mean is in the room.
    ("order.rs", &[]),
    // Where the record keeps what a step printed.
    ("output.rs", &["output/{job}.log"]),
    // Marks of ASCII.
    ("theme.rs", &["[ok]"]),
];
/// Names of keys and of the program, and what the runbook calls a thing.
const NAMES: &[&str] = &["Esc", "Enter", "golive", "COMMIT", "GL_", "Screen", "view"];

#[test]
fn words_on_screen_live_in_the_room_of_texts() {
    for (path, text) in sources("src/ui") {
        let file = path.file_name().unwrap().to_str().unwrap();
        let may = NO_WORDS.iter().find(|(name, _)| *name == file).map(|(_, words)| *words);
        if path.starts_with("src/ui/text") || may.is_some_and(<[_]>::is_empty) {
            continue;
        }
        let code = text.split("#[cfg(test)]\nmod").next().unwrap();
        for (number, line) in code_lines(code).filter(|(_, line)| !line.contains("reason = ")) {
            for literal in line.split('"').skip(1).step_by(2) {
                let fine = may.is_some_and(|words| words.contains(&literal));
                let bare = outside_braces(literal);
                let words = bare.split(|c: char| !c.is_ascii_alphabetic() && c != '_');
                let word = words.into_iter().find(|it| it.len() > 2 && !NAMES.contains(it));
                let place = format!("{}:{number}", path.display());
                assert!(fine || word.is_none(), "{place}: `{literal}` belongs into src/ui/text");
            }
        }
    }
}

/// A format without what is filled in.
fn outside_braces(literal: &str) -> String {
    let mut depth = 0_usize;
    let mut kept = String::new();
    for c in literal.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            c if depth == 0 => kept.push(c),
            _ => {}
        }
    }
    kept
}

#[test]
fn one_terminal_stack() {
    let lock = fs::read_to_string("Cargo.lock").unwrap();
    for name in ["ratatui-core", "crossterm", "ratatui"] {
        let copies = lock.matches(&format!("name = \"{name}\"\n")).count();
        assert!(copies <= 1, "{copies} copies of {name}: their widgets and keys don't mix");
    }
}

#[test]
fn no_test_is_forgotten() {
    let main = fs::read_to_string("tests/it/main.rs").unwrap();
    for (path, _) in sources("tests/it") {
        let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let inside = path.parent() == Some(Path::new("tests/it")) && stem != "main";
        let named = main.lines().any(|line| line.trim() == format!("mod {stem};"));
        assert!(!inside || named, "{}: not in tests/it/main.rs", path.display());
        // A folder of tests is named by its own mod.rs or by a file beside it.
    }
    for (path, text) in sources("tests") {
        let skipped = concat!("#[ig", "nore");
        assert!(!text.contains(skipped), "{}: a skipped test", path.display());
    }
}

/// Words that stand for unfinished work, and words of a workshop that is none of the reader's
/// business; written in two halves, so that this file does not contain them.
const WORDS: &[&str] = &[
    concat!("FIX", "ME"),
    concat!(" X", "XX"),
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
    concat!("/work", "/"),
    concat!("work", "tree"),
    concat!("Cla", "ude"),
    concat!("Anth", "ropic"),
    concat!("Chat", "GPT"),
    concat!("Open", "AI"),
    concat!("language ", "model"),
];

#[test]
fn the_project_speaks_of_itself_alone() {
    let mut texts = sources("src");
    texts.extend(sources("tests"));
    for folder in ["runbooks", "src", "tests", "docs", ".ci"] {
        texts.extend(files(folder, &["toml", "md", "sh", "snap", "jsonl"]));
    }
    let top = ["Cargo.toml", "README.md", "ARCHITECTURE.md", "CHANGELOG.md", "deny.toml"];
    let top = top.iter().filter_map(|name| Some((name.into(), fs::read_to_string(name).ok()?)));
    texts.extend(top);
    for (path, text) in texts {
        for word in WORDS {
            let found = text.lines().position(|line| line.contains(word));
            assert!(found.is_none(), "{}:{:?}: `{word}`", path.display(), found.map(|at| at + 1));
        }
    }
}

#[test]
fn every_link_between_files_leads_somewhere() {
    let mut links = 0;
    for name in ["README.md", "ARCHITECTURE.md"] {
        let text = fs::read_to_string(name).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap();
            if path.is_empty() || path.contains("://") || path.starts_with("mailto:") {
                continue;
            }
            links += 1;
            assert!(Path::new(path).exists(), "{name}: there is no `{path}`");
        }
    }
    assert!(links > 0, "no link was found: this looks for them in the wrong way");
}

#[test]
fn every_sample_passes_its_own_check() {
    let samples = files("runbooks", &["toml"]);
    assert!(!samples.is_empty() || !Path::new("runbooks").exists());
    for (path, text) in samples.iter().filter(|(_, text)| text.contains("\n[runbook]")) {
        let beside = path.parent().unwrap();
        let source = SourceFile::new(&path.display().to_string(), text);
        let checked = check(&source, &mut |written| {
            let text = fs::read_to_string(beside.join(written)).map_err(|it| it.to_string())?;
            Ok(SourceFile::new(written, &text))
        });
        assert_eq!(checked.problems, [], "{}", path.display());
    }
}

/// The Rust files of a folder, with their text.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    files(folder, &["rs"])
}

/// The files of a folder with one of these extensions, with their text.
fn files(folder: &str, extensions: &[&str]) -> Vec<(PathBuf, String)> {
    let (mut found, mut folders) = (Vec::new(), vec![PathBuf::from(folder)]);
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            let extension = path.extension().and_then(|it| it.to_str());
            if path.is_dir() {
                folders.push(path);
            } else if extension.is_some_and(|it| extensions.contains(&it)) {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    found.sort();
    found
}

fn layer_of(path: &Path) -> Option<String> {
    let inside = path.strip_prefix("src").ok()?;
    let first = inside.iter().next()?.to_str()?;
    (!first.contains('.')).then(|| first.to_owned())
}

fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let code = |line: &str| !line.trim_start().starts_with("//");
    text.lines().enumerate().map(|(at, line)| (at + 1, line)).filter(move |(_, line)| code(line))
}

fn first_word(text: &str) -> Option<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().filter(|it| !it.is_empty())
}
