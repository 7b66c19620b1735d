//! The log on screen: it follows, or it stands still where somebody looks; search and filters.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::base::{StepId, Timestamp, Zone, cut_end, cut_middle};
use crate::engine::{Job, Part, Place};

use super::canvas::{Frame, cell_count, put, put_line, wrap};
use super::log::{LogLine, LogStore, Stream};
use super::model::Model;
use super::output::{self, Printed};
use super::text::{self, log as words};
use super::theme::{Role, Theme};

/// How times are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum TimeForm {
    #[default]
    Site,
    Utc,
    Elapsed,
}

/// What the log pane remembers.
#[derive(Clone, Debug, Default)]
pub(super) struct LogView {
    /// The line that somebody looks at; none follows.
    cursor: Option<u64>,
    wrap: bool,
    time: TimeForm,
    place: Option<Place>,
    all_steps: bool,
    /// What is searched.
    pub(super) find: String,
    /// Whether the search is being typed.
    pub(super) typing: bool,
    only: bool,
    hits: Hits,
}

#[derive(Clone, Debug, Default)]
struct Hits {
    of: Option<(String, Scope)>,
    scanned: u64,
    numbers: Vec<u64>,
}

/// Which jobs are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scope {
    step: Option<(StepId, bool)>,
    place: Option<Place>,
}

impl Scope {
    fn wants(&self, job: &Job) -> bool {
        let step = self
            .step
            .as_ref()
            .is_none_or(|(step, undo)| job.key.step == *step && job.key.part.is_undo() == *undo);
        step && self.place.as_ref().is_none_or(|place| job.place == *place)
    }
}

/// Capital letters in what is searched make it exact.
fn matches(line: &LogLine, find: &str) -> bool {
    let text = line.text.as_str();
    if find.chars().any(char::is_uppercase) {
        text.contains(find)
    } else {
        text.to_lowercase().contains(find)
    }
}

/// What is said where there is no line: whether there is none yet, none at all, or none here.
fn no_lines(scope: &Scope, m: &Model<'_>) -> String {
    let printed = scope.step.as_ref().and_then(|(step, undo)| {
        let part = if *undo { Part::Undo } else { Part::Action };
        let attempts = m.state.track_of(step, part).present().iter();
        let jobs: Vec<_> = attempts.flat_map(output::jobs).collect();
        m.printed(&jobs)
    });
    match printed {
        None => words::NO_OUTPUT.own(m.lang),
        Some(Printed::Nothing) => words::PRINTED_NOTHING.own(m.lang),
        Some(Printed::Elsewhere(files)) => words::not_here(m.lang, &files),
    }
}

impl LogView {
    /// Which jobs are shown when the screen is about this step.
    pub(super) fn scope(&self, about: Option<&(StepId, Part)>) -> Scope {
        let step =
            about.filter(|_| !self.all_steps).map(|(step, part)| (step.clone(), part.is_undo()));
        Scope { step, place: self.place.clone() }
    }

    /// Whether there is a search.
    pub(super) fn searches(&self) -> bool {
        !self.find.is_empty()
    }

    /// Follow again.
    pub(super) fn follow(&mut self) {
        self.cursor = None;
    }

    pub(super) fn toggle_wrap(&mut self) {
        self.wrap = !self.wrap;
    }

    pub(super) fn toggle_only(&mut self) {
        self.only = !self.only && self.searches();
    }

    pub(super) fn toggle_steps(&mut self) {
        self.all_steps = !self.all_steps;
        self.cursor = None;
    }

    pub(super) fn next_time_form(&mut self) {
        self.time = match self.time {
            TimeForm::Site => TimeForm::Utc,
            TimeForm::Utc => TimeForm::Elapsed,
            TimeForm::Elapsed => TimeForm::Site,
        };
    }

    /// The next place, then all of them again.
    pub(super) fn next_place(&mut self, log: &LogStore, about: Option<&(StepId, Part)>) {
        let scope = Scope { place: None, ..self.scope(about) };
        let places = log.places(|job| scope.wants(job));
        let here = self.place.as_ref().and_then(|p| places.iter().position(|other| other == p));
        self.place = match here {
            None => places.first().cloned(),
            Some(here) => places.get(here + 1).cloned(),
        };
    }

