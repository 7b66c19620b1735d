//! How far a job says that it has come, read from what it prints.

use std::time::{Duration, Instant};

use regex::bytes::{Captures, Regex};

use crate::base::Share;

/// Told no more often than this, but for the end.
const PACE: Duration = Duration::from_millis(250);
/// A longer line is read by its start.
const LINE_BYTES_MAX: usize = 4 * 1024;

/// Reads standard output for the step's `progress`.
pub(super) struct Gauge {
    pattern: Regex,
    /// A line that has not ended. A bar that is drawn over and over ends its lines with `\r`.
    line: Vec<u8>,
    told: Option<(Share, Instant)>,
}

impl Gauge {
    pub(super) fn new(pattern: &str) -> Option<Self> {
        let pattern = Regex::new(pattern).ok()?;
        Some(Self { pattern, line: Vec::new(), told: None })
    }

    /// Takes some bytes in; what is worth telling at `now`.
    pub(super) fn hear(&mut self, bytes: &[u8], now: Instant) -> Option<Share> {
        let mut found = None;
        for piece in bytes.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            let room = LINE_BYTES_MAX.saturating_sub(self.line.len());
            self.line.extend(piece.iter().take(room));
            if piece.ends_with(b"\n") || piece.ends_with(b"\r") {
                found = self.read().or(found);
                self.line.clear();
            }
        }
        let share = self.read().or(found)?;
        let (last, at) = self.told.unzip();
        let soon = at.is_some_and(|at| now.duration_since(at) < PACE);
        if last == Some(share) || (soon && share != Share::WHOLE) {
            return None;
        }
        self.told = Some((share, now));
        Some(share)
    }

    /// The last share in the line.
    fn read(&self) -> Option<Share> {
        share(&self.pattern.captures_iter(&self.line).last()?)
    }
}

fn share(found: &Captures<'_>) -> Option<Share> {
    let number = |group: usize| -> Option<f64> {
        std::str::from_utf8(found.get(group)?.as_bytes()).ok()?.trim().parse().ok()
    };
    match found.len() {
        2 => Share::percent(number(1)?),
        _ => Share::of(number(1)?, number(2)?),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Gauge;

    fn heard(pattern: &str, pieces: &[&str]) -> Vec<u16> {
        let mut gauge = Gauge::new(pattern).unwrap();
        let began = Instant::now();
        let at = |number: u32| began + Duration::from_secs(u64::from(number));
        let heard = pieces.iter().zip(0..).filter_map(|(it, n)| gauge.hear(it.as_bytes(), at(n)));
        heard.map(crate::base::Share::thousandths).collect()
    }

    #[test]
    fn percentages_and_parts_are_read_as_they_come() {
        let percent = r"([0-9.]+) ?%";
        assert_eq!(
            heard(percent, &["load 1", "2.5 %\n", "noise\n", "13%\r1", "4%\r"]),
            [125, 130, 140]
        );
        assert_eq!(heard(percent, &["1%2%3%", "250 %\n", "3%"]), [30]);
        let parts = "([0-9]+)/([0-9]+) rows";
        assert_eq!(heard(parts, &["1/4 rows\n2/4 rows\n", "4/4 rows", "5/4 rows\n"]), [500, 1000]);
        assert_eq!(heard(parts, &["1/0 rows\n", "x/4 rows\n"]), [0_u16; 0]);
    }

    #[test]
    fn a_flood_is_told_now_and_then_and_the_end_at_once() {
        let mut gauge = Gauge::new(r"([0-9]+)%").unwrap();
        let now = Instant::now();
        let told = (1..=100).filter_map(|n| gauge.hear(format!("{n}%\n").as_bytes(), now));
        assert_eq!(told.map(crate::base::Share::whole_percent).collect::<Vec<_>>(), [1, 100]);
    }
}
