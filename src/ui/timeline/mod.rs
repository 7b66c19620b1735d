//! The timeline: what was planned, what came of it and what is forecast, as bars over one axis of
//! time, with the marks that a decision needs: now, the latest safe rollback, the end of the window
//! and the point of no return. It shows the rows of the runbook's list, with the same cursor.

mod axis;
mod bars;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::base::{Millis, StepId, Timestamp, cut_end, pad};
use crate::plan::UndoPlan;

use super::canvas::{Frame, cell_count, put, put_line, tint, wrap};
use super::header::delta;
use super::layout::Size;
use super::model::Model;
use super::steps::{ListState, RowId, first_row, undo_label};
use super::text::timeline as words;
use super::text::{self, Say};
use super::theme::{Role, Theme};
use axis::{Axis, Choice, Reach};
use bars::{Bar, Mark};

/// How much longer a step is taken to need where the page says what that would do.
const MORE: Millis = Millis::from_secs(600);

/// What the timeline remembers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Timeline {
    pub(super) choice: Choice,
    /// Only what ends later than planned, by a column or more.
    pub(super) late: bool,
}

/// A row of the chart, and the row of the list that it belongs to.
struct Row {
    of: RowId,
    label: String,
    bar: Bar,
    /// How late it ends against the plan, in milliseconds.
    delta: Option<i64>,
    /// The first row of its list row: the cursor stands here.
    first: bool,
}

