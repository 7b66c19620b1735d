//! Runbooks as a whole: what is accepted, and every problem of what is not.

use golive::base::{HostId, Millis};
use golive::runbook::{
    Checked, Code, Options, Severity, SourceFile, UndoSource, check, check_inventory, check_with,
    line_col,
};
use proptest::prelude::*;

const SHOP: &str = include_str!("runbooks/shop.toml");
const INVENTORY: &str = include_str!("runbooks/inventory/shop.toml");

/// The good runbook of the tests, checked.
pub(crate) fn shop() -> Checked {
    let main = SourceFile::new("shop.toml", SHOP);
    check(&main, &mut |path| match path {
        "inventory/shop.toml" => Ok(SourceFile::new(path, INVENTORY)),
        "scripts/retire.sh" => Ok(SourceFile::new(path, "#!/bin/sh\nretire \"$GL_RELEASE\"\n")),
        _ => Err("no such file".to_owned()),
    })
}

/// `file:line:column: severity code message (help)` for every problem, one a line.
pub(crate) fn listing(checked: &Checked) -> String {
    let mut lines = Vec::new();
    for problem in &checked.problems {
        let text = &checked.sources[&problem.at.place.source].text;
        let at = |offset| {
            let (line, column) = line_col(text, offset);
            format!("{line}:{column}")
        };
        let place = &problem.at.place;
        lines.push(format!(
            "{}:{}-{} {} {}: {} [{}]",
            place.source,
            at(place.start),
            at(place.end),
            problem.severity().word(),
            problem.code,
            problem.message,
            problem.at.text,
        ));
        for label in &problem.also {
            lines.push(format!("    {}: {}", at(label.place.start), label.text));
        }
        lines.extend(problem.help.iter().map(|help| format!("    help: {help}")));
    }
    lines.join("\n")
}

#[test]
fn the_good_runbook_has_no_problem_and_means_what_it_says() {
    let checked = shop();
    assert_eq!(listing(&checked), "");
    let runbook = checked.runbook.expect("it is good");
    assert_eq!(runbook.window.as_ref().unwrap().opens.rfc3339(), "2026-11-28T17:00:00.000Z");
    let shift = runbook.steps().find(|step| step.id.as_str() == "shift").unwrap();
    assert_eq!(shift.on.iter().map(HostId::as_str).collect::<Vec<_>>(), ["lb"]);
    assert_eq!(shift.soak.as_ref().unwrap().r#for, Millis::from_secs(300));
    assert!(matches!(&shift.undo, UndoSource::Undo(undo) if undo.on.is_none()));
    let classes: Vec<_> = runbook.forward().map(|step| step.floor().0).collect();
    let words: Vec<_> = classes.iter().map(|class| format!("{class:?}")).collect();
    assert_eq!(words.join(" "), "Check Check Change Check Change Check Critical Check Check");
    assert_eq!(checked.inventory.groups.values().map(Vec::len).collect::<Vec<_>>(), [3, 1, 1]);
    assert_eq!(checked.inventory.environment.unwrap().as_str(), "production");
}

#[test]
fn syntax_errors_are_all_told_and_nothing_is_guessed_from_them() {
    let main = SourceFile::new("x.toml", "golive = \nid = 1 2\n[runbook]\nid = \"x\"\ntytle = 3\n");
    let checked = check(&main, &mut |_| Err("no".to_owned()));
    let codes: Vec<_> = checked.problems.iter().map(|problem| problem.code).collect();
    assert!(
        codes.iter().filter(|code| **code == Code::Syntax).count() >= 2,
        "{}",
        listing(&checked)
    );
    assert!(!codes.contains(&Code::MissingKey));
    assert!(checked.runbook.is_none());
}

#[test]
fn everything_wrong_is_told_in_one_run() {
    let main = SourceFile::new("zoo.toml", include_str!("runbooks/zoo.toml"));
    let checked = check(&main, &mut |_| Err("no such file".to_owned()));
    assert!(checked.runbook.is_none());
    insta::assert_snapshot!(listing(&checked));
}

/// The example of an explanation, made whole: what it leaves out is added.
fn whole(fragment: &str) -> String {
    if fragment.contains("golive = ") {
        return fragment.to_owned();
    }
    let part = |missing: &str, text: &'static str| {
        if fragment.contains(missing) { "" } else { text }
    };
    let step = if fragment.contains("[[phase.step]]") && !fragment.contains("[[phase]]") {
        fragment.replacen("[[phase.step]]", "[[phase]]\nid = \"deploy\"\n[[phase.step]]", 1)
    } else {
        fragment.to_owned()
    };
    [
        "golive = 1\n",
        part("[runbook]", "[runbook]\nid = \"shop\"\n"),
        part("[hosts", "[hosts.web1]\n"),
        &step,
        part(
            "[[phase",
            "[[phase]]\nid = \"say\"\n[[phase.step]]\nid = \"say\"\nmanual = \"Hi.\"\n",
        ),
    ]
    .concat()
}

