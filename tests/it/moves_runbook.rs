//! Uploads and downloads as a runbook writes them: every wrong key is told with its place, and
//! the plan holds what is on the disk.

use std::fs;
use std::path::Path;

use golive::base::Digest;
use golive::plan::{UndoPlan, Work};
use golive::runbook::{Builtin, Class, Code, Options, SourceFile, check};
use golive::session::Inputs;

use crate::night::story;

const HEAD: &str = r#"
golive = 1
[runbook]
id = "moves"
title = "Moves"
strategy = "direct"
environment = "test"
[vars]
name = "app.conf"
[hosts.web1]
address = "127.0.0.1"
[[phase]]
id = "p"
title = "All"
[[phase.step]]
id = "move"
on = "web1"
timeout = "1m"
estimate = "1s"
"#;

/// The errors of a step with these lines: code, the words it points at, message.
fn errors(lines: &str) -> Vec<(Code, String, String)> {
    let text = format!("{HEAD}{lines}\n");
    let checked = check(&SourceFile::new("x.toml", &text), &mut |_| Err("no file".to_owned()));
    let place = |problem: &golive::runbook::Problem| {
        text.get(problem.at.place.start..problem.at.place.end).unwrap_or_default().to_owned()
    };
    checked.errors().map(|it| (it.code, place(it), it.message.clone())).collect()
}

#[test]
fn every_wrong_key_is_told_where_it_is() {
    for (lines, code, at, said) in [
        ("upload = \"x\"", Code::WrongType, "\"x\"", "table"),
        ("upload = { to = \"/x\" }", Code::MissingKey, "", "`from`"),
        ("upload = { from = \"x\" }", Code::MissingKey, "", "`to`"),
        (
            "upload = { from = \"x\", to = \"/x\", owner = \"r\" }",
            Code::UnknownKey,
            "owner",
            "owner",
        ),
        ("upload = { from = \"\", to = \"/x\" }", Code::BadValue, "\"\"", "empty"),
        ("upload = { from = \"x\", to = \"~/x\" }", Code::BadValue, "", "`~/x` is taken as it is"),
        ("upload = { from = \"x\", to = \"a/../b\" }", Code::BadValue, "", "`a/../b`"),
        ("upload = { from = \"x\", to = \"/x\", mode = 644 }", Code::WrongType, "644", "0644"),
        (
            "upload = { from = \"x\", to = \"/x\", mode = \"4755\" }",
            Code::BadValue,
            "\"4755\"",
            "4755",
        ),
        ("upload = { from = \"x\", to = \"/x\", mode = \"rw\" }", Code::BadValue, "\"rw\"", "`rw`"),
        (
            "upload = { from = \"x\", to = \"/x\", sha256 = \"12\" }",
            Code::BadValue,
            "\"12\"",
            "`12`",
        ),
        ("upload = { from = \"{{ no }}\", to = \"/x\" }", Code::UndefinedVariable, "no", "`no`"),
        (
            "upload = { from = \"x\", to = \"/x\" }\nenv = { A = \"b\" }",
            Code::NoEffect,
            "env",
            "`env`",
        ),
        (
            "upload = { from = \"x\", to = \"/x\" }\nread_only = true",
            Code::NoEffect,
            "read_only",
            "`read_only`",
        ),
        ("http = {}", Code::MissingKey, "", "`url`"),
        ("http = { url = \"ftp://x\" }", Code::BadValue, "ftp", "not an HTTP address"),
        ("http = { url = \"http://169.254.169.254/\" }", Code::BadValue, "169", "never asked"),
        ("http = { url = \"http://a\", method = \"BREW\" }", Code::BadValue, "BREW", "BREW"),
        ("http = { url = \"http://a\", expect_status = 99 }", Code::BadValue, "99", "99"),
        ("http = { url = \"http://a\", expect_body = \"(\" }", Code::BadRegex, "(", ""),
        (
            "http = { url = \"http://a\", body = { secret = \"no\" } }",
            Code::UnknownName,
            "no",
            "`no`",
        ),
        ("http = { url = \"http://a\" }\nenv = { A = \"b\" }", Code::NoEffect, "env", "`env`"),
        ("download = { to = \"x\" }", Code::MissingKey, "", "`from`"),
        ("download = { from = \"/x\", to = \"../x\" }", Code::BadName, "\"../x\"", "`../x`"),
        ("download = { from = \"/x\", to = \".ssh\" }", Code::BadName, "\".ssh\"", "`.ssh`"),
        ("download = { from = \"/x\" }\nundo = { run = \"x\" }", Code::NoEffect, "undo", "`undo`"),
        ("download = { from = \"/x\" }\nbecome = true", Code::NoEffect, "become", "`become`"),
        (
            "download = { from = \"/x\" }\nupload = { from = \"x\", to = \"/x\" }",
            Code::OneAction,
            "",
            "2 actions",
        ),
        ("run = \"x\"\nundo = { upload = { from = \"x\" } }", Code::MissingKey, "", "`to`"),
    ] {
        let found = errors(lines);
        let fits = |(is, place, message): &(Code, String, String)| {
            *is == code && place.contains(at) && message.contains(said)
        };
        assert!(found.iter().any(fits), "{lines}: {found:?}");
    }
    let good = "upload = { from = \"{{ name }}\", to = \"/etc/{{ name }}\", mode = \"600\" }";
    assert_eq!(errors(&format!("{good}\nundo = {{ run = \"x\" }}")), []);
}

