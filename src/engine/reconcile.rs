//! What two systems say, compared: exactly, number by number, or row by row. Pure.
//!
//! What cannot be read is `unknown`, never a pass: nothing at all, a row that is there twice, a
//! word where a number has to be, bytes that are no text.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::{Decimal, Digest, HostId, SafeText, cells, cut_end, pad};
use crate::runbook::{Compare, Reconcile, Tolerance};

/// So many differences are kept; the others are counted.
pub const DIFFERENCES_MAX: usize = 50;
/// A longer key or value is cut where it is shown.
const SHOWN_CHARS_MAX: usize = 80;
/// A column of a table of text is no wider.
const COLUMN_CELLS_MAX: usize = 32;

/// What a comparison found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reconciled {
    /// How it was compared.
    pub compare: Compare,
    /// The same in words, with the tolerance.
    pub how: SafeText,
    /// What was read on the left.
    pub left: SideRead,
    /// What was read on the right.
    pub right: SideRead,
    /// What came of it.
    pub outcome: Outcome,
    /// How many rows, numbers or lines there are, each counted once.
    pub count: u64,
    /// How many of them differ by more than the tolerance, or are on one side only.
    pub differ: u64,
    /// How many of them differ, and not by more than the tolerance.
    pub within: u64,
    /// How many of those that differ are on the left only.
    pub only_left: u64,
    /// How many of those that differ are on the right only.
    pub only_right: u64,
    /// The first of those that differ.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub table: Vec<Difference>,
}

/// What was read on one side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SideRead {
    /// On which host.
    pub host: HostId,
    /// How many bytes.
    pub bytes: u64,
    /// Their digest; none where they are not all there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// What came of a comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Both sides say the same, within the tolerance.
    Equal,
    /// They do not.
    Differs,
    /// Nobody knows: they could not be compared.
    Unknown {
        /// Why not.
        why: SafeText,
    },
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The key of the row, or the number of the line.
    pub key: SafeText,
    /// What the left says; none: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<SafeText>,
    /// What the right says; none: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub right: Option<SafeText>,
    /// How far the right is from the left, where both are numbers: `+3, 0.0007 %`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apart: Option<SafeText>,
}

impl Difference {
    fn texts_mut(&mut self) -> impl Iterator<Item = &mut SafeText> {
        let Self { key, left, right, apart } = self;
        [Some(key), left.as_mut(), right.as_mut(), apart.as_mut()].into_iter().flatten()
    }
}

impl Reconciled {
    /// What came of comparing `left` with `right`, all that both sides printed.
    pub fn of<T>(plan: &Reconcile<T>, left: &[u8], right: &[u8]) -> Self {
        let mut found = Self {
            left: SideRead { digest: Some(Digest::of(left)), ..side(&plan.left.on, left.len()) },
            right: SideRead {
                digest: Some(Digest::of(right)),
                ..side(&plan.right.on, right.len())
            },
            ..Self::unknown(plan, "")
        };
        let compared = match plan.compare {
            Compare::Exact => found.exact(left, right),
            Compare::Numeric => found.numeric(left, right, &plan.tolerance),
            Compare::Rows => found.rows(left, right, &plan.tolerance),
        };
        found.outcome = match compared {
            Ok(()) if found.differ == 0 => Outcome::Equal,
            Ok(()) => Outcome::Differs,
            Err(why) => {
                let Self { compare, how, left, right, .. } = found;
                let why = SafeText::new(&why);
                return Self { compare, how, left, right, ..Self::nothing(plan, why) };
            }
        };
        found
    }

    /// It could not be compared.
    pub fn unknown<T>(plan: &Reconcile<T>, why: &str) -> Self {
        Self::nothing(plan, SafeText::new(why))
    }

    fn nothing<T>(plan: &Reconcile<T>, why: SafeText) -> Self {
        Self {
            compare: plan.compare,
            how: SafeText::new(&plan.how()),
            left: side(&plan.left.on, 0),
            right: side(&plan.right.on, 0),
            outcome: Outcome::Unknown { why },
            count: 0,
            differ: 0,
            within: 0,
            only_left: 0,
            only_right: 0,
            table: Vec::new(),
        }
    }