fn codes(fragment: &str) -> (Vec<Code>, String) {
    let main = SourceFile::new("example.toml", &whole(fragment));
    let mut read = |path: &str| match path {
        "retire.sh" => Ok(SourceFile::new(path, "true\n")),
        _ => Err("no such file".to_owned()),
    };
    let checked = crate::plan::prepared(&main, &mut read).0;
    (checked.problems.iter().map(|problem| problem.code).collect(), listing(&checked))
}

#[test]
fn every_explanation_has_a_bad_and_a_good_example_that_hold() {
    for code in Code::ALL {
        let text = code.explain();
        let mut blocks = text.split("```toml\n").skip(1);
        let mut block = |word: &str| {
            let block = blocks.next().and_then(|block| block.split("```").next()).unwrap_or("");
            assert!(block.starts_with(&format!("# {word}\n")), "{code}: no {word} example\n{text}");
            codes(block)
        };
        let (bad, listing) = block("bad");
        assert!(bad.contains(code), "{code} is not found in its bad example\n{listing}");
        let (good, listing) = block("good");
        assert!(!good.contains(code), "{code} is found in its good example\n{listing}");
        assert!(good.iter().all(|code| code.severity() == Severity::Warning), "{code}\n{listing}");
        assert!(text.len() > 150, "{code} is not explained");
    }
}

