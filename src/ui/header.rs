//! The rows that never leave the screen: the facts that every decision of the night needs.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::base::{Millis, Timestamp, cells, cut_end, cut_middle};
use crate::engine::{Level, RunStage};
use crate::plan::signed;

use super::canvas::{put, put_line};
use super::model::{Model, Run};
use super::text;
use super::text::header_words::{self as words, Left, Room};
use super::theme::{Role, Theme};

/// One field of a row that has to fit.
struct Field {
    text: String,
    /// It may shrink to this many cells.
    least: usize,
    /// The one with the greatest number goes first when nothing can shrink; 0 never goes.
    rank: u8,
    role: Role,
}

impl Field {
    const fn new(text: String, least: usize, rank: u8, role: Role) -> Self {
        Self { text, least, rank, role }
    }

    fn fixed(text: String, role: Role) -> Self {
        let least = cells(&text);
        Self::new(text, least, 0, role)
    }

    /// The same field, which goes as a whole before any that is fixed would be cut.
    fn giving_way(self, rank: u8) -> Self {
        Self { rank, ..self }
    }

    fn slack(&self) -> usize {
        cells(&self.text).saturating_sub(self.least)
    }
}

/// Said elsewhere as well: there where nothing has to shrink for it.
const SPARE: u8 = 9;
/// Who drives: whoever reads this is mostly that person.
const DRIVER: u8 = 6;
/// How the plan is kept: the forecast says it too.
const PLAN: u8 = 4;
/// The clock of a rollback, then that of the run: the ends of both stay.
const ROLLBACK_CLOCK: u8 = 3;
const ELAPSED: u8 = 2;
/// Goes only for what must not go at all.
const LAST: u8 = 1;
const BAR: &str = " | ";

/// The cells that fields take side by side.
fn total(fields: &[Field]) -> usize {
    let texts: usize = fields.iter().map(|field| cells(&field.text)).sum();
    texts + BAR.len() * fields.len().saturating_sub(1) + 1
}

/// The fields side by side in `width` cells: the longest shrink first, then the least important go.
fn fit(mut fields: Vec<Field>, width: usize, theme: Theme) -> Line<'static> {
    if total(&fields) > width {
        fields.retain(|field| field.rank < SPARE);
    }
    while total(&fields) > width {
        let over = total(&fields) - width;
        if let Some(field) = fields.iter_mut().filter(|f| f.slack() > 0).max_by_key(|f| f.slack()) {
            let target = cells(&field.text) - field.slack().min(over.div_ceil(2).max(1));
            field.text = cut_middle(&field.text, target);
            field.least = field.least.min(cells(&field.text));
            continue;
        }
        let last =
            fields.iter().enumerate().filter(|(_, f)| f.rank > 0).max_by_key(|(_, f)| f.rank);
        let Some(at) = last.map(|(at, _)| at) else { break };
        fields.remove(at);
    }
    let mut spans = vec![Span::raw(" ")];
    for (at, field) in fields.into_iter().enumerate() {
        if at > 0 {
            spans.push(Span::styled(BAR, theme.style(Role::Dim)));
        }
        spans.push(Span::styled(field.text, theme.style(field.role)));
    }
    Line::from(spans)
}

/// `-01:52:23` while it is ahead, `+00:03:12` when it is over.
pub(super) fn countdown(left: i64) -> String {
    let clock = Millis::new(left.unsigned_abs()).clock();
    if left >= 0 { format!("-{clock}") } else { format!("+{clock}") }
}

/// `+11m`, `-02m`, `+40s`: minutes from two minutes on.
pub(super) fn delta(millis: i64) -> String {
    let sign = if millis < 0 { '-' } else { '+' };
    let secs = millis.unsigned_abs() / 1000;
    match (secs / 3600, secs / 60) {
        (0, 0) => format!("{sign}{secs:02}s"),
        (_, minutes) if minutes < 100 => format!("{sign}{minutes:02}m"),
        (hours, minutes) => format!("{sign}{hours}h{:02}m", minutes % 60),
    }
}

