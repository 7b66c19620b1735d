//! Pages to read: help, alarms, leave, audit, notes.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::base::{SafeText, cells, cut_end, cut_middle, pad};
use crate::engine::Status;

use super::audit::AuditLine;
use super::bottom::alarm_row;
use super::canvas::{Frame, cell_count, columns, put, put_line, wrap_all};
use super::keymap::{Group, TABLE, names};
use super::model::Model;
use super::order::ORDERS;
use super::sheet::Sheet;
use super::step::Rows;
use super::text::pages as words;
use super::text::{self, readiness};
use super::theme::{Role, Theme};

/// The keys, from the table, and the glyphs.
pub(super) fn help(m: &Model<'_>, theme: Theme, width: usize) -> Sheet {
    let groups = [
        (words::SAFE, Group::Safe),
        (words::STEPS, Group::Step),
        (words::LOG, Group::Log),
        (words::GUARDED, Group::Guarded),
    ];
    let columns = match width {
        100.. => 3,
        70.. => 2,
        _ => 1,
    };
    let column = (width / columns).saturating_sub(1);
    let mut rows: Vec<(String, Role)> = Vec::new();
    for (title, group) in groups {
        rows.push((title.own(m.lang), Role::Title));
        let mut seen = Vec::new();
        for binding in TABLE.iter().filter(|binding| binding.group == group) {
            if !seen.contains(&binding.action) {
                let long = m.to(binding.words.long);
                rows.push((format!("{} {long}", pad(&names(binding), 11)), Role::Text));
                seen.push(binding.action);
            }
        }
        rows.push((String::new(), Role::Text));
    }
    rows.push((m.to(text::line::COMMANDS).to_owned(), Role::Title));
    for order in ORDERS {
        let name = format!("{}{}", order.word, order.takes.word());
        rows.push((format!("{} {}", pad(&name, 11), m.to(order.means)), Role::Text));
    }
    rows.push((String::new(), Role::Text));
    rows.extend(glyphs(m, theme).into_iter().map(|row| (row, Role::Text)));
    let half = rows.len().div_ceil(columns);
    let body = (0..half).map(|at| {
        let cell = |at: usize| rows.get(at).cloned().unwrap_or((String::new(), Role::Text));
        let spans = (0..columns).map(|n| {
            let (text, role) = cell(at + n * half);
            Span::styled(format!("{} ", pad(&text, column)), theme.style(role))
        });
        spans.collect::<Line<'static>>()
    });
    let body = body.collect();
    let foot = vec![
        Line::styled(m.to(words::HELP_KEYS), theme.style(Role::Key)),
        Line::styled(m.to(words::IME), theme.style(Role::Dim)),
    ];
    let remark = format!("golive {}", SafeText::new(m.version));
    Sheet { title: words::HELP.own(m.lang), remark, body, foot, low: false, must: 0 }
}

fn glyphs(m: &Model<'_>, theme: Theme) -> Vec<String> {
    let until = crate::base::Timestamp::default();
    let states =
        [Status::Pending, Status::Running, Status::Succeeded, Status::Failed, Status::Skipped];
    let waits = theme.mark(Status::Soaking { until });
    vec![
        words::GLYPHS.own(m.lang),
        words::glyph_states(m.lang, states.map(|status| theme.mark(status))),
        words::glyph_others(m.lang, [waits, theme.undone(), theme.mark(Status::Unknown)]),
        words::GLYPH_LEVELS.own(m.lang),
    ]
}

/// Every alarm of the run, newest first.
pub(super) fn alarms(m: &Model<'_>, theme: Theme, width: usize) -> Sheet {
    let alarms = m.state.alarms().iter().rev();
    let mut body: Vec<_> = alarms.map(|alarm| alarm_row(alarm, m, theme, width)).collect();
    if body.is_empty() {
        body.push(Line::styled(m.to(words::NO_ALARM), theme.style(Role::Dim)));
    }
    let foot = vec![Line::styled(m.to(words::ALARM_KEYS), theme.style(Role::Key))];
    let remark = words::alarms(m.lang, m.state.alarms().len());
    Sheet { title: words::ALL_ALARMS.own(m.lang), remark, body, foot, low: false, must: 0 }
}

/// Leave or stay.
pub(super) fn leave(m: &Model<'_>, theme: Theme, width: usize) -> Sheet {
    let mut rows = Rows::new(m, theme, width);
    let key = theme.style(Role::Key);
    let plain = theme.style(Role::Text);
    let (title, choices) = if m.is_over() {
        rows.row(m.to(words::IS_OVER), Role::Text);
        let choices =
            vec![("c", words::CLOSE_AND_LEAVE), ("h", words::LEAVE_OPEN), ("Esc", words::STAY)];
        (words::CLOSE, choices)
    } else {
        let runs = m.state.in_flight().count();
        if runs > 0 {
            rows.row(&words::runs_on(m.lang, runs), Role::Text);
        }
        rows.row(m.to(words::GOES_ON_HOLD), Role::Text);
        (words::LEAVE, vec![("h", words::HOLD_AND_LEAVE), ("Esc", words::STAY)])
    };
    let mut spans = Vec::new();
    for (name, what) in choices {
        spans.push(Span::styled(name.to_owned(), key));
        spans.push(Span::styled(format!("  {}      ", m.to(what)), plain));
    }
    let foot = vec![Line::from(spans)];
    Sheet {
        title: title.own(m.lang),
        remark: String::new(),
        body: rows.lines,
        foot,
        low: false,
        must: 0,
    }
}

