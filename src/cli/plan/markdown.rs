//! The plan for tickets and wikis.

use crate::base::SafeText;
use crate::cli::args::strategy_name;
use crate::plan::{StepPlan, UndoPlan, Work};

use super::facts::{
    Facts, class_word, lines_of, manner, names, objectives, place, proofs, ready, soak, span,
    stage_word, verify,
};

/// The whole plan.
pub(super) fn markdown(facts: &Facts<'_>) -> String {
    let plan = facts.plan;
    let mut lines = vec![format!("# {}", plain(plan.title.as_str())), String::new()];
    let text =
        |text: &Option<SafeText>| text.as_ref().map_or(String::new(), |it| cell(it.as_str()));
    let mut known = vec![
        ("Runbook", format!("`{}`, {}", plan.id, strategy_name(plan.strategy))),
        ("Owner", text(&plan.owner)),
        ("Change", text(&plan.change)),
        ("Environment", text(&plan.environment)),
        ("Window", cell(&facts.window().unwrap_or_default())),
        ("Hosts", cell(&names(&plan.hosts.keys().collect::<Vec<_>>()))),
        ("Digest", format!("`{}`", plan.digest)),
    ];
    known.extend(objectives(facts).iter().map(|(name, said)| (*name, cell(said))));
    known.extend(proofs(plan).iter().map(|proof| ("Proof", cell(proof))));
    known.retain(|(_, text)| !text.is_empty());
    lines.push("| | |\n|---|---|".to_owned());
    lines.extend(known.iter().map(|(name, text)| format!("| {name} | {text} |")));
    if !plan.summary.trim().is_empty() {
        lines.push(format!("\n{}", plan.summary.trim()));
    }
    lines.extend(schedule(facts));
    for phase in &plan.phases {
        lines.push(format!("\n## {}\n", plain(phase.title.as_str())));
        for step in phase.steps.iter().filter_map(|id| plan.step(id)) {
            lines.extend(step_lines(facts, step));
        }
    }
    lines.extend(way_back(facts));
    lines.push(String::new());
    lines.join("\n")
}

fn schedule(facts: &Facts<'_>) -> Vec<String> {
    let mut lines = vec!["\n## Schedule\n".to_owned()];
    lines.push("| # | Start | Takes | Slack | Class | Step | Where | What |".to_owned());
    lines.push("|--:|---|--:|--:|---|---|---|---|".to_owned());
    for step in facts.plan.order.iter().filter_map(|id| facts.plan.step(id)) {
        let times = facts.times.steps.get(&step.id);
        let start = times.map_or(String::new(), |times| facts.time(times.planned.start));
        let star = if times.is_some_and(|times| times.critical) { " \\*" } else { "" };
        let slack = times.filter(|times| !times.critical);
        let slack = slack.map_or_else(String::new, |times| times.slack.to_string());
        lines.push(format!(
            "| {}{star} | {start} | {} | {slack} | {} | `{}` | {} | {} |",
            facts.plan.number(&step.id).unwrap_or(0),
            step.takes(),
            class_word(step.class),
            step.id,
            cell(&place(&step.work, &step.hosts)),
            cell(step.title.as_str()),
        ));
    }
    let end = facts.time(facts.times.planned_end);
    let mut text = format!("\nPlanned end {end} after {}", facts.takes());
    if let (Some(margin), Some(rag)) = (facts.margin(), facts.times.rag) {
        text.extend([format!(", margin {} ({})", span(margin), rag.word())]);
    }
    let path: Vec<_> = facts.critical_path().iter().map(|id| format!("`{id}`")).collect();
    lines.push(format!("{text}. Critical path (\\*): {}.", path.join(" → ")));
    lines
}

fn step_lines(facts: &Facts<'_>, step: &StepPlan) -> Vec<String> {
    let number = facts.plan.number(&step.id).unwrap_or(0);
    let mut lines = vec![format!("### {number}. {} (`{}`)\n", plain(step.title.as_str()), step.id)];
    lines.push(format!(
        "- **{}** on {}, {}, class {}: {}",
        step.work.word(),
        place(&step.work, &step.hosts),
        step.takes(),
        class_word(step.class),
        step.class_because,
    ));
    let mut one = |name: &str, text: Option<String>| {
        lines.extend(text.map(|text| format!("- {name}: {text}")));
    };
    one("needs", facts.unusual_needs(step).then(|| names(&step.needs)));
    for (word, text) in manner(step) {
        one(word, Some(text));
    }
    one("when", step.when.as_ref().map(|when| format!("`{when}`")));
    one("owner", step.owner.as_ref().map(ToString::to_string));
    one("verify", step.verify.as_ref().map(verify));
    one("soak", step.soak.as_ref().map(soak));
    one("limit", step.timeout.map(|timeout| timeout.to_string()));
    let ponr = step.point_of_no_return.then(|| "from here on".to_owned());
    one("**POINT OF NO RETURN**", ponr);
    lines.extend(code(&step.work));
    match &step.undo {
        UndoPlan::None => {}
        UndoPlan::Irreversible(why) => lines.push(format!("**Cannot be undone:** {why}\n")),
        UndoPlan::Undo(undo) => {
            lines.push(format!("Undo on {}, {}:", place(&undo.work, &undo.hosts), undo.estimate));
            lines.extend(code(&undo.work));
            if let Some(check) = &undo.ready {
                lines.push(format!("It needs: {}\n", cell(&ready(check))));
            }
        }
    }
    if let Some(notes) = &step.notes {
        lines.push(format!("{}\n", notes.trim()));
    }
    lines
}

/// A block that no backtick inside can end.
fn code(work: &Work) -> Vec<String> {
    let text = lines_of(work);
    let longest = text.iter().flat_map(|line| line.split(|c| c != '`')).map(str::len).max();
    let fence = "`".repeat(longest.unwrap_or(0).max(2) + 1);
    let language = if matches!(work, Work::Run(_) | Work::Local(_)) { "sh" } else { "text" };
    let mut lines = vec![String::new(), format!("{fence}{language}")];
    lines.extend(text);
    lines.push(format!("{fence}\n"));
    lines
}

fn way_back(facts: &Facts<'_>) -> Vec<String> {
    let mut lines = vec!["\n## Way back, if rolled back at the very end\n".to_owned()];
    lines.push("| # | What | Stage | Takes | Where | Command |".to_owned());
    lines.push("|--:|---|---|--:|---|---|".to_owned());
    for (index, back) in facts.way_back().iter().enumerate() {
        let what = if back.undo { "undo " } else { "" };
        lines.push(format!(
            "| {} | {what}`{}` | {} | {} | {} | {} |",
            index + 1,
            back.step.id,
            stage_word(back.stage),
            back.takes,
            cell(&place(back.work, back.hosts)),
            cell(&lines_of(back.work).join(" ⏎ ")),
        ));
    }
    for (step, why) in facts.irreversible() {
        lines.push(format!("\n`{}` **cannot be undone:** {why}", step.id));
    }
    let backout = &facts.times.backout;
    let ends = facts.time(backout.worst_ends);
    lines.push(format!("\nBackout worst {}, back at {ends}.", backout.worst));
    lines
}

/// Text as a cell of a table.
fn cell(text: &str) -> String {
    plain(text).replace('|', "\\|")
}

/// Text that Markdown does not take for markup.
fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' => {
                safe.push('\\');
                safe.push(c);
            }
            '\n' | '\r' => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}