    pub(super) fn clear(&mut self) {
        self.find.clear();
        self.only = false;
        self.place = None;
    }

    /// Moves by `by` lines; down past the last line follows again.
    pub(super) fn step_by(&mut self, log: &LogStore, scope: &Scope, by: isize) {
        let wants = |job: &Job| scope.wants(job);
        let count = by.unsigned_abs();
        if by < 0 {
            let from = self.cursor.unwrap_or(u64::MAX);
            // From following, the first line up is the last one shown.
            let lines = log.last(wants, from, count + usize::from(self.cursor.is_none()));
            if let Some((_, line)) = lines.first() {
                self.cursor = Some(line.number);
            }
        } else if let Some(from) = self.cursor {
            let lines = log.next(wants, from + 1, count);
            let more = lines.len() == count;
            self.cursor = lines.last().filter(|_| more).map(|(_, line)| line.number);
        }
    }

    /// To the first line that is kept.
    pub(super) fn top(&mut self, log: &LogStore, scope: &Scope) {
        let first = log.next(|job| scope.wants(job), 0, 1);
        self.cursor = first.first().map(|(_, line)| line.number);
    }

    /// To the next line that looks like trouble, or the one before.
    pub(super) fn error(&mut self, log: &LogStore, scope: &Scope, forward: bool) -> bool {
        let wants = |job: &Job| scope.wants(job);
        let here = self.cursor;
        let found = if forward {
            let from = here.map_or(0, |here| here + 1);
            log.since(wants, from, LogLine::is_bad).first().copied()
        } else {
            let before = here.unwrap_or(u64::MAX);
            let bad = |line: &LogLine| line.number < before && line.is_bad();
            log.since(wants, 0, bad).last().copied()
        };
        self.cursor = found.or(self.cursor);
        found.is_some()
    }

    /// To the next hit, or the one before; goes round.
    pub(super) fn hit(&mut self, log: &LogStore, scope: &Scope, forward: bool) -> bool {
        self.scan(log, scope);
        let numbers = &self.hits.numbers;
        let found = match (self.cursor, forward) {
            (None, _) => numbers.last(),
            (Some(here), true) => numbers.iter().find(|n| **n > here).or_else(|| numbers.first()),
            (Some(here), false) => {
                numbers.iter().rev().find(|n| **n < here).or_else(|| numbers.last())
            }
        };
        self.cursor = found.copied().or(self.cursor);
        !numbers.is_empty()
    }

    /// Brings the hits up to date: only lines that came since are looked at.
    fn scan(&mut self, log: &LogStore, scope: &Scope) {
        let of = Some((self.find.clone(), scope.clone()));
        if self.hits.of != of {
            self.hits = Hits { of, scanned: 0, numbers: Vec::new() };
        }
        if self.find.is_empty() {
            return;
        }
        let find = self.find.as_str();
        let new = log.since(|job| scope.wants(job), self.hits.scanned, |l| matches(l, find));
        self.hits.numbers.extend(new);
        self.hits.scanned = log.next_number();
    }

    /// The line under the cursor, as clean text; the last one when following.
    pub(super) fn line(&self, log: &LogStore, scope: &Scope) -> Option<String> {
        let before = self.cursor.map_or(u64::MAX, |cursor| cursor + 1);
        let lines = log.last(|job| scope.wants(job), before, 1);
        lines.first().map(|(_, line)| line.text.to_string())
    }

    /// All hits that are kept, as clean text.
    pub(super) fn all_hits(&mut self, log: &LogStore, scope: &Scope) -> String {
        self.scan(log, scope);
        let lines = self.hits.numbers.iter().filter_map(|number| log.get(*number));
        let texts = lines.map(|(job, line)| format!("{} {job} {}", line.at.rfc3339(), line.text));
        texts.collect::<Vec<_>>().join("\n")
    }

