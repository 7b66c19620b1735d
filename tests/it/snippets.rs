//! `include`, `[[snippet]]` and `use`: steps that are written once.

use std::collections::BTreeMap;

use golive::plan::{Inputs, Plan, Work, compile};
use golive::runbook::{Checked, Code, Problem, SourceFile, check};

use crate::cli::{folder, golive_in};
use crate::runbook::listing;

const HEAD: &str =
    "golive = 1\n[runbook]\nid = \"x\"\n[vars]\nrelease = \"2\"\n[hosts.web1]\n[hosts.web2]\n";

const DRAIN: &str = r#"
[[snippet]]
id = "drain"
params = ["share", "who"]
[[snippet.step]]
id = "out"
run = "lbctl weight {{ who }} {{ share }} # {{ release }}"
when = "share | int > 1"
undo = { run = "lbctl weight {{ who }} 100" }
[[snippet.step]]
id = "wait"
needs = ["out"]
local = "wait-for $GL_WHO"
read_only = true
"#;

/// Checks a runbook with these files beside it.
fn checked(body: &str, files: &[(&str, &str)]) -> Checked {
    let files: BTreeMap<_, _> = files.iter().copied().collect();
    let main = SourceFile::new("x.toml", &format!("{body}\n"));
    check(&main, &mut |path| {
        let text = files.get(path).ok_or_else(|| format!("no file {path}"))?;
        Ok(SourceFile::new(path, text))
    })
}

fn runbook(top: &str, steps: &str) -> String {
    let (include, head) = HEAD.split_once('\n').map_or(("", HEAD), |(first, rest)| (first, rest));
    format!("{include}\n{top}\n{head}[[phase]]\nid = \"p\"\n{steps}")
}

fn plan_of(checked: &Checked) -> Plan {
    let inputs = Inputs { scripts: checked.scripts.clone(), ..Inputs::default() };
    let runbook = checked.runbook.as_ref().unwrap_or_else(|| panic!("{}", listing(checked)));
    compile(runbook, &checked.inventory, &inputs, golive::base::Digest::of(b"")).unwrap()
}

fn use_of(id: &str, more: &str) -> String {
    format!("[[phase.step]]\nid = \"{id}\"\nuse = \"drain\"\n{more}\n")
}

#[test]
fn a_use_makes_the_steps_of_the_snippet_with_its_own_values() {
    let steps = use_of("a", "on = \"web1\"\nwith = { share = 5, who = \"a b\" }")
        + &use_of(
            "b",
            "on = \"web2\"\nwith = { share = 1, who = \"b\" }\nneeds = [\"a\"]\nstream = \"s\"",
        )
        + "[[phase.step]]\nid = \"end\"\nmanual = \"look\"\nneeds = [\"b\"]\n";
    let checked =
        checked(&runbook("include = [\"lib/drain.toml\"]", &steps), &[("lib/drain.toml", DRAIN)]);
    let plan = plan_of(&checked);
    let ids: Vec<_> = plan.order.iter().map(ToString::to_string).collect();
    assert_eq!(ids, ["a.out", "a.wait", "b.out", "b.wait", "end"]);
    let step = |id: &str| plan.step(&id.parse().unwrap()).unwrap();
    let needs = |id: &str| step(id).needs.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(
        (needs("a.wait"), needs("b.out")),
        (vec!["a.out".to_owned()], vec!["a.out".to_owned(), "a.wait".to_owned()])
    );
    assert_eq!(needs("end"), ["b.out", "b.wait"]);
    let Work::Run(text) = &step("a.out").work else { panic!("it runs") };
    assert_eq!(text.shown(), "lbctl weight 'a b' 5 # 2");
    assert_eq!(step("b.out").hosts, ["web2".parse().unwrap()]);
    assert_eq!(step("b.wait").env["GL_WHO"].shown(), "b");
    assert_eq!(step("b.wait").stream.as_ref().unwrap().as_str(), "s");
    assert!(!plan.vars.contains_key(&"who".parse().unwrap()), "a variable of these steps alone");
    assert!(checked.sources.contains_key("lib/drain.toml"));
}

#[test]
fn what_is_wrong_is_told_with_its_place_in_both_files() {
    let one = |use_keys: &str, snippet: &str| {
        let steps = use_of("a", use_keys);
        checked(&runbook("include = [\"drain.toml\"]", &steps), &[("drain.toml", snippet)])
    };
    let good = "on = \"web1\"\nwith = { share = 5, who = \"a\" }";
    assert!(one(good, DRAIN).runbook.is_some(), "{}", listing(&one(good, DRAIN)));
    let wrong = [
        ("on = \"web1\"\nwith = { share = 5 }", DRAIN.to_owned(), Code::MissingKey),
        (
            "on = \"web1\"\nwith = { share = 5, who = \"a\", whom = \"b\" }",
            DRAIN.to_owned(),
            Code::UnknownName,
        ),
        (good, DRAIN.replace("{{ share }}", "{{ shrae }}"), Code::UndefinedVariable),
        (good, DRAIN.replace("local", "lokal"), Code::UnknownKey),
        (good, DRAIN.replace("\"who\"]", "\"who\", \"spare\"]"), Code::MissingKey),
        (good, DRAIN.replace("$GL_WHO", "x").replace("{{ who }}", "x"), Code::Unused),
        (
            good,
            DRAIN.replace("id = \"wait\"", "id = \"wait\"\nfor_each = { n = [1] }"),
            Code::NotSupported,
        ),
    ];
    for (keys, snippet, code) in wrong {
        let checked = one(keys, &snippet);
        let in_both = |problem: &&Problem| {
            let labels = problem.also.iter().map(|label| label.place.source.as_str());
            let places: Vec<_> = labels.chain([problem.at.place.source.as_str()]).collect();
            places.contains(&"x.toml") && places.contains(&"drain.toml")
        };
        let mut found = checked.problems.iter().filter(|problem| problem.code == code);
        let found = found.find(in_both);
        assert!(found.is_some_and(|it| it.help.is_some()), "{code:?}: {}", listing(&checked));
    }
    let steps = "[[phase.step]]\nid = \"a\"\nuse = \"drian\"\n";
    let misspelt = checked(&runbook("include = \"drain.toml\"", steps), &[("drain.toml", DRAIN)]);
    let helps: Vec<_> = misspelt.errors().filter_map(|problem| problem.help.as_deref()).collect();
    assert!(helps.contains(&"did you mean `drain`?"), "{helps:?}");
    assert!(misspelt.problems.iter().any(|problem| problem.code == Code::Unused), "nobody uses it");
}