impl Model<'_> {
    fn run_field(&self, short: bool) -> Field {
        let run = self.run();
        let role = match run {
            Run::Running | Run::RollingBack | Run::Ready | Run::Done => Role::Title,
            Run::Waiting | Run::GuardOpen => Role::Key,
            Run::Hold | Run::RolledBack | Run::Abandoned => Role::Caution,
            Run::Failed | Run::FailedHold | Run::RollbackHeld | Run::RolledBackUnverified => {
                Role::Warning
            }
        };
        let word = if short { text::run_short(run) } else { text::run(run) };
        Field::fixed(word.own(self.lang), role)
    }

    /// How the record stands. That nothing is recorded never leaves the screen; why may.
    fn audit_fields(&self, room: Room) -> Vec<Field> {
        let Some(why) = self.recording else {
            return vec![Field::fixed(words::audit_ok(self.lang, self.seq), self.audit_role())];
        };
        let facts = self.state.lost().map_or(0, |lost| lost.facts);
        let facts = words::facts(self.lang, facts);
        let why = words::in_memory(self.lang, &facts, why);
        let least = cells(&facts) + 15;
        let word = Field::fixed(self.unrecorded_word(room).to_owned(), Role::Warning);
        vec![word, Field::new(why, least, 5, Role::Warning)]
    }

    fn unrecorded_word(&self, room: Room) -> &'static str {
        let wide = match self.lang {
            text::Lang::En => room != Room::Tight,
            text::Lang::Zh => room == Room::Wide,
        };
        let word = match (self.state.is_overridden(), wide) {
            (false, _) => words::NOT_RECORDED,
            (true, true) => words::OVERRIDDEN,
            (true, false) => words::OVERRIDDEN_SHORT,
        };
        word.to(self.lang)
    }

    /// A sign that the record should be signed and is not.
    fn unsigned_field(&self, word: &str) -> Option<Field> {
        let fails = self.recording.is_none() && self.signing.trouble.is_some();
        fails.then(|| Field::new(word.to_owned(), cells(word), SPARE, Role::Caution))
    }

    /// Somebody is waited for, who has to touch the key that signs. Not for long: others give way.
    fn touch_field(&self) -> Option<Field> {
        self.signing.touch.then(|| Field::fixed(words::TOUCH.own(self.lang), Role::Key))
    }

    const fn audit_role(&self) -> Role {
        if self.signing.trouble.is_some() { Role::Caution } else { Role::Text }
    }

    fn env_field(&self) -> Field {
        let kind = self.kind();
        Field::fixed(format!(" {} ", text::kind(kind).to(self.lang)), Role::Env(kind))
    }

    /// The environment, then the rest of the first row: in both languages where there is room for
    /// it, and where the terminal can show both.
    fn first_row(&self, rest: Vec<Field>, width: usize, theme: Theme) -> Line<'static> {
        let kind = self.kind();
        let both = format!(" {} ", text::kind_in_both(kind, self.lang));
        let both = Field::fixed(both, Role::Env(kind));
        let room = width.saturating_sub(cells(&both.text) + BAR.len());
        let env = if total(&rest) <= room && !theme.is_ascii() { both } else { self.env_field() };
        let fields = std::iter::once(env).chain(rest).collect();
        fit(fields, width, theme)
    }

    fn driver_field(&self, room: Room) -> Field {
        match self.state.driver_left() {
            None => Field::new(self.state.driver().to_string(), 6, DRIVER, Role::Text),
            Some(since) => {
                let gone = self.now.since(since).clock();
                if room == Room::Wide {
                    return Field::fixed(words::driver_left(self.lang, &gone), Role::Caution);
                }
                let gone = words::driver_left_short(self.lang, &gone);
                Field::fixed(gone, Role::Caution).giving_way(LAST)
            }
        }
    }

    /// The step, or the item of the rollback, and how many there are.
    fn step_field(&self) -> Field {
        if let Some(rollback) = self.state.rollback() {
            let over =
                |i: &&crate::engine::Item| self.state.track_of(&i.step, i.part).status.is_over();
            let done = rollback.items.iter().filter(over).count();
            let text = words::back_count(self.lang, done, rollback.items.len());
            return Field::fixed(text, Role::Title);
        }
        let (over, all) = self.state.count();
        let step = self.state.current().map(ToString::to_string).unwrap_or_default();
        let count = format!(" {over}/{all}");
        let text = format!("{}{count}", cut_middle(&step, 24));
        Field::new(text, cells(&count) + cells(&step).min(8), 0, Role::Title)
    }

    fn phase_field(&self) -> Option<Field> {
        let phase = self.state.current().and_then(|step| self.phase(step))?;
        Some(Field::new(phase.title.to_string(), 10, 3, Role::Text))
    }

    fn elapsed_field(&self, room: Room) -> Field {
        let elapsed = self.state.began().map(|began| self.now.since(began).clock());
        let clock = elapsed.as_deref().unwrap_or("--:--:--");
        Field::fixed(words::elapsed(self.lang, clock, room), Role::Text)
    }

    fn plan_field(&self, long: bool) -> Option<Field> {
        if self.is_back() || self.state.began().is_none() {
            return None;
        }
        let late = self.forecast.delta_millis();
        let on_time = late.unsigned_abs() < 30_000;
        let word = if on_time { words::ON_TIME.own(self.lang) } else { delta(late) };
        let text = if long { words::plan(self.lang, &word) } else { word };
        Some(Field::fixed(text, Role::Text).giving_way(PLAN))
    }

    fn window_field(&self, room: Room) -> Field {
        let Some(window) = self.window() else {
            let wide = room == Room::Wide;
            let word = if wide { words::NO_WINDOW } else { words::NO_WINDOW_SHORT };
            return Field::fixed(word.own(self.lang), Role::Text);
        };
        let until_open = signed(self.now, window.opens);
        if until_open > 0 {
            let left = Left { clock: &countdown(until_open), is_over: false };
            return Field::fixed(words::window_opens(self.lang, left, room), Role::Caution);
        }
        let left = signed(self.now, window.closes);
        let role = if left <= 0 {
            Role::Warning
        } else if left.unsigned_abs() <= window.warn.as_millis() {
            Role::Caution
        } else {
            Role::Text
        };
        let left = Left { clock: &countdown(left), is_over: left < 0 };
        let closes = self.minute(window.closes);
        Field::fixed(words::window(self.lang, left, &closes, room), role)
    }

    /// The last safe rollback; once one has begun, when it ends.
    fn way_back_field(&self, room: Room) -> Field {
        if let Some(ends) = self.state.rollback_ends(self.now).filter(|_| self.is_back()) {
            let spare = self.window().map(|w| signed(ends, w.closes));
            let spare = spare.map(|s| delta(s).trim_start_matches('+').to_owned());
            let over = self.state.stage() != RunStage::RollingBack;
            let spare = spare.filter(|_| room == Room::Wide);
            let text = words::ends(self.lang, &self.minute(ends), over, spare.as_deref());
            return Field::fixed(text, Role::Title);
        }
        if self.state.committed().is_some() {
            return Field::fixed(words::committed(self.lang, room), Role::Caution);
        }
        let Some(safe) = self.forecast.backout.latest_safe else {
            let takes = short_span(self.forecast.backout.takes);
            return Field::fixed(words::back_takes(self.lang, &takes, room), Role::Text);
        };
        let left = signed(self.now, safe);
        let role = match left {
            ..600_000 => Role::Warning,
            600_000..1_800_000 => Role::Caution,
            _ => Role::Text,
        };
        let left = Left { clock: &countdown(left), is_over: left <= 0 };
        Field::fixed(words::back_by(self.lang, left, &self.minute(safe), room), role)
    }

    /// Whether the way back is ready.
    fn lamp_field(&self) -> Field {
        let (word, role) = self.lamp();
        let text = words::lamp(self.lang, word);
        // The last to give way, to what is said for a moment only.
        Field::new(text.clone(), cells(&text), 1, role)
    }

    /// The clock of the recovery time, while it runs: what is left, or what it is over.
    fn recovery_field(&self, short: bool) -> Option<Field> {
        let rto = self.plan().objectives.rto.as_ref()?;
        let rta = self.state.rta(self.now).filter(|rta| rta.runs)?;
        let within = signed(Timestamp::default(), Timestamp::default().after(rto.within));
        let left = signed(self.now, rta.since?.after(rto.within));
        let role = match left {
            ..=0 => Role::Warning,
            _ if left <= within / 4 => Role::Caution,
            _ => Role::Text,
        };
        let clock = countdown(left);
        let clock = if short { clock.chars().take(6).collect() } else { clock };
        Some(Field::fixed(words::recovery(&clock), role))
    }

    fn rollback_clock(&self) -> Option<Field> {
        let rollback = self.state.rollback()?;
        let spent = rollback.ended.unwrap_or(self.now).since(rollback.began).clock();
        Some(Field::fixed(words::back_clock(self.lang, &spent), Role::Title))
    }

    /// Open warnings, cautions and advisories.
    pub(super) fn alarm_counts(&self, room: Room) -> (String, Role) {
        let open = self.state.open_alarms();
        let count = |level| open.iter().filter(|alarm| alarm.level == level).count();
        let (w, c, a) = (count(Level::Warning), count(Level::Caution), count(Level::Advisory));
        let role = if w > 0 {
            Role::Warning
        } else if c > 0 {
            Role::Caution
        } else {
            Role::Text
        };
        (words::alarms(self.lang, (w, c, a), room), role)
    }

    fn clock(&self, room: Room) -> String {
        let (zone, now, lang) = (self.zone(), self.now, self.lang);
        // The names of days take more cells in some languages; there the seconds give way.
        let wide = room != Room::Tight || lang == text::Lang::En;
        let time = if wide { zone.time(now) } else { zone.hour_minute(now) };
        let site = format!("{time} {} {}", zone.abbreviation(now), text::day(lang, zone, now));
        let utc = &crate::base::Zone::UTC;
        format!("{site} {}Z {}", utc.hour_minute(now), text::day(lang, utc, now))
    }
}

