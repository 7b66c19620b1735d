//! Drawing in cells: nothing here can write outside its area.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation as _;

use crate::base::{SafeText, cells, cut_end, pad};

use super::theme::{Role, Rule, Theme};

/// `n` as a number of cells; a screen has no more than 65,535.
pub(super) fn cell_count(n: usize) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX)
}

/// Writes `text` in one row, cut to the area.
pub(super) fn put(buf: &mut Buffer, area: Rect, row: u16, text: &str, style: Style) {
    put_line(buf, area, row, &Line::styled(cut_end(text, usize::from(area.width)), style));
}

/// Writes a styled line in one row, cut to the area.
pub(super) fn put_line(buf: &mut Buffer, area: Rect, row: u16, line: &Line<'_>) {
    let area = area.intersection(buf.area);
    if row < area.height && area.width > 0 {
        buf.set_line(area.x, area.y + row, line, area.width);
    }
}

/// Writes `text` so that it ends at the right edge of the area.
pub(super) fn put_right(buf: &mut Buffer, area: Rect, row: u16, text: &str, style: Style) {
    let width = cell_count(cells(text)).min(area.width);
    let place = Rect { x: area.x + (area.width - width), width, ..area };
    put(buf, place, row, text, style);
}

/// Fills the area with blanks of `style`.
pub(super) fn clear(buf: &mut Buffer, area: Rect, style: Style) {
    let area = area.intersection(buf.area);
    for position in area.positions() {
        if let Some(cell) = buf.cell_mut(position) {
            cell.reset();
            cell.set_style(style);
        }
    }
}

/// Sets the style of a whole row.
pub(super) fn tint(buf: &mut Buffer, area: Rect, row: u16, style: Style) {
    if row < area.height {
        let row = Rect { y: area.y + row, height: 1, ..area };
        buf.set_style(row.intersection(buf.area), style);
    }
}

/// A frame with a title on the left and a remark on the right.
#[derive(Clone, Debug)]
pub(super) struct Frame<'a> {
    pub(super) rule: Rule,
    pub(super) title: &'a str,
    pub(super) remark: &'a str,
    /// The character of the top edge, where it is not the rule's own.
    pub(super) across: Option<&'static str>,
}

impl<'a> Frame<'a> {
    pub(super) const fn thin(title: &'a str, remark: &'a str) -> Self {
        Self { rule: Rule::Thin, title, remark, across: None }
    }

    pub(super) const fn pane(focus: bool, title: &'a str, remark: &'a str) -> Self {
        let rule = if focus { Rule::Focus } else { Rule::Thin };
        Self { rule, title, remark, across: None }
    }

    /// Draws it, cleared inside, and returns the inside without a blank at both sides.
    pub(super) fn draw(&self, buf: &mut Buffer, area: Rect, theme: Theme) -> Rect {
        let area = area.intersection(buf.area);
        clear(buf, area, theme.style(Role::Text));
        if area.width < 4 || area.height < 2 {
            return area;
        }
        let corners = theme.corners(self.rule);
        let style = theme.style(match self.rule {
            Rule::Thin => Role::Dim,
            Rule::Focus | Rule::Dialog(_) => Role::Title,
        });
        let inside = usize::from(area.width) - 2;
        let across = self.across.unwrap_or(corners.across);
        let top = self.top(inside, across);
        let ends = |left: &str, middle: &str, right: &str| format!("{left}{middle}{right}");
        put(buf, area, 0, &ends(corners.top_left, &top, corners.top_right), style);
        let bottom = corners.across.repeat(inside);
        let last = area.height - 1;
        put(buf, area, last, &ends(corners.bottom_left, &bottom, corners.bottom_right), style);
        for row in 1..last {
            put(buf, area, row, corners.down, style);
            put_right(buf, area, row, corners.down, style);
        }
        Rect {
            x: area.x + 2,
            y: area.y + 1,
            width: area.width.saturating_sub(4),
            height: area.height - 2,
        }
    }

    fn top(&self, inside: usize, across: &str) -> String {
        let remark_room = inside.saturating_sub(14);
        let remark = match cut_end(self.remark, remark_room) {
            text if text.is_empty() => String::new(),
            text => format!(" {text} {across}"),
        };
        let title_room = inside.saturating_sub(cells(&remark) + 4);
        let title = match cut_end(self.title, title_room) {
            text if text.is_empty() => String::new(),
            text => format!("{across} {text} "),
        };
        let rest = inside.saturating_sub(cells(&title) + cells(&remark));
        format!("{title}{}{remark}", across.repeat(rest))
    }
}

/// `text` in rows of at most `width` cells, broken at blanks where that is possible.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    fold(text, width, "")
}

