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
use super::text::bottom::{self as words, Away, Doing, Next, Waits};
use super::text::{self, Say};
use super::theme::{Role, Theme, alarm_role};

/// One alarm in one row: mark, word, since when, what and what to do.
pub(super) fn alarm_row(alarm: &Alarm, m: &Model<'_>, theme: Theme, width: usize) -> Line<'static> {
    let seen = if alarm.acknowledged.is_some() { words::ACKNOWLEDGED } else { Say::NONE };
    let over = alarm.cleared.map(|at| words::over_since(m.lang, &m.minute(at)));
    let (seen, over) = (seen.to(m.lang), over.unwrap_or_default());
    let head = format!("{} {}", Theme::alarm(alarm.level), text::level(alarm.level).to(m.lang));
    let time = if width >= 100 { m.time(alarm.since) } else { m.minute(alarm.since) };
    let rest = format!(" {time} {}{}{seen}{over}", text::prefix(m.kind(), m.lang), alarm.text);
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
        put(buf, inside, 0, words::NO_ALARM.to(m.lang), theme.style(Role::Dim));
        return;
    }
    for (at, alarm) in open.iter().take(usize::from(area.height)).enumerate() {
        let count = format!("({}/{})", at + 1, open.len());
        let hint = if width >= 60 {
            words::alarm_hint(m.lang, alarm.acknowledged.is_some(), &count)
        } else {
            format!(" {count} ")
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
    let counts = (count(Level::Warning), count(Level::Caution), count(Level::Advisory));
    let prefix = text::prefix(m.kind(), m.lang);
    let title = format!("{prefix}{}", words::alarm_title(m.lang, counts));
    let frame = Frame::thin(&title, words::ALARM_KEYS.to(m.lang));
    let inside = frame.draw(buf, area, theme);
    let width = usize::from(inside.width);
    if open.is_empty() {
        put(buf, inside, 0, words::NO_ALARM.to(m.lang), theme.style(Role::Dim));
    }
    let height = usize::from(inside.height);
    for (at, alarm) in open.iter().take(height).enumerate() {
        put_line(buf, inside, cell_count(at), &alarm_row(alarm, m, theme, width));
    }
    let more = open.len().saturating_sub(height);
    if more > 0 {
        let more = words::more_alarms(m.lang, more);
        let last = inside.height.saturating_sub(1);
        put_right(buf, inside, last, &more, theme.style(Role::Key));
    }
}

/// What a step is for the message row: its name and where it runs.
fn doing(m: &Model<'_>, step: &StepId, part: Part) -> String {
    let Some(plan) = m.plan().step(step) else { return step.to_string() };
    let on_hosts = Model::work(plan, part).is_some_and(Work::is_on_hosts);
    let hosts = on_hosts.then(|| Model::hosts(plan, part).len());
    let track = m.state.track_of(step, part);
    let stops = track.status.is_in_flight() && track.last().is_some_and(|a| a.stopping.is_some());
    let name = (part.is_undo(), step.as_str());
    if let Some(unseen) = unseen(m, name, track) {
        return unseen;
    }
    let what = match track.status {
        Status::Running if stops => Doing::Stops,
        Status::Soaking { .. } => Doing::Soaks,
        Status::Verifying => Doing::Verifies,
        Status::Waiting => Doing::Waits,
        Status::Running if track.retry_at.is_some() => Doing::Retries,
        Status::Running
        | Status::Pending
        | Status::Succeeded
        | Status::Failed
        | Status::TimedOut
        | Status::Unknown
        | Status::Cancelled
        | Status::Skipped
        | Status::DoneByHand
        | Status::FailureAccepted => Doing::Runs,
    };
    words::doing(m.lang, name, what, hosts)
}

/// What is said of a step that runs where nobody sees it.
fn unseen(m: &Model<'_>, name: (bool, &str), track: &Track) -> Option<String> {
    let attempt = track.last().filter(|_| track.status.is_in_flight())?;
    let mut lost: Vec<_> = attempt.out_of_sight().collect();
    lost.sort_by_key(|(_, unseen)| unseen.proved);
    let (place, worst) = lost.first()?;
    let proof = super::header::short_span(m.now.since(worst.proved));
    let place = (&*place.to_string(), lost.len() - 1);
    Some(words::unseen(m.lang, name, place, (&proof, attempt.stopping.is_some())))
}

const fn kind_of(step: &StepPlan) -> Next {
    match step.work {
        Work::Gate(_) => Next::Gate,
        Work::Manual(_) => Next::ByHand,
        Work::Run(_) | Work::Local(_) | Work::Builtin(_) | Work::Soak(_) | Work::Notify { .. } => {
            Next::Step
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
    let Some(step) = next else { return words::LAST_ONE.own(m.lang) };
    let others = m.state.ready().filter(|other| other.id != step.id).count();
    words::next(m.lang, (kind_of(step), step.id.as_str()), m.by_itself(step), others)
}

/// What runs, what is next, who has to decide.
pub(super) fn sentence(m: &Model<'_>) -> String {
    let practice = text::practice(m.kind(), m.lang);
    let said = match m.run() {
        Run::Ready => words::not_begun(m.lang, m.state.count().1),
        Run::Running | Run::Waiting => running(m),
        Run::Hold => hold(m),
        Run::Failed | Run::FailedHold => failed(m),
        Run::GuardOpen => words::GUARD.own(m.lang),
        Run::RollingBack => rolling_back(m),
        Run::RollbackHeld => match m.choice() {
            Some((step, part)) => words::back_waits(m.lang, part.is_undo(), step.as_str()),
            None => words::BACK_ON_HOLD.own(m.lang),
        },
        Run::RolledBack => words::BACK.own(m.lang),
        Run::RolledBackUnverified => words::BACK_UNVERIFIED.own(m.lang),
        Run::Done => words::DONE.own(m.lang),
        Run::Abandoned => words::ABANDONED.own(m.lang),
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
        let what = if gate { Waits::Decide } else { Waits::SignOff };
        return words::waiting(m.lang, &since, what, step.as_str());
    }
    match flying.as_slice() {
        [] => {
            let since = m.waiting_since().map(|at| m.time(at)).unwrap_or_default();
            match m.state.ready().next() {
                Some(step) => {
                    let what = match kind_of(step) {
                        Next::Gate => Waits::Decide,
                        Next::ByHand => Waits::Begin,
                        Next::Step => Waits::Start,
                    };
                    words::waiting(m.lang, &since, what, step.id.as_str())
                }
                None => words::NOTHING_READY.own(m.lang),
            }
        }
        [step] => words::both_sentences(m.lang, &doing(m, step, Part::Action), &next(m)),
        [step, rest @ ..] => {
            let more = words::more_run(m.lang, rest.len());
            let runs = words::both_sentences(m.lang, &doing(m, step, Part::Action), &more);
            words::both_sentences(m.lang, &runs, &next(m))
        }
    }
}

fn hold(m: &Model<'_>) -> String {
    let Some(hold) = m.state.hold() else { return String::new() };
    let since = m.time(hold.since);
    if let Some(away) = away(m) {
        return words::goes_on(m.lang, &away);
    }
    let runs = m.state.in_flight().count();
    words::hold(m.lang, (&since, hold.by.name()), hold.why.as_str(), runs)
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
    let away = Away {
        span: &super::header::short_span(away),
        ended: new.len() - unknown,
        unknown,
        running: m.state.in_flight().count(),
        unseen: m.state.in_flight().map(|a| a.out_of_sight().count()).sum(),
    };
    Some(words::away(m.lang, away))
}

fn failed(m: &Model<'_>) -> String {
    let Some((step, part)) = m.choice() else { return String::new() };
    let track = m.state.track_of(&step, part);
    let since = track.settled.map(|at| m.time(at)).unwrap_or_default();
    let more = m.state.undecided().count().saturating_sub(1);
    let what = if track.status == Status::Unknown {
        words::MAY_HAVE_RUN.to(m.lang)
    } else {
        text::ends::status(track.status).to(m.lang)
    };
    words::failed(m.lang, (step.as_str(), what), &since, more)
}

fn rolling_back(m: &Model<'_>) -> String {
    let Some((step, part)) = m.focus() else { return words::ROLLING_BACK.own(m.lang) };
    let doing = doing(m, &step, part);
    let wants = m.in_hand().is_some_and(|(id, p)| id == step && p == part);
    if wants {
        return words::back_by_hand(m.lang, step.as_str());
    }
    let failed = m.state.rollback().map_or(0, |rollback| {
        let bad =
            |i: &&crate::engine::Item| m.state.track_of(&i.step, i.part).status.wants_choice();
        rollback.items.iter().filter(bad).count()
    });
    words::rolling_back(m.lang, &doing, failed)
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
    actions: &[(Action, Say)],
    (m, theme, hidden): (&Model<'_>, Theme, &[Action]),
) {
    let key = |action: Action, label: Say| {
        let binding = binding(spot, action)?;
        let press = if matches!(spot, Spot::Text | Spot::Line | Spot::Guard) {
            binding.presses.iter().find(|press| !press.is_char()).or(binding.presses.first())
        } else {
            binding.presses.first()
        };
        let label = if label.is_empty() { binding.words.short } else { label }.to(m.lang);
        let name = if action == Action::View { "1-7".to_owned() } else { press?.name() };
        Some((name, label.to_owned()))
    };
    let pinned = match spot {
        Spot::Text => [Action::Save, Action::Hold, Action::Guard],
        Spot::List
        | Spot::Line
        | Spot::Log
        | Spot::Timeline
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
        if *action == Action::Guard && width < 60 { words::BAR_ROLLBACK } else { Say::NONE }
    };
    let pinned = pinned.iter().filter(|action| !hidden.contains(action));
    let mut always: Vec<_> = pinned.filter_map(|action| key(*action, short(action))).collect();
    let mut left = width.saturating_sub(1 + always.iter().map(size).sum::<usize>());
    let mut shown = Vec::new();
    for (action, label) in actions {
        if let Some(entry) = key(*action, *label) {
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
