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
            DRAIN.replace("id = \"wait\"", "id = \"wait\"\nfor_each = { share = [1] }"),
            Code::Duplicate,
        ),
        (
            good,
            DRAIN.replace("local = \"wait-for $GL_WHO\"\nread_only = true", "use = \"drian\""),
            Code::UnknownName,
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

/// Snippets that use one another and repeat steps, and the way back that uses them.
const NESTED: &str = r#"
[[snippet]]
id = "each"
params = ["who"]
[[snippet.step]]
id = "drain"
title = "Drain {{ who }} to {{ share }} %"
for_each = { share = [50, 0] }
run = "lbctl weight {{ who }} {{ share }} # {{ release }}"
undo = { run = "lbctl weight {{ who }} 100" }
[[snippet.step]]
id = "tell"
use = "say"
title = "Tell of {{ who }}"
needs = ["drain"]
with = { text = "{{ who }} is out" }
[[snippet]]
id = "say"
params = ["text"]
[[snippet.step]]
id = "note"
local = "echo {{ text }}"
read_only = true
"#;

const BACK: &str = "[[rollback.after]]\nid = \"told\"\nuse = \"say\"\nstage = \"notify\"\n\
     with = { text = \"back\" }\n\
     [[playbook]]\nid = \"help\"\ntitle = \"Help\"\n[[playbook.step]]\nid = \"call\"\nuse = \"say\"\n\
     title = \"Call\"\nwith = { text = \"help\" }\n";

#[test]
fn snippets_use_others_repeat_steps_and_serve_the_way_back_and_playbooks() {
    let steps = "[[phase.step]]\nid = \"a\"\nuse = \"each\"\ntitle = \"Web\"\non = \"web1\"\n\
         owner = \"lead\"\nwith = { who = \"w 1\" }\n[[phase.step]]\nid = \"end\"\nmanual = \"look\"\n\
         needs = [\"a\"]\n"
        .to_owned()
        + BACK;
    let top = "include = [\"lib.toml\"]\n[roles.lead]\npeople = [\"Li\"]";
    let checked = checked(&runbook(top, &steps), &[("lib.toml", NESTED)]);
    let plan = plan_of(&checked);
    let ids: Vec<_> = plan.order.iter().map(ToString::to_string).collect();
    assert_eq!(ids, ["a.drain.1", "a.drain.2", "a.tell.note", "end"]);
    let step = |id: &str| plan.step(&id.parse().unwrap()).unwrap();
    let needs = |id: &str| step(id).needs.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(needs("a.drain.2"), ["a.drain.1"]);
    assert_eq!(needs("a.tell.note"), ["a.drain.1", "a.drain.2"]);
    assert_eq!(needs("end"), ["a.drain.1", "a.drain.2", "a.tell.note"]);
    let Work::Run(text) = &step("a.drain.2").work else { panic!("it runs") };
    assert_eq!(text.shown(), "lbctl weight 'w 1' 0 # 2");
    assert_eq!(step("a.drain.2").hosts, ["web1".parse().unwrap()]);
    let title = |id: &str| step(id).title.as_str().to_owned();
    assert_eq!(
        [title("a.drain.1"), title("a.tell.note")],
        ["Web: Drain w 1 to 50 %", "Web: Tell of w 1"]
    );
    let Work::Local(text) = &step("a.tell.note").work else { panic!("it runs here") };
    assert_eq!(text.shown(), "echo 'w 1 is out'");
    assert_eq!(step("a.tell.note").owner.as_ref().unwrap().as_str(), "lead");

    assert_eq!(plan.after, ["told.note".parse().unwrap()]);
    let stage = step("told.note").stage.unwrap();
    assert_eq!(stage, golive::runbook::UndoStage::Notify);
    let playbook = plan.playbook(&"help".parse().unwrap()).unwrap();
    assert_eq!(playbook.steps, ["call.note".parse().unwrap()]);
    assert_eq!(title("call.note"), "Call");
}

#[test]
fn what_is_wrong_with_snippets_in_snippets_is_told_link_by_link() {
    let steps = use_of("a", "").replace("drain", "one");
    let of = |files: &str, steps: &str| {
        let main = runbook("include = [\"lib.toml\"]", steps);
        checked(&main, &[("lib.toml", files)])
    };
    let link = |id: &str, step: &str, to: &str| {
        format!("[[snippet]]\nid = \"{id}\"\n[[snippet.step]]\nid = \"{step}\"\nuse = \"{to}\"\n")
    };
    let circle = link("one", "x", "two") + &link("two", "y", "three") + &link("three", "z", "two");
    let told = of(&circle, &steps);
    let problem = told.errors().find(|problem| problem.code == Code::Contradiction).unwrap();
    assert_eq!(
        problem.message,
        "snippets use each other in a circle: two (lib.toml:5:7) → three (lib.toml:10:7) → two \
         (lib.toml:15:7)"
    );
    assert!(problem.help.is_some());
    // Seven lead to an eighth, and one more is too many.
    let chain = |length: usize| {
        let links = (1..length).map(|n| link(&format!("n{n}"), "s", &format!("n{}", n + 1)));
        let last = format!(
            "[[snippet]]\nid = \"n{length}\"\n[[snippet.step]]\nid = \"s\"\nmanual = \"look\"\n"
        );
        of(&(links.collect::<String>() + &last), &use_of("a", "").replace("drain", "n1"))
    };
    assert!(chain(8).runbook.is_some(), "{}", listing(&chain(8)));
    let long = chain(9);
    let limit = long.errors().find(|problem| problem.code == Code::Limit).unwrap();
    assert!(limit.message.starts_with("more than 8 snippets in one another: n1 (x.toml:"));
    assert!(limit.message.ends_with("→ n9 (lib.toml:40:7)"), "{}", limit.message);

    // What multiplies stops at the limit of steps, and does not take the machine with it.
    let many = |id: &str, to: &str| {
        let uses = (0..40).map(|n| format!("[[snippet.step]]\nid = \"s{n}\"\nuse = \"{to}\"\n"));
        format!("[[snippet]]\nid = \"{id}\"\n{}", uses.collect::<String>())
    };
    let leaf = "[[snippet]]\nid = \"n6\"\n[[snippet.step]]\nid = \"s\"\nmanual = \"look\"\n";
    let grows: String = (1..6).map(|n| many(&format!("n{n}"), &format!("n{}", n + 1))).collect();
    let told = of(&(grows + leaf), &use_of("a", "").replace("drain", "n1"));
    assert!(told.errors().any(|problem| problem.code == Code::Limit), "{}", listing(&told));

    let wrong = [
        // Only what the outer snippet was given can be handed on.
        (NESTED.replace("{{ who }} is out", "{{ release }}"), Code::UndefinedVariable),
        (NESTED.replace("text = \"{{ who }} is out\"", "txt = \"x\""), Code::UnknownName),
        // The inner snippet does not see the parameters of the outer one.
        (NESTED.replace("echo {{ text }}", "echo {{ text }} {{ who }}"), Code::UndefinedVariable),
    ];
    let good = use_of("a", "on = \"web1\"\nwith = { who = \"w\" }").replace("drain", "each");
    assert!(of(NESTED, &good).runbook.is_some(), "{}", listing(&of(NESTED, &good)));
    for (files, code) in wrong {
        let told = of(&files, &good);
        let found = told.errors().find(|problem| problem.code == code);
        assert!(found.is_some_and(|it| it.help.is_some()), "{code:?}: {}", listing(&told));
    }
    // On the way back there are no streams, and nothing to wait for but the step before.
    let back = good + &BACK.replace("stage = \"notify\"", "needs = [\"a\"]");
    assert!(of(NESTED, &back).errors().any(|problem| problem.code == Code::NoEffect));
}

/// A capture of the runbook and a parameter of the outer snippet that have one name.
const CAPTURED: &str = r#"
[[snippet]]
id = "outer"
params = ["build"]
[[snippet.step]]
id = "show"
title = "Show {{ build | upper }} of {{ release }}"
use = "inner"
when = "build == 'b \"1\"' and release == '2'"
with = { build = "all" }
[[snippet.step]]
id = "deploy"
use = "plain"
[[snippet]]
id = "inner"
params = ["build"]
[[snippet.step]]
id = "it"
local = "echo {{ build }} $GL_BUILD"
read_only = true
[[snippet]]
id = "plain"
[[snippet.step]]
id = "it"
on = "web1"
run = "deploy {{ build }} {{ release }}"
undo = { run = "undeploy" }
"#;

#[test]
fn the_steps_of_an_inner_snippet_see_their_own_parameters_and_the_variables_of_the_runbook() {
    let steps = "[[phase.step]]\nid = \"read\"\non = \"web1\"\nrun = \"cat build\"\n\
         read_only = true\ncapture = { build = '(\\S+)' }\n"
        .to_owned()
        + &use_of("a", "with = { build = 'b \"1\"' }").replace("drain", "outer");
    let of = |files: &str, steps: &str| {
        checked(&runbook("include = [\"lib.toml\"]", steps), &[("lib.toml", files)])
    };
    let plan = plan_of(&of(CAPTURED, &steps));
    let step = |id: &str| plan.step(&id.parse().unwrap()).unwrap();
    // It is sent what the runbook captures, as it was checked, not what the outer one was given.
    let deploy = step("a.deploy.it");
    let Work::Run(text) = &deploy.work else { panic!("it runs") };
    assert_eq!(text.shown(), "deploy ‹captured: build› 2");
    assert!(deploy.with.is_empty() && !deploy.env.contains_key("GL_BUILD"), "{:?}", deploy.env);
    // The use is told, and decided, by the values of the snippet that it stands in.
    let show = step("a.show.it");
    assert_eq!(show.title.as_str(), "Show B \"1\" of 2");
    let Work::Local(text) = &show.work else { panic!("it runs here") };
    assert_eq!(text.shown(), "echo all $GL_BUILD");
    assert_eq!(show.env["GL_BUILD"].shown(), "all");
    let when = show.when.as_deref().unwrap();
    let mut vars = plan.vars.clone();
    vars.extend(show.with.clone());
    assert_eq!(golive::runbook::holds(when, &vars), Ok(true), "{when}");

    // Without the outer parameter the name means two things.
    let two = CAPTURED
        .replace(
            "params = [\"build\"]\n[[snippet.step]]\nid = \"show\"",
            "[[snippet.step]]\nid = \"show\"",
        )
        .replace("title = \"Show {{ build | upper }} of {{ release }}\"\n", "");
    let told = of(&two, &steps.replace("with = { build = 'b \"1\"' }", ""));
    let found = told.errors().find(|problem| problem.code == Code::Duplicate);
    assert!(found.is_some_and(|it| it.help.is_some()), "{}", listing(&told));
}

#[test]
fn the_hosts_of_a_use_are_where_what_a_person_did_is_verified() {
    let of = |step: &str, on: &str| {
        let snippet =
            format!("[[snippet]]\nid = \"by-hand\"\n[[snippet.step]]\nid = \"it\"\n{step}\n");
        let steps = use_of("a", on).replace("drain", "by-hand");
        checked(&runbook("include = [\"lib.toml\"]", &steps), &[("lib.toml", &snippet)])
    };
    let verified = "manual = \"Turn the valve.\"\nverify = { run = \"valve --closed\" }";
    let plan = plan_of(&of(verified, "on = [\"web1\", \"web2\"]"));
    let hosts: Vec<_> = plan.step(&"a.it".parse().unwrap()).unwrap().hosts.iter().collect();
    assert_eq!(hosts, [&"web1".parse().unwrap(), &"web2".parse().unwrap()]);
    // Where nothing takes them, that is said.
    for step in [
        "manual = \"Turn the valve.\"",
        "local = \"true\"\nread_only = true",
        "run = \"true\"\non = \"web2\"\nread_only = true",
    ] {
        let told = of(step, "on = \"web1\"");
        let found = told.errors().find(|problem| problem.code == Code::NoEffect);
        assert!(found.is_some_and(|it| it.help.is_some()), "{step}: {}", listing(&told));
        assert!(of(step, "").runbook.is_some(), "{}", listing(&of(step, "")));
    }
}