impl Timeline {
    /// Draws the page.
    pub(super) fn draw(
        self,
        buf: &mut Buffer,
        area: Rect,
        (list, m, theme): (&ListState, &Model<'_>, Theme),
        (size, across): (Size, Option<&'static str>),
    ) {
        let wide = size == Size::Full;
        let frame_width = usize::from(area.width).saturating_sub(4);
        let label_width = if wide { 32 } else { 17 };
        let tail_width = if wide { 8 } else { 0 };
        let width = frame_width.saturating_sub(label_width + tail_width).max(1);
        let axis = Axis::new(reach(m), width, self.choice);
        let legend = m.to(if wide { words::LEGEND } else { words::LEGEND_SHORT });
        let remark = if wide {
            format!("{}   {legend}", words::column(m.lang, axis.column()))
        } else {
            legend.to_owned()
        };
        let title = m.to(if m.is_back() { words::BACK_TITLE } else { words::TITLE });
        let title = format!("{}{title}", text::prefix(m.kind(), m.lang));
        let frame = Frame { across, ..Frame::pane(true, &title, &remark) };
        let inside = frame.draw(buf, area, theme);

        let head = format!("{}{}", " ".repeat(label_width), axis.ticks(m.zone()));
        put(buf, inside, 0, &head, theme.style(Role::Dim));
        let foot = foot(list, m, usize::from(inside.width), wide);
        let foot_height = cell_count(foot.len() + 1).min(inside.height.saturating_sub(2));
        let chart = Rect {
            y: inside.y + 1,
            height: inside.height.saturating_sub(1 + foot_height),
            ..inside
        };
        self.chart(buf, chart, (list, m, theme), &axis, (label_width, wide));

        let below = Rect { y: chart.bottom(), height: foot_height, ..inside };
        put_line(buf, below, 0, &marks(m, &axis, label_width, theme));
        for (at, row) in foot.iter().enumerate() {
            let style = theme.style(if at == 0 { Role::Dim } else { Role::Text });
            put(buf, below, cell_count(at + 1), row, style);
        }
    }

    fn chart(
        self,
        buf: &mut Buffer,
        area: Rect,
        (list, m, theme): (&ListState, &Model<'_>, Theme),
        axis: &Axis,
        (label_width, wide): (usize, bool),
    ) {
        let rows = self.rows(list, m, axis, wide);
        if rows.is_empty() {
            put(buf, area, 0, m.to(words::NONE_LATE), theme.style(Role::Dim));
        }
        let current = list.current(m);
        let here = rows.iter().position(|row| Some(&row.of) == current.as_ref());
        let height = usize::from(area.height);
        let from = first_row(rows.len(), here.unwrap_or(0), height);
        for (at, row) in rows.iter().enumerate().skip(from).take(height) {
            let y = cell_count(at - from);
            let label = cut_end(&row.label, label_width.saturating_sub(1));
            let mut spans = vec![Span::styled(pad(&label, label_width), theme.style(Role::Text))];
            spans.extend(row.bar.spans(theme));
            if wide {
                let late = row.delta.map(delta).unwrap_or_default();
                spans.push(Span::styled(format!("{late:>8}"), theme.style(Role::Text)));
            }
            put_line(buf, area, y, &Line::from(spans));
            if row.first && Some(&row.of) == current.as_ref() {
                let place = Rect { x: area.x.saturating_sub(1), width: area.width + 1, ..area };
                put(buf, place, y, ">", theme.style(Role::Key));
                let label = Rect { width: cell_count(label_width), ..place };
                tint(buf, label, y, theme.style(Role::Selected));
            }
        }
    }

    /// The rows of the chart: two for a phase, one for a step.
    fn rows(self, list: &ListState, m: &Model<'_>, axis: &Axis, wide: bool) -> Vec<Row> {
        if m.is_back() {
            return back_rows(m, axis);
        }
        let mut rows = Vec::new();
        for of in list.rows(m) {
            let (late, critical) = match &of {
                RowId::Phase(id) => {
                    let phase = m.plan().phases.iter().find(|phase| phase.id == *id);
                    let critical = |id: &StepId| is_critical(m, id);
                    (
                        phase.and_then(|phase| m.phase_delta(phase)),
                        phase.is_some_and(|phase| phase.steps.iter().any(critical)),
                    )
                }
                RowId::Step(id, _) => (step_delta(m, id), is_critical(m, id)),
            };
            let late = late.filter(|_| m.state.began().is_some());
            let column = i64::try_from(axis.column().as_millis()).unwrap_or(i64::MAX);
            if self.late && late.is_none_or(|late| late < column) {
                continue;
            }
            let star = if critical { " *" } else { "" };
            match &of {
                RowId::Phase(id) => {
                    let Some(phase) = m.plan().phases.iter().find(|phase| phase.id == *id) else {
                        continue;
                    };
                    let [plan, actual] = bars::phase(m, phase, axis);
                    let label = format!("{}{star}", phase.title);
                    rows.push(Row { of: of.clone(), label, bar: plan, delta: None, first: true });
                    let label = match late.filter(|_| !wide).map(delta) {
                        Some(late) => format!("  {late}"),
                        None => format!("  {}", m.to(words::ACTUAL)),
                    };
                    rows.push(Row { of, label, bar: actual, delta: late, first: false });
                }
                RowId::Step(id, _) => {
                    let Some(step) = m.plan().step(id) else { continue };
                    let point = if step.point_of_no_return { " P" } else { "" };
                    let marks = format!("{star}{point}");
                    let room = if wide { 30 } else { 15 };
                    let name = format!("  {} {}", m.label(id), step.title);
                    let label = format!("{}{marks}", cut_end(&name, room - marks.len()));
                    let bar = bars::step(m, id, axis);
                    rows.push(Row { of, label, bar, delta: late, first: true });
                }
            }
        }
        rows
    }
}

fn is_critical(m: &Model<'_>, id: &StepId) -> bool {
    m.forecast.steps.get(id).is_some_and(|times| times.critical)
}

fn step_delta(m: &Model<'_>, id: &StepId) -> Option<i64> {
    let times = m.forecast.steps.get(id)?;
    Some(crate::plan::signed(times.planned.end, times.forecast.end))
}

/// The items of a rollback, one after the other as they are planned.
fn back_rows(m: &Model<'_>, axis: &Axis) -> Vec<Row> {
    let items = bars::way_back(m);
    let row = |item: &bars::BackItem| {
        let step = m.plan().step(&item.step);
        let title = step.map_or("", |step| step.title.as_str());
        let label = format!("{} {title}", undo_label(&item.step, item.part, m));
        Row {
            of: RowId::Step(item.step.clone(), item.part),
            label,
            bar: item.bar(axis, m.now),
            delta: item.over.then(|| crate::plan::signed(item.planned.end, item.is.end)),
            first: true,
        }
    };
    items.iter().map(row).collect()
}

/// From the first moment to the last one that there is to show.
fn reach(m: &Model<'_>) -> Reach {
    let closes = m.window().map(|window| window.closes);
    if let Some(rollback) = m.state.rollback() {
        let items = bars::way_back(m);
        let ends = items.iter().map(|item| item.planned.end.max(item.is.end)).max();
        let ends = ends.unwrap_or(m.now).max(rollback.ended.unwrap_or(m.now));
        return Reach { from: rollback.began, ends, closes, now: m.now };
    }
    let times = || m.forecast.steps.values();
    let starts = times().map(|times| times.planned.start.min(times.forecast.start)).min();
    let ends = m.forecast.planned_end.max(m.forecast.end);
    let ends = if m.is_over() { ends } else { ends.max(m.now) };
    Reach { from: starts.unwrap_or(m.now), ends, closes, now: m.now }
}

/// The moments that decisions hang on.
struct Moments {
    point: Option<Timestamp>,
    latest_safe: Option<Timestamp>,
    closes: Option<Timestamp>,
}

fn moments(m: &Model<'_>) -> Moments {
    let open = |id: &&StepId| !m.state.track(id).status.is_over();
    let point = |id: &&StepId| {
        let step = m.plan().step(id);
        step.is_some_and(|step| {
            step.point_of_no_return || matches!(step.undo, UndoPlan::Irreversible(_))
        })
    };
    let step = m.plan().order.iter().filter(open).find(point);
    let start = step.and_then(|id| m.forecast.steps.get(id)).map(|times| times.forecast.start);
    let goes = !m.is_back() && !m.is_over();
    Moments {
        point: start.filter(|_| goes),
        latest_safe: m.forecast.backout.latest_safe.filter(|_| goes),
        closes: m.window().map(|window| window.closes),
    }
}

/// The row of marks under the bars.
fn marks(m: &Model<'_>, axis: &Axis, label_width: usize, theme: Theme) -> Line<'static> {
    let moments = moments(m);
    let mut row = vec![' '; axis.width];
    // What matters most comes last, and stays.
    let all = [
        ('P', moments.point),
        ('W', moments.closes),
        ('R', moments.latest_safe),
        ('|', Some(m.now)),
    ];
    for (mark, at) in all {
        if let Some(cell) = at.and_then(|at| axis.place(at)).and_then(|place| row.get_mut(place)) {
            *cell = mark;
        }
    }
    let row: String = row.into_iter().collect();
    Line::from(vec![
        Span::styled(pad(m.to(words::MARKS), label_width), theme.style(Role::Dim)),
        Span::styled(row, theme.style(Role::Key)),
    ])
}

/// The lines below: what the marks are, how it ends, what it hangs on.
fn foot(list: &ListState, m: &Model<'_>, width: usize, wide: bool) -> Vec<String> {
    let moments = moments(m);
    let [latest_safe, closes, point] = if wide { words::LONG } else { words::SHORT };
    let said = |mark: &str, at: Option<Timestamp>, word: Say| {
        at.map(|at| format!("{mark} {} {}", m.minute(at), m.to(word)))
    };
    let keys = [
        Some(words::now(m.lang, &m.minute(m.now))),
        said("R", moments.latest_safe, latest_safe),
        said("W", moments.closes, closes),
        said("P", moments.point, point),
    ];
    let keys = keys.into_iter().flatten().collect::<Vec<_>>().join("   ");
    let mut rows = vec![cut_end(&keys, width)];
    let more = if m.is_back() { back_end(m) } else { forward_end(m) };
    let mut said = wrap(&more, width);
    said.truncate(2);
    rows.extend(said);
    if wide && !m.is_back() && !m.is_over() {
        rows.extend(what_if(list, m).map(|row| cut_end(&row, width)));
    }
    rows
}

fn margin(m: &Model<'_>, millis: Option<i64>) -> String {
    millis.map(|millis| words::margin(m.lang, millis)).unwrap_or_default()
}

fn back_end(m: &Model<'_>) -> String {
    let ended = m.state.rollback().and_then(|rollback| rollback.ended);
    let closes = m.window().map(|window| window.closes);
    let left = |end: Timestamp| margin(m, closes.map(|closes| crate::plan::signed(end, closes)));
    let stop = m.to(words::STOP);
    if let Some(at) = ended {
        return format!("{}{}{stop}", words::ended(m.lang, &m.minute(at)), left(at));
    }
    let ends = bars::way_back(m).iter().map(|item| item.is.end).max().unwrap_or(m.now);
    format!("{}{}{stop}", words::ends(m.lang, &m.minute(ends)), left(ends))
}

fn forward_end(m: &Model<'_>) -> String {
    let forecast = m.forecast;
    let end = m.minute(forecast.end);
    let end = if m.is_over() { words::ended(m.lang, &end) } else { words::ends(m.lang, &end) };
    let mut said = format!("{end}{}{}", margin(m, forecast.margin), m.to(words::STOP));
    let chain: Vec<String> =
        m.plan().order.iter().filter(|id| is_critical(m, id)).map(|id| m.label(id)).collect();
    if !chain.is_empty() {
        said.push_str(&words::critical(m.lang, &runs(&chain).join(" > ")));
    }
    let cost = most_cost(m);
    if !cost.is_empty() {
        said.push_str(&words::cost(m.lang, &cost.join(", ")));
    }
    said
}

/// Neighbours in numbers as one: `1 2 3 5` is `1-3`, `5`.
fn runs(chain: &[String]) -> Vec<String> {
    let number = |label: &String| label.parse::<usize>().ok();
    let mut parts: Vec<(String, String)> = Vec::new();
    for label in chain {
        let follows = parts.last().is_some_and(|(_, last)| {
            number(last).zip(number(label)).is_some_and(|(last, this)| last + 1 == this)
        });
        match parts.last_mut().filter(|_| follows) {
            Some((_, last)) => last.clone_from(label),
            None => parts.push((label.clone(), label.clone())),
        }
    }
    let joined = |(first, last): (String, String)| {
        if first == last { first } else { format!("{first}-{last}") }
    };
    parts.into_iter().map(joined).collect()
}

/// The three steps that took the most beyond their plan.
fn most_cost(m: &Model<'_>) -> Vec<String> {
    let began = |id: &&StepId| m.state.track(id).started.is_some();
    let over = |id: &StepId| {
        let times = m.forecast.steps.get(id)?;
        let took = times.forecast.end.since(times.forecast.start).as_millis();
        let planned = times.planned.end.since(times.planned.start).as_millis();
        // Less than a second is nothing that anybody would look into.
        Some((took.checked_sub(planned).filter(|more| *more >= 1000)?, id.clone()))
    };
    let mut all: Vec<_> = m.plan().order.iter().filter(began).filter_map(over).collect();
    all.sort_by_key(|(more, _)| std::cmp::Reverse(*more));
    let said = |(more, id): (u64, StepId)| {
        format!("{} {}", m.label(&id), delta(i64::try_from(more).unwrap_or(i64::MAX)))
    };
    all.into_iter().take(3).map(said).collect()
}

/// What a delay of the step under the cursor would do.
fn what_if(list: &ListState, m: &Model<'_>) -> Option<String> {
    let (step, part) = list.step(m)?;
    let times = m.forecast.steps.get(&step).filter(|_| !part.is_undo())?;
    if m.state.track(&step).status.is_over() {
        return None;
    }
    let label = m.label(&step);
    if times.slack >= MORE {
        return Some(words::has_slack(m.lang, &label, times.slack));
    }
    let later = MORE.minus(times.slack);
    let end = m.forecast.end.after(later);
    let later = i64::try_from(later.as_millis()).unwrap_or(i64::MAX);
    let left = margin(m, m.forecast.margin.map(|margin| margin.saturating_sub(later)));
    Some(words::what_if(m.lang, &label, MORE, (&m.minute(end), &left)))
}

/// The style of a mark.
fn style(mark: Mark, theme: Theme) -> Style {
    theme.style(match mark {
        Mark::Blank | Mark::Done => Role::Text,
        Mark::Plan | Mark::Forecast => Role::Dim,
        Mark::Runs => Role::Title,
        Mark::Failed => Role::Caution,
    })
}

#[cfg(test)]
mod tests {
    use super::runs;

    #[test]
    fn neighbours_are_told_as_one() {
        let labels = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(runs(&labels("1 2 3 5 7 8")), ["1-3", "5", "7-8"]);
        assert_eq!(runs(&labels("copy a1 a2")), ["copy", "a1", "a2"]);
    }
}
