//! One step in full: what it sends, where, when it counts as done, how it is undone, how it went.

use std::convert::Infallible;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use crate::base::{HostId, Millis, SafeText, StepId, cells};
use crate::engine::{Attempt, End, Job, Part, PlaceEnd, Status, Track, Verdict};
use crate::plan::{CheckPlan, StepPlan, Text, UndoPlan, VerifyPlan, Work};
use crate::runbook::{Class, Soak};

use super::canvas::{Frame, LABEL, cell_count, labelled, labelled_rows, put_line, wrap_command};
use super::header::{delta, short_span};
use super::model::{Model, command};
use super::reconciled::found;
use super::text::step as words;
use super::text::{self, Lang, Say, label, work};
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

    /// The language of the rows.
    pub(super) const fn lang(&self) -> Lang {
        self.m.lang
    }

    fn styles(&self, role: Role) -> (Style, Style) {
        (self.theme.style(Role::Dim), self.theme.style(role))
    }

    /// `label`, then text beside it.
    pub(super) fn say(&mut self, label: Say, text: &str) {
        self.say_as(label, text, Role::Text);
    }

    /// `label`, then text of this role beside it.
    pub(super) fn say_as(&mut self, label: Say, text: &str, role: Role) {
        if !text.is_empty() {
            let label = label.to(self.lang());
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
    fn labelled_command(&mut self, label: Say, text: &str) {
        let rows = wrap_command(text, self.width.saturating_sub(LABEL));
        self.lines.extend(labelled_rows(label.to(self.lang()), &rows, self.styles(Role::Title)));
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

fn verify(m: &Model<'_>, verify: &VerifyPlan) -> String {
    let VerifyPlan { check, every, within } = verify;
    let what = match check {
        CheckPlan::Run(text) => m.state.filled(text),
        CheckPlan::Probe(probe) => words::probe_is_healthy(m.lang, probe.as_str()),
        CheckPlan::Http(http) => {
            work::answers(m.lang, &http.filled(&mut |text| m.state.filled(text)))
        }
    };
    words::every_within(m.lang, &what, &every.to_string(), &within.to_string())
}

fn soak(m: &Model<'_>, soak: &Soak<Text>) -> String {
    let probes: Vec<&str> = soak.probes.iter().map(crate::base::ProbeId::as_str).collect();
    let compared = soak.parallel.as_ref().map(|it| {
        let reconcile = it.reconcile.try_map(&mut |text| Ok::<_, Infallible>(m.state.filled(text)));
        let Ok(reconcile) = reconcile;
        (it.every.to_string(), work::compares(m.lang, &reconcile))
    });
    let compared = compared.as_ref().map(|(every, what)| (every.as_str(), what.as_str()));
    words::soak(m.lang, (&probes.join(" "), &soak.r#for.to_string()), compared, soak.breach)
}

impl Rows<'_, '_> {
    /// What the step does, as a command or in words.
    pub(super) fn work(&mut self, step: &StepPlan, part: Part) {
        let Some(work) = Model::work(step, part) else { return };
        match work {
            Work::Run(text) | Work::Local(text) => {
                self.labelled_command(label::RUN, &self.m.state.filled(text));
                self.edited(&step.id, part);
            }
            Work::Builtin(builtin) => {
                let facts = work::facts(self.lang(), &self.m.state.filled_in(builtin));
                for (label, fact) in facts {
                    self.say_as(label, SafeText::new(&fact).as_str(), Role::Title);
                }
            }
            Work::Notify { channels, text } => {
                let to: Vec<&str> = channels.iter().map(crate::base::ChannelId::as_str).collect();
                self.say(label::TELL, &to.join(" "));
                self.say_as(label::TEXT, &self.m.state.filled(text), Role::Title);
            }
            Work::Manual(manual) => self.say_as(label::BY_HAND, &manual.text, Role::Title),
            Work::Gate(gate) => {
                let probes: Vec<&str> =
                    gate.healthy.iter().map(crate::base::ProbeId::as_str).collect();
                if !probes.is_empty() {
                    let said = words::healthy(self.lang(), &probes.join(" "));
                    self.say(label::GO_NEEDS, &said);
                }
                if let Some(margin) = gate.margin {
                    let said = words::margin(self.lang(), &margin.to_string());
                    self.say(label::GO_NEEDS, &said);
                }
            }
            Work::Soak(plan) => self.say(label::WATCH, &soak(self.m, plan)),
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
            self.say(if at == 0 { label::ITEMS } else { Say::NONE }, item.as_str());
        }
    }

    /// Where it runs.
    pub(super) fn hosts(&mut self, step: &StepPlan, part: Part) {
        let hosts = Model::hosts(step, part);
        let down = self.m.state.links_down();
        match Model::work(step, part) {
            Some(work) if work.is_on_hosts() => {
                let rise = if step.r#become { words::WITH_BECOME } else { Say::NONE };
                let list = words::host_list(self.lang(), hosts.len(), &names(hosts));
                self.say(label::HOSTS, &format!("{list}{}", rise.to(self.lang())));
                if let Some(batch) = step.batch.as_ref().filter(|_| !part.is_undo()) {
                    self.say(label::WAVES, &work::batch(self.lang(), batch));
                }
            }
            Some(work) if !work.read_hosts().is_empty() => {} // Each side says where.
            Some(Work::Local(_) | Work::Builtin(_) | Work::Notify { .. }) => {
                self.say(label::WHERE, words::THIS_MACHINE.to(self.lang()));
            }
            Some(Work::Run(_) | Work::Manual(_) | Work::Gate(_) | Work::Soak(_)) | None => {}
        }
        if matches!(Model::work(step, part), Some(Work::Run(_) | Work::Local(_))) {
            let dir = step.dir.as_ref().map(|dir| self.m.state.filled(dir));
            self.say(label::FOLDER, &dir.unwrap_or_default());
            self.say(label::SHELL, step.shell.as_deref().unwrap_or_default());
        }
        for host in hosts {
            if let Some(why) = down.get(host) {
                let said = words::not_reachable(self.lang(), why.as_str());
                self.say_as(Say::NONE, &said, Role::Caution);
            }
        }
    }

    /// How the step is undone.
    pub(super) fn undo(&mut self, step: &StepPlan) {
        let lang = self.lang();
        match &step.undo {
            UndoPlan::None if step.class == Class::Check => {
                self.say(label::UNDO, words::UNDO_NOT_NEEDED.to(lang));
            }
            UndoPlan::None => {
                self.say_as(label::UNDO, words::UNDO_NOT_WRITTEN.to(lang), Role::Caution);
            }
            UndoPlan::Irreversible(why) => {
                self.say_as(label::UNDO, &words::irreversible(lang, why.as_str()), Role::Caution);
            }
            UndoPlan::Undo(undo) => {
                let text = command(self.m, &undo.work);
                let text = text.unwrap_or_else(|| text::BY_HAND.own(lang));
                let text = SafeText::new(text.trim_end());
                let takes = short_span(undo.estimate);
                self.say(label::UNDO, &words::undo(lang, text.as_str(), &takes));
                if let Some(ready) = &undo.ready {
                    let every = short_span(ready.every);
                    let text = SafeText::new(&self.m.state.filled(&ready.run));
                    self.say(Say::NONE, &words::undo_needs(lang, text.as_str(), &every));
                }
            }
        }
    }

    /// What the way back costs at this moment.
    pub(super) fn way_back(&mut self) {
        let takes = self.m.forecast.backout.takes;
        let by = self.m.forecast.backout.latest_safe.map(|safe| self.m.minute(safe));
        let (not, role) = self.m.not_ready().unwrap_or((String::new(), Role::Text));
        let said = words::way_back(self.lang(), &takes.to_string(), by.as_deref(), &not);
        self.say_as(label::BACK, &said, role);
    }

    /// Planned and actual times.
    pub(super) fn times(&mut self, step: &StepPlan, part: Part) {
        let track = self.m.state.track_of(&step.id, part);
        let takes = estimate(step, part);
        let mut texts = vec![self.planned(step, part)];
        if !step.estimated && !part.is_undo() {
            texts.push(words::NOT_ESTIMATED.own(self.lang()));
        }
        if let Some(start) = track.started {
            let end = track.settled.filter(|_| !track.status.is_in_flight());
            let spent = end.unwrap_or(self.m.now).since(start);
            let millis = |span: Millis| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
            let over = delta(millis(spent).saturating_sub(millis(takes)));
            let spent = Millis::from_secs(spent.as_secs()).to_string();
            let at = self.m.time(start);
            texts.push(words::started(self.lang(), &at, end.is_some(), (&spent, &over)));
        }
        let limit = match &step.undo {
            UndoPlan::Undo(undo) if part.is_undo() => undo.timeout,
            UndoPlan::None | UndoPlan::Undo(_) | UndoPlan::Irreversible(_) => step.timeout,
        };
        texts.extend(limit.map(|limit| words::stops_at(self.lang(), &limit.to_string())));
        self.say(label::PLAN, &texts.join("   "));
    }

    /// `00:40-00:55 (15m, slack 3m)`
    fn planned(&self, step: &StepPlan, part: Part) -> String {
        let takes = estimate(step, part);
        let times = self.m.forecast.steps.get(&step.id).filter(|_| !part.is_undo());
        let Some(times) = times else { return takes.to_string() };
        let slack = if times.critical || self.m.state.track(&step.id).started.is_some() {
            String::new()
        } else {
            words::slack(self.lang(), &short_span(times.slack))
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
        self.say(label::OWNER, &self.m.owner(step).unwrap_or_default());
        self.say(label::STREAM, step.stream.as_ref().map_or("", crate::base::StreamId::as_str));
        self.hosts(step, part);
        self.work(step, part);
        let runs = matches!(step.work, Work::Run(_) | Work::Local(_));
        if runs && !part.is_undo() {
            self.say(label::PASS, &words::pass(self.lang(), &step.expect));
        }
        let check = step.verification(part.is_undo());
        self.say(label::VERIFY, &check.map(|check| verify(self.m, check)).unwrap_or_default());
        self.say(label::SOAK, &step.soak.as_ref().map(|it| soak(self.m, it)).unwrap_or_default());
        if let Some(when) = &step.when {
            self.say(label::WHEN, when);
        }
        if !part.is_undo() {
            self.undo(step);
        }
        self.times(step, part);
        self.say(label::NOTE, step.notes.as_deref().unwrap_or_default());
        self.results(track);
    }

    /// Who said that they did it by hand, and whether that is proved.
    pub(super) fn claim(&mut self, track: &Track) {
        let Some(claim) = &track.claim else { return };
        let stands = if track.status == Status::DoneByHand {
            words::CLAIM_PROVED
        } else if track.status == Status::FailureAccepted {
            words::CLAIM_NEVER
        } else if !claim.stands {
            words::CLAIM_RUN_AGAIN
        } else if track.status == Status::Verifying {
            words::CLAIM_VERIFIED
        } else {
            words::CLAIM_UNPROVED
        };
        let stands = self.m.to(stands);
        let (at, by, reason) = (self.m.time(claim.at), claim.by.name(), &claim.reason);
        self.say(label::BY_HAND, &format!("{at} {by}: {reason} ({stands})"));
    }

    /// What became of it: the standing, then every place of the last attempt.
    pub(super) fn results(&mut self, track: &Track) {
        if track.claim.is_some() {
            self.claim(track);
        } else if let Some(reason) = &track.reason {
            self.say(label::SAID, reason.as_str());
        }
        if let Status::Soaking { until } = track.status {
            let left = until.since(self.m.now);
            let text = words::watching(self.lang(), &self.m.time(until), &left.clock());
            self.say_as(label::SOAK, &text, Role::Title);
            if let Some(next) =
                track.last().and_then(|it| self.m.state.next_comparison(&it.key.step))
            {
                let unread = track.retry_at.is_some();
                let text = words::compares_again(self.lang(), unread, &self.m.time(next));
                self.say_as(Say::NONE, &text, Role::Title);
            }
        } else if let Some(at) = track.retry_at {
            let text = words::tries_again(self.lang(), &self.m.time(at));
            self.say_as(label::RETRY, &text, Role::Title);
        }
        let runs = track.status == Status::Running;
        let Some(last) = (if runs { track.last_action() } else { track.last() }) else { return };
        let attempts = track.attempts.iter().filter(|a| a.key.part == last.key.part).count();
        let part = match last.key.part {
            Part::Action | Part::Undo => Say::NONE,
            Part::Verify | Part::UndoVerify => words::OF_VERIFICATION,
            Part::Compare => words::OF_COMPARISON,
        };
        let started = self.m.time(last.started);
        let how = (started.as_str(), last.stopping.is_some());
        self.say(label::RESULT, &words::attempt(self.lang(), attempts, part, how));
        let folded = self.waves(track, last);
        for (place, end) in &last.places {
            if folded && end.as_ref().is_some_and(|it| it.end.verdict() == Verdict::Succeeded) {
                continue;
            }
            let job = Job { key: last.key.clone(), place: place.clone() };
            let unrecorded = self.m.unrecorded.get(&job);
            let (mark, words, role) = match unrecorded {
                Some(end) => {
                    let end = text::ends::end(self.lang(), end);
                    let words = words::ended_unrecorded(self.lang(), &end);
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
            self.say_as(Say::NONE, &text, role);
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
            Some(_) if self.m.state.hold().is_some() => words::NEXT_WAITS.own(self.lang()),
            Some(at) => words::next_wave(self.lang(), &self.m.time(at)),
            None => String::new(),
        };
        let lang = self.lang();
        let text = words::wave(lang, attempt.wave.number, attempt.waves(), &next);
        self.say_as(label::WAVE, &text, Role::Title);
        let list = |places: &[String]| words::host_list(lang, places.len(), &places.join(" "));
        let well: Vec<_> = track
            .latest_ends()
            .into_iter()
            .filter(|(_, end)| end.is_some_and(|end| end.end.verdict() == Verdict::Succeeded))
            .map(|(place, _)| place.to_string())
            .collect();
        if !well.is_empty() {
            self.say_as(label::WELL, &list(&well), Role::Dim);
        }
        let to_come: Vec<_> = self.m.state.untried(step).iter().map(ToString::to_string).collect();
        if !to_come.is_empty() {
            self.say_as(label::NOT_BEGUN, &list(&to_come), Role::Text);
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
        let lang = self.lang();
        let pid = seen.begun.as_ref().map(|begun| words::as_process(lang, begun.pid));
        let pid = pid.unwrap_or_default();
        if let Some(lost) = &seen.lost {
            let proof = self.m.now.since(lost.proved);
            let said = words::unseen(lang, &pid, &proof.to_string(), lost.why.as_str());
            return (said, Role::Warning);
        }
        if seen.orphan {
            return (words::orphan(lang, &pid), Role::Warning);
        }
        match &seen.attached {
            Some(why) => (words::attached(lang, why.as_str()), Role::Caution),
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
            let words = words::runs_since(self.lang(), &spent.to_string(), &words);
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
        let (warning, role) =
            if warned { (words::A_WARNING, Role::Caution) } else { (Say::NONE, role) };
        let lang = self.lang();
        let ended = format!("{}{}", text::ends::end(lang, &end.end), warning.to(lang));
        let words = words::ended_after(lang, &ended, (&spent.to_string(), bytes));
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
    let undo = text::undo_short(part.is_undo(), m.lang);
    let prefix = text::prefix(m.kind(), m.lang);
    let title = format!("{prefix}2 {undo}{id}  {}", step.title);
    let class = if part.is_undo() { "" } else { text::class(step.class) };
    let point = if step.point_of_no_return { " P" } else { "" };
    let status = m.status(m.state.track_of(id, part).status);
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
        let more = words::more_rows(m.lang, hidden - from);
        let place = Rect { y: inside.bottom(), height: 1, ..inside };
        super::canvas::put_right(buf, place, 0, &more, theme.style(Role::Key));
    }
}

impl Rows<'_, '_> {
    /// When it counts as done, where the command itself is shown elsewhere.
    pub(super) fn work_but_command(&mut self, step: &StepPlan) {
        if matches!(step.work, Work::Run(_) | Work::Local(_)) {
            self.say(label::PASS, &words::pass(self.lang(), &step.expect));
        }
        let check = step.verify.as_ref().map(|check| verify(self.m, check));
        self.say(label::VERIFY, &check.unwrap_or_default());
        self.say(label::SOAK, &step.soak.as_ref().map(|it| soak(self.m, it)).unwrap_or_default());
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
