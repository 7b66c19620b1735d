//! A verification over HTTP: what a runbook may say of it, and what it does on the practice fleet;
//! and what is doubtful about the requests of a step.

use golive::runbook::{Code, SourceFile, check};

use crate::cli::{folder, golive_in};
use crate::runbook::listing;

fn runbook(step: &str) -> String {
    format!(
        r#"golive = 1
[runbook]
id = "web"
title = "Web"
strategy = "direct"
environment = "practice"
[secrets]
token = {{ env = "TOKEN" }}
[hosts.lb1]
address = "lb1.practice"
[[phase]]
id = "p"
title = "All"
[[phase.step]]
id = "shift"
estimate = "1s"
timeout = "30s"
{step}
"#
    )
}

const SHIFT: &str = "on = \"lb1\"\nrun = \"hostname\"\nread_only = true\n";

#[test]
fn what_makes_no_sense_is_told() {
    for (step, code, said) in [
        (
            "verify = { http = \"https://x\", run = \"y\" }",
            Code::OneAction,
            "exactly one of `run`, `probe` and `http`",
        ),
        (
            "verify = { every = \"1s\" }",
            Code::OneAction,
            "exactly one of `run`, `probe` and `http`",
        ),
        ("verify = { http = \"lb1\" }", Code::BadValue, "not an HTTP address"),
        ("verify = { http = \"http://169.254.169.254/\" }", Code::BadValue, "is never asked"),
        (
            "verify = { http = { url = \"https://x\", method = \"POST\" } }",
            Code::Contradiction,
            "asks again and again, and POST changes",
        ),
        ("verify = { http = { url = \"https://x\", expect = 1 } }", Code::UnknownKey, "`expect`"),
        (
            "verify = { http = \"http://localhost/health\" }",
            Code::NoEffect,
            "the machine that golive runs on",
        ),
        (
            "verify = { http = { url = \"http://lb1/health\", bearer = { secret = \"token\" } } }",
            Code::SecretInTheOpen,
            "secret `token` would go to lb1",
        ),
    ] {
        let main = SourceFile::new("x.toml", &runbook(&format!("{SHIFT}{step}")));
        let checked = check(&main, &mut |_| Err("no".to_owned()));
        let found = checked.problems.iter().any(|it| it.code == code);
        let listing = listing(&checked);
        assert!(found && listing.contains(said), "{step}\n{listing}");
    }
}

/// Runs the step on the practice fleet: exit status, and all that was said.
fn driven(verify: &str) -> (i32, String) {
    let text = runbook(&format!("{SHIFT}verify = {verify}"));
    let text = text.replace("[secrets]\ntoken = { env = \"TOKEN\" }\n", "");
    let dir = folder(&[("x.toml", &text)]);
    let path = dir.path().join("x.toml");
    let state = tempfile::tempdir().unwrap();
    let args = ["run", path.to_str().unwrap(), "--practice", "--speed", "20", "--confirm", "check"];
    let called = golive_in(state.path(), &args);
    (called.code, format!("{}\n{}", called.out, called.err))
}

#[test]
fn a_step_counts_as_done_once_the_address_answers_so() {
    let address = "http://lb1.practice/metrics.json";
    let (code, said) =
        driven(&format!("{{ http = \"{address}\", every = \"1s\", within = \"20s\" }}"));
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("verification") && said.contains("HTTP 200"), "{said}");
    let (code, said) = driven(&format!(
        "{{ http = {{ url = \"{address}\", expect_body = \"no such word\" }}, every = \"1s\", within = \"1s\" }}"
    ));
    assert_eq!(code, 5, "{said}");
    assert!(said.contains("the body does not match /no such word/"), "{said}");
    assert!(said.contains("its verification did not hold"), "{said}");
}
