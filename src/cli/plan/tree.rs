//! The plan for people, in a terminal.

use crate::base::{cells, cut_end};
use crate::cli::args::strategy_name;
use crate::cli::screen::{Ink, Screen, table};
use crate::plan::{Plan, StepPlan, UndoPlan, Work};
use crate::runbook::{Class, Stage};

use super::facts::{
    Facts, asked, class_word, lines_of, manner, names, objectives, place, proofs, ready, soak,
    span, stage_word, verify,
};

/// Columns before the details of a step.
const INDENT: usize = 6;
/// Columns of the word before a detail.
const LABEL: usize = 10;

/// The whole plan.
pub(super) fn tree(screen: Screen, facts: &Facts<'_>) -> String {
    let mut lines = head(screen, facts);
    let mut rows = step_rows(screen, facts).into_iter();
    for phase in &facts.plan.phases {
        let stage = phase.stage.map_or(String::new(), |stage| format!("  {}", stage_name(stage)));
        lines.push(String::new());
        let title = screen.ink(Ink::Bold, phase.title.as_str());
        lines.push(format!("{title}{}", screen.ink(Ink::Dim, &stage)));
        for step in phase.steps.iter().filter_map(|id| facts.plan.step(id)) {
            lines.extend(rows.next());
            lines.extend(details(screen, facts, step));
        }
    }
    lines.extend(schedule(screen, facts));
    lines.extend(way_back(screen, facts));
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

fn head(screen: Screen, facts: &Facts<'_>) -> Vec<String> {
    let Plan { id, title, strategy, owner, change, environment, .. } = facts.plan;
    let mut lines = vec![screen.ink(Ink::Bold, title.as_str())];
    let mut known = vec![("runbook", format!("{id} · {}", strategy_name(*strategy)))];
    if let Some(owner) = owner {
        known.push(("owner", owner.to_string()));
    }
    if let Some(change) = change {
        known.push(("change", change.to_string()));
    }
    let environment = environment.as_ref().map_or("not named", |it| it.as_str());
    known.push(("hosts", format!("{} · environment {environment}", names_of_hosts(facts.plan))));
    known.extend(proofs(facts.plan).into_iter().map(|proof| ("proof", proof)));
    known.extend(asked(facts.plan).into_iter().map(|asked| ("asked", asked)));
    known.push(("window", facts.window().unwrap_or_else(|| "none".to_owned())));
    known.extend(objectives(facts));
    let count = |class| {
        let steps = facts.plan.order.iter().filter_map(|id| facts.plan.step(id));
        steps.filter(|step| step.class == class).count()
    };
    known.push((
        "size",
        format!(
            "{} phases, {} steps: {} check, {} change, {} critical · {} probes",
            facts.plan.phases.len(),
            facts.plan.order.len(),
            count(Class::Check),
            count(Class::Change),
            count(Class::Critical),
            facts.plan.probes.len(),
        ),
    ));
    known.push(("digest", facts.plan.digest.short()));
    for (label, text) in known {
        lines.extend(detail(screen, 0, label, &[text], None));
    }
    lines
}

fn names_of_hosts(plan: &Plan) -> String {
    let hosts: Vec<_> = plan.hosts.keys().collect();
    if hosts.is_empty() { "none".to_owned() } else { names(&hosts) }
}

/// One line a step, in the order of the file, aligned over all phases.
fn step_rows(screen: Screen, facts: &Facts<'_>) -> Vec<String> {
    let phases = facts.plan.phases.iter();
    let steps = phases.flat_map(|phase| &phase.steps).filter_map(|id| facts.plan.step(id));
    let steps: Vec<_> = steps.collect();
    let rows = steps.iter().map(|step| {
        let times = facts.times.steps.get(&step.id);
        let start = times.map_or(String::new(), |times| facts.time(times.planned.start));
        let critical = times.is_some_and(|times| times.critical);
        vec![
            facts.plan.number(&step.id).unwrap_or(0).to_string(),
            if critical { "*".to_owned() } else { " ".to_owned() },
            start,
            step.takes().to_string(),
            class_word(step.class).to_owned(),
            step.id.to_string(),
            step.title.to_string(),
        ]
    });
    let rows = table(&rows.collect::<Vec<_>>(), &[0, 3]);
    let painted = steps.iter().zip(rows).map(|(step, row)| {
        let row = format!("  {}", cut_end(&row, screen.width.saturating_sub(2)));
        match step.class {
            Class::Check => row,
            Class::Change => screen.ink(Ink::Bold, &row),
            Class::Critical => screen.ink(Ink::Red, &row),
        }
    });
    painted.collect()
}

fn details(screen: Screen, facts: &Facts<'_>, step: &StepPlan) -> Vec<String> {
    let mut lines = Vec::new();
    let mut one = |label: &str, text: &[String], ink: Option<Ink>| {
        lines.extend(detail(screen, INDENT, label, text, ink));
    };
    let on = place(&step.work, &step.hosts);
    let prefix = if step.r#become { " with the host's `become`" } else { "" };
    one("on", &[format!("{on}{prefix}")], None);
    let word = step.work.word();
    let ink = matches!(step.work, Work::Run(_) | Work::Local(_)).then_some(Ink::Cyan);
    one(word, &lines_of(&step.work), ink);
    for (word, text) in manner(step) {
        one(word, &[text], None);
    }
    if let Some(dry_run) = &step.dry_run {
        one("dry run", &[format!("{dry_run}, shown where this one is confirmed")], None);
    }
    if let Some(when) = &step.when {
        one("when", std::slice::from_ref(when), None);
    }
    if facts.unusual_needs(step) {
        let needs = if step.needs.is_empty() { "nothing".to_owned() } else { names(&step.needs) };
        one("needs", &[needs], None);
    }
    if let Some(times) = facts.times.steps.get(&step.id).filter(|times| !times.critical) {
        one("slack", &[format!("{} before it moves the end", times.slack)], Some(Ink::Dim));
    }
    if let Some(owner) = &step.owner {
        one("owner", &[owner.to_string()], None);
    }
    if let Some(check) = &step.verify {
        one("verify", &[verify(check)], None);
    }
    if let Some(watch) = &step.soak {
        one("soak", &[soak(watch)], None);
    }
    if let Some(retry) = &step.retry {
        one("retry", &[format!("{} attempts, {} between", retry.attempts, retry.delay)], None);
    }
    if let Some(timeout) = step.timeout {
        let silence = step.silence.map_or(String::new(), |it| format!(", silent for {it}: alarm"));
        one("limit", &[format!("{timeout}{silence}")], Some(Ink::Dim));
    }
    let start = if step.auto { " · starts by itself" } else { "" };
    one(
        "class",
        &[format!("{}: {}{start}", class_word(step.class), step.class_because)],
        Some(Ink::Dim),
    );
    match &step.undo {
        UndoPlan::None if step.class == Class::Check => {}
        UndoPlan::None => one("undo", &["none".to_owned()], Some(Ink::Yellow)),
        UndoPlan::Irreversible(why) => {
            one("undo", &[format!("CANNOT BE UNDONE: {why}")], Some(Ink::Red));
        }
        UndoPlan::Undo(undo) => {
            let mut text = lines_of(&undo.work);
            let on = place(&undo.work, &undo.hosts);
            let same = undo.hosts == step.hosts;
            let on = if same { String::new() } else { format!(" on {on}") };
            let checked = undo.verify.as_ref().map_or("", |_| ", verified");
            text.push(format!("({}{on}{checked})", undo.estimate));
            one("undo", &text, None);
            if let Some(check) = &undo.ready {
                one("it needs", &[ready(check)], None);
            }
        }
    }
    if step.point_of_no_return {
        one("", &["POINT OF NO RETURN".to_owned()], Some(Ink::Red));
    }
    lines
}

/// A word, and what it is; long lines go on below, never cut.
fn detail(
    screen: Screen,
    indent: usize,
    label: &str,
    text: &[String],
    ink: Option<Ink>,
) -> Vec<String> {
    let room = screen.width.saturating_sub(indent + LABEL).max(20);
    let painted = |line: &str| ink.map_or_else(|| line.to_owned(), |ink| screen.ink(ink, line));
    let mut lines = Vec::new();
    let mut label = label.to_owned();
    for line in text.iter().flat_map(|line| wrap(line, room)) {
        let blanks = " ".repeat(LABEL.saturating_sub(cells(&label)));
        let name = screen.ink(Ink::Dim, &label);
        let line = format!("{}{name}{blanks}{}", " ".repeat(indent), painted(&line));
        lines.push(line.trim_end().to_owned());
        label.clear();
    }
    lines
}

/// `line` in pieces of at most `room` cells, broken at blanks where there are any.
fn wrap(line: &str, room: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    for word in line.split_inclusive(' ') {
        if !piece.is_empty() && cells(&piece) + cells(word.trim_end()) > room {
            pieces.push(std::mem::take(&mut piece));
        }
        for c in word.chars() {
            let mut buffer = [0; 4];
            if cells(&piece) + cells(c.encode_utf8(&mut buffer)) > room && c != ' ' {
                pieces.push(std::mem::take(&mut piece));
            }
            piece.push(c);
        }
    }
    pieces.push(piece);
    pieces.into_iter().map(|piece| piece.trim_end().to_owned()).collect()
}

fn schedule(screen: Screen, facts: &Facts<'_>) -> Vec<String> {
    let mut lines = vec![String::new(), screen.ink(Ink::Bold, "Schedule")];
    let mut one = |label: &str, text: String, ink: Option<Ink>| {
        lines.extend(detail(screen, 2, label, &[text], ink));
    };
    let (start, end) = (facts.time(facts.began), facts.time(facts.times.planned_end));
    one("planned", format!("{start} to {end}, {}", facts.takes()), None);
    if let (Some(margin), Some(rag), Some(window)) =
        (facts.margin(), facts.times.rag, &facts.plan.window)
    {
        let ink = match rag {
            crate::plan::Rag::Green => Ink::Green,
            crate::plan::Rag::Amber => Ink::Yellow,
            crate::plan::Rag::Red => Ink::Red,
        };
        let closes = window.zone.time(window.closes);
        let text = format!("{} until the window closes at {closes}: {}", span(margin), rag.word());
        one("margin", text, Some(ink));
    }
    let path: Vec<_> = facts.critical_path().into_iter().map(ToString::to_string).collect();
    one("critical", format!("{} (marked *)", path.join(" → ")), None);
    let missing = facts.not_estimated();
    if !missing.is_empty() {
        let ids: Vec<_> =
            missing.iter().map(|step| format!("{} ({})", step.id, step.estimate)).collect();
        one("guessed", format!("no estimate, taken as: {}", ids.join(", ")), Some(Ink::Yellow));
    }
    lines
}

fn way_back(screen: Screen, facts: &Facts<'_>) -> Vec<String> {
    let title = screen.ink(Ink::Bold, "Way back");
    let mut lines = vec![String::new(), format!("{title}  if rolled back at the very end")];
    let back = facts.way_back();
    let rows: Vec<_> = back
        .iter()
        .enumerate()
        .map(|(index, back)| {
            let on = place(back.work, back.hosts);
            vec![
                (index + 1).to_string(),
                if back.undo { "undo".to_owned() } else { "step".to_owned() },
                back.step.id.to_string(),
                stage_word(back.stage).to_owned(),
                back.takes.to_string(),
                on,
            ]
        })
        .collect();
    for (row, back) in table(&rows, &[0, 4]).into_iter().zip(&back) {
        lines.push(format!("  {row}"));
        let ink = matches!(back.work, Work::Run(_) | Work::Local(_)).then_some(Ink::Cyan);
        lines.extend(detail(screen, INDENT, "", &lines_of(back.work), ink));
        if let Some(check) = back.verify {
            lines.extend(detail(screen, INDENT, "verify", &[verify(check)], None));
        }
    }
    if back.is_empty() {
        lines.push("  nothing to undo".to_owned());
    }
    for (step, why) in facts.irreversible() {
        let text = format!("{} cannot be undone: {why}", step.id);
        lines.extend(detail(screen, 2, "no undo", &[text], Some(Ink::Red)));
    }
    let worst = &facts.times.backout;
    let ends = facts.time(worst.worst_ends);
    let mut text = format!("worst {}, back at {ends}", worst.worst);
    let mut ink = None;
    if let Some(window) = &facts.plan.window {
        let left = crate::plan::signed(worst.worst_ends, window.closes);
        if left < 0 {
            ink = Some(Ink::Red);
            text.extend([format!(": {} AFTER THE WINDOW CLOSES", span(-left))]);
        } else {
            text.extend([format!(", {} before the window closes", span(left))]);
        }
        let latest = window.zone.time(window.closes.before(worst.worst));
        text.extend([format!(" · latest safe rollback at the end {latest}")]);
    }
    lines.extend(detail(screen, 2, "backout", &[text], ink));
    lines
}

/// The stage of a phase as a runbook writes it.
pub(super) const fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::Assess => "assess",
        Stage::Prepare => "prepare",
        Stage::Migrate => "migrate",
        Stage::Deploy => "deploy",
        Stage::Train => "train",
        Stage::Transition => "transition",
        Stage::Monitor => "monitor",
        Stage::Improve => "improve",
    }
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn a_command_is_wrapped_and_never_cut() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("", 4), [""]);
        assert_eq!(wrap("  x", 4), ["  x"]);
    }
}
