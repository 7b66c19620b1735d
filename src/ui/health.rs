//! Health panels: four values, the curve, the limits, and how old the last reading is.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::base::{cells, cut_end, pad};
use crate::engine::{Health, Panel};
use crate::runbook::Threshold;

use super::canvas::{Frame, curve, put, put_line, wrap};
use super::header::short_span;
use super::model::Model;
use super::text::health as words;
use super::text::{self, Say};
use super::theme::{Role, Theme, health_role};

/// A number in few cells: `212`, `0.02`, `1.5e9`.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        "?".to_owned()
    } else if size >= 1e7 {
        format!("{value:.1e}")
    } else if size >= 100.0 || (value.fract() == 0.0) {
        format!("{value:.0}")
    } else if size >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

fn limit(word: &str, threshold: Option<Threshold>) -> Option<String> {
    let threshold = threshold?;
    Some(format!("{word}{}{}", threshold.comparison, number(threshold.limit)))
}

/// The value and its unit; what the source said, where it gives no value.
fn value(panel: &Panel, m: &Model<'_>) -> String {
    match panel.last() {
        None => words::NO_READING.own(m.lang),
        Some(reading) => match reading.value {
            Some(value) => format!("{} {}", number(value), panel.probe.unit).trim_end().to_owned(),
            None if reading.ok => words::NO_VALUE.own(m.lang),
            None => words::NOT_OK.own(m.lang),
        },
    }
}

/// The word of the health and the age; a stale reading says so.
fn standing(panel: &Panel, m: &Model<'_>) -> String {
    let Some(age) = panel.age(m.now) else { return words::NO_READING_YET.own(m.lang) };
    let secs = age.as_secs();
    if age > panel.probe.stale {
        return words::stale(m.lang, secs);
    }
    match missing(panel) {
        Some(why) => words::unknown(m.lang, why),
        None => words::ago(m.lang, m.to(text::ends::health(panel.health)), secs),
    }
}

/// Why the last reading says nothing, where it does.
fn missing(panel: &Panel) -> Option<&str> {
    let last = panel.last().filter(|last| last.ok && last.value.is_none())?;
    Some(last.note.as_str()).filter(|why| !why.is_empty())
}

/// The word of a health that is not well, and for how long it has been so.
fn lasting(panel: &Panel, m: &Model<'_>) -> String {
    if health(panel, m) != panel.health || panel.last().is_none() || missing(panel).is_some() {
        return standing(panel, m);
    }
    let word = m.to(text::ends::health(panel.health));
    format!("{word} {}", short_span(m.now.since(panel.since)))
}

/// The health as it has to be read: a stale reading is unknown whatever it said.
fn health(panel: &Panel, m: &Model<'_>) -> Health {
    if panel.age(m.now).is_some_and(|age| age <= panel.probe.stale) {
        panel.health
    } else {
        Health::Unknown
    }
}

fn values(panel: &Panel) -> Vec<Option<f64>> {
    panel.readings.iter().map(|reading| reading.value).collect()
}

fn limits(panel: &Panel, (warn, fail): (Say, Say), m: &Model<'_>) -> String {
    let both = [limit(m.to(warn), panel.probe.degraded), limit(m.to(fail), panel.probe.failed)];
    both.into_iter().flatten().collect::<Vec<_>>().join("  ")
}

/// One probe in a box of at least five rows.
fn boxed(
    buf: &mut Buffer,
    area: Rect,
    (panel, remark): (&Panel, &str),
    m: &Model<'_>,
    theme: Theme,
) {
    let inside = Frame::thin(panel.probe.title.as_str(), remark).draw(buf, area, theme);
    let width = usize::from(inside.width);
    let health = health(panel, m);
    let role = health_role(health);
    put(buf, inside, 0, &curve(&values(panel), width, theme), theme.style(Role::Text));
    let now = words::now(m.lang, &value(panel, m));
    let limits = limits(panel, (words::WARN, words::FAIL), m);
    let both = format!("{now}  {limits}");
    if cells(&both) <= width || inside.height < 4 {
        put(buf, inside, 1, &both, theme.style(Role::Text));
    } else {
        put(buf, inside, 1, &now, theme.style(Role::Text));
        put(buf, inside, 2, &limits, theme.style(Role::Dim));
    }
    let mark = format!("{} {}", theme.health(health), standing(panel, m));
    // Why nothing is known takes the room that it needs.
    let room = usize::from(inside.height.saturating_sub(2)).max(1);
    let mut lines = if missing(panel).is_some() { wrap(&mark, width) } else { vec![mark] };
    lines.truncate(room);
    let first = inside.height.saturating_sub(super::canvas::cell_count(lines.len()));
    for (row, line) in (first..).zip(&lines) {
        put(buf, inside, row, line, theme.style(role));
    }
}

