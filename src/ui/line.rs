//! The command line: one row for golive's own commands. Nothing that is written here reaches a
//! shell, and nothing happens here that its key would have asked about first.

use crossterm::event::KeyEvent;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use crate::base::{SafeText, StepId, cells, cut_end};
use crate::engine::{Command, Part};
use crate::runbook::nearest;

use super::action::Action;
use super::canvas::{cell_count, clear, put, put_right};
use super::keymap::{Spot, lookup};
use super::layout::{Size, size};
use super::model::Model;
use super::order::{ORDERS, Order, Takes, What, find, near};
use super::press::Press;
use super::prompt::Purpose;
use super::screen::{Intent, Screen, View};
use super::text::line as words;
use super::text::{self, Told};
use super::theme::{Role, Theme};

/// The longest line.
const CHARS_MAX: usize = 2_000;
/// Lines that are remembered.
const PAST_MAX: usize = 100;

/// The line while it is written.
#[derive(Clone, Debug, Default)]
pub(super) struct Field {
    text: String,
    /// Where the cursor stands, in bytes.
    at: usize,
    /// Which of the lines before is shown, counted from the newest.
    past: Option<usize>,
    /// What was written before one of them was shown.
    own: String,
    /// What Tab goes through.
    offers: Option<Offers>,
}

/// What the word under the cursor could become.
#[derive(Clone, Debug)]
struct Offers {
    /// What stands before that word.
    head: String,
    words: Vec<String>,
    at: usize,
}

impl Field {
    fn set(&mut self, text: &str) {
        text.clone_into(&mut self.text);
        self.at = self.text.len();
    }

    fn insert(&mut self, c: char) {
        if !c.is_control() && self.text.chars().count() < CHARS_MAX {
            self.text.insert(self.at, c);
            self.at += c.len_utf8();
        }
    }

    fn before(&self) -> &str {
        self.text.get(..self.at).unwrap_or_default()
    }

    fn left(&mut self) {
        self.at -= self.before().chars().next_back().map_or(0, char::len_utf8);
    }

    fn right(&mut self) {
        let after = self.text.get(self.at..).unwrap_or_default();
        self.at += after.chars().next().map_or(0, char::len_utf8);
    }

    fn backspace(&mut self) {
        if self.at > 0 {
            self.left();
            self.text.remove(self.at);
        }
    }

    /// Takes the word before the cursor away.
    fn cut_word(&mut self) {
        let kept = self.before().trim_end();
        let kept = kept.rfind(' ').map_or(0, |blank| blank + 1);
        self.text.replace_range(kept..self.at, "");
        self.at = kept;
    }

    /// The word of the command, and what follows it.
    fn parts(&self) -> (&str, &str) {
        let line = self.text.trim().trim_start_matches(':').trim_start();
        line.split_once(' ').map_or((line, ""), |(word, rest)| (word, rest.trim()))
    }

    /// What the last word could become.
    fn offers(&self, m: &Model<'_>) -> Vec<String> {
        let line = self.text.trim_start();
        let Some((word, rest)) = line.split_once(' ') else {
            let words = ORDERS.iter().map(|order| order.word);
            return words.filter(|known| known.starts_with(line)).map(str::to_owned).collect();
        };
        let known: Vec<String> = match find(word).map(|order| order.takes) {
            Some(Takes::Step | Takes::StepOrNothing) => steps(m).map(StepId::to_string).collect(),
            Some(Takes::HostOrNothing) => m.plan().hosts.keys().map(ToString::to_string).collect(),
            Some(Takes::Nothing | Takes::Words) | None => Vec::new(),
        };
        known.into_iter().filter(|name| name.starts_with(rest.trim_start())).collect()
    }

    /// Tab: as much as all offers have in common; pressed again, one after the other.
    fn complete(&mut self, m: &Model<'_>) {
        if let Some(offers) = &mut self.offers
            && !offers.words.is_empty()
        {
            offers.at = (offers.at + 1) % offers.words.len();
            let word = offers.words.get(offers.at).cloned().unwrap_or_default();
            let text = format!("{}{word}", offers.head);
            self.set(&text);
            return;
        }
        let words = self.offers(m);
        let head = self.text.rfind(' ').map_or("", |at| self.text.get(..=at).unwrap_or_default());
        let head = head.to_owned();
        match words.as_slice() {
            [] => {}
            [only] => {
                let takes = find(only).filter(|_| head.trim().is_empty());
                let more = takes.is_some_and(|order| order.takes != Takes::Nothing);
                let text = format!("{head}{only}{}", if more { " " } else { "" });
                self.set(&text);
            }
            [first, ..] => {
                let common = common(&words);
                let written = self.text.get(head.len()..).unwrap_or_default().to_owned();
                let grows = common.len() > written.len();
                let text = format!("{head}{}", if grows { common } else { first });
                self.set(&text);
                // What was common comes first, then each of them in turn.
                let at = if grows { words.len() - 1 } else { 0 };
                self.offers = Some(Offers { head, words, at });
            }
        }
    }

