//! The rollback guard: opening it sends nothing; two digits and a count-down start the way back.

use std::borrow::Cow;
use std::collections::BTreeSet;

use ratatui::text::{Line, Span};

use crate::base::{Millis, SafeText, Timestamp, cells, cut_middle, pad};
use crate::engine::{Command, Item, Place, WayBack, WayBackItem};
use crate::plan::signed;

use super::canvas::wrap_command;
use super::confirm::Code;
use super::header::{delta, short_span};
use super::model::Model;
use super::sheet::Sheet;
use super::step::Rows;
use super::text::guard as words;
use super::text::{self, Say, label};
use super::theme::{Role, Theme};

/// How long the count-down takes.
const COUNTDOWN: Millis = Millis::from_secs(3);

/// After this long without a key the guard closes.
pub(super) const PATIENCE: Millis = Millis::from_secs(60);

/// How far the gesture has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The panel is open; digits count.
    Open,
    /// The right digits were typed and the reason is missing.
    Reason,
    /// Counting down since then.
    Counting(Timestamp),
    /// Asked for; the journal has the word.
    Sent,
}

/// The open guard.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    pub(super) code: Code,
    pub(super) stage: Stage,
    pub(super) last_key: Timestamp,
    pub(super) reason: String,
    pub(super) break_glass: String,
    /// Whether every command is shown in full.
    pub(super) full: bool,
    /// Whether somebody looks behind the panel.
    pub(super) peek: bool,
    pub(super) scroll: usize,
    /// How far back it goes; none: all the way.
    pub(super) to: Option<SafeText>,
    /// The cursor in the list of checkpoints, while that is open.
    pub(super) picking: Option<usize>,
    /// The plan that the eyes have seen.
    seen: Vec<WayBackItem>,
    changed: BTreeSet<Item>,
    /// Whether the journal has said that it is open.
    pub(super) confirmed: bool,
}

impl Guard {
    pub(super) fn new(digits: [u8; 2], m: &Model<'_>) -> Self {
        Self {
            code: Code::new(digits),
            stage: Stage::Open,
            last_key: m.now,
            reason: String::new(),
            break_glass: String::new(),
            full: false,
            peek: false,
            scroll: 0,
            to: None,
            picking: None,
            seen: m.way_back.items.clone(),
            changed: BTreeSet::new(),
            confirmed: m.state.guard().is_some(),
        }
    }

