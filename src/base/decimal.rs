//! Decimal numbers of any length, exact: money is never rounded before it is compared.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// A longer number is text.
const DIGITS_MAX: usize = 1_000;
/// A power of ten further away makes text of a number.
const POWER_MAX: i64 = 400;
/// Digits of a share that are shown.
const SHARE_DIGITS: usize = 3;

/// A decimal number. Equal numbers are equal however they were written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decimal {
    negative: bool,
    /// The digits, highest first, without zeros in front; zero has none.
    digits: Vec<u8>,
    /// How many of the digits are behind the point; without zeros at the end there.
    scale: usize,
}

/// Text that is no decimal number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no decimal number")]
pub struct NoDecimal;

impl FromStr for Decimal {
    type Err = NoDecimal;

    /// Reads `12`, `-0.50`, `+3`, `.5` and `1.2e6`; no blanks, no thousands separators.
    fn from_str(text: &str) -> Result<Self, NoDecimal> {
        let (negative, rest) = match text.as_bytes().first() {
            Some(b'-') => (true, text.get(1..).unwrap_or_default()),
            Some(b'+') => (false, text.get(1..).unwrap_or_default()),
            _ => (false, text),
        };
        let (rest, power) = match rest.split_once(['e', 'E']) {
            Some((rest, power)) => (rest, power.parse::<i64>().map_err(|_| NoDecimal)?),
            None => (rest, 0),
        };
        let (whole, part) = rest.split_once('.').unwrap_or((rest, ""));
        let digit = |byte: u8| byte.is_ascii_digit();
        let count = whole.len() + part.len();
        if !whole.bytes().chain(part.bytes()).all(digit)
            || count == 0
            || count > DIGITS_MAX
            || power.abs() > POWER_MAX
        {
            return Err(NoDecimal);
        }
        let mut digits: Vec<u8> = whole.bytes().chain(part.bytes()).map(|it| it - b'0').collect();
        let scale = i64::try_from(part.len()).map_err(|_| NoDecimal)? - power;
        let behind = usize::try_from(scale).unwrap_or(0);
        let missing = usize::try_from(-scale).unwrap_or(0);
        digits.extend(std::iter::repeat_n(0, missing));
        Ok(Self { negative, digits, scale: behind }.plain())
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.digits.len().saturating_sub(self.scale);
        let mut text = if self.negative { "-".to_owned() } else { String::new() };
        let (before, behind) = self.digits.split_at(whole);
        let push = |text: &mut String, digits: &[u8]| {
            text.extend(digits.iter().map(|digit| char::from(b'0' + digit)));
        };
        if before.is_empty() {
            text.push('0');
        }
        push(&mut text, before);
        if self.scale > 0 {
            text.push('.');
            text.extend(std::iter::repeat_n('0', self.scale - behind.len()));
            push(&mut text, behind);
        }
        f.pad(&text)
    }
}

impl Decimal {
    fn plain(mut self) -> Self {
        while self.scale > 0 && self.digits.last() == Some(&0) {
            self.digits.pop();
            self.scale -= 1;
        }
        let zeros = self.digits.iter().take_while(|digit| **digit == 0).count();
        self.digits.drain(..zeros);
        if self.digits.is_empty() {
            self.negative = false;
            self.scale = 0;
        }
        self
    }

    /// Whether it is nothing.
    pub const fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    /// Whether it is less than nothing.
    pub const fn is_negative(&self) -> bool {
        self.negative
    }

    /// The same without its sign.
    #[must_use]
    pub fn abs(&self) -> Self {
        Self { negative: false, ..self.clone() }
    }

    /// The digits, as if `scale` of them were behind the point.
    fn at(&self, scale: usize) -> Vec<u8> {
        let zeros = scale.saturating_sub(self.scale);
        self.digits.iter().copied().chain(std::iter::repeat_n(0, zeros)).collect()
    }

    /// This less `other`.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        let scale = self.scale.max(other.scale);
        let (own, others) = (self.at(scale), other.at(scale));
        let (negative, digits) = if self.negative == other.negative {
            match compare(&own, &others) {
                Ordering::Less => (!self.negative, less(&others, &own)),
                Ordering::Equal | Ordering::Greater => (self.negative, less(&own, &others)),
            }
        } else {
            (self.negative, sum(&own, &others))
        };
        Self { negative, digits, scale }.plain()
    }

    /// This times `other`.
    #[must_use]
    pub fn times(&self, other: &Self) -> Self {
        let negative = self.negative != other.negative;
        let digits = product(&self.digits, &other.digits);
        Self { negative, digits, scale: self.scale + other.scale }.plain()
    }

    /// A hundred times this.
    #[must_use]
    pub fn in_hundredths(&self) -> Self {
        let hundred = Self { negative: false, digits: vec![1, 0, 0], scale: 0 };
        self.times(&hundred)
    }

    /// This as a share of `whole` in percent, for people: `12.5 %`, `0.000724 %`. Cut, not
    /// rounded, with a `…` where more digits follow; none of nothing.
    pub fn percent_of(&self, whole: &Self) -> Option<String> {
        if whole.is_zero() {
            return None;
        }
        let scale = self.scale.max(whole.scale);
        let (mut top, bottom) = (self.at(scale), whole.at(scale));
        top.extend([0, 0]);
        let mut rest: Vec<u8> = Vec::new();
        let mut text = String::new();
        let next = |rest: &mut Vec<u8>, digit: u8| {
            rest.push(digit);
            let mut times = 0;
            while compare(rest, &bottom) != Ordering::Less {
                *rest = less(rest, &bottom);
                times += 1;
            }
            char::from(b'0' + times)
        };
        for digit in top {
            text.push(next(&mut rest, digit));
        }
        let whole_part = text.trim_start_matches('0').to_owned();
        let mut behind = String::new();
        let mut shown = whole_part.len();
        while shown < SHARE_DIGITS && rest.iter().any(|digit| *digit != 0) {
            behind.push(next(&mut rest, 0));
            if shown > 0 || behind.bytes().any(|byte| byte != b'0') {
                shown += 1;
            }
        }
        let more = if rest.iter().any(|digit| *digit != 0) { "…" } else { "" };
        let whole_part = if whole_part.is_empty() { "0" } else { &whole_part };
        let point = if behind.is_empty() { "" } else { "." };
        Some(format!("{whole_part}{point}{behind}{more} %"))
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let scale = self.scale.max(other.scale);
        let of = || compare(&self.at(scale), &other.at(scale));
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => of(),
            (true, true) => of().reverse(),
        }
    }
}

