//! The rows below the panes: alarms, what happens and what comes next, and the keys.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::base::{StepId, cells, cut_end};
use crate::engine::{Alarm, Level, Part, Status, Track, Verdict};
use crate::plan::{StepPlan, Work};

use super::canvas::{Frame, cell_count, put, put_line, put_right};
use super::keymap::{Action, Spot, binding};
use super::model::{Model, Run};
use super::text;
use super::theme::{Role, Theme, alarm_role};

/// The word of a level.
pub(super) const fn level_word(level: Level) -> &'static str {
    match level {
        Level::Warning => "WARNING",
        Level::Caution => "CAUTION",
        Level::Advisory => "ADVISORY",
    }
}

/// One alarm in one row: mark, word, since when, what and what to do.
pub(super) fn alarm_row(alarm: &Alarm, m: &Model<'_>, theme: Theme, width: usize) -> Line<'static> {
    let seen = if alarm.acknowledged.is_some() { " (acknowledged)" } else { "" };
    let over = alarm.cleared.map(|at| format!(" (over {})", m.minute(at))).unwrap_or_default();
    let head = format!("{} {}", Theme::alarm(alarm.level), level_word(alarm.level));
    let time = if width >= 100 { m.time(alarm.since) } else { m.minute(alarm.since) };
    let rest = format!(" {time} {}{}{seen}{over}", text::prefix(m.kind()), alarm.text);
    let room = width.saturating_sub(cells(&head));
    Line::from(vec![
        Span::styled(head, theme.style(alarm_role(alarm.level))),
        Span::styled(cut_end(&rest, room), theme.style(Role::Text)),
    ])
}

/// The worst alarms in plain rows; the last cells say how many there are and which keys help.
pub(super) fn alarms(buf: &mut Buffer, area: Rect, m: &Model<'_>, theme: Theme) {
    let open = m.state.open_alarms();
    let inside = Rect { x: area.x + 1, width: area.width.saturating_sub(1), ..area };
    let width = usize::from(inside.width);
    if open.is_empty() {
        put(buf, inside, 0, "No alarm is open.", theme.style(Role::Dim));
        return;
    }
    for (at, alarm) in open.iter().take(usize::from(area.height)).enumerate() {
        let count = format!("({}/{})", at + 1, open.len());
        let hint = match alarm.acknowledged {
            None if width >= 60 => format!("  c ack {count} "),
            Some(_) if width >= 60 => format!("  C recall {count} "),
            None | Some(_) => format!(" {count} "),
        };
        let room = width.saturating_sub(cells(&hint));
        put_line(buf, inside, cell_count(at), &alarm_row(alarm, m, theme, room));
        put_right(buf, inside, cell_count(at), &hint, theme.style(Role::Key));
    }
}

/// The alarms in a frame.
pub(super) fn alarm_pane(buf: &mut Buffer, area: Rect, m: &Model<'_>, theme: Theme) {
    let open = m.state.open_alarms();
    let count = |level| open.iter().filter(|alarm| alarm.level == level).count();
    let title = format!(
        "{}Alarms  WARNING {}  CAUTION {}  ADVISORY {}",
        text::prefix(m.kind()),
        count(Level::Warning),
        count(Level::Caution),
        count(Level::Advisory),
    );
    let frame = Frame::thin(&title, "c acknowledge  C recall  M mute");
    let inside = frame.draw(buf, area, theme);
    let width = usize::from(inside.width);
    if open.is_empty() {
        put(buf, inside, 0, "No alarm is open.", theme.style(Role::Dim));
    }
    let height = usize::from(inside.height);
    for (at, alarm) in open.iter().take(height).enumerate() {
        put_line(buf, inside, cell_count(at), &alarm_row(alarm, m, theme, width));
    }
    let more = open.len().saturating_sub(height);
    if more > 0 {
        let more = format!(" {more} more: C ");
        let last = inside.height.saturating_sub(1);
        put_right(buf, inside, last, &more, theme.style(Role::Key));
    }
}

/// What a step is for the message row: its name and where it runs.
fn doing(m: &Model<'_>, step: &StepId, part: Part) -> String {
    let undo = if part.is_undo() { "The undo of " } else { "" };
    let Some(plan) = m.plan().step(step) else { return step.to_string() };
    let hosts = match Model::work(plan, part) {
        Some(work) if work.is_on_hosts() => {
            format!(" on {}", text::hosts(Model::hosts(plan, part).len()))
        }
        Some(_) | None => String::new(),
    };
    let track = m.state.track_of(step, part);
    let stops = track.status.is_in_flight() && track.last().is_some_and(|a| a.stopping.is_some());
    if let Some(unseen) = unseen(m, track) {
        return format!("{undo}{step} {unseen}.");
    }
    let what = match track.status {
        Status::Running if stops => "was asked to stop: TERM first, KILL after it,",
        Status::Soaking { .. } => "watches its probes",
        Status::Verifying => "is being verified",
        Status::Waiting => "is in a person's hands",
        Status::Running if track.retry_at.is_some() => "failed and tries again by itself",
        Status::Running
        | Status::Pending
        | Status::Succeeded
        | Status::Failed
        | Status::TimedOut
        | Status::Unknown
        | Status::Cancelled
        | Status::Skipped
        | Status::DoneByHand
        | Status::FailureAccepted => "is running",
    };
    format!("{undo}{step} {what}{hosts}.")
}

/// What is said of a step that runs where nobody sees it.
fn unseen(m: &Model<'_>, track: &Track) -> Option<String> {
    let attempt = track.last().filter(|_| track.status.is_in_flight())?;
    let mut lost: Vec<_> = attempt.out_of_sight().collect();
    lost.sort_by_key(|(_, unseen)| unseen.proved);
    let (place, worst) = lost.first()?;
    let proof = m.now.since(worst.proved);
    let more = match lost.len() {
        1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    let stops = if attempt.stopping.is_some() { "; it is stopped once seen" } else { "" };
    Some(format!(
        "runs on, UNSEEN on {place}{more}: last proof {} ago, reconnecting{stops}",
        super::header::short_span(proof)
    ))
}

fn kind_of(step: &StepPlan) -> &'static str {
    match step.work {
        Work::Gate(_) => "Next decision: gate",
        Work::Manual(_) => "Next, by hand:",
        Work::Run(_) | Work::Local(_) | Work::Builtin(_) | Work::Soak(_) | Work::Notify { .. } => {
            "Next:"
        }
    }
}

/// What comes next and who starts it.
fn next(m: &Model<'_>) -> String {
    let ready = m.state.ready().next();
    let next = ready.or_else(|| {
        let pending = |id: &&StepId| m.state.track(id).status == Status::Pending;
        m.plan().order.iter().find(pending).and_then(|id| m.plan().step(id))
    });
    let Some(step) = next else { return "It is the last one.".to_owned() };
    let who = if m.by_itself(step) { "starts by itself" } else { "starts when you confirm it" };
    let others = m.state.ready().filter(|other| other.id != step.id).count();
    let others = if others > 0 { format!(" {others} more could start.") } else { String::new() };
    format!("{} {}, {who}.{others}", kind_of(step), step.id)
}

/// What runs, what is next, who has to decide.
pub(super) fn sentence(m: &Model<'_>) -> String {
    let practice = text::practice(m.kind());
    let said = match m.run() {
        Run::Ready => {
            let (_, all) = m.state.count();
            format!(
                "Nothing has begun: {} planned. Enter opens the start of the run.",
                text::count(all, "step is", "steps are")
            )
        }
        Run::Running | Run::Waiting => running(m),
        Run::Hold => hold(m),
        Run::Failed | Run::FailedHold => failed(m),
        Run::GuardOpen => {
            "Opening the guard sent nothing. Forward steps are held while it is open.".to_owned()
        }
        Run::RollingBack => rolling_back(m),
        Run::RollbackHeld => match m.choice() {
            Some((step, part)) => {
                let undo = if part.is_undo() { "the undo of " } else { "" };
                format!("The rollback waits for you: {undo}{step} did not succeed. Enter: choose.")
            }
            None => "The rollback is on HOLD: nothing new starts. H goes on.".to_owned(),
        },
        Run::RolledBack => "Back on the old system, verified. q closes the session.".to_owned(),
        Run::RolledBackUnverified => {
            "Rolled back, but NO step has verified the old system. Look at it. q closes.".to_owned()
        }
        Run::Done => "Every step is over. q closes the session.".to_owned(),
        Run::Abandoned => "The run was given up. q closes the session.".to_owned(),
    };
    format!("{practice}{said}")
}

fn running(m: &Model<'_>) -> String {
    let flying: Vec<_> =
        m.plan().order.iter().filter(|id| m.state.track(id).status.is_in_flight()).collect();
    let waits = |id: &&&StepId| m.state.track(id).status == Status::Waiting;
    if let Some(step) = flying.iter().find(waits) {
        let since = m.state.track(step).started.map(|at| m.time(at)).unwrap_or_default();
        let gate = m.plan().step(step).is_some_and(|s| matches!(s.work, Work::Gate(_)));
        let what = if gate { "decide" } else { "sign off" };
        return format!("WAITING FOR YOU since {since}: {what} {step}. Enter opens it.");
    }
    match flying.as_slice() {
        [] => {
            let since = m.waiting_since().map(|at| m.time(at)).unwrap_or_default();
            match m.state.ready().next() {
                Some(step) => {
                    let verb = match step.work {
                        Work::Gate(_) => "decide",
                        Work::Manual(_) => "begin",
                        Work::Run(_)
                        | Work::Local(_)
                        | Work::Builtin(_)
                        | Work::Soak(_)
                        | Work::Notify { .. } => "start",
                    };
                    format!("WAITING FOR YOU since {since}: {verb} {}. Enter opens it.", step.id)
                }
                None => "Nothing is ready to start.".to_owned(),
            }
        }
        [step] => format!("{} {}", doing(m, step, Part::Action), next(m)),
        [step, rest @ ..] => {
            format!("{} {} more run. {}", doing(m, step, Part::Action), rest.len(), next(m))
        }
    }
}

fn hold(m: &Model<'_>) -> String {
    let Some(hold) = m.state.hold() else { return String::new() };
    let since = m.time(hold.since);
    if let Some(away) = away(m) {
        return format!("{away} H goes on.");
    }
    let runs = m.state.in_flight().count();
    let runs = if runs > 0 { format!(" {runs} still running to its end.") } else { String::new() };
    format!("HOLD since {since} by {}: {}.{runs} H goes on.", hold.by.name(), hold.why)
}

/// What happened while nobody watched, as long as nothing else has been done since.
fn away(m: &Model<'_>) -> Option<String> {
    let (back, away) = m.state.last_away()?;
    m.state.hold().filter(|hold| hold.since == back)?;
    let tracks = m
        .plan()
        .order
        .iter()
        .flat_map(|id| [Part::Action, Part::Undo].map(|part| m.state.track_of(id, part)));
    let ends = tracks.flat_map(|track| &track.attempts).flat_map(|a| a.places.values().flatten());
    let new: Vec<_> = ends.filter(|end| end.at >= back).collect();
    let unknown = new.iter().filter(|end| end.end.verdict() == Verdict::Unknown).count();
    let runs = m.state.in_flight().count();
    let unseen: usize = m.state.in_flight().map(|a| a.out_of_sight().count()).sum();
    let mut said = vec![format!("Nobody watched for {}", super::header::short_span(away))];
    if new.len() > unknown {
        said.push(format!("{} ended meanwhile", new.len() - unknown));
    }
    if unknown > 0 {
        said.push(format!("{unknown} UNKNOWN"));
    }
    match (runs, unseen) {
        (0, _) => {}
        (runs, 0) => said.push(format!("{runs} still running")),
        (_, unseen) => said.push(format!("asking hosts about {unseen}")),
    }
    Some(format!("{}. Look first.", said.join(", ")))
}

fn failed(m: &Model<'_>) -> String {
    let Some((step, part)) = m.choice() else { return String::new() };
    let track = m.state.track_of(&step, part);
    let since = track.settled.map(|at| m.time(at)).unwrap_or_default();
    let more = m.state.undecided().count().saturating_sub(1);
    let more = if more > 0 { format!(" {more} more want a choice.") } else { String::new() };
    let what = if track.status == Status::Unknown {
        "may have run".to_owned()
    } else {
        track.status.word().replace('_', " ")
    };
    format!("{step} {what} at {since}. Nothing starts until you choose: Enter.{more}")
}

fn rolling_back(m: &Model<'_>) -> String {
    let Some((step, part)) = m.focus() else { return "Rolling back.".to_owned() };
    let doing = doing(m, &step, part);
    let wants = m.in_hand().is_some_and(|(id, p)| id == step && p == part);
    if wants {
        return format!("Rolling back. WAITING FOR YOU: {step} by hand. Enter opens it.");
    }
    let failed = m.state.rollback().map_or(0, |rollback| {
        let bad =
            |i: &&crate::engine::Item| m.state.track_of(&i.step, i.part).status.wants_choice();
        rollback.items.iter().filter(bad).count()
    });
    let failed =
        if failed > 0 { format!(" {failed} did not succeed so far.") } else { String::new() };
    format!("Rolling back. {doing}{failed} H holds between the items.")
}

/// The message row.
pub(super) fn message(buf: &mut Buffer, area: Rect, said: &str, theme: Theme, role: Role) {
    let inside = Rect { x: area.x + 1, width: area.width.saturating_sub(1), ..area };
    put(buf, inside, 0, said, theme.style(role));
}

/// The keys that work now: the pinned ones always, then as many as fit.
pub(super) fn key_bar(
    buf: &mut Buffer,
    area: Rect,
    spot: Spot,
    actions: &[(Action, &str)],
    (theme, hidden): (Theme, &[Action]),
) {
    let key = |action: Action, label: &str| {
        let binding = binding(spot, action)?;
        let press = if spot == Spot::Text || spot == Spot::Guard {
            binding.presses.iter().find(|press| !press.is_char()).or(binding.presses.first())
        } else {
            binding.presses.first()
        };
        let label = if label.is_empty() { binding.short } else { label };
        let name = if action == Action::View { "1-7".to_owned() } else { press?.name() };
        Some((name, label.to_owned()))
    };
    let pinned = match spot {
        Spot::Text => [Action::Save, Action::Hold, Action::Guard],
        Spot::List
        | Spot::Log
        | Spot::Confirm
        | Spot::Failure
        | Spot::Gate
        | Spot::Manual
        | Spot::Guard
        | Spot::Leave
        | Spot::Pick
        | Spot::Edit
        | Spot::Sheet => [Action::Hold, Action::Guard, Action::Help],
    };
    let width = usize::from(area.width);
    let size = |(key, label): &(String, String)| cells(key) + cells(label) + 3;
    let short = |action: &Action| {
        if *action == Action::Guard && width < 60 { "ROLLBACK" } else { "" }
    };
    let pinned = pinned.iter().filter(|action| !hidden.contains(action));
    let mut always: Vec<_> = pinned.filter_map(|action| key(*action, short(action))).collect();
    let mut left = width.saturating_sub(1 + always.iter().map(size).sum::<usize>());
    let mut shown = Vec::new();
    for (action, label) in actions {
        if let Some(entry) = key(*action, label) {
            if size(&entry) > left {
                continue;
            }
            left -= size(&entry);
            shown.push(entry);
        }
    }
    let help = if spot == Spot::Text { None } else { always.pop() };
    let first = if spot == Spot::Text { 0 } else { shown.len().min(1) };
    let tail = shown.split_off(first);
    let entries = shown.into_iter().chain(always).chain(tail).chain(help);
    let mut spans = vec![Span::raw(" ")];
    for (key, label) in entries {
        spans.push(Span::styled(key, theme.style(Role::Key)));
        spans.push(Span::styled(format!(" {label}  "), theme.style(Role::Text)));
    }
    put_line(buf, area, 0, &Line::from(spans));
}
