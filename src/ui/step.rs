//! One step in full: what it sends, where, when it counts as done, how it is undone, how it went.

use std::convert::Infallible;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use crate::base::{HostId, Millis, SafeText, StepId, cells};
use crate::engine::{Attempt, End, Job, Part, PlaceEnd, Status, Track, Verdict};
use crate::plan::{CheckPlan, StepPlan, Text, UndoPlan, VerifyPlan, Work};
use crate::runbook::{Breach, Class, Expect, Soak};

use super::audit::end_words;
use super::canvas::{Frame, LABEL, cell_count, labelled, labelled_rows, put_line, wrap_command};
use super::header::{delta, short_span};
use super::model::{Model, class_word, command};
use super::reconciled::found;
use super::theme::{Role, Theme};

/// How long a step, or its undo, should take.
pub(super) fn estimate(step: &StepPlan, part: Part) -> Millis {
    match &step.undo {
        UndoPlan::Undo(undo) if part.is_undo() => undo.estimate,
        UndoPlan::None | UndoPlan::Undo(_) | UndoPlan::Irreversible(_) => step.works(),
    }
}

/// Rows about a step, made one after the other.
pub(super) struct Rows<'a, 'm> {
    pub(super) m: &'a Model<'m>,
    pub(super) theme: Theme,
    pub(super) width: usize,
    pub(super) lines: Vec<Line<'static>>,
}

impl<'a, 'm> Rows<'a, 'm> {
    pub(super) const fn new(m: &'a Model<'m>, theme: Theme, width: usize) -> Self {
        Self { m, theme, width, lines: Vec::new() }
    }

    fn styles(&self, role: Role) -> (Style, Style) {
        (self.theme.style(Role::Dim), self.theme.style(role))
    }

    /// `label`, then text beside it.
    pub(super) fn say(&mut self, label: &str, text: &str) {
        self.say_as(label, text, Role::Text);
    }

    /// `label`, then text of this role beside it.
    pub(super) fn say_as(&mut self, label: &str, text: &str, role: Role) {
        if !text.is_empty() {
            self.lines.extend(labelled(label, text, self.width, self.styles(role)));
        }
    }

    /// A row of its own.
    pub(super) fn row(&mut self, text: &str, role: Role) {
        let rows = super::canvas::wrap_all(text, self.width);
        let style = self.theme.style(role);
        self.lines.extend(rows.into_iter().map(|row| Line::styled(row, style)));
    }

    /// An empty row.
    pub(super) fn blank(&mut self) {
        self.lines.push(Line::default());
    }

    /// A command, whole, with a prompt.
    pub(super) fn command(&mut self, prompt: &str, text: &str) {
        let room = self.width.saturating_sub(cells(prompt) + 3);
        let style = self.theme.style(Role::Title);
        for (at, row) in wrap_command(text, room).into_iter().enumerate() {
            let head = if at == 0 { prompt.to_owned() } else { " ".repeat(cells(prompt)) };
            self.lines.push(Line::styled(format!("  {head} {row}"), style));
        }
    }

    /// A command beside a label.
    fn labelled_command(&mut self, label: &str, text: &str) {
        let rows = wrap_command(text, self.width.saturating_sub(LABEL));
        self.lines.extend(labelled_rows(label, &rows, self.styles(Role::Title)));
    }
}

/// The last percentage in a text, up to 100.
fn percent(text: &str) -> Option<usize> {
    let before = text.rsplit_once('%')?.0.trim_end();
    let digits = before.rsplit(|c: char| !c.is_ascii_digit() && c != '.').next()?;
    let whole = digits.split('.').next()?;
    whole.parse().ok().filter(|percent| *percent <= 100)
}

/// Host names in one text.
pub(super) fn names(hosts: &[HostId]) -> String {
    hosts.iter().map(HostId::as_str).collect::<Vec<_>>().join(" ")
}