/// Digits without zeros in front.
fn bare(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|digit| **digit == 0).count();
    digits.get(zeros..).unwrap_or_default()
}

fn compare(one: &[u8], other: &[u8]) -> Ordering {
    let (one, other) = (bare(one), bare(other));
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

/// `one` with `other` taken away, which is not more.
fn less(one: &[u8], other: &[u8]) -> Vec<u8> {
    let mut digits = Vec::with_capacity(one.len());
    let mut borrowed = 0;
    let mut others = other.iter().rev();
    for digit in one.iter().rev() {
        let taken = others.next().copied().unwrap_or(0) + borrowed;
        borrowed = u8::from(*digit < taken);
        digits.push(digit + 10 * borrowed - taken);
    }
    digits.reverse();
    bare(&digits).to_vec()
}

fn sum(one: &[u8], other: &[u8]) -> Vec<u8> {
    let mut digits = Vec::with_capacity(one.len().max(other.len()) + 1);
    let (mut ones, mut others, mut carried) = (one.iter().rev(), other.iter().rev(), 0);
    loop {
        let (a, b) = (ones.next(), others.next());
        if a.is_none() && b.is_none() && carried == 0 {
            break;
        }
        let all = a.copied().unwrap_or(0) + b.copied().unwrap_or(0) + carried;
        digits.push(all % 10);
        carried = all / 10;
    }
    digits.reverse();
    digits
}

fn product(one: &[u8], other: &[u8]) -> Vec<u8> {
    let mut digits = vec![0_u8; one.len() + other.len()];
    let width = digits.len();
    for (at, a) in one.iter().rev().enumerate() {
        let mut carried = 0;
        for (behind, b) in other.iter().rev().chain([&0]).enumerate() {
            let Some(cell) = (width.checked_sub(at + behind + 1)).and_then(|it| digits.get_mut(it))
            else {
                break;
            };
            let all = *cell + a * b + carried;
            *cell = all % 10;
            carried = all / 10;
        }
    }
    digits
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Decimal;

    fn of(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn numbers_are_read_and_written() {
        for (text, plain) in [
            ("0012.500", "12.5"),
            ("-0.00", "0"),
            ("+7", "7"),
            (".5", "0.5"),
            ("5.", "5"),
            ("1.2e3", "1200"),
            ("12E-3", "0.012"),
            ("-1e0", "-1"),
        ] {
            assert_eq!(of(text).to_string(), plain, "{text}");
        }
        for text in ["", "-", ".", "1,000", "12 ", "1e", "0x1", "NaN", "--1", "1e999", "1.2.3"] {
            assert!(text.parse::<Decimal>().is_err(), "{text}");
        }
        "9".repeat(1_001).parse::<Decimal>().unwrap_err();
    }

    #[test]
    fn money_is_exact() {
        let [a, b] = [of("0.1"), of("0.2")];
        assert_eq!(of("0.3").minus(&b), a);
        let big = "123456789012345678901234567890.01";
        assert_eq!(of(big).minus(&of("0.01")).to_string(), "123456789012345678901234567890");
        assert!(of(big) > of("123456789012345678901234567890.009"));
        assert_eq!(of("-2.50").times(&of("4")), of("-10"));
        assert_eq!(of("3").minus(&of("-4")).to_string(), "7");
    }

    #[test]
    fn shares_are_cut_not_rounded() {
        let share = |part: &str, whole: &str| of(part).percent_of(&of(whole));
        assert_eq!(share("1", "8").as_deref(), Some("12.5 %"));
        assert_eq!(share("1", "3").as_deref(), Some("33.3… %"));
        assert_eq!(share("3", "412110").as_deref(), Some("0.000727… %"));
        assert_eq!(share("7", "7").as_deref(), Some("100 %"));
        assert_eq!(share("0", "7").as_deref(), Some("0 %"));
        assert_eq!(share("12345", "1").as_deref(), Some("1234500 %"));
        assert_eq!(share("1", "0"), None);
    }

    proptest! {
        #[test]
        fn small_ones_agree_with_whole_numbers(a in -1_000_000_i64..1_000_000, b in -1_000_000_i64..1_000_000) {
            let (x, y) = (of(&a.to_string()), of(&b.to_string()));
            prop_assert_eq!(x.minus(&y).to_string(), (a - b).to_string());
            prop_assert_eq!(x.times(&y).to_string(), (a * b).to_string());
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
        }

        #[test]
        fn what_is_written_reads_back(text in "-?[0-9]{1,30}(\\.[0-9]{1,20})?(e-?[0-9]{1,2})?") {
            let number = of(&text);
            prop_assert_eq!(of(&number.to_string()), number);
        }
    }
}