/// The last facts of the journal.
pub(super) fn audit(
    buf: &mut Buffer,
    area: Rect,
    m: &Model<'_>,
    theme: Theme,
    (scroll, across): (usize, Option<&'static str>),
) {
    let title = format!("{}{}", text::prefix(m.kind(), m.lang), m.to(words::AUDIT));
    let remark = words::on_disk(m.lang, m.seq);
    let frame = Frame { across, ..Frame::pane(true, &title, &remark) };
    let inside = frame.draw(buf, area, theme);
    let width = usize::from(inside.width);
    let (signed, role) = signed(m, width);
    put(buf, inside, 0, &signed, theme.style(role));
    let who_width = (width / 8).clamp(6, 14);
    let head = [
        (m.to(words::NUMBER), 6),
        (m.to(words::TIME), 8),
        (m.to(words::WHO), who_width),
        (m.to(words::WHAT), 16),
        (m.to(words::ABOUT), 40),
    ];
    put(buf, inside, 1, &columns(&head), theme.style(Role::Dim));
    let rows = Rect { y: inside.y + 2, height: inside.height.saturating_sub(2), ..inside };
    let lines = m.audit.lines();
    let height = usize::from(rows.height);
    let hidden = lines.len().saturating_sub(height);
    let from = hidden.saturating_sub(scroll);
    for (at, line) in lines.iter().skip(from).take(height).enumerate() {
        let row = audit_row(line, who_width, width, m);
        put(buf, rows, cell_count(at), &row, theme.style(Role::Text));
    }
}

/// How far the record is signed and by whom, or why not, in `width` cells.
fn signed(m: &Model<'_>, width: usize) -> (String, Role) {
    let signing = m.signing;
    if signing.touch {
        return (cut_end(m.to(words::TOUCH), width), Role::Key);
    }
    if let Some(trouble) = &signing.trouble {
        return (cut_end(&format!("! {trouble}"), width), Role::Caution);
    }
    let Some(key) = &signing.key else {
        let why = readiness::unsigned(m.lang, signing.unsigned.as_ref());
        return (cut_end(&why, width), Role::Dim);
    };
    let upto = words::signed(m.lang, signing.upto, m.seq);
    let by = m.to(if signing.by_own { words::BY_OWN } else { words::BY });
    let room = width.saturating_sub(cells(&upto) + cells(by));
    let whole = format!("{upto}{by}{}", cut_middle(key.as_str(), room));
    // A fingerprint of which less is left says nothing.
    let short = words::signed_short(m.lang, &upto);
    let line = match (room >= 16, signing.by_own) {
        (true, _) => whole,
        (false, true) => cut_end(&short, width),
        (false, false) => cut_end(&upto, width),
    };
    (line, Role::Text)
}

fn audit_row(line: &AuditLine, who_width: usize, width: usize, m: &Model<'_>) -> String {
    let number = line.seq.to_string();
    let time = m.time(line.at);
    let head =
        columns(&[(&number, 6), (&time, 8), (line.who.as_str(), who_width), (line.what, 16)]);
    let room = width.saturating_sub(cells(&head) + 1);
    format!("{head} {}", cut_end(line.about.to(m.lang), room))
}

/// The notes so far, newest last.
pub(super) fn notes(
    buf: &mut Buffer,
    area: Rect,
    m: &Model<'_>,
    theme: Theme,
    (scroll, across): (usize, Option<&'static str>),
) {
    let notes = m.state.notes();
    let title = format!("{}{}", text::prefix(m.kind(), m.lang), m.to(words::NOTES));
    let remark = words::note_keys(m.lang, notes.len());
    let frame = Frame { across, ..Frame::pane(true, &title, &remark) };
    let inside = frame.draw(buf, area, theme);
    let width = usize::from(inside.width);
    let mut rows = Vec::new();
    for note in notes {
        let step = note.step.as_ref().map(|step| format!("  {step}")).unwrap_or_default();
        let head = format!("{}  {}{step}", m.time(note.at), note.by.name());
        rows.push(Line::styled(SafeText::new(&head).to_string(), theme.style(Role::Title)));
        let text = wrap_all(&note.text, width.saturating_sub(4));
        let row = |row: String| Line::styled(format!("    {row}"), theme.style(Role::Text));
        rows.extend(text.into_iter().map(row));
    }
    if rows.is_empty() {
        rows.push(Line::styled(m.to(words::NO_NOTE), theme.style(Role::Dim)));
    }
    let height = usize::from(inside.height);
    let hidden = rows.len().saturating_sub(height);
    let from = hidden.saturating_sub(scroll);
    for (at, line) in rows.iter().skip(from).take(height).enumerate() {
        put_line(buf, inside, cell_count(at), line);
    }
}