/// A mutation of the good runbook that keeps it text.
fn mutate(text: &str, edits: &[(usize, usize, String)]) -> String {
    let mut text = text.to_owned();
    for (at, length, insert) in edits {
        let start = text.floor_char_boundary(at % (text.len() + 1));
        let end = text.ceil_char_boundary((start + length).min(text.len()));
        text.replace_range(start..end, insert);
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_is_a_panic_and_every_place_is_in_it(
        edits in prop::collection::vec(
            (any::<usize>(), 0_usize..20, r#"[ -~\n]{0,6}|[\[\]{}="'\n]{0,3}|生|needs = \["watch"\]\n"#),
            1..6,
        ),
    ) {
        let main = SourceFile::new("shop.toml", &mutate(SHOP, &edits));
        let (checked, plan) = crate::plan::prepared(&main, &mut |path| match path {
            "inventory/shop.toml" => Ok(SourceFile::new(path, &mutate(INVENTORY, &edits))),
            _ => Ok(SourceFile::new(path, "true\n")),
        });
        for problem in &checked.problems {
            for label in std::iter::once(&problem.at).chain(&problem.also) {
                let text = &checked.sources[&label.place.source].text;
                prop_assert!(text.get(label.place.span()).is_some(), "{problem:?}");
            }
        }
        prop_assert_eq!(checked.runbook.is_none(), checked.errors().next().is_some());
        prop_assert_eq!(checked.runbook.is_some(), plan.is_some(), "a checked runbook compiles");
    }
}

/// The codes of a whole runbook, inventory replaced and variables set as asked.
fn checked(text: &str, options: &Options) -> (Vec<Code>, Checked) {
    let main = SourceFile::new("x.toml", text);
    let checked = check_with(&main, options, &mut |path| match path {
        "other.toml" => {
            Ok(SourceFile::new(path, "environment = \"staging\"\n[hosts.web1]\n[hosts.stage1]\n"))
        }
        _ => Err("no such file".to_owned()),
    });
    (checked.problems.iter().map(|problem| problem.code).collect(), checked)
}

fn steps(count: usize) -> String {
    let step = |n: usize| format!("[[phase.step]]\nid = \"s{n}\"\nmanual = \"Do {n}.\"\n");
    whole(&(0..count).map(step).collect::<String>())
}

#[test]
fn every_limit_is_a_clear_problem() {
    let none = Options::default();
    let big = format!("# {}\n{}", "x".repeat(1 << 20), whole(""));
    let hosts: String =
        (0..501).map(|n| n.to_string()).fold(String::new(), |all, n| all + "[hosts.h" + &n + "]\n");
    let string = whole(&format!("[[phase.step]]\nid = \"s\"\nmanual = '{}'\n", "x".repeat(65_537)));
    for text in [&big, &steps(2_001), &whole(&hosts), &string] {
        let (codes, _) = checked(text, &none);
        assert!(codes.contains(&Code::Limit), "{codes:?}");
    }
    let (codes, checked) = checked(&steps(2_000), &none);
    assert!(!codes.contains(&Code::Limit));
    assert_eq!(checked.runbook.unwrap().steps().count(), 2_000);
}

#[test]
fn the_command_line_replaces_hosts_and_values() {
    let text = whole(
        "[vars]\nmode = \"full\"\n[[phase.step]]\nid = \"s\"\non = \"stage1\"\nrun = \"true\"\nwhen = \"mode == 'full'\"\n",
    );
    let (codes, _) = checked(&text, &Options::default());
    assert!(codes.contains(&Code::UnknownName), "{codes:?}");
    let options = Options { inventory: Some("other.toml".to_owned()), ..Options::default() };
    let (_, found) = checked(&text, &options);
    assert_eq!(found.errors().count(), 0, "{}", listing(&found));
    assert_eq!(found.inventory.environment.unwrap().as_str(), "staging");
    let options = Options { inventory: Some("gone.toml".to_owned()), ..Options::default() };
    let (codes, _) = checked(&text, &options);
    assert!(codes.contains(&Code::UnreadableFile) && !codes.contains(&Code::UnknownName));
}

#[test]
fn an_inventory_can_be_checked_alone() {
    let (inventory, problems) = check_inventory(&SourceFile::new("inventory.toml", INVENTORY));
    assert!(problems.is_empty(), "{problems:?}");
    assert_eq!(inventory.hosts.len(), 5);
    let web1 = &inventory.hosts[&"web1".parse().unwrap()];
    assert_eq!((web1.r#become.as_str(), web1.max_concurrent), ("sudo -n", 4));
    assert_eq!(inventory.hosts[&"bastion".parse().unwrap()].address, "bastion");
    let source = SourceFile::new("inventory.toml", "enviroment = \"x\"\n[groups]\na = [\"b\"]\n");
    let codes: Vec<_> = check_inventory(&source).1.iter().map(|problem| problem.code).collect();
    assert_eq!(codes, [Code::UnknownKey, Code::UnknownName]);
}

#[test]
fn keys_without_an_effect_are_problems() {
    for (step, code) in [
        ("manual = \"x\"\nauto = true", Code::NoEffect),
        ("manual = \"x\"\nread_only = true", Code::NoEffect),
        ("local = \"x\"\non = \"web1\"", Code::NoEffect),
        ("manual = \"x\"\non = \"web1\"", Code::NoEffect),
        ("manual = \"x\"\non = \"web1\"\nverify = { probe = \"p\" }", Code::NoEffect),
        ("manual = \"x\"\ndry_run = \"s\"", Code::NoEffect),
        ("local = \"x\"\nbecome = true", Code::NoEffect),
        ("gate = {}\nundo = { local = \"x\" }", Code::NoEffect),
        ("gate = {}\ntimeout = \"5m\"", Code::NoEffect),
        ("gate = { margin = \"5m\" }", Code::Contradiction),
        ("local = \"x\"\nundo = { local = \"x\", on = \"web1\" }", Code::NoEffect),
        ("local = \"x\"\nundo = { run = \"x\" }", Code::NoTarget),
        ("local = \"x\"\nundo = { manual = \"x\", timeout = \"5m\" }", Code::NoEffect),
        ("local = \"x\"\nread_only = true\nundo = { local = \"x\" }", Code::Contradiction),
        ("local = \"x\"\nestimate = \"5m\"\ntimeout = \"1m\"", Code::Contradiction),
        ("local = \"x\"\nenv = { GL_X = \"x\" }", Code::BadName),
        (
            "local = \"x\"\nverify = { run = \"x\", every = \"5m\", within = \"1m\" }",
            Code::BadValue,
        ),
        ("soak = { for = \"5m\", probes = [\"*\"] }", Code::BadValue),
    ] {
        let (codes, listing) = codes(&format!("[[phase.step]]\nid = \"s\"\n{step}\n"));
        assert!(codes.contains(&code), "{step}\n{listing}");
    }
}

#[test]
fn a_dry_run_is_a_check_that_comes_before() {
    let dry = "[[phase.step]]\nid = \"dry\"\nlocal = \"push --dry-run\"\nread_only = true\n";
    let push = "[[phase.step]]\nid = \"push\"\nlocal = \"push\"\ndry_run = \"dry\"\n\
                undo = { local = \"pull\" }\n";
    let of = |text: &str| {
        let (_, found) = checked(&whole(text), &Options::default());
        let wrong = found.errors().map(|problem| (problem.code, problem.message.clone()));
        wrong.collect::<Vec<_>>()
    };
    assert_eq!(of(&format!("{dry}{push}")), []);
    let wrong = [
        (format!("{push}{dry}"), Code::Contradiction, "is not over before `push` starts"),
        (
            format!("{}{push}", dry.replace("read_only = true", "undo = { local = \"x\" }")),
            Code::Contradiction,
            "`dry` is no dry run",
        ),
        (
            format!("{}{push}", dry.replace("local", "for_each = { n = [1, 2] }\nlocal")),
            Code::Contradiction,
            "`dry` is several steps",
        ),
        (push.to_owned(), Code::UnknownName, "no step `dry`"),
    ];
    for (text, code, said) in wrong {
        let found = of(&text);
        assert!(found.iter().any(|(is, why)| *is == code && why.contains(said)), "{found:?}");
    }
}

#[test]
fn a_planned_return_begins_where_there_is_a_way_back() {
    let of = |step: &str, back: &str| {
        let text = format!(
            "[[phase.step]]\nid = \"a\"\nlocal = \"x\"\nundo = {{ local = \"y\" }}\n{step}\n\
             [[phase.step]]\nid = \"stay\"\nmanual = \"wait\"\n[rollback]\n{back}\n"
        );
        let (_, found) = checked(&whole(&text), &Options::default());
        found.errors().map(|problem| problem.code).collect::<Vec<_>>()
    };
    assert_eq!(of("", "planned = { after = \"stay\", auto = true }"), []);
    assert_eq!(of("", "planned = { after = \"sty\" }"), [Code::UnknownName]);
    assert_eq!(of("", "planned = { auto = true }"), [Code::MissingKey]);
    assert_eq!(of("commit = true", "planned = { after = \"stay\" }"), [Code::Contradiction]);
    assert_eq!(
        of("point_of_no_return = true", "planned = { after = \"a\" }"),
        [Code::Contradiction]
    );
    let each = "for_each = { n = [1, 2] }";
    assert_eq!(of(each, "planned = { after = \"a\" }"), [Code::Contradiction]);
}

#[test]
fn what_a_person_changes_in_two_systems_is_verified_in_both() {
    let text = "[hosts.gcp]\n[hosts.aws]\n[[phase.step]]\nid = \"a\"\non = [\"gcp\", \"aws\"]\n\
         manual = { text = \"the record\", checklist = [\"gcp\", \"aws\"] }\n\
         verify = { run = \"dig\" }\nundo = { manual = \"the old record\", verify = { run = \"dig\" } }\n";
    let main = format!(
        "golive = 1\n[runbook]\nid = \"x\"\n{}",
        text.replace("[[phase.step]]", "[[phase]]\nid = \"p\"\n[[phase.step]]")
    );
    let source = SourceFile::new("x.toml", &main);
    let found = check(&source, &mut |path| Err(path.to_owned()));
    assert_eq!(found.errors().count(), 0, "{}", listing(&found));
    let step = found.runbook.as_ref().unwrap().forward().next().unwrap();
    assert_eq!(step.on.len(), 2);
}