/// A span in at most four cells: `45s`, `1m14`, `15m`, `2h5`.
pub(super) fn short_span(span: Millis) -> String {
    let secs = span.as_secs();
    match secs {
        0..60 => format!("{secs:02}s"),
        60..600 if !secs.is_multiple_of(60) => format!("{}m{:02}", secs / 60, secs % 60),
        60..6000 => format!("{:02}m", secs.div_ceil(60).min(99)),
        6000..36_000 => format!("{}h{:01}", secs / 3600, secs % 3600 / 360),
        _ => format!("{}h", secs / 3600),
    }
}

/// Three rows for a wide screen.
pub(super) fn wide(buf: &mut Buffer, area: Rect, m: &Model<'_>, theme: Theme) {
    let plan = m.plan();
    let width = usize::from(area.width);
    let mut first = Vec::new();
    let revision = plan.digest.short().chars().take(7).collect::<String>();
    first.push(Field::new(format!("{} {revision}", plan.title), 12, 0, Role::Text));
    first.extend(m.phase_field().filter(|_| !m.is_back()));
    first.push(m.step_field());
    first.push(m.run_field(false));
    first.push(m.driver_field(Room::Wide));
    first.extend(m.audit_fields(Room::Wide));
    first.extend(m.unsigned_field(words::UNSIGNED.to(m.lang)));
    first.extend(m.touch_field());
    put_line(buf, area, 0, &m.first_row(first, width, theme));

    let utc = crate::base::Zone::UTC;
    let zone = m.zone();
    let day = |zone| text::day(m.lang, zone, m.now);
    let site = format!("{} {} {}", zone.time(m.now), zone.abbreviation(m.now), day(zone));
    let mut second = vec![Field::fixed(site, Role::Text)];
    second.push(Field::fixed(format!("{}Z {}", utc.time(m.now), day(&utc)), Role::Dim));
    second.push(m.elapsed_field(Room::Wide));
    second.extend(m.plan_field(true));
    second.extend(m.rollback_clock());
    second.push(m.window_field(Room::Wide));
    second.push(m.way_back_field(Room::Wide));
    put_line(buf, area, 1, &fit(second, width, theme));
    rule(buf, Rect { y: area.y.saturating_add(2), height: 1, ..area }, m, theme);
}