/// A command in rows of at most `width` cells; a row that goes on ends in `\`. Its own line ends
/// stay, and nothing of it is left out.
pub(super) fn wrap_command(text: &str, width: usize) -> Vec<String> {
    text.trim_end()
        .lines()
        .flat_map(|line| fold(SafeText::new(line).as_str(), width, " \\"))
        .collect()
}

fn fold(text: &str, width: usize, continued: &str) -> Vec<String> {
    let room = width.saturating_sub(cells(continued)).max(1);
    let mut rows = Vec::new();
    let mut row = String::new();
    let mut rest = text;
    while cells(rest) > width.max(1) {
        row.clear();
        let mut blank = None;
        for grapheme in rest.graphemes(true) {
            if cells(&row) + cells(grapheme) > room {
                break;
            }
            row.push_str(grapheme);
            if grapheme == " " && !row.trim().is_empty() {
                blank = Some(row.len());
            }
        }
        let first = rest.graphemes(true).next().map_or(1, str::len);
        let end = blank.unwrap_or_else(|| row.len().max(first));
        let (head, tail) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let head = if continued.is_empty() { head.trim_end() } else { head };
        rows.push(format!("{head}{continued}"));
        rest = tail;
    }
    rows.push(rest.to_owned());
    rows
}

/// Text of several lines, safe, wrapped.
pub(super) fn wrap_all(text: &str, width: usize) -> Vec<String> {
    text.lines().flat_map(|line| wrap(SafeText::new(line).as_str(), width)).collect()
}

/// Columns of fixed width with one blank between them.
pub(super) fn columns(parts: &[(&str, usize)]) -> String {
    let parts: Vec<String> = parts.iter().map(|(text, width)| pad(text, *width)).collect();
    parts.join(" ")
}

/// `label` in a column of its own, then `text` wrapped beside it.
pub(super) fn labelled(
    label: &str,
    text: &str,
    width: usize,
    styles: (Style, Style),
) -> Vec<Line<'static>> {
    labelled_rows(label, &wrap_all(text, width.saturating_sub(LABEL)), styles)
}

/// `label` in a column of its own, then these rows beside it.
pub(super) fn labelled_rows(
    label: &str,
    rows: &[String],
    (label_style, style): (Style, Style),
) -> Vec<Line<'static>> {
    let mut label = Some(label);
    let mut row = |text: &String| {
        let head = pad(label.take().unwrap_or(""), LABEL);
        Line::from(vec![Span::styled(head, label_style), Span::styled(text.clone(), style)])
    };
    rows.iter().map(&mut row).collect()
}

/// Width of the label column.
pub(super) const LABEL: usize = 9;

/// A curve of the last values, scaled between the least and the greatest of them.
pub(super) fn curve(values: &[Option<f64>], width: usize, theme: Theme) -> String {
    let from = values.len().saturating_sub(width);
    let shown = values.get(from..).unwrap_or_default();
    let known = || shown.iter().flatten().copied().filter(|value| value.is_finite());
    let (low, high) = (known().fold(f64::MAX, f64::min), known().fold(f64::MIN, f64::max));
    // Small changes look small: the scale spans at least a fifth of the value around its middle.
    let (middle, half) = (f64::midpoint(low, high), (high - low).max(high.abs() / 5.0) / 2.0);
    let (low, high) = (middle - half, middle + half);
    let heights = theme.heights();
    let step = |value: f64| {
        let share = if high > low { (value - low) / (high - low) } else { 0.0 };
        let level = (1..heights.len()).filter(|n| share * 7.0 >= as_f64(*n) - 0.5).count();
        heights.get(level).copied().unwrap_or(" ")
    };
    let one = |value: &Option<f64>| match value {
        Some(value) if value.is_finite() => step(*value),
        Some(_) | None => "?",
    };
    shown.iter().map(one).collect()
}

/// A small count as a float.
fn as_f64(n: usize) -> f64 {
    u32::try_from(n).map_or(f64::MAX, f64::from)
}

#[cfg(test)]
mod tests {
    use super::{fold, wrap, wrap_command};

    #[test]
    fn nothing_of_a_command_is_left_out() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap_command("mysql -e 'x y'", 10), ["mysql  \\", "-e 'x y'"]);
        assert_eq!(wrap_command("a\nb\u{1b}[2J", 10), ["a", "b·[2J"]);
        assert_eq!(fold("生产生产", 3, ""), ["生", "产", "生", "产"]);
        for width in 0..6 {
            assert!(fold("生产 abc", width, " \\").concat().contains('c'), "{width}");
        }
    }
}
