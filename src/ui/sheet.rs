//! A dialog as rows: a body that scrolls and a foot that is always seen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use crate::engine::RunKind;

use super::canvas::{Frame, cell_count, clear, put, put_line, put_right};
use super::text::{self, Lang, pages as words};
use super::theme::{Role, Rule, Theme};

/// A dialog, ready to draw.
#[derive(Clone, Debug, Default)]
pub(super) struct Sheet {
    pub(super) title: String,
    pub(super) remark: String,
    /// What it says; scrolls if it does not fit.
    pub(super) body: Vec<Line<'static>>,
    /// What is always seen; the first row is the one that a tiny screen shows.
    pub(super) foot: Vec<Line<'static>>,
    /// At the lower edge, so that the panes stay in sight.
    pub(super) low: bool,
    /// So many rows of the body have to be seen before its gesture counts.
    pub(super) must: usize,
}

/// How many cells a dialog has for its text on this area.
pub(super) const fn inner_width(area: Rect) -> usize {
    let outer = if area.width >= 100 { area.width - 4 } else { area.width };
    (outer as usize).saturating_sub(4)
}

/// Without a frame below this height.
const FRAMED_FROM: u16 = 7;

impl Sheet {
    /// Rows that it takes with its frame, if it gets them.
    pub(super) fn height(&self) -> u16 {
        cell_count(self.body.len() + self.foot.len() + 3)
    }

    /// Rows of the body that fit on this area.
    fn room(&self, area: Rect) -> usize {
        let height = usize::from(area.height);
        if area.height < FRAMED_FROM {
            height.saturating_sub(2)
        } else {
            height.saturating_sub(3 + self.foot.len())
        }
    }

    /// How far down somebody has to read before the gesture counts.
    pub(super) fn unread(&self, area: Rect) -> usize {
        self.must.saturating_sub(self.room(area))
    }

    /// Rows of the body that do not fit.
    pub(super) fn hidden(&self, area: Rect) -> usize {
        self.body.len().saturating_sub(self.room(area))
    }

    /// Draws it; returns the inside of the frame.
    pub(super) fn draw(
        &self,
        buf: &mut Buffer,
        area: Rect,
        (kind, lang): (RunKind, Lang),
        theme: Theme,
        scroll: usize,
    ) -> Rect {
        if area.height < FRAMED_FROM {
            return self.bare(buf, area, (kind, lang), theme, scroll);
        }
        let height = self.height().min(area.height);
        let margin = if area.width >= 100 && !self.low { 2 } else { 0 };
        let spare = area.height - height;
        let down = if self.low { spare } else { spare.min(1) };
        let place =
            Rect { x: area.x + margin, y: area.y + down, width: area.width - 2 * margin, height };
        let title = format!("{}  {}", text::kind(kind).to(lang), self.title);
        let rule = Rule::Dialog(kind);
        let frame = Frame { rule, title: &title, remark: &self.remark, across: None };
        let inside = frame.draw(buf, place, theme);
        let foot = cell_count(self.foot.len()).min(inside.height);
        let body = Rect { height: inside.height.saturating_sub(foot + 1), ..inside };
        let hidden = self.body.len().saturating_sub(usize::from(body.height));
        let from = scroll.min(hidden);
        for (at, line) in self.body.iter().skip(from).take(usize::from(body.height)).enumerate() {
            put_line(buf, body, cell_count(at), line);
        }
        if hidden > 0 {
            let (above, below) = (from, hidden - from);
            let more = words::hidden(lang, above, below);
            let between = Rect { y: body.bottom(), height: 1, ..inside };
            put_right(buf, between, 0, &more, theme.style(Role::Key));
        }
        let below = Rect { y: inside.bottom().saturating_sub(foot), height: foot, ..inside };
        for (at, line) in self.foot.iter().enumerate() {
            put_line(buf, below, cell_count(at), line);
        }
        inside
    }

    /// Title, the first row of the foot, and as much of the body as there is room for.
    fn bare(
        &self,
        buf: &mut Buffer,
        area: Rect,
        (kind, lang): (RunKind, Lang),
        theme: Theme,
        scroll: usize,
    ) -> Rect {
        clear(buf, area, theme.style(Role::Text));
        let title = format!("{} {}", text::kind(kind).to(lang), self.title);
        put(buf, area, 0, &title, theme.style(Role::Title));
        if let Some(line) = self.foot.first() {
            put_line(buf, area, 1, line);
        }
        let from = scroll.min(self.hidden(area));
        for (at, line) in self.body.iter().skip(from).enumerate() {
            put_line(buf, area, cell_count(at + 2), line);
        }
        area
    }
}