    /// The lines to draw, oldest first, and the cursor's place among them.
    fn visible<'l>(
        &self,
        log: &'l LogStore,
        scope: &Scope,
        rows: usize,
    ) -> Vec<(&'l Job, &'l LogLine)> {
        if self.only && self.searches() {
            let numbers = &self.hits.numbers;
            let here = self.cursor.map_or(numbers.len(), |cursor| {
                numbers.partition_point(|n| *n <= cursor) + rows / 3
            });
            let end = here.clamp(rows.min(numbers.len()), numbers.len());
            let shown = numbers.get(end.saturating_sub(rows)..end).unwrap_or_default();
            return shown.iter().filter_map(|number| log.get(*number)).collect();
        }
        let wants = |job: &Job| scope.wants(job);
        let Some(cursor) = self.cursor else { return log.last(wants, u64::MAX, rows) };
        let after = log.next(wants, cursor + 1, rows / 3);
        let mut lines = log.last(wants, cursor + 1, rows.saturating_sub(after.len()));
        lines.extend(after);
        if lines.len() < rows {
            let more = lines.last().map_or(0, |(_, line)| line.number + 1);
            lines.extend(log.next(wants, more, rows - lines.len()));
        }
        lines
    }

    fn time(&self, at: Timestamp, m: &Model<'_>) -> String {
        match self.time {
            TimeForm::Site => m.time(at),
            TimeForm::Utc => format!("{}Z", Zone::UTC.time(at)),
            TimeForm::Elapsed => {
                let began = m.state.began().unwrap_or_else(|| m.state.opened());
                format!("+{}", at.since(began).clock())
            }
        }
    }

    fn head(&self, job: &Job, line: &LogLine, room: usize, m: &Model<'_>) -> String {
        let prefix = text::prefix(m.kind(), m.lang);
        let time = self.time(line.at, m);
        let place = crate::base::pad(&cut_middle(&job.place.to_string(), room), room);
        let step = if self.all_steps {
            let step = cut_middle(job.key.step.as_str(), 10);
            format!("{} ", crate::base::pad(&step, 10))
        } else {
            String::new()
        };
        let mark = match line.stream {
            Stream::Out => " ",
            Stream::Err => "!",
        };
        format!("{time} {prefix}{step}{place}{mark}")
    }

    fn title(&self, scope: &Scope, m: &Model<'_>) -> (String, String) {
        let about = match &scope.step {
            None => words::ALL_STEPS.own(m.lang),
            Some((step, true)) => {
                let undo = text::undo_short(true, m.lang);
                format!("{undo}{}", cut_middle(step.as_str(), 20))
            }
            Some((step, false)) => cut_middle(step.as_str(), 20),
        };
        let place = self.place.as_ref().map(Place::to_string);
        let title = words::title(m.lang, &about, place.as_deref());
        let title = format!("{}{title}", text::prefix(m.kind(), m.lang));
        let wants = |job: &Job| scope.wants(job);
        let remark = match self.cursor {
            Some(cursor) => {
                let new = m.log.count_from(wants, cursor + 1);
                words::paused(m.lang, new)
            }
            None => words::follows(m.lang, m.log.count(wants)),
        };
        let wrap = if self.wrap { m.to(words::WRAP) } else { "" };
        (title, format!("{remark}{wrap}"))
    }

    /// The row that says what is searched.
    fn find_row(&self, m: &Model<'_>) -> String {
        if self.typing {
            return words::typing(m.lang, &self.find);
        }
        let all = self.hits.numbers.len();
        let here = self.cursor.and_then(|c| self.hits.numbers.iter().position(|n| *n == c));
        words::found(m.lang, &self.find, here.map(|here| here + 1), all, self.only)
    }

    /// Draws the pane.
    pub(super) fn draw(
        &mut self,
        buf: &mut Buffer,
        area: Rect,
        about: Option<&(StepId, Part)>,
        m: &Model<'_>,
        theme: Theme,
        (focus, across): (bool, Option<&'static str>),
    ) {
        let scope = self.scope(about);
        self.scan(m.log, &scope);
        let (title, remark) = self.title(&scope, m);
        let frame = Frame { across, ..Frame::pane(focus, &title, &remark) };
        let mut inside = frame.draw(buf, area, theme);
        if (self.typing || self.searches()) && inside.height > 1 {
            put(buf, inside, 0, &self.find_row(m), theme.style(Role::Key));
            inside = Rect { y: inside.y + 1, height: inside.height - 1, ..inside };
        }
        self.lines(buf, inside, &scope, m, theme);
    }

    /// Draws the lines without a frame.
    pub(super) fn lines(
        &self,
        buf: &mut Buffer,
        area: Rect,
        scope: &Scope,
        m: &Model<'_>,
        theme: Theme,
    ) {
        let height = usize::from(area.height);
        let lines = self.visible(m.log, scope, height);
        if lines.is_empty() {
            let narrowed = self.place.is_some() || (self.only && self.searches());
            let said = if narrowed && m.log.count(|_| true) > 0 {
                words::NOTHING_FITS.own(m.lang)
            } else {
                no_lines(scope, m)
            };
            put(buf, area, 0, &said, theme.style(Role::Dim));
            return;
        }
        let width = usize::from(area.width);
        let longest = lines.iter().map(|(job, _)| crate::base::cells(&job.place.to_string())).max();
        let place_room = longest.unwrap_or(0).min((width / 5).clamp(6, 16));
        let rows: Vec<Line<'_>> = lines
            .iter()
            .flat_map(|(job, line)| self.rows((job, line), (width, place_room), m, theme))
            .collect();
        // Wrapped rows may be more than fit: the cursor's or the last rows win.
        let from = rows.len().saturating_sub(height);
        for (at, row) in rows.iter().skip(from).enumerate() {
            put_line(buf, area, cell_count(at), row);
        }
    }

    fn rows(
        &self,
        (job, line): (&Job, &LogLine),
        (width, place_room): (usize, usize),
        m: &Model<'_>,
        theme: Theme,
    ) -> Vec<Line<'static>> {
        let head = self.head(job, line, place_room, m);
        let here = self.cursor == Some(line.number);
        let bad = line.is_bad();
        let hit = self.searches() && matches(line, &self.find);
        let mark = if here {
            ">"
        } else if bad {
            "X"
        } else {
            " "
        };
        let role = if here {
            Role::Selected
        } else if bad || hit {
            Role::Title
        } else {
            Role::Text
        };
        let room = width.saturating_sub(crate::base::cells(&head) + 2).max(1);
        let texts = if self.wrap {
            wrap(line.text.as_str(), room)
        } else {
            vec![cut_end(line.text.as_str(), room)]
        };
        let mut head = Some(head);
        let mut one = |text: String| {
            let first = head.is_some();
            let blank = " ".repeat(width.saturating_sub(room + 2));
            let head = head.take().unwrap_or(blank);
            let mut spans = vec![Span::styled(
                format!("{head}{} ", if first { mark } else { " " }),
                theme.style(Role::Dim),
            )];
            spans.extend(self.marked(text, role, theme));
            Line::from(spans)
        };
        texts.into_iter().map(&mut one).collect()
    }

    /// The text with its hits set off.
    fn marked(&self, text: String, role: Role, theme: Theme) -> Vec<Span<'static>> {
        let style = theme.style(role);
        let exact = self.find.chars().any(char::is_uppercase);
        let folded = if exact { text.clone() } else { text.to_lowercase() };
        // Lower case may have another length in bytes; then nothing is set off.
        if !self.searches() || folded.len() != text.len() {
            return vec![Span::styled(text, style)];
        }
        let mut spans = Vec::new();
        let mut from = 0;
        for (at, hit) in folded.match_indices(self.find.as_str()) {
            let (Some(before), Some(hit)) = (text.get(from..at), text.get(at..at + hit.len()))
            else {
                break;
            };
            spans.push(Span::styled(before.to_owned(), style));
            spans.push(Span::styled(hit.to_owned(), theme.style(Role::Caution)));
            from = at + hit.len();
        }
        spans.push(Span::styled(text.get(from..).unwrap_or_default().to_owned(), style));
        spans
    }
}
