//! The JSON Schemas against every runbook and inventory, by a validator that is not ours.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Reads a schema from its input; prints a line for every problem of the files it is given.
const VALIDATOR: &str = r#"
import json, sys, tomllib, jsonschema
schema = json.load(sys.stdin)
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
for name in sys.argv[1:]:
    with open(name, "rb") as file:
        for error in validator.iter_errors(tomllib.load(file)):
            print(name, "/".join(map(str, error.path)), error.message)
"#;

fn golive(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_golive")).args(args).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What the independent validator says of `files`.
fn problems(schema: &str, files: &[PathBuf]) -> Vec<String> {
    let mut child = Command::new("python3")
        .args(["-c", VALIDATOR])
        .args(files)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(schema.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the validator failed");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// The TOML files under `folders` whose text begins a line with one of `marks`.
fn files(folders: &[&str], marks: &[&str]) -> Vec<PathBuf> {
    fn under(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                under(&path, found);
            } else if path.extension().is_some_and(|end| end == "toml") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    for folder in folders {
        under(Path::new(folder), &mut found);
    }
    let marked = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().any(|line| marks.iter().any(|mark| line.starts_with(mark)))
    };
    found.retain(marked);
    found.sort();
    found
}

#[test]
fn every_runbook_and_inventory_is_as_its_schema_says() {
    let runbooks = files(&["runbooks", "tests/it/runbooks"], &["golive "]);
    let (wrong, right): (Vec<_>, Vec<_>) = runbooks
        .into_iter()
        .partition(|path| ["wrong.toml", "zoo.toml"].iter().any(|name| path.ends_with(name)));
    assert!(right.len() >= 7, "{right:?}");
    let schema = golive(&["schema"]);
    assert_eq!(problems(&schema, &right), Vec::<String>::new());
    for path in wrong {
        assert_ne!(
            problems(&schema, std::slice::from_ref(&path)),
            Vec::<String>::new(),
            "{}",
            path.display()
        );
    }

    let folders = ["runbooks/inventory", "tests/it/runbooks/inventory"];
    let inventories = files(&folders, &["environment =", "[hosts"]);
    assert!(inventories.len() >= 2, "{inventories:?}");
    let schema = golive(&["schema", "inventory"]);
    assert_eq!(problems(&schema, &inventories), Vec::<String>::new());
}

#[test]
fn a_schema_is_what_the_project_ships() {
    for (of, path) in
        [("runbook", "assets/runbook.schema.json"), ("inventory", "assets/inventory.schema.json")]
    {
        assert_eq!(golive(&["schema", of]), std::fs::read_to_string(path).unwrap());
    }
}