/// The title where there is room for it, else the id.
fn name(panel: &Panel, width: usize) -> &str {
    let title = panel.probe.title.as_str();
    if cells(title) <= width / 4 { title } else { panel.probe.id.as_str() }
}

/// One probe in one row.
fn row(
    panel: &Panel,
    (width, name_width): (usize, usize),
    m: &Model<'_>,
    theme: Theme,
) -> Line<'static> {
    let health = health(panel, m);
    let role = health_role(health);
    let mark = format!("{} ", theme.health(health));
    let name = pad(name(panel, width), name_width);
    let now = value(panel, m);
    let now =
        if cells(&now) <= 8 || panel.last().is_none() { now } else { now.replacen(' ', "", 1) };
    let now = pad(&now, 8);
    let short = (words::WARN_SHORT, words::FAIL_SHORT);
    let said = if health == Health::Healthy { limits(panel, short, m) } else { lasting(panel, m) };
    let fixed = cells(&mark) + cells(&name) + cells(&now) + 3;
    let room = width.saturating_sub(fixed);
    let said = cut_end(&said, room.saturating_sub(3));
    let curve_width = room.saturating_sub(cells(&said)).min(12);
    let line = curve(&values(panel), curve_width, theme);
    let text = theme.style(Role::Text);
    Line::from(vec![
        Span::styled(mark, theme.style(role)),
        Span::styled(format!("{name} {now} "), text),
        Span::styled(format!("{} ", pad(&line, curve_width)), text),
        Span::styled(said, theme.style(if health == Health::Healthy { Role::Dim } else { role })),
    ])
}

/// Rows that the panels need in a strip of this width below the rest.
pub(super) fn strip_height(m: &Model<'_>, wide: bool) -> u16 {
    let probes = m.board.panels().count();
    let rows = match probes {
        0 => return 0,
        1..=4 if wide => return 6,
        probes => probes.div_ceil(2).min(4),
    };
    super::canvas::cell_count(rows) + 2
}

/// The panels in a strip: boxes if they fit side by side, else two columns of rows, the worst
/// first.
pub(super) fn strip(buf: &mut Buffer, area: Rect, m: &Model<'_>, theme: Theme, wide: bool) {
    let panels: Vec<&Panel> = m.board.panels().collect();
    if wide && panels.len() <= 4 {
        let count = super::canvas::cell_count(panels.len()).max(1);
        let width = area.width / count;
        for (at, panel) in panels.iter().enumerate() {
            let at = super::canvas::cell_count(at);
            let last = at + 1 == count;
            let place = Rect {
                x: area.x + at * width,
                width: if last { area.width - at * width } else { width },
                ..area
            };
            boxed(buf, place, (panel, ""), m, theme);
        }
        return;
    }
    let title = format!("{}{}", text::prefix(m.kind(), m.lang), m.to(words::HEALTH));
    let hidden = panels.len().saturating_sub(usize::from(area.height.saturating_sub(2)) * 2);
    let (counts, _) = m.alarm_counts(text::header_words::Room::Wide);
    let remark = if hidden > 0 { words::more(m.lang, hidden, &counts) } else { counts };
    let inside = Frame::thin(&title, &remark).draw(buf, area, theme);
    rows(buf, inside, &panels, m, theme);
}