    /// All that a host may have written of it.
    pub fn texts_mut(&mut self) -> impl Iterator<Item = &mut SafeText> {
        let why = match &mut self.outcome {
            Outcome::Unknown { why } => Some(why),
            Outcome::Equal | Outcome::Differs => None,
        };
        why.into_iter().chain(self.table.iter_mut().flat_map(Difference::texts_mut))
    }

    /// Whether both sides agree.
    pub fn is_equal(&self) -> bool {
        self.outcome == Outcome::Equal
    }

    /// How many differences there are beyond those in the table.
    pub fn more(&self) -> u64 {
        self.differ.saturating_sub(u64::try_from(self.table.len()).unwrap_or(u64::MAX))
    }

    /// It in one line: `2 of 3 rows differ`.
    pub fn words(&self) -> String {
        let (one, many) = match self.compare {
            Compare::Exact => ("line", "lines"),
            Compare::Numeric => ("number", "numbers"),
            Compare::Rows => ("row", "rows"),
        };
        let noun = |count: u64| if count == 1 { one } else { many };
        match &self.outcome {
            Outcome::Unknown { why } => format!("nothing was compared: {why}"),
            Outcome::Equal => {
                let agree = if self.count == 1 { "agrees" } else { "agree" };
                let within = match self.within {
                    0 => String::new(),
                    within => format!(", {within} of them only {}", self.how_near()),
                };
                format!("{} {} {agree}{within}", self.count, noun(self.count))
            }
            Outcome::Differs => {
                let differ = if self.differ == 1 { "differs" } else { "differ" };
                let mut text =
                    format!("{} of {} {} {differ}", self.differ, self.count, noun(self.count));
                for (count, host) in
                    [(self.only_left, &self.left.host), (self.only_right, &self.right.host)]
                {
                    if count > 0 {
                        text.extend([format!(", {count} only on {host}")]);
                    }
                }
                text
            }
        }
    }

    /// The tolerance in words.
    fn how_near(&self) -> &str {
        self.how.as_str().split_once(", ").map_or(self.how.as_str(), |(_, near)| near)
    }

    /// What the columns of the table are called.
    pub fn head(&self) -> [String; 4] {
        let what = match self.compare {
            Compare::Exact => "LINE",
            Compare::Numeric => "NUMBER",
            Compare::Rows => "ROW",
        };
        let side = |name: &str, side: &SideRead| format!("{name} {}", side.host);
        [what.to_owned(), side("LEFT", &self.left), side("RIGHT", &self.right), "APART".to_owned()]
    }

    /// The rows of the table; what a side does not have is `(none)`.
    pub fn cells(&self) -> impl Iterator<Item = [&str; 4]> {
        self.cells_or("(none)")
    }