    /// What is said beside the line: what it does, or what it could become.
    fn hint(&self, m: &Model<'_>) -> String {
        if let Some(offers) = &self.offers {
            return offers.words.join("  ");
        }
        let (word, rest) = self.parts();
        let offers = self.offers(m);
        let only = offers.first().filter(|_| offers.len() == 1 && rest.is_empty());
        match find(word).or_else(|| find(only?)) {
            Some(order) => format!(":{}{}  {}", order.word, order.takes.word(), m.to(order.means)),
            None if word.is_empty() => words::EMPTY.own(m.lang),
            None if rest.is_empty() && !offers.is_empty() => offers.join("  "),
            None => words::no_order(m.lang, word, near(word)),
        }
    }

    /// Draws the line and says where the cursor stands.
    pub(super) fn draw(
        &self,
        buf: &mut Buffer,
        area: Rect,
        m: &Model<'_>,
        theme: Theme,
    ) -> Option<Position> {
        if area.width < 4 || area.height == 0 {
            return None;
        }
        clear(buf, area, theme.style(Role::Text));
        let room = usize::from(area.width).saturating_sub(3);
        // What is left of the cursor is seen up to it; a long line loses its beginning.
        let mut shown = self.text.as_str();
        let mut column = cells(self.before());
        while column > room {
            let first = shown.chars().next().map_or(0, char::len_utf8).max(1);
            shown = shown.get(first..).unwrap_or_default();
            let cut = self.text.len() - shown.len();
            column = cells(self.text.get(cut..self.at).unwrap_or_default());
        }
        put(buf, area, 0, &format!(" :{}", cut_end(shown, room)), theme.style(Role::Title));
        let free = room.saturating_sub(cells(shown) + 3);
        if free >= 16 {
            let hint = SafeText::new(&self.hint(m));
            let hint = format!("{} ", cut_end(hint.as_str(), free));
            put_right(buf, area, 0, &hint, theme.style(Role::Dim));
        }
        Some(Position { x: area.x + 2 + cell_count(column), y: area.y })
    }
}

/// The steps that the list can show.
fn steps<'m>(m: &Model<'m>) -> impl Iterator<Item = &'m StepId> {
    m.plan().order.iter()
}

/// What all words begin with.
fn common(words: &[String]) -> &str {
    let Some(first) = words.first() else { return "" };
    let mut end = first.len();
    for word in words {
        let same = first.bytes().zip(word.bytes()).take_while(|(a, b)| a == b).count();
        end = end.min(same);
    }
    while !first.is_char_boundary(end) {
        end -= 1;
    }
    first.get(..end).unwrap_or_default()
}

impl Screen {
    /// `:`: the line opens, empty: what was left in it before is one `Up` away, and never stands
    /// in front of what is typed next.
    pub(super) fn open_line(&mut self) {
        if size(self.area) == Size::Tiny {
            self.say(text::TOO_SMALL);
            return;
        }
        self.line = Some(Field::default());
    }