/// The rule that tells the environment by its pattern, with the counts in it.
fn rule(buf: &mut Buffer, area: Rect, m: &Model<'_>, theme: Theme) {
    let kind = m.kind();
    let pattern = theme.pattern(kind);
    let width = usize::from(area.width);
    let (up, all) = m.links();
    let environment = m.plan().environment.as_ref().map(|e| format!(" {e}")).unwrap_or_default();
    let word = text::kind(kind).to(m.lang);
    let head = format!("{pattern}{pattern} {word}{} ", cut_end(&environment, 20));
    let (counts, role) = m.alarm_counts(Room::Wide);
    let links = words::links(m.lang, up, all, (pattern, m.rtt.as_millis()));
    let (word, lamp_role) = m.lamp();
    let lamp = words::way_back(m.lang, word);
    let recovery = m.recovery_field(false).map(|field| (format!(" {} ", field.text), field.role));
    let (recovery, recovery_role) = recovery.unwrap_or((String::new(), Role::Text));
    let used =
        cells(&head) + cells(&recovery) + cells(&lamp) + 1 + cells(&links) + cells(&counts) + 3;
    let middle = pattern.repeat(width.saturating_sub(used));
    let style = theme.style(Role::Title);
    let links_style = if up < all { theme.style(Role::Caution) } else { style };
    let spans = vec![
        Span::styled(head, style),
        Span::styled(middle, style),
        Span::styled(recovery, theme.style(recovery_role)),
        Span::styled(lamp, if lamp_role == Role::Text { style } else { theme.style(lamp_role) }),
        Span::styled(pattern, style),
        Span::styled(links, links_style),
        Span::styled(counts, if role == Role::Text { style } else { theme.style(role) }),
        Span::styled(format!(" {pattern}{pattern}"), style),
    ];
    put_line(buf, area, 0, &Line::from(spans));
}

