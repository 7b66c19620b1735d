//! Runbooks that others have published, translated: they are good by every check, say where they
//! come from, and are driven there and back on the practice fleet.
//!
//! | folder | source | licence |
//! |---|---|---|
//! | `govuk-cdn` | alphagov/govuk-developer-docs, `source/manual/fall-back-to-aws-cloudfront.html.md` | MIT |
//! | `kubernetes-dns` | kubernetes/k8s.io, `dns/README.md` at 029edff6b24e | Apache-2.0 |

use std::path::PathBuf;

use crate::cli::{Called, folder, golive_in};

struct Published {
    /// The folder, and the file in it.
    name: &'static str,
    /// As its header has it.
    licence: &'static str,
    answers: &'static [&'static str],
    /// The host and the command that fail in the test of the way back.
    breaks: (&'static str, &'static str),
}

const ALL: [Published; 2] = [
    Published {
        name: "govuk-cdn",
        licence: "MIT License",
        answers: &[
            "cause=done:their status page says so",
            "sign-in=done:signed in",
            "decide@smt=go",
            "decide@second-line=go",
            "decide=go:Fastly is down",
            "code=done:merged",
            "until-they-are-back=done:watched",
        ],
        breaks: ("lb2", "lbctl weight green 100"),
    },
    Published {
        name: "kubernetes-dns",
        licence: "Apache License 2.0",
        answers: &["lgtm@requestor=go", "lgtm@admins=go", "lgtm=go:as asked", "close=done:closed"],
        breaks: ("lb2", "grep -c"),
    },
];

fn file(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("runbooks/translated");
    folder.join(name).join(format!("{name}.toml"))
}

fn drive(name: &str, answers: &[&str], more: &[String]) -> Called {
    let state = tempfile::tempdir().unwrap();
    let file = file(name);
    let fixed =
        ["run", file.to_str().unwrap(), "--practice", "--speed", "20", "--confirm", "change"];
    let answers = answers.iter().flat_map(|answer| ["--answer", answer]);
    let more = more.iter().map(String::as_str);
    golive_in(state.path(), &fixed.into_iter().chain(answers).chain(more).collect::<Vec<_>>())
}

#[test]
fn they_are_good_by_every_check_and_say_where_they_come_from() {
    let state = tempfile::tempdir().unwrap();
    for Published { name, licence, .. } in ALL {
        let path = file(name);
        let text = std::fs::read_to_string(&path).unwrap();
        let header: Vec<_> = text.lines().take_while(|line| line.starts_with('#')).collect();
        let header = header.join("\n");
        assert!(header.contains("Translated from") && header.contains(licence), "{header}");
        let path = path.to_str().unwrap();
        let checked = golive_in(state.path(), &["check", "--deny", "warnings", path]);
        assert_eq!(checked.code, 0, "{}{}", checked.out, checked.err);
        let plan = golive_in(state.path(), &["plan", path]);
        assert!(plan.code == 0 && plan.out.contains("undo "), "{}{}", plan.out, plan.err);
    }
}

#[test]
fn they_are_driven_there() {
    std::thread::scope(|scope| {
        for Published { name, answers, .. } in ALL {
            scope.spawn(move || {
                let done = drive(name, answers, &[]);
                assert_eq!(done.code, 0, "{name}: {}\n{}", done.out, done.err);
            });
        }
    });
}

#[test]
fn they_are_brought_back() {
    std::thread::scope(|scope| {
        for Published { name, answers, breaks: (host, command), .. } in ALL {
            scope.spawn(move || {
                let fault = format!(
                    "[[fault]]\nfault = \"fail-next\"\nhost = \"{host}\"\ncommand = \"{command}\"\n\
                     exit = 22\nmessage = \"no\"\n"
                );
                let dir = folder(&[("fault.toml", &fault)]);
                let scenario = format!("--scenario={}", dir.path().join("fault.toml").display());
                let back = drive(name, answers, &[scenario, "--on-failure=rollback".to_owned()]);
                assert_eq!(back.code, 7, "{name}: {}\n{}", back.out, back.err);
            });
        }
    });
}