    /// A key while the line is written.
    pub(super) fn line_key(
        &mut self,
        key: KeyEvent,
        press: Press,
        repeats: bool,
        m: &Model<'_>,
    ) -> Vec<Intent> {
        use crossterm::event::{KeyCode, KeyModifiers};
        if let Some(action) = lookup(Spot::Line, press) {
            let walks = matches!(action, Action::Older | Action::Newer | Action::Complete);
            if repeats && !walks {
                return Vec::new();
            }
            return self.line_action(action, press, m);
        }
        let Some(field) = &mut self.line else { return Vec::new() };
        field.offers = None;
        let held = key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
        match (press, key.code) {
            (Press::Backspace, _) => field.backspace(),
            (Press::Left, _) => field.left(),
            (Press::Right, _) => field.right(),
            (Press::Home | Press::Ctrl('a'), _) => field.at = 0,
            (Press::End | Press::Ctrl('e'), _) => field.at = field.text.len(),
            (Press::Ctrl('w'), _) => field.cut_word(),
            (Press::Ctrl('u'), _) => field.set(""),
            (_, KeyCode::Char(c)) if !held => field.insert(c),
            (_, _) => {}
        }
        Vec::new()
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "what is not the line's own does what it does elsewhere"
    )]
    fn line_action(&mut self, action: Action, press: Press, m: &Model<'_>) -> Vec<Intent> {
        match action {
            Action::CarryOut => return self.carry_out_line(m),
            Action::Back => self.leave_line(),
            Action::Older => self.walk(true),
            Action::Newer => self.walk(false),
            Action::Complete => {
                if let Some(field) = &mut self.line {
                    field.complete(m);
                }
            }
            // A hold is no reason to lose what is being written.
            Action::Hold => return self.hold(m),
            other => {
                self.leave_line();
                return self.act(other, press, m);
            }
        }
        Vec::new()
    }

    /// The line goes; what stands in it is kept.
    pub(super) fn leave_line(&mut self) {
        let Some(field) = self.line.take() else { return };
        if !field.text.trim().is_empty() {
            // What was said behind the line has not been seen yet.
            if self.said.is_none() {
                self.say(words::KEPT);
            }
            self.remember(field.text.trim());
        }
    }

    fn remember(&mut self, line: &str) {
        self.past.retain(|known| known != line);
        self.past.push(line.to_owned());
        let extra = self.past.len().saturating_sub(PAST_MAX);
        self.past.drain(..extra);
    }

    /// One line back in what was written, or one forward again.
    fn walk(&mut self, back: bool) {
        let Some(field) = &mut self.line else { return };
        field.offers = None;
        let next = match (field.past, back) {
            (None, true) => Some(0),
            (Some(at), true) => Some((at + 1).min(self.past.len().saturating_sub(1))),
            (Some(0) | None, false) => None,
            (Some(at), false) => Some(at - 1),
        };
        if field.past.is_none() {
            field.own.clone_from(&field.text);
        }
        let shown = next.and_then(|at| self.past.iter().rev().nth(at)).cloned();
        field.past = next.filter(|_| shown.is_some());
        let text = shown.unwrap_or_else(|| field.own.clone());
        field.set(&text);
    }

    /// Enter: does what the line says, by the same decisions as its key.
    fn carry_out_line(&mut self, m: &Model<'_>) -> Vec<Intent> {
        if size(self.area) == Size::Tiny {
            self.say(text::TOO_SMALL);
            return Vec::new();
        }
        let Some(field) = self.line.take() else { return Vec::new() };
        let (word, rest) = field.parts();
        if word.is_empty() {
            return Vec::new();
        }
        self.remember(field.text.trim());
        let Some(order) = find(word) else {
            let word = SafeText::new(word);
            self.say(Told::of(|lang| words::no_order(lang, word.as_str(), near(word.as_str()))));
            return Vec::new();
        };
        if order.takes == Takes::Nothing && !rest.is_empty() {
            self.say(words::takes_nothing(order.word));
            return Vec::new();
        }
        self.carry_out(order, rest, m)
    }

    fn carry_out(&mut self, order: &Order, rest: &str, m: &Model<'_>) -> Vec<Intent> {
        match order.what {
            What::Key(action, press) => return self.act(action, press, m),
            What::Goto | What::Step if !rest.is_empty() => {
                if self.go_to(rest, m) && order.what == What::Step {
                    return self.act(Action::View, Press::Char('2'), m);
                }
            }
            What::Goto => self.say(words::WHICH_STEP),
            What::Step => return self.act(Action::View, Press::Char('2'), m),
            What::Hold => {
                let why = if rest.is_empty() { text::recorded::BY_OPERATOR } else { rest };
                return match m.state.hold() {
                    // Written out, it means one thing: the key toggles, this never ends a hold.
                    Some(hold) => {
                        self.say(words::held_already(hold.why.as_str()));
                        Vec::new()
                    }
                    None => vec![Intent::Submit(Command::Hold { why: SafeText::new(why) })],
                };
            }
            What::Continue => match m.state.hold() {
                Some(_) => return self.hold(m),
                None => self.say(words::NOT_HELD),
            },
            What::Reload => self.say(words::RELOAD_HOW),
            What::Shell if rest.is_empty() => return self.act(Action::Shell, Press::Other, m),
            What::Shell => self.shell_on(rest, m),
            What::Note if rest.is_empty() => return self.act(Action::Note, Press::Other, m),
            What::Note => {
                let step = self.about(m).map(|(step, _)| step);
                self.drafts.retain(|(of, _)| *of != Purpose::Note { step: step.clone() });
                let text = rest.to_owned();
                return vec![Intent::Submit(Command::Note { step, text })];
            }
        }
        Vec::new()
    }

    /// The cursor to the step of this name or number; whether there is one.
    fn go_to(&mut self, name: &str, m: &Model<'_>) -> bool {
        let by_number =
            || steps(m).find(|id| m.plan().number(id).is_some_and(|n| n.to_string() == name));
        let found = steps(m).find(|id| id.as_str() == name).or_else(by_number);
        let Some(step) = found.cloned() else {
            let near = nearest(name, steps(m).map(StepId::as_str));
            self.say(words::no_step(SafeText::new(name).as_str(), near));
            return false;
        };
        // A rollback has undos, and steps of its own.
        let parts = [Part::Undo, Part::Action];
        if !parts.into_iter().any(|part| self.list.go_to(m, &step, part)) {
            self.say(words::step_not_listed(step.as_str()));
            return false;
        }
        self.step_scroll = 0;
        if !matches!(self.view, View::Drive | View::Step | View::Log) {
            self.view(Press::Char('1'));
        }
        true
    }

    /// Text was pasted into the line: it carries nothing out.
    pub(super) fn paste_into_line(&mut self, pasted: &str) -> bool {
        let Some(field) = &mut self.line else { return false };
        field.offers = None;
        for c in pasted.trim_end().chars() {
            field.insert(if c.is_control() { ' ' } else { c });
        }
        true
    }
}
