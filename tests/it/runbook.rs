//! Runbooks as a whole: what is accepted, and every problem of what is not.

use golive::base::Millis;
use golive::runbook::{Checked, Class, Code, SourceFile, UndoSource, check, line_col};

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
    assert_eq!(shift.on.iter().map(|host| host.as_str()).collect::<Vec<_>>(), ["lb"]);
    assert_eq!(shift.soak.as_ref().unwrap().r#for, Millis::from_secs(300));
    assert!(matches!(&shift.undo, UndoSource::Undo(undo) if undo.on.is_none()));
    let classes: Vec<_> = runbook.forward().map(|step| step.floor().0).collect();
    use Class::{Change, Check, Critical};
    assert_eq!(classes, [Check, Check, Change, Check, Change, Check, Critical, Check, Check]);
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