    fn cells_or<'a>(&'a self, none: &'a str) -> impl Iterator<Item = [&'a str; 4]> {
        self.table.iter().map(move |it| {
            let Difference { key, left, right, apart } = it;
            [
                key.as_str(),
                left.as_ref().map_or(none, SafeText::as_str),
                right.as_ref().map_or(none, SafeText::as_str),
                apart.as_ref().map_or("", SafeText::as_str),
            ]
        })
    }

    /// The table as text of at most `width` cells a line, its head first; nothing where nothing
    /// differs.
    pub fn lines(&self, width: usize) -> Vec<String> {
        self.lines_in(width, &self.head(), "(none)", |more| format!("and {more} more"))
    }

    /// The same with a head, a word for nothing and a count of the rest in another language.
    pub fn lines_in<F: Fn(u64) -> String>(
        &self,
        width: usize,
        head: &[String; 4],
        none: &str,
        and_more: F,
    ) -> Vec<String> {
        if self.table.is_empty() {
            return Vec::new();
        }
        let head = head.each_ref().map(String::as_str);
        let rows: Vec<_> = std::iter::once(head).chain(self.cells_or(none)).collect();
        let widest = |at: usize| {
            let widths = rows.iter().filter_map(|row| row.get(at)).map(|cell| cells(cell));
            widths.max().unwrap_or(0).min(COLUMN_CELLS_MAX)
        };
        let widths = [widest(0), widest(1), widest(2)];
        let line = |row: &[&str; 4]| {
            let [key, left, right, apart] = row;
            let cell = |text: &str, width: usize| pad(&cut_end(text, width), width);
            let [first, second, third] = widths;
            let text = format!(
                "{}  {}  {}  {apart}",
                cell(key, first),
                cell(left, second),
                cell(right, third)
            );
            cut_end(text.trim_end(), width)
        };
        let mut lines: Vec<_> = rows.iter().map(line).collect();
        if self.more() > 0 {
            lines.push(and_more(self.more()));
        }
        lines
    }

    fn exact(&mut self, left: &[u8], right: &[u8]) -> Result<(), String> {
        let (left, right) = (bare(left), bare(right));
        self.given(left, right)?;
        let of = |text: &[u8]| {
            let text = String::from_utf8_lossy(text).into_owned();
            text.chars().map(|c| if c == '\r' { '␍' } else { c }).collect::<String>()
        };
        let (mut lefts, mut rights) =
            (left.split(|it| *it == b'\n'), right.split(|it| *it == b'\n'));
        let mut number = 0_u64;
        loop {
            let (one, other) = (lefts.next(), rights.next());
            if one.is_none() && other.is_none() {
                return Ok(());
            }
            number += 1;
            self.count += 1;
            if one != other {
                let key = number.to_string();
                self.differs(&key, one.map(of).as_deref(), other.map(of).as_deref(), None);
            }
        }
    }

    fn numeric(&mut self, left: &[u8], right: &[u8], near: &Tolerance) -> Result<(), String> {
        self.given(left, right)?;
        let read = |bytes: &[u8], host: &HostId| {
            let text = text(bytes, host)?;
            let between = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '|');
            let words = text.split(between).filter(|word| !word.is_empty());
            let number = |word: &str| {
                let number = word.parse::<Decimal>();
                number.map_err(|_| format!("{host} says `{}`, which is no number", short(word)))
            };
            words.map(number).collect::<Result<Vec<_>, String>>()
        };
        let lefts = read(left, &self.left.host)?;
        let rights = read(right, &self.right.host)?;
        if lefts.is_empty() || rights.is_empty() {
            let host = if lefts.is_empty() { &self.left.host } else { &self.right.host };
            return Err(format!("{host} gave no number"));
        }
        for at in 0..lefts.len().max(rights.len()) {
            let (one, other) = (lefts.get(at), rights.get(at));
            self.count += 1;
            let key = (at + 1).to_string();
            match (one, other) {
                (Some(one), Some(other)) if one == other => {}
                (Some(one), Some(other)) if near.allows(one, other) => self.within += 1,
                (one, other) => {
                    let apart = one.zip(other).map(|(one, other)| apart(one, other));
                    let [one, other] = [one, other].map(|it| it.map(Decimal::to_string));
                    self.differs(&key, one.as_deref(), other.as_deref(), apart);
                }
            }
        }
        Ok(())
    }

    fn rows(&mut self, left: &[u8], right: &[u8], near: &Tolerance) -> Result<(), String> {
        self.given(left, right)?;
        let (left, left_host) = (left.to_vec(), self.left.host.clone());
        let (right, right_host) = (right.to_vec(), self.right.host.clone());
        let lefts = table(text(&left, &left_host)?, &left_host)?;
        let rights = table(text(&right, &right_host)?, &right_host)?;
        let mut others: BTreeMap<&str, &[&str]> =
            rights.iter().map(|row| (row.key, row.values.as_slice())).collect();
        for Row { key, values } in &lefts {
            self.count += 1;
            let Some(other) = others.remove(key) else {
                self.differs(key, Some(&values.join(" ")), None, None);
                continue;
            };
            match differ(values, other, near) {
                Near::Same => {}
                Near::Within => self.within += 1,
                Near::Apart(apart) => {
                    let (one, other) = (values.join(" "), other.join(" "));
                    self.differs(key, Some(&one), Some(&other), apart);
                }
            }
        }
        for Row { key, values } in rights.iter().filter(|row| others.contains_key(row.key)) {
            self.count += 1;
            self.differs(key, None, Some(&values.join(" ")), None);
        }
        Ok(())
    }

    /// Both sides have to give something.
    fn given(&self, left: &[u8], right: &[u8]) -> Result<(), String> {
        for (bytes, host) in [(left, &self.left.host), (right, &self.right.host)] {
            if bytes.iter().all(u8::is_ascii_whitespace) {
                return Err(format!("{host} gave nothing"));
            }
        }
        Ok(())
    }

    fn differs(
        &mut self,
        key: &str,
        left: Option<&str>,
        right: Option<&str>,
        apart: Option<String>,
    ) {
        self.differ += 1;
        self.only_left += u64::from(right.is_none());
        self.only_right += u64::from(left.is_none());
        if self.table.len() < DIFFERENCES_MAX {
            let shown = |text: &str| SafeText::new(&short(text));
            let apart = apart.map(|apart| SafeText::new(&apart));
            let (left, right) = (left.map(shown), right.map(shown));
            self.table.push(Difference { key: shown(key), left, right, apart });
        }
    }
}