    /// The way back that it shows.
    fn way<'m>(&self, m: &Model<'m>) -> Cow<'m, WayBack> {
        match &self.to {
            None => Cow::Borrowed(m.way_back),
            Some(checkpoint) => Cow::Owned(m.state.way_back_to(checkpoint)),
        }
    }

    /// How long it may take.
    fn takes(&self, m: &Model<'_>) -> Millis {
        match &self.to {
            None => m.back_takes(),
            Some(_) => self.way(m).takes_at_most(m.plan()),
        }
    }

    /// Opens the list of checkpoints.
    pub(super) fn pick(&mut self, m: &Model<'_>) {
        let names = m.state.checkpoints().into_iter().map(|checkpoint| Some(checkpoint.name));
        let all: Vec<_> = std::iter::once(None).chain(names).collect();
        self.picking = Some(all.iter().position(|name| *name == self.to).unwrap_or(0));
        self.scroll = 0;
    }

    pub(super) fn move_pick(&mut self, by: isize, m: &Model<'_>) {
        let last = m.state.checkpoints().len();
        self.picking = self.picking.map(|at| at.saturating_add_signed(by).min(last));
    }

    /// Goes to what is under the cursor of the list: another plan, other digits.
    pub(super) fn take_pick(&mut self, digits: [u8; 2], m: &Model<'_>) {
        let Some(at) = self.picking.take() else { return };
        let mut names = m.state.checkpoints().into_iter().map(|checkpoint| checkpoint.name);
        self.to = at.checked_sub(1).and_then(|at| names.nth(at));
        self.seen.clone_from(&self.way(m).items);
        self.changed.clear();
        self.scroll = 0;
        self.code.renew(digits);
        self.last_key = m.now;
    }

    fn picker(at: usize, m: &Model<'_>, theme: Theme, width: usize) -> Sheet {
        let mut rows = Rows::new(m, theme, width);
        let line = |rows: &mut Rows<'_, '_>, n: usize, name: &str, what: &str| {
            let here = n == at;
            let cursor = if here { ">" } else { " " };
            let role = if here { Role::Selected } else { Role::Text };
            rows.row(&format!("{cursor} {} {what}", pad(name, 22)), role);
        };
        let all = words::all_the_way(m.lang, m.way_back.items.len(), &short_span(m.back_takes()));
        line(&mut rows, 0, m.to(words::ALL_THE_WAY), &all);
        for (n, point) in m.state.checkpoints().iter().enumerate() {
            let way = m.state.way_back_to(&point.name);
            let takes = short_span(way.takes_at_most(m.plan()));
            let reached = (point.step.as_str(), &*m.minute(point.at));
            let size = (way.items.len(), &*takes);
            let what = words::checkpoint(m.lang, reached, size, way.past.is_some());
            line(&mut rows, n + 1, point.name.as_str(), &what);
        }
        rows.blank();
        rows.row(m.to(words::CHECKPOINT_WHAT), Role::Dim);
        let key = theme.style(Role::Key);
        let foot = vec![Line::styled(m.to(words::PICK_KEYS), key)];
        let title = words::HOW_FAR.own(m.lang);
        let remark = words::NOTHING_SENT.own(m.lang);
        Sheet { title, remark, body: rows.lines, foot, low: false, must: 0 }
    }

    /// Whether the override, or the break-glass reason, has to come before the digits.
    pub(super) fn locked(&self, m: &Model<'_>) -> bool {
        m.needs_override() || self.way(m).past.is_some() && self.break_glass.is_empty()
    }

    /// The reason of the rollback; a break-glass reason is one.
    pub(super) fn why(&self) -> &str {
        if self.reason.is_empty() { &self.break_glass } else { &self.reason }
    }

    /// Takes notice of a plan that has changed; says whether it has.
    pub(super) fn look(&mut self, m: &Model<'_>) -> bool {
        let way = self.way(m);
        if self.seen == way.items || self.stage == Stage::Sent {
            return false;
        }
        let new = way.items.iter().filter(|item| !self.seen.contains(item));
        self.changed = new.map(|item| item.item.clone()).collect();
        self.seen.clone_from(&way.items);
        true
    }

    /// Seconds left of the count-down, from 3 to 1; 0 when it is over.
    pub(super) const fn seconds(&self, now: Timestamp) -> Option<u64> {
        match self.stage {
            Stage::Counting(since) => {
                let left = COUNTDOWN.minus(now.since(since));
                Some(left.as_millis().div_ceil(1000))
            }
            Stage::Open | Stage::Reason | Stage::Sent => None,
        }
    }

    /// The command that the gesture stands for.
    pub(super) fn command(&self, m: &Model<'_>) -> Command {
        let break_glass = self.way(m).past.as_ref().map(|_| SafeText::new(&self.break_glass));
        Command::RollBack { reason: SafeText::new(self.why()), break_glass, to: self.to.clone() }
    }

    /// The panel as rows.
    pub(super) fn sheet(&self, m: &Model<'_>, theme: Theme, width: usize) -> Sheet {
        if let Some(seconds) = self.seconds(m.now) {
            return self.countdown(seconds, m, theme, width);
        }
        if let Some(at) = self.picking {
            return Self::picker(at, m, theme, width);
        }
        let mut rows = Rows::new(m, theme, width);
        let way = self.way(m);
        self.facts(&way, &mut rows);
        self.items(&way, &mut rows);
        if !way.unreachable.is_empty() {
            let hosts = super::step::names(&way.unreachable);
            rows.say_as(label::NOT_UP, &words::not_up(m.lang, &hosts), Role::Caution);
        }
        let remark = words::remark(m.lang, way.items.len(), &short_span(self.takes(m)));
        let sent = self.stage == Stage::Sent;
        let title = if sent { words::ASKED } else { words::TITLE }.own(m.lang);
        Sheet { title, remark, body: rows.lines, foot: self.foot(m, theme), low: false, must: 0 }
    }

    fn facts(&self, way: &WayBack, rows: &mut Rows<'_, '_>) {
        let m = rows.m;
        if let Some(why) = m.recording {
            rows.say_as(label::WARNING, &words::unrecorded(m.lang, why), Role::Warning);
            rows.say_as(Say::NONE, m.to(words::NO_PROOF), Role::Warning);
        }
        if let Some(checkpoint) = &self.to {
            let said = words::back_to(m.lang, checkpoint.as_str());
            rows.say_as(label::BACK_TO, &said, Role::Title);
        }
        if let Some(past) = &way.past {
            rows.say_as(label::WARNING, &words::past(m.lang, past.as_str()), Role::Warning);
        }
        let (should, takes) = (way.takes(), self.takes(m));
        let ends = m.now.after(takes);
        let window = m.window().map(|window| {
            let spare = delta(signed(ends, window.closes));
            (m.minute(window.closes), spare.trim_start_matches('+').to_owned())
        });
        let window = window.as_ref().map(|(closes, spare)| (closes.as_str(), spare.as_str()));
        let late = m.window().is_some_and(|window| ends > window.closes);
        let (about, most) = (short_span(should.min(takes)), short_span(takes));
        let most = (should < takes).then_some(most.as_str());
        let said = words::takes(m.lang, (&about, most), &m.minute(ends), window);
        rows.say_as(label::TAKES, &said, if late { Role::Caution } else { Role::Text });
        super::readiness::rows(rows, self.full);
        for (at, (step, why)) in way.cannot_undo.iter().enumerate() {
            let label = if at == 0 { label::STAYS } else { Say::NONE };
            let said = words::stays(m.lang, step.as_str(), why.as_str());
            rows.say_as(label, &said, Role::Caution);
        }
        if way.items.is_empty() {
            rows.row(m.to(words::NOTHING_TO_DO), Role::Caution);
        }
    }

    fn items(&self, way: &WayBack, rows: &mut Rows<'_, '_>) {
        let width = rows.width;
        let title_width = (width / 3).clamp(12, 36);
        let place_width = (width / 6).clamp(8, 20);
        let room = width.saturating_sub(title_width + place_width + 14).max(8);
        if !way.items.is_empty() {
            rows.row(words::FIVE_STAGES.to(rows.lang()), Role::Dim);
        }
        for (at, item) in way.items.iter().enumerate() {
            let changed = self.changed.contains(&item.item);
            let role = if changed { Role::Changed } else { Role::Text };
            let mark = if changed { "*" } else { " " };
            let stage = super::steps::stage_number(item.stage);
            let name = format!("{} {stage}", at + 1);
            let places = places(item, place_width, rows.m);
            let command = item.command.as_str();
            let short = self.full || cells(command) <= room;
            let shown = if self.full { "" } else { command };
            let cut = if short { shown.to_owned() } else { crate::base::cut_end(command, room) };
            let head = format!(
                "{mark}{} {} {} {} {:>4}",
                pad(&name, 5),
                pad(item.title.as_str(), title_width),
                pad(&places, place_width),
                pad(&cut, room),
                short_span(item.estimate)
            );
            rows.lines.push(Line::styled(head, rows.theme.style(role)));
            if self.full {
                let style = rows.theme.style(Role::Title);
                let indent = width.saturating_sub(10);
                let lines = wrap_command(command, indent);
                let hosts: Vec<String> = item.places.iter().map(Place::to_string).collect();
                if cells(&hosts.join(" ")) > place_width {
                    rows.row(&words::on(rows.lang(), &hosts.join(" ")), Role::Text);
                }
                let line = |line: String| Line::styled(format!("        {line}"), style);
                rows.lines.extend(lines.into_iter().map(line));
            }
        }
    }

    fn foot(&self, m: &Model<'_>, theme: Theme) -> Vec<Line<'static>> {
        let key = theme.style(Role::Key);
        let plain = theme.style(Role::Text);
        let dim = theme.style(Role::Dim);
        let first = match self.stage {
            Stage::Sent => Line::styled(m.to(words::WAITING), key),
            Stage::Open | Stage::Reason | Stage::Counting(_) if m.needs_override() => {
                Line::from(vec![
                    Span::styled(m.to(words::PRESS), plain),
                    Span::styled("w", key),
                    Span::styled(m.to(words::TYPE_OVERRIDE), plain),
                ])
            }
            Stage::Open | Stage::Reason | Stage::Counting(_) if self.locked(m) => Line::from(vec![
                Span::styled("w", key),
                Span::styled(m.to(words::TYPE_BREAK_GLASS), plain),
            ]),
            Stage::Open | Stage::Reason | Stage::Counting(_) => Line::from(vec![
                Span::styled(m.to(words::TO_START_TYPE), plain),
                Span::styled(self.code.row(m), key),
                Span::styled(m.to(words::THEN_COUNTS), plain),
            ]),
        };
        let why = if m.needs_override() {
            words::REASON_IS_OVERRIDE.own(m.lang)
        } else if self.locked(m) {
            words::REASON_IS_BREAK_GLASS.own(m.lang)
        } else if self.why().is_empty() {
            words::NO_REASON.own(m.lang)
        } else {
            words::reason(m.lang, SafeText::new(self.why()).as_str())
        };
        let left = PATIENCE.minus(m.now.since(self.last_key)).as_secs();
        vec![first, Line::styled(why, plain), Line::styled(words::keys(m.lang, left), dim)]
    }

    fn countdown(&self, seconds: u64, m: &Model<'_>, theme: Theme, width: usize) -> Sheet {
        let mut rows = Rows::new(m, theme, width);
        let style = theme.style(Role::Warning);
        let facts = self.countdown_facts(m);
        for (at, row) in big_digit(seconds).iter().enumerate() {
            let fact = facts.get(at).map_or("", String::as_str).to_owned();
            rows.lines.push(Line::from(vec![
                Span::raw(" ".repeat(width / 6)),
                Span::styled((*row).to_owned(), style),
                Span::styled(format!("     {fact}"), theme.style(Role::Title)),
            ]));
        }
        let foot = Line::styled(words::counts(m.lang, seconds), theme.style(Role::Key));
        let title = words::STARTS.own(m.lang);
        let remark = words::ANY_KEY.own(m.lang);
        Sheet { title, remark, body: rows.lines, foot: vec![foot], low: false, must: 0 }
    }

    fn countdown_facts(&self, m: &Model<'_>) -> Vec<String> {
        let way = self.way(m);
        let takes = self.takes(m);
        let ends = m.minute(m.now.after(takes));
        let first = way.items.first();
        let first_title =
            first.map_or(String::new(), |item| words::first(m.lang, item.title.as_str()));
        let hosts = first.map_or(String::new(), |item| places(item, 30, m));
        vec![
            words::facts(m.lang, way.items.len(), &short_span(takes), &ends),
            first_title,
            format!("       {hosts}"),
            String::new(),
            words::because(m.lang, SafeText::new(self.why()).as_str()),
        ]
    }

    /// The guard as one line, for screens that are too small for a panel.
    pub(super) fn one_line(&self, m: &Model<'_>) -> String {
        let items = self.way(m).items.len();
        let takes = short_span(self.takes(m));
        match (self.stage, self.seconds(m.now)) {
            (_, Some(seconds)) => words::tiny_counts(m.lang, seconds),
            (Stage::Sent, None) => words::TINY_ASKED.own(m.lang),
            (Stage::Open | Stage::Reason | Stage::Counting(_), None) if self.locked(m) => {
                let overrides = m.needs_override();
                let word = if overrides { words::TINY_OVERRIDE } else { words::TINY_REASON };
                words::tiny(m.lang, items, &takes, m.to(word))
            }
            (Stage::Open | Stage::Reason | Stage::Counting(_), None) => {
                words::tiny(m.lang, items, &takes, &self.code.row(m))
            }
        }
    }
}

/// The places of an item in few cells.
fn places(item: &WayBackItem, width: usize, m: &Model<'_>) -> String {
    let names: Vec<String> = item.places.iter().map(Place::to_string).collect();
    let all = names.join(" ");
    if names.is_empty() {
        return text::BY_HAND.own(m.lang);
    }
    if cells(&all) <= width || names.len() == 1 {
        return cut_middle(&all, width);
    }
    let first = names.first().map(String::as_str).unwrap_or_default();
    let more = format!(" +{}", names.len() - 1);
    format!("{}{more}", cut_middle(first, width.saturating_sub(cells(&more))))
}

/// A digit that can be read across the room.
const fn big_digit(digit: u64) -> [&'static str; 5] {
    match digit {
        3 => ["####", "   #", " ###", "   #", "####"],
        2 => ["####", "   #", "####", "#   ", "####"],
        1 => ["  # ", " ## ", "  # ", "  # ", " ###"],
        _ => ["####", "#  #", "#  #", "#  #", "####"],
    }
}