/// What has to hold for a step to count as done.
fn pass(expect: &Expect) -> String {
    let exits: Vec<String> = expect.exit.iter().map(ToString::to_string).collect();
    let mut all = vec![format!("exit {}", exits.join(" or "))];
    let warns: Vec<String> = expect.warn.iter().map(ToString::to_string).collect();
    if !warns.is_empty() {
        all.push(format!("exit {} with a warning", warns.join(" or ")));
    }
    all.extend(expect.stdout.iter().map(|out| format!("output matches /{out}/")));
    all.extend(expect.stderr.iter().map(|err| format!("error output matches /{err}/")));
    all.join(", ")
}

fn verify(m: &Model<'_>, verify: &VerifyPlan) -> String {
    let VerifyPlan { check, every, within } = verify;
    let what = match check {
        CheckPlan::Run(text) => m.state.filled(text),
        CheckPlan::Probe(probe) => format!("probe {probe} is healthy"),
        CheckPlan::Http(http) => http.filled(&mut |text| m.state.filled(text)).words(),
    };
    format!("{what} (every {every}, within {within})")
}

fn soak(m: &Model<'_>, soak: &Soak<Text>) -> String {
    let probes: Vec<&str> = soak.probes.iter().map(crate::base::ProbeId::as_str).collect();
    let breach = match soak.breach {
        Breach::Hold => "a breach holds",
        Breach::Rollback => "a breach proposes to roll back",
        Breach::Fail => "a breach fails the step",
    };
    let healthy = if probes.is_empty() { "" } else { " healthy" };
    let healthy = format!("{}{healthy} for {}", probes.join(" "), soak.r#for);
    let compared = soak.parallel.as_ref().map(|it| {
        let reconcile = it.reconcile.try_map(&mut |text| Ok::<_, Infallible>(m.state.filled(text)));
        let Ok(reconcile) = reconcile;
        format!("; every {} {}", it.every, reconcile.brief())
    });
    format!("{}{}; {breach}", healthy.trim_start(), compared.unwrap_or_default())
}

impl Rows<'_, '_> {
    /// What the step does, as a command or in words.
    pub(super) fn work(&mut self, step: &StepPlan, part: Part) {
        let Some(work) = Model::work(step, part) else { return };
        match work {
            Work::Run(text) | Work::Local(text) => {
                self.labelled_command("Run", &self.m.state.filled(text));
                self.edited(&step.id, part);
            }
            Work::Builtin(builtin) => {
                for (label, fact) in self.m.state.filled_in(builtin).facts() {
                    self.say_as(label, SafeText::new(&fact).as_str(), Role::Title);
                }
            }
            Work::Notify { channels, text } => {
                let to: Vec<&str> = channels.iter().map(crate::base::ChannelId::as_str).collect();
                self.say("Tell", &to.join(" "));
                self.say_as("Text", &self.m.state.filled(text), Role::Title);
            }
            Work::Manual(manual) => self.say_as("By hand", &manual.text, Role::Title),
            Work::Gate(gate) => {
                let probes: Vec<&str> =
                    gate.healthy.iter().map(crate::base::ProbeId::as_str).collect();
                if !probes.is_empty() {
                    self.say("GO needs", &format!("healthy: {}", probes.join(" ")));
                }
                if let Some(margin) = gate.margin {
                    self.say("GO needs", &format!("{margin} of the window left at the end"));
                }
            }
            Work::Soak(plan) => self.say("Watch", &soak(self.m, plan)),
        }
        let list = match work {
            Work::Manual(manual) => &manual.checklist,
            Work::Gate(gate) => &gate.checklist,
            Work::Run(_)
            | Work::Local(_)
            | Work::Builtin(_)
            | Work::Soak(_)
            | Work::Notify { .. } => return,
        };
        for (at, item) in list.iter().enumerate() {
            self.say(if at == 0 { "Items" } else { "" }, item.as_str());
        }
    }

    /// Where it runs.
    pub(super) fn hosts(&mut self, step: &StepPlan, part: Part) {
        let hosts = Model::hosts(step, part);
        let down = self.m.state.links_down();
        match Model::work(step, part) {
            Some(work) if work.is_on_hosts() => {
                let rise = if step.r#become { "   (with become)" } else { "" };
                let n = super::text::hosts(hosts.len());
                self.say("Hosts", &format!("{n}: {}{rise}", names(hosts)));
                if let Some(batch) = step.batch.as_ref().filter(|_| !part.is_undo()) {
                    self.say("Waves", &batch.words());
                }
            }
            Some(work) if !work.read_hosts().is_empty() => {} // Each side says where.
            Some(Work::Local(_) | Work::Builtin(_) | Work::Notify { .. }) => {
                self.say("Where", "this machine");
            }
            Some(Work::Run(_) | Work::Manual(_) | Work::Gate(_) | Work::Soak(_)) | None => {}
        }
        if matches!(Model::work(step, part), Some(Work::Run(_) | Work::Local(_))) {
            let dir = step.dir.as_ref().map(|dir| self.m.state.filled(dir));
            self.say("Folder", &dir.unwrap_or_default());
            self.say("Shell", step.shell.as_deref().unwrap_or_default());
        }
        for host in hosts {
            if let Some(why) = down.get(host) {
                self.say_as("", &format!("NOT REACHABLE: {why}"), Role::Caution);
            }
        }
    }

    /// How the step is undone.
    pub(super) fn undo(&mut self, step: &StepPlan) {
        match &step.undo {
            UndoPlan::None if step.class == Class::Check => self.say("Undo", "none needed"),
            UndoPlan::None => self.say_as("Undo", "NONE WRITTEN", Role::Caution),
            UndoPlan::Irreversible(why) => {
                self.say_as("Undo", &format!("CANNOT BE UNDONE: {why}"), Role::Caution);
            }
            UndoPlan::Undo(undo) => {
                let text = command(self.m, &undo.work).unwrap_or_else(|| "by hand".to_owned());
                let text = SafeText::new(text.trim_end());
                let takes = short_span(undo.estimate);
                self.say("Undo", &format!("{text}   (about {takes})"));
                if let Some(ready) = &undo.ready {
                    let every = short_span(ready.every);
                    let text = SafeText::new(&self.m.state.filled(&ready.run));
                    self.say("", &format!("it needs: {}   (asked every {every})", text.as_str()));
                }
            }
        }
    }

    /// What the way back costs at this moment.
    pub(super) fn way_back(&mut self) {
        let takes = self.m.forecast.backout.takes;
        let by = self.m.forecast.backout.latest_safe.map(|safe| self.m.minute(safe));
        let by = by.map(|by| format!(", possible until {by}")).unwrap_or_default();
        let (not, role) = self.m.not_ready().unwrap_or((String::new(), Role::Text));
        self.say_as("Back", &format!("rolling back now takes about {takes}{by}{not}"), role);
    }

    /// Planned and actual times.
    pub(super) fn times(&mut self, step: &StepPlan, part: Part) {
        let track = self.m.state.track_of(&step.id, part);
        let takes = estimate(step, part);
        let mut texts = vec![self.planned(step, part)];
        if !step.estimated && !part.is_undo() {
            texts.push("not estimated by the author".to_owned());
        }
        if let Some(start) = track.started {
            let end = track.settled.filter(|_| !track.status.is_in_flight());
            let spent = end.unwrap_or(self.m.now).since(start);
            let millis = |span: Millis| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
            let over = delta(millis(spent).saturating_sub(millis(takes)));
            let word = if end.is_some() { "took" } else { "now" };
            let spent = Millis::from_secs(spent.as_secs());
            texts.push(format!("started {}  {word} {spent} {over}", self.m.time(start)));
        }
        let limit = match &step.undo {
            UndoPlan::Undo(undo) if part.is_undo() => undo.timeout,
            UndoPlan::None | UndoPlan::Undo(_) | UndoPlan::Irreversible(_) => step.timeout,
        };
        texts.extend(limit.map(|limit| format!("stops at {limit}")));
        self.say("Plan", &texts.join("   "));
    }

    /// `00:40-00:55 (15m, slack 3m)`
    fn planned(&self, step: &StepPlan, part: Part) -> String {
        let takes = estimate(step, part);
        let times = self.m.forecast.steps.get(&step.id).filter(|_| !part.is_undo());
        let Some(times) = times else { return takes.to_string() };
        let slack = if times.critical || self.m.state.track(&step.id).started.is_some() {
            String::new()
        } else {
            format!(", slack {}", short_span(times.slack))
        };
        if self.m.state.began().is_none() {
            return format!("{takes}{slack}");
        }
        let (start, end) = (self.m.minute(times.planned.start), self.m.minute(times.planned.end));
        format!("{start}-{end} ({takes}{slack})")
    }

    /// Everything about a step.
    pub(super) fn everything(&mut self, id: &StepId, part: Part) {
        let Some(step) = self.m.plan().step(id) else { return };
        let track = self.m.state.track_of(id, part);
        self.say("Owner", &self.m.owner(step).unwrap_or_default());
        self.say("Stream", step.stream.as_ref().map_or("", crate::base::StreamId::as_str));
        self.hosts(step, part);
        self.work(step, part);
        let runs = matches!(step.work, Work::Run(_) | Work::Local(_));
        if runs && !part.is_undo() {
            self.say("Pass", &pass(&step.expect));
        }
        let check = match &step.undo {
            UndoPlan::Undo(undo) if part.is_undo() => undo.verify.as_ref(),
            UndoPlan::None | UndoPlan::Undo(_) | UndoPlan::Irreversible(_) => step.verify.as_ref(),
        };
        self.say("Verify", &check.map(|check| verify(self.m, check)).unwrap_or_default());
        self.say("Soak", &step.soak.as_ref().map(|it| soak(self.m, it)).unwrap_or_default());
        if let Some(when) = &step.when {
            self.say("When", when);
        }
        if !part.is_undo() {
            self.undo(step);
        }
        self.times(step, part);
        self.say("Note", step.notes.as_deref().unwrap_or_default());
        self.results(track);
    }

    /// What became of it: the standing, then every place of the last attempt.
    pub(super) fn results(&mut self, track: &Track) {
        if let Some(reason) = &track.reason {
            self.say("Said", reason.as_str());
        }
        if let Status::Soaking { until } = track.status {
            let left = until.since(self.m.now);
            let text = format!("watching until {} (-{})", self.m.time(until), left.clock());
            self.say_as("Soak", &text, Role::Title);
            if let Some(next) =
                track.last().and_then(|it| self.m.state.next_comparison(&it.key.step))
            {
                let text = format!("compares again at {}", self.m.time(next));
                self.say_as("", &text, Role::Title);
            }
        }
        if let Some(at) = track.retry_at {
            let text = format!("tries again by itself at {}", self.m.time(at));
            self.say_as("Retry", &text, Role::Title);
        }
        let runs = track.status == Status::Running;
        let Some(last) = (if runs { track.last_action() } else { track.last() }) else { return };
        let attempts = track.attempts.iter().filter(|a| a.key.part == last.key.part).count();
        let part = match last.key.part {
            Part::Action | Part::Undo => "",
            Part::Verify | Part::UndoVerify => " of the verification",
            Part::Compare => " of the comparison",
        };
        let stopping = if last.stopping.is_some() { ", asked to stop" } else { "" };
        let text =
            format!("attempt {attempts}{part}, started {}{stopping}", self.m.time(last.started));
        self.say("Result", &text);
        let folded = self.waves(track, last);
        for (place, end) in &last.places {
            if folded && end.as_ref().is_some_and(|it| it.end.verdict() == Verdict::Succeeded) {
                continue;
            }
            let job = Job { key: last.key.clone(), place: place.clone() };
            let unrecorded = self.m.unrecorded.get(&job);
            let (mark, words, role) = match unrecorded {
                Some(end) => {
                    let words = format!("ended, NOT RECORDED: {}", end_words(end));
                    (self.theme.mark(Status::Unknown), words, Role::Warning)
                }
                None => self.place(&last.key, place, end.as_ref(), last.started),
            };
            let progress = match end.as_ref().map(|end| &end.end).or(unrecorded) {
                Some(_) => None,
                None => self.progress(&last.key, place),
            };
            let progress = progress.map(|percent| self.bar(percent)).unwrap_or_default();
            if let Some((end, found)) = end.as_ref().and_then(|end| Some((end, found(&end.end)?))) {
                self.reconciled(found, mark, end.at.since(last.started));
                continue;
            }
            let text = format!("{mark} {place:<12} {words}{progress}");
            self.say_as("", &text, role);
        }
    }

    /// How far a step in waves has come, in rows of their own. Says whether the places that are
    /// well are among them.
    fn waves(&mut self, track: &Track, last: &Attempt) -> bool {
        let step = &last.key.step;
        let Some(attempt) = track.last_action().filter(|_| self.m.batch(step).is_some()) else {
            return false;
        };
        let next = match attempt.wave.next_at {
            Some(_) if self.m.state.hold().is_some() => "; the next waits for you".to_owned(),
            Some(at) => format!("; the next at {}", self.m.time(at)),
            None => String::new(),
        };
        let text = format!("{} of {}{next}", attempt.wave.number, attempt.waves());
        self.say_as("Wave", &text, Role::Title);
        let list = |places: &[String]| {
            format!("{}: {}", super::text::hosts(places.len()), places.join(" "))
        };
        let well: Vec<_> = track
            .latest_ends()
            .into_iter()
            .filter(|(_, end)| end.is_some_and(|end| end.end.verdict() == Verdict::Succeeded))
            .map(|(place, _)| place.to_string())
            .collect();
        if !well.is_empty() {
            self.say_as("Well", &list(&well), Role::Dim);
        }
        let to_come: Vec<_> = self.m.state.untried(step).iter().map(ToString::to_string).collect();
        if !to_come.is_empty() {
            self.say_as("Not begun", &list(&to_come), Role::Text);
        }
        last.key.part == Part::Action
    }

    /// How far a job says that it has come: the percentage in the last line that it printed.
    fn progress(&self, key: &crate::engine::Key, place: &crate::engine::Place) -> Option<usize> {
        let this = Job { key: key.clone(), place: place.clone() };
        if let Some(share) = self.m.gauges.get(&this) {
            return Some(usize::from(share.whole_percent()));
        }
        let of = |job: &Job| *job == this;
        let lines = self.m.log.last(of, u64::MAX, 1);
        lines.first().and_then(|(_, line)| percent(line.text.as_str()))
    }

    /// `  [####......] 41 %`
    fn bar(&self, percent: usize) -> String {
        let width = (self.width / 4).clamp(8, 24);
        let full = percent * width / 100;
        format!("  [{}{}] {percent} %", "#".repeat(full), ".".repeat(width - full))
    }

    /// Whether the runbook takes this exit status of an action for a warning.
    fn warns(&self, key: &crate::engine::Key, code: i32) -> bool {
        let step = self.m.plan().step(&key.step);
        key.part == Part::Action && step.is_some_and(|step| step.expect.warn.contains(&code))
    }

    /// What is known of a job that runs, beyond that it was started.
    fn sight(&self, job: &Job) -> (String, Role) {
        let Some(seen) = self.m.state.seen(job) else { return (String::new(), Role::Title) };
        let pid = seen.begun.as_ref().map(|begun| format!(" as process {}", begun.pid));
        let pid = pid.unwrap_or_default();
        if let Some(lost) = &seen.lost {
            let proof = self.m.now.since(lost.proved);
            let said = format!("{pid}, UNSEEN: last proof {proof} ago, {}", lost.why);
            return (said, Role::Warning);
        }
        if seen.orphan {
            let said = "without its watcher: its exit status will not be known";
            return (format!("{pid} {said}"), Role::Warning);
        }
        match &seen.attached {
            Some(why) => (format!(", ends with its link: {why}"), Role::Caution),
            None => (pid, Role::Title),
        }
    }

    fn place(
        &self,
        key: &crate::engine::Key,
        place: &crate::engine::Place,
        end: Option<&PlaceEnd>,
        started: crate::base::Timestamp,
    ) -> (&'static str, String, Role) {
        let Some(end) = end else {
            let spent = self.m.now.since(started);
            let job = Job { key: key.clone(), place: place.clone() };
            let (words, role) = self.sight(&job);
            let words = format!("runs since {spent}{words}");
            return (self.theme.mark(Status::Running), words, role);
        };
        let (status, role) = match end.end.verdict() {
            Verdict::Succeeded => (Status::Succeeded, Role::Dim),
            Verdict::Cancelled => (Status::Cancelled, Role::Text),
            Verdict::Failed | Verdict::TimedOut => (Status::Failed, Role::Warning),
            Verdict::Unknown => (Status::Unknown, Role::Warning),
        };
        let spent = end.at.since(started);
        let bytes = end.transcript.as_ref().map_or(0, |transcript| transcript.bytes);
        let warned = matches!(&end.end, End::Exited { code, .. } if self.warns(key, *code));
        let (warning, role) = if warned { (" (a warning)", Role::Caution) } else { ("", role) };
        let words = format!("{}{warning} after {spent}, {bytes} B", end_words(&end.end));
        (self.theme.mark(status), words, role)
    }
}

/// Draws the step pane.
pub(super) fn draw(
    buf: &mut Buffer,
    area: Rect,
    (id, part): (&StepId, Part),
    m: &Model<'_>,
    theme: Theme,
    (focus, across, scroll): (bool, Option<&'static str>, u16),
) {
    let Some(step) = m.plan().step(id) else { return };
    let undo = if part.is_undo() { "undo of " } else { "" };
    let prefix = super::text::prefix(m.kind());
    let title = format!("{prefix}2 {undo}{id}  {}", step.title);
    let class = if part.is_undo() { "" } else { class_word(step.class) };
    let point = if step.point_of_no_return { " P" } else { "" };
    let status = m.state.track_of(id, part).status.word().replace('_', " ");
    let remark = format!("{status} {class}{point}");
    let remark = remark.trim_end();
    let frame = Frame { across, ..Frame::pane(focus, &title, remark) };
    let inside = frame.draw(buf, area, theme);
    let mut rows = Rows::new(m, theme, usize::from(inside.width));
    rows.everything(id, part);
    let hidden = rows.lines.len().saturating_sub(usize::from(inside.height));
    let from = usize::from(scroll).min(hidden);
    let cut = hidden > from;
    for (at, line) in rows.lines.iter().skip(from).take(usize::from(inside.height)).enumerate() {
        put_line(buf, inside, cell_count(at), line);
    }
    if cut && inside.height > 1 {
        let more = format!(" {} more rows: 2 ", hidden - from);
        let place = Rect { y: inside.bottom(), height: 1, ..inside };
        super::canvas::put_right(buf, place, 0, &more, theme.style(Role::Key));
    }
}

impl Rows<'_, '_> {
    /// When it counts as done, where the command itself is shown elsewhere.
    pub(super) fn work_but_command(&mut self, step: &StepPlan) {
        if matches!(step.work, Work::Run(_) | Work::Local(_)) {
            self.say("Pass", &pass(&step.expect));
        }
        let check = step.verify.as_ref().map(|check| verify(self.m, check));
        self.say("Verify", &check.unwrap_or_default());
        self.say("Soak", &step.soak.as_ref().map(|it| soak(self.m, it)).unwrap_or_default());
    }

    /// How a step of this name is undone.
    pub(super) fn undo_of(&mut self, id: &StepId) {
        if let Some(step) = self.m.plan().step(id) {
            self.undo(step);
        }
    }
}

/// Rows that the step pane needs at this width, its frame included.
pub(super) fn height((id, part): (&StepId, Part), m: &Model<'_>, theme: Theme, width: u16) -> u16 {
    let mut rows = Rows::new(m, theme, usize::from(width.saturating_sub(4)));
    rows.everything(id, part);
    cell_count(rows.lines.len()).saturating_add(2)
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn progress_is_read_from_output() {
        assert_eq!(percent("copied 3974/47697 rows 8 %"), Some(8));
        assert_eq!(percent("87.5% done, 3 files"), Some(87));
        assert_eq!(percent("100%"), Some(100));
        assert_eq!(percent("cpu 250 %"), None);
        assert_eq!(percent("no number %"), None);
        assert_eq!(percent("nothing"), None);
    }
}