impl Model<'_> {
    /// How many hosts can be reached, and how many there are.
    pub(super) fn links(&self) -> (usize, usize) {
        let all = self.plan().hosts.len();
        (all.saturating_sub(self.state.links_down().len()), all)
    }
}

/// Two rows for a screen of 80 columns.
pub(super) fn medium(buf: &mut Buffer, area: Rect, m: &Model<'_>, theme: Theme) {
    let width = usize::from(area.width);
    let clock = format!("{} ", m.clock(Room::Medium));
    let left = width.saturating_sub(cells(&clock) + 1);
    let title = Field::new(m.plan().id.to_string(), 6, 2, Role::Text);
    let mut first = vec![title, m.step_field(), m.run_field(true), m.lamp_field()];
    first.extend(m.touch_field());
    put_line(buf, area, 0, &m.first_row(first, left, theme));
    super::canvas::put_right(buf, area, 0, &clock, theme.style(Role::Text));

    let elapsed = || m.elapsed_field(Room::Medium).giving_way(ELAPSED);
    let mut second = vec![m.recovery_field(false).unwrap_or_else(elapsed)];
    second.extend(m.rollback_clock().map(|clock| clock.giving_way(ROLLBACK_CLOCK)));
    second.extend(m.plan_field(false));
    second.push(m.window_field(Room::Medium));
    second.push(m.way_back_field(Room::Medium));
    second.extend(m.audit_fields(Room::Medium));
    second.extend(m.unsigned_field("!"));
    second.push(m.driver_field(Room::Medium));
    put_line(buf, area, 1, &fit(second, width, theme));
}

/// Two rows and a rule for a pocket screen; the rule is the pattern of the environment.
pub(super) fn pocket(buf: &mut Buffer, area: Rect, m: &Model<'_>, theme: Theme) {
    let width = usize::from(area.width);
    let site = format!("{} ", m.clock(Room::Tight));
    let first = vec![m.step_field(), m.run_field(true)];
    let left = width.saturating_sub(cells(&site) + 1);
    put_line(buf, area, 0, &m.first_row(first, left, theme));
    super::canvas::put_right(buf, area, 0, &site, theme.style(Role::Text));
    put_line(buf, area, 1, &fit(m.pocket_facts(), width, theme));
    put(buf, area, 2, &theme.pattern(m.kind()).repeat(width), theme.style(Role::Title));
    rule_lamp(buf, area, 2, m, theme);
    if let Some(touch) = m.touch_field() {
        super::canvas::put_right(
            buf,
            area,
            2,
            &format!(" {} ", touch.text),
            theme.style(touch.role),
        );
    }
}