fn side(host: &HostId, bytes: usize) -> SideRead {
    SideRead { host: host.clone(), bytes: u64::try_from(bytes).unwrap_or(u64::MAX), digest: None }
}

/// Without the last line end.
fn bare(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

fn short(text: &str) -> String {
    if text.chars().count() <= SHOWN_CHARS_MAX {
        return text.to_owned();
    }
    text.chars().take(SHOWN_CHARS_MAX - 1).chain(['…']).collect()
}

/// Bytes that are no text are not made some: two of them could look the same and not be.
fn text<'a>(bytes: &'a [u8], host: &HostId) -> Result<&'a str, String> {
    std::str::from_utf8(bytes).map_err(|_| format!("what {host} gave is no UTF-8 text"))
}

/// One row.
struct Row<'a> {
    key: &'a str,
    values: Vec<&'a str>,
}

/// The rows of a text: a key, and values behind tabs, `|`, commas or blanks, whichever of these
/// comes first in that order.
fn table<'a>(text: &'a str, host: &HostId) -> Result<Vec<Row<'a>>, String> {
    let mut rows = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let fields: Vec<&str> = match ['\t', '|', ','].into_iter().find(|it| line.contains(*it)) {
            Some(between) => line.split(between).map(str::trim).collect(),
            None => line.split_whitespace().collect(),
        };
        let Some((key, values)) = fields.split_first() else { continue };
        if !seen.insert(*key) {
            return Err(format!("{host} gave the row `{}` twice", short(key)));
        }
        rows.push(Row { key, values: values.to_vec() });
    }
    Ok(rows)
}

/// How two rows of the same key stand to each other.
enum Near {
    Same,
    Within,
    /// Too far apart, and by how much where that is a number.
    Apart(Option<String>),
}

fn differ(left: &[&str], right: &[&str], near: &Tolerance) -> Near {
    if left == right {
        return Near::Same;
    }
    if left.len() != right.len() {
        return Near::Apart(None);
    }
    // Without a tolerance a value is text: a checksum that happens to be a number is none.
    for (at, (one, other)) in left.iter().zip(right).enumerate() {
        if one == other {
            continue;
        }
        let which = if left.len() > 1 { format!("value {}: ", at + 1) } else { String::new() };
        match (one.parse::<Decimal>(), other.parse::<Decimal>()) {
            (Ok(one), Ok(other)) if *near == Tolerance::None || !near.allows(&one, &other) => {
                return Near::Apart(Some(format!("{which}{}", apart(&one, &other))));
            }
            (Ok(_), Ok(_)) => {}
            (_, _) => return Near::Apart(None),
        }
    }
    Near::Within
}