/// Two columns of rows; if not all fit, the worst are shown.
fn rows(buf: &mut Buffer, inside: Rect, panels: &[&Panel], m: &Model<'_>, theme: Theme) {
    let mut shown = panels.to_vec();
    let places = usize::from(inside.height) * 2;
    if shown.len() > places {
        shown.sort_by_key(|panel| std::cmp::Reverse(health(panel, m)));
    }
    let half = inside.width / 2;
    let width = usize::from(half.saturating_sub(1));
    let names = shown.iter().take(places).map(|panel| cells(name(panel, width)));
    let name_width = names.max().unwrap_or(0).min((width / 3).max(6));
    for (at, panel) in shown.into_iter().take(places).enumerate() {
        let right = at % 2 == 1;
        let place = Rect {
            x: inside.x + if right { half + 1 } else { 0 },
            width: half.saturating_sub(1),
            ..inside
        };
        let line = row(panel, (width, name_width), m, theme);
        put_line(buf, place, super::canvas::cell_count(at / 2), &line);
    }
}

/// All panels in one line of `width` cells, the worst first: the pocket form. A panel that does not
/// fit is counted, for half a number is a wrong number.
pub(super) fn one_line(m: &Model<'_>, theme: Theme, width: usize) -> Line<'static> {
    let mut panels: Vec<&Panel> = m.board.panels().collect();
    panels.sort_by_key(|panel| std::cmp::Reverse(health(panel, m)));
    let mut line = Line::default();
    for (at, panel) in panels.iter().enumerate() {
        let health = health(panel, m);
        let text = format!("{} {} {}", theme.health(health), panel.probe.id, value(panel, m));
        let left = panels.len() - at;
        let count = if left > 1 { cells(&format!("  +{left}")) } else { 0 };
        if line.width() + cells(&text) + count > width && at > 0 {
            line.push_span(Span::styled(format!("+{left}"), theme.style(Role::Dim)));
            break;
        }
        line.push_span(Span::styled(text, theme.style(health_role(health))));
        if left > 1 {
            line.push_span(Span::raw("  "));
        }
    }
    line
}

/// The whole screen of panels: boxes in up to four columns, grouped as the runbook says.
pub(super) fn view(buf: &mut Buffer, area: Rect, m: &Model<'_>, theme: Theme) {
    let panels: Vec<&Panel> = m.board.panels().collect();
    if panels.is_empty() {
        put(buf, area, 0, m.to(words::NO_PROBES), theme.style(Role::Text));
        return;
    }
    let groups = groups(&panels);
    let most = groups.iter().map(|(_, panels)| panels.len()).max().unwrap_or(1);
    let columns = usize::from(area.width / 28).clamp(1, 4).min(most);
    let lines: usize = groups.iter().map(|(_, panels)| panels.len().div_ceil(columns)).sum();
    let titles = if groups.len() > 1 { groups.len() } else { 0 };
    let height = (usize::from(area.height).saturating_sub(titles) / lines.max(1)).clamp(5, 9);
    let height = super::canvas::cell_count(height);
    let width = area.width / super::canvas::cell_count(columns);
    let (mut y, mut left) = (area.y, panels.len());
    for (title, panels) in &groups {
        if titles > 0 && y < area.bottom() {
            let place = Rect { y, height: 1, ..area };
            put(buf, place, 0, &format!(" {title}"), theme.style(Role::Title));
            y += 1;
        }
        for row in panels.chunks(columns) {
            for (column, panel) in row.iter().enumerate().filter(|_| y < area.bottom()) {
                let x = area.x + super::canvas::cell_count(column) * width;
                let place = Rect { x, y, width, height };
                let kind = panel.probe.source.word();
                boxed(buf, place.intersection(area), (panel, kind), m, theme);
                left -= 1;
            }
            y = y.saturating_add(height);
        }
    }
    if left > 0 && area.height > 0 {
        let place = Rect { y: area.bottom() - 1, height: 1, ..area };
        let said = words::do_not_fit(m.lang, left);
        put(buf, place, 0, &said, theme.style(Role::Caution));
    }
}

/// The panels by what the runbook puts them under, in the order of the file.
fn groups<'p>(panels: &[&'p Panel]) -> Vec<(&'p str, Vec<&'p Panel>)> {
    let mut groups: Vec<(&str, Vec<&Panel>)> = Vec::new();
    for panel in panels {
        let title = panel.probe.panel.as_str();
        match groups.iter_mut().find(|(known, _)| *known == title) {
            Some((_, panels)) => panels.push(panel),
            None => groups.push((title, vec![panel])),
        }
    }
    groups
}