fn read(dir: &Path, lines: &str) -> (Inputs, golive::runbook::Checked) {
    let file = dir.join("moves.toml");
    fs::write(&file, format!("{HEAD}{lines}\n")).unwrap();
    Inputs::read(&file, &Options::default()).unwrap()
}

#[test]
fn a_plan_pins_what_it_uploads() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("app.conf"), "one").unwrap();
    let lines = "upload = { from = \"{{ name }}\", to = \"/etc/app.conf\" }\n\
                 undo = { upload = { from = \"{{ name }}\", to = \"/etc/app.conf\" } }";
    let (inputs, checked) = read(dir.path(), lines);
    let plan = inputs.plan(&checked).unwrap();
    let step = plan.step(&"move".parse().unwrap()).unwrap();
    assert_eq!((step.class, step.timeout.is_some()), (Class::Change, true));
    let UndoPlan::Undo(undo) = &step.undo else { panic!("it has an undo") };
    assert_eq!(undo.hosts, step.hosts);
    for work in [&step.work, &undo.work] {
        let Some(Builtin::Upload(upload)) = work.builtin() else { panic!("an upload") };
        assert_eq!(upload.content.as_ref().unwrap().digest(), Digest::of(b"one"));
        assert_eq!(upload.folder, dir.path().display().to_string());
    }
    let Work::Builtin(builtin) = &step.work else { panic!("an upload") };
    let text = builtin.shown().text();
    let digest = Digest::of(b"one");
    let wanted = format!(
        "upload   app.conf\nto       /etc/app.conf\nsize     3 B\nsha-256  {digest}\nmode     "
    );
    assert!(text.starts_with(&wanted), "{text}");
    // Another file is another plan, and the pinned one stays what it was.
    fs::write(dir.path().join("app.conf"), "two").unwrap();
    let (changed, _) = read(dir.path(), lines);
    assert_ne!(changed.digest(), inputs.digest());
    assert_eq!(inputs.plan(&inputs.check()).unwrap().digest, plan.digest);
}

#[test]
fn what_cannot_be_uploaded_is_a_problem_at_its_step() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("app.conf"), "one").unwrap();
    fs::create_dir(dir.path().join("folder")).unwrap();
    let undo = "undo = { run = \"x\" }";
    let known = Digest::of(b"not there yet");
    for (lines, said) in [
        ("upload = { from = \"none\", to = \"/x\" }", "`none` cannot be uploaded"),
        ("upload = { from = \"app.conf\", to = \"/etc/\" }", "`/etc/` names a folder"),
        ("upload = { from = \"folder\", to = \"/etc\" }\nbecome = true", "`become` moves one file"),
        (
            &format!("upload = {{ from = \"app.conf\", to = \"/x\", sha256 = \"{known}\" }}"),
            "is another file than `sha256` says",
        ),
        ("upload = { from = \"/dev/null\", to = \"/x\" }", "neither a file nor a folder"),
    ] {
        let (_, checked) = read(dir.path(), &format!("{lines}\n{undo}"));
        let errors: Vec<_> = checked.errors().map(|it| it.message.as_str()).collect();
        assert!(errors.len() == 1 && errors[0].contains(said), "{lines}: {errors:?}");
        assert!(checked.runbook.is_none());
    }
    // One that a step before makes is known by its digest alone.
    let lines =
        format!("upload = {{ from = \"none\", to = \"/x\", sha256 = \"{known}\" }}\n{undo}");
    let (inputs, checked) = read(dir.path(), &lines);
    let plan = inputs.plan(&checked).unwrap();
    let step = plan.step(&"move".parse().unwrap()).unwrap();
    let Some(Builtin::Upload(upload)) = step.work.builtin() else { panic!("an upload") };
    assert!(upload.content.is_none());
}

const TWO: &str = r#"
[[phase.step]]
id = "up"
on = "web1"
upload = { from = "app.conf", to = "/etc/app.conf" }
undo = { run = "x" }
[[phase.step]]
id = "down"
on = "web1"
needs = []
download = { from = "/var/log/app.log" }
"#;

#[test]
fn an_upload_in_flight_is_looked_for_and_a_download_is_in_doubt() {
    story(
        TWO,
        "0 start up change         | run up.1 web1; up:running
         1 start down check        | run down.1 web1; down:running
         60 resume                 | follow up.1 web1; up:running; down:unknown
         61 end up.1.web1 done     | up:succeeded",
    );
}

#[test]
fn an_upload_that_changed_nothing_needs_no_undo() {
    story(
        TWO,
        "0 start up change         | run up.1 web1
         1 end up.1.web1 refused   | up:failed; alarm failed on web1: no space
         2 roll-back no            | refused nothing to roll back",
    );
    story(
        TWO,
        "0 start up change         | run up.1 web1
         1 end up.1.web1 in-part   | up:failed
         2 roll-back no            | run up.undo.1 web1; ~up:running",
    );
}