/// How far the right is from the left, and how much that is of the greater of the two.
fn apart(left: &Decimal, right: &Decimal) -> String {
    let by = right.minus(left);
    let sign = if by.is_negative() { "" } else { "+" };
    let greater = left.abs().max(right.abs());
    let share = by.abs().percent_of(&greater).map(|share| format!(", {share}"));
    format!("{sign}{by}{}", share.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{DIFFERENCES_MAX, Outcome, Reconciled};
    use crate::runbook::{Compare, Reconcile, Side, Tolerance};

    fn plan(compare: Compare, tolerance: Tolerance) -> Reconcile<String> {
        let side = |on: &str| Side { on: on.parse().unwrap(), run: "count".to_owned() };
        Reconcile { left: side("db-old"), right: side("db-new"), compare, tolerance }
    }

    fn percent(text: &str) -> Tolerance {
        Tolerance::Percent(text.parse().unwrap())
    }

    fn rows(left: &str, right: &str, tolerance: Tolerance) -> Reconciled {
        Reconciled::of(&plan(Compare::Rows, tolerance), left.as_bytes(), right.as_bytes())
    }

    #[test]
    fn rows_are_matched_by_key_and_missing_ones_are_named() {
        let left = "orders 412110\ncustomers,98\nbills|7|abc\n\nold\t1\n";
        let right = "bills|7|abd\norders 412113\ncustomers,98\nnew 2\n";
        let found = rows(left, right, Tolerance::None);
        assert_eq!(found.outcome, Outcome::Differs);
        assert_eq!((found.count, found.differ, found.only_left, found.only_right), (5, 4, 1, 1));
        assert_eq!(found.words(), "4 of 5 rows differ, 1 only on db-old, 1 only on db-new");
        assert_eq!(
            found.lines(100),
            [
                "ROW     LEFT db-old  RIGHT db-new  APART",
                "orders  412110       412113        +3, 0.000727… %",
                "bills   7 abc        7 abd",
                "old     1            (none)",
                "new     (none)       2",
            ]
        );
        let near = rows("orders 412110\n", "orders 412113\n", percent("0.1"));
        assert_eq!(near.words(), "1 row agrees, 1 of them only within 0.1 %");
        assert!(near.is_equal() && near.lines(80).is_empty());
    }

    #[test]
    fn a_value_without_a_tolerance_is_text() {
        assert_eq!(rows("sum 1e2", "sum 100", Tolerance::None).outcome, Outcome::Differs);
        assert_eq!(rows("sum 007", "sum 7", Tolerance::None).outcome, Outcome::Differs);
        assert!(rows("sum 007", "sum 7", percent("0")).is_equal());
        assert_eq!(rows("sum abc", "sum abd", percent("100")).outcome, Outcome::Differs);
        let many = rows("t 5 100 x", "t 5 101 x", percent("0.5"));
        let apart = many.table[0].apart.as_ref().unwrap();
        assert_eq!(apart.as_str(), "value 2: +1, 0.990… %");
        assert_eq!(rows("t 5", "t 5 6", percent("0.5")).outcome, Outcome::Differs);
    }

    #[test]
    fn what_cannot_be_read_is_never_a_pass() {
        let of = |compare, left: &[u8], right: &[u8]| {
            let found = Reconciled::of(&plan(compare, Tolerance::None), left, right);
            assert!(!found.is_equal() && found.count == 0 && found.table.is_empty());
            found.words()
        };
        assert_eq!(of(Compare::Exact, b"\n", b"\n"), "nothing was compared: db-old gave nothing");
        assert_eq!(of(Compare::Rows, b"a 1", b""), "nothing was compared: db-new gave nothing");
        assert_eq!(
            of(Compare::Numeric, b"12", b"twelve"),
            "nothing was compared: db-new says `twelve`, which is no number"
        );
        assert_eq!(of(Compare::Numeric, b",", b"1"), "nothing was compared: db-old gave no number");
        assert_eq!(
            of(Compare::Rows, b"a 1\na 1\n", b"a 1\n"),
            "nothing was compared: db-old gave the row `a` twice"
        );
        assert_eq!(
            of(Compare::Rows, b"a \xff", b"a \xfe"),
            "nothing was compared: what db-old gave is no UTF-8 text"
        );
    }

    #[test]
    fn exact_is_every_byte_but_the_last_line_end() {
        let of = |left: &[u8], right: &[u8]| {
            Reconciled::of(&plan(Compare::Exact, Tolerance::None), left, right)
        };
        assert!(of(b"a\nb\n", b"a\nb").is_equal());
        assert!(of(b"\xff", b"\xff\n").is_equal());
        let found = of(b"a\nb\nc\nd", b"a\nb\r\nc\n");
        assert_eq!(found.words(), "2 of 4 lines differ, 1 only on db-old");
        assert_eq!(found.table[0].right.as_ref().unwrap().as_str(), "b␍");
        assert_eq!(of(b"\xff", b"\xfe").outcome, Outcome::Differs);
    }

    #[test]
    fn money_is_compared_exactly_and_many_differences_are_counted() {
        let of = |left: &str, right: &str, tolerance| {
            let plan = plan(Compare::Numeric, tolerance);
            Reconciled::of(&plan, left.as_bytes(), right.as_bytes())
        };
        let cent = Tolerance::Absolute("0.01".parse().unwrap());
        assert!(of("90071992547409931.29", "90071992547409931.30", cent.clone()).is_equal());
        assert!(!of("90071992547409931.29", "90071992547409931.31", cent).is_equal());
        assert!(of("1.0 2", "1\n2.00", Tolerance::None).is_equal());
        let numbers =
            |from: u32| (from..from + 200).map(|it| it.to_string()).collect::<Vec<_>>().join("\n");
        let found = of(&numbers(1), &numbers(1_001), Tolerance::None);
        assert_eq!((found.differ, found.table.len()), (200, DIFFERENCES_MAX));
        assert_eq!(found.lines(60).last().unwrap(), "and 150 more");
        let short = of("1 2 3", "1 2", Tolerance::None);
        assert_eq!(short.words(), "1 of 3 numbers differs, 1 only on db-old");
    }

    fn any_rows() -> impl Strategy<Value = String> {
        let row = ("[a-e]", -500_i32..500, "(x|y|)").prop_map(|(key, number, word)| {
            (key, format!("{}.{:02} {word}", number / 100, (number % 100).abs()))
        });
        proptest::collection::vec(row, 1..6).prop_map(|rows| {
            let rows: std::collections::BTreeMap<_, _> = rows.into_iter().collect();
            let rows: Vec<_> =
                rows.into_iter().map(|(key, value)| format!("{key} {value}")).collect();
            rows.join("\n")
        })
    }

    proptest! {
        #[test]
        fn everything_equals_itself(text in any_rows(), limit in 0_u32..5) {
            for compare in [Compare::Exact, Compare::Rows] {
                let plan = plan(compare, percent(&limit.to_string()));
                let found = Reconciled::of(&plan, text.as_bytes(), text.as_bytes());
                prop_assert!(found.is_equal() && found.within == 0);
            }
        }

        #[test]
        fn sides_can_be_changed_over(left in any_rows(), right in any_rows(), limit in 0_u32..60) {
            let forth = rows(&left, &right, percent(&limit.to_string()));
            let back = rows(&right, &left, percent(&limit.to_string()));
            prop_assert_eq!(&forth.outcome, &back.outcome);
            prop_assert_eq!((forth.differ, forth.within), (back.differ, back.within));
            prop_assert_eq!((forth.only_left, forth.only_right), (back.only_right, back.only_left));
            let pairs = |found: &Reconciled, turn: bool| {
                let pair = |it: &super::Difference| {
                    let (one, other) = if turn { (&it.right, &it.left) } else { (&it.left, &it.right) };
                    (it.key.clone(), one.clone(), other.clone())
                };
                let mut pairs: Vec<_> = found.table.iter().map(pair).collect();
                pairs.sort();
                pairs
            };
            prop_assert_eq!(pairs(&forth, false), pairs(&back, true));
        }

        #[test]
        fn more_tolerance_never_finds_more(left in any_rows(), right in any_rows(), limit in 0_u32..60, more in 0_u32..60) {
            let near = rows(&left, &right, percent(&limit.to_string()));
            let far = rows(&left, &right, percent(&(limit + more).to_string()));
            prop_assert!(far.differ <= near.differ);
            prop_assert_eq!(far.count, near.count);
        }
    }
}