#[test]
fn includes_stay_inside_and_go_round_no_circle() {
    let say = "[[phase.step]]\nid = \"a\"\nmanual = \"x\"\n";
    let of = |include: &str, files: &[(&str, &str)]| {
        let checked = checked(&runbook(&format!("include = [\"{include}\"]"), say), files);
        let messages = checked.errors().map(|problem| problem.message.clone());
        messages.collect::<Vec<_>>().join("; ")
    };
    assert_eq!(of("a/b.toml", &[("a/b.toml", "include = [\"../c.toml\"]"), ("c.toml", "")]), "");
    assert!(of("../b.toml", &[]).contains("not inside the folder"));
    assert!(of("/etc/hosts", &[]).contains("not inside the folder"));
    assert!(of("b.toml", &[]).contains("cannot be read: no file b.toml"));
    let circle = [("a.toml", "include = [\"b.toml\"]"), ("b.toml", "include = [\"a.toml\"]")];
    assert!(of("a.toml", &circle).contains("in a circle: a.toml → b.toml → a.toml"));
    assert!(of("a.toml", &[("a.toml", "[phase]\n")]).contains("unknown key `phase`"));
    assert!(of("a.toml", &[("a.toml", "x = \n")]).contains("this is not TOML"));
}

#[test]
fn the_limits_hold_for_all_files_together() {
    let say = "[[phase.step]]\nid = \"a\"\nmanual = \"x\"\n";
    let limit = |checked: &Checked| checked.errors().any(|problem| problem.code == Code::Limit);
    let big = format!("# {}\n", "x".repeat(600 * 1024));
    let files = [("a.toml", big.as_str()), ("b.toml", big.as_str())];
    assert!(!limit(&checked(&runbook("include = [\"a.toml\"]", say), &files)));
    assert!(limit(&checked(&runbook("include = [\"a.toml\", \"b.toml\"]", say), &files)));
    let long = format!("[[snippet]]\nid = \"{}\"\n", "x".repeat(65 * 1024));
    assert!(limit(&checked(&runbook("include = \"a.toml\"", say), &[("a.toml", &long)])));
    let deep = format!("x = {}{}\n", "[".repeat(40), "]".repeat(40));
    assert!(limit(&checked(&runbook("include = \"a.toml\"", say), &[("a.toml", &deep)])));
    let step =
        |n: usize| format!("[[snippet.step]]\nid = \"s{n}\"\nlocal = \"x\"\nread_only = true\n");
    let many: Vec<_> = (0..1001).map(step).collect();
    let many = format!("[[snippet]]\nid = \"drain\"\n{}", many.concat());
    let twice = use_of("a", "") + &use_of("b", "");
    assert!(!limit(&checked(
        &runbook("include = \"a.toml\"", &use_of("a", "")),
        &[("a.toml", &many)]
    )));
    assert!(limit(&checked(&runbook("include = \"a.toml\"", &twice), &[("a.toml", &many)])));
}

#[test]
fn included_files_are_pinned_and_count_in_the_digest() {
    let snippet = "[[snippet]]\nid = \"drain\"\nparams = [\"who\"]\n[[snippet.step]]\nid = \"say\"\n\
                   local = \"echo hello {{ who }}\"\nread_only = true\n";
    let body = runbook("include = [\"lib/a.toml\"]", &use_of("a", "with = { who = \"night\" }"));
    let dir = folder(&[("x.toml", &body)]);
    std::fs::create_dir(dir.path().join("lib")).unwrap();
    std::fs::write(dir.path().join("lib/a.toml"), snippet).unwrap();
    let file = dir.path().join("x.toml").display().to_string();
    let state = dir.path().join("state");
    let digest = || {
        let plan = golive_in(&state, &["plan", &file, "--json"]);
        let plan: serde_json::Value = serde_json::from_str(&plan.out).unwrap();
        plan["digest"].as_str().unwrap().to_owned()
    };
    let before = digest();
    let args = ["run", &file, "--practice", "--confirm", "check", "--session", "one"];
    let run = golive_in(&state, &args);
    assert_eq!(run.code, 0, "{}", run.err);
    assert!(run.out.contains("hello night"), "{}", run.out);
    std::fs::write(dir.path().join("lib/a.toml"), snippet.replace("hello", "bye")).unwrap();
    assert_ne!(before, digest());
    // The session has its own copy of what it ran.
    assert_eq!(golive_in(&state, &["status", "one"]).code, 0);
    let pinned = std::fs::read_to_string(state.join("sessions/one/pinned/inputs.json")).unwrap();
    assert!(pinned.contains("lib/a.toml"), "{pinned}");
}