/// Four rows and a rule for a strip.
pub(super) fn strip(buf: &mut Buffer, area: Rect, m: &Model<'_>, theme: Theme) {
    let width = usize::from(area.width);
    let mut first = vec![m.run_field(true)];
    first.extend(m.touch_field());
    put_line(buf, area, 0, &m.first_row(first, width, theme));
    let clock = Field::fixed(m.clock(Room::Tight), Role::Text);
    put_line(buf, area, 1, &fit(vec![clock, m.step_field()], width, theme));
    let (window, back) = (m.window_field(Room::Tight), m.way_back_field(Room::Tight));
    put_line(buf, area, 2, &fit(vec![window, back], width, theme));
    let (counts, role) = m.alarm_counts(Room::Tight);
    let elapsed = m.recovery_field(true).unwrap_or_else(|| m.elapsed_field(Room::Tight));
    let last = vec![elapsed.giving_way(LAST), Field::fixed(counts, role)];
    let last =
        last.into_iter().chain(m.audit_fields(Room::Tight)).chain(m.unsigned_field("!")).collect();
    put_line(buf, area, 3, &fit(last, width, theme));
    put(buf, area, 4, &theme.pattern(m.kind()).repeat(width), theme.style(Role::Title));
    rule_lamp(buf, area, 4, m, theme);
}

/// The lamp at the left of a rule.
fn rule_lamp(buf: &mut Buffer, area: Rect, row: u16, m: &Model<'_>, theme: Theme) {
    let lamp = m.lamp_field();
    let pattern = theme.pattern(m.kind());
    let style = theme.style(if lamp.role == Role::Text { Role::Title } else { lamp.role });
    let line = Line::from(vec![
        Span::styled(pattern.repeat(2), theme.style(Role::Title)),
        Span::styled(format!(" {} ", lamp.text), style),
    ]);
    put_line(buf, area, row, &line);
}

impl Model<'_> {
    fn pocket_facts(&self) -> Vec<Field> {
        let short = |left: i64| countdown(left).chars().take(6).collect::<String>();
        let window = self.window().map(|w| signed(self.now, w.closes));
        let window = window.map_or_else(
            || words::NO_WINDOW_SHORT.own(self.lang),
            |left| {
                let left = Left { clock: &short(left), is_over: left < 0 };
                words::window_pocket(self.lang, left)
            },
        );
        let role = self.window_field(Room::Tight).role;
        let elapsed = self.recovery_field(true).unwrap_or_else(|| self.elapsed_field(Room::Tight));
        let mut fields = vec![elapsed.giving_way(LAST), Field::fixed(window, role)];
        let back = self.way_back_field(Room::Tight);
        let counts = !self.is_back() && self.state.committed().is_none();
        fields.push(match self.forecast.backout.latest_safe.filter(|_| counts) {
            Some(safe) if safe > self.now => {
                let left = Left { clock: &short(signed(self.now, safe)), is_over: false };
                let text = words::back_pocket(self.lang, left, &self.minute(safe));
                Field::fixed(text, back.role)
            }
            Some(_) | None => back,
        });
        let audit = if self.recording.is_none() {
            words::AUDIT_OK.to(self.lang)
        } else {
            self.unrecorded_word(Room::Tight)
        };
        let role = if self.recording.is_none() { self.audit_role() } else { Role::Warning };
        fields.push(Field::fixed(audit.to_owned(), role));
        let (counts, role) = self.alarm_counts(Room::Tight);
        fields.push(Field::fixed(counts, role));
        fields
    }
}

/// One line for a terminal's title and for screens that are too small for anything else.
pub(super) fn one_line(m: &Model<'_>) -> String {
    let kind = text::kind(m.kind()).to(m.lang);
    let step = m.focus().map(|(step, _)| step.to_string()).unwrap_or_default();
    let back = m.way_back_field(Room::Tight).text;
    format!("{kind} {step} {} {back}", text::run_short(m.run()).to(m.lang))
}

/// A style for whole rows.
pub(super) fn plain(theme: Theme) -> Style {
    theme.style(Role::Text)
}
