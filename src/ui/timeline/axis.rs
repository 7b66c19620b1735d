//! The axis of the timeline: which moment stands in which column.

use crate::base::{Millis, Timestamp, Zone, cells};

/// What a column may stand for, in seconds: spans that people count in.
const SPANS: [u64; 17] =
    [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 43_200, 86_400];
/// From here on a tick names the day.
const DAYS: u64 = 43_200;
/// Fewer columns than this between two ticks, and their labels would touch.
const TICK_LEAST: u64 = 10;

/// What the operator has chosen to see of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::ui) struct Choice {
    /// Finer (positive) or coarser than what fits by itself.
    pub(in crate::ui) zoom: i8,
    /// Moved by so many quarters of the width; negative is earlier.
    pub(in crate::ui) shift: i16,
}

impl Choice {
    /// Finer or coarser by one step, back around the present.
    pub(in crate::ui) const fn zoomed(self, by: i8) -> Self {
        let zoom = self.zoom.saturating_add(by);
        let zoom = if zoom < -16 {
            -16
        } else if zoom > 16 {
            16
        } else {
            zoom
        };
        Self { zoom, shift: 0 }
    }

    /// Earlier or later by a quarter of what is seen.
    pub(in crate::ui) const fn shifted(self, by: i16) -> Self {
        let shift = self.shift.saturating_add(by);
        let shift = if shift < -400 {
            -400
        } else if shift > 400 {
            400
        } else {
            shift
        };
        Self { shift, ..self }
    }
}

/// The times that there are to show.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach {
    pub(super) from: Timestamp,
    /// The last end of a step, planned or forecast.
    pub(super) ends: Timestamp,
    /// The end of the window, where there is one.
    pub(super) closes: Option<Timestamp>,
    pub(super) now: Timestamp,
}

/// The axis: `width` columns of `column` each, from `from` on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    from: Timestamp,
    column: Millis,
    pub(super) width: usize,
}

impl Axis {
    /// The axis that shows all of the run, and the window's end where the run does not become a
    /// speck by that; then as chosen.
    pub(super) fn new(reach: Reach, width: usize, choice: Choice) -> Self {
        let columns = u64::try_from(width).unwrap_or(1).max(1);
        let run = reach.ends.since(reach.from).as_millis().max(1000);
        let all = reach.closes.map_or(run, |closes| closes.since(reach.from).as_millis());
        let shown = if all > run && all <= run.saturating_mul(3) { all } else { run };
        let fits = |secs: &u64| secs * 1000 * columns >= shown.saturating_add(shown / columns);
        let fitting = SPANS.iter().position(fits).unwrap_or(SPANS.len() - 1);
        let at = fitting.saturating_add_signed(-isize::from(choice.zoom));
        let secs = SPANS.get(at).or(SPANS.last()).copied().unwrap_or(1);
        let column = secs * 1000;
        let seen = column * columns;
        let first = floor(reach.from.as_unix_millis(), column);
        let last = reach.ends.max(reach.closes.unwrap_or(reach.ends)).as_unix_millis();
        // What does not fit is seen around the present.
        let most = last.saturating_add(column).saturating_sub(seen).max(first);
        let around = floor(reach.now.as_unix_millis().saturating_sub(seen / 3), column);
        let fits = reach.ends.as_unix_millis() < first.saturating_add(seen);
        let start = if fits { first } else { around.clamp(first, most) };
        let moved = (seen / 4 / column).max(1) * column * u64::from(choice.shift.unsigned_abs());
        let start = if choice.shift < 0 {
            start.saturating_sub(moved).max(first.min(start))
        } else {
            start.saturating_add(moved).min(most.max(start))
        };
        Self { from: Timestamp::from_unix_millis(start), column: Millis::new(column), width }
    }

    /// How long a column is.
    pub(super) const fn column(&self) -> Millis {
        self.column
    }

    /// The column of a moment; none where it is not seen.
    pub(super) fn place(&self, at: Timestamp) -> Option<usize> {
        (at >= self.from).then(|| self.clamped(at)).filter(|place| *place < self.width)
    }

    /// The columns from a start to an end, at least one of them where any of it is seen.
    pub(super) fn columns(&self, start: Timestamp, end: Timestamp) -> std::ops::Range<usize> {
        if end < self.from {
            return 0..0;
        }
        let first = self.clamped(start);
        let last = self.ceiled(end).max(first + 1);
        first.min(self.width)..last.min(self.width)
    }

    fn clamped(&self, at: Timestamp) -> usize {
        let columns = at.since(self.from).as_millis() / self.column.as_millis().max(1);
        usize::try_from(columns).unwrap_or(self.width).min(self.width)
    }

    fn ceiled(&self, at: Timestamp) -> usize {
        let columns = at.since(self.from).as_millis().div_ceil(self.column.as_millis().max(1));
        usize::try_from(columns).unwrap_or(self.width).min(self.width)
    }

    /// The row of times above the bars.
    pub(super) fn ticks(&self, zone: &Zone) -> String {
        let column = self.column.as_secs().max(1);
        let apart = |secs: &&u64| **secs >= column * TICK_LEAST && secs.is_multiple_of(column);
        let apart = SPANS.iter().find(apart).copied().unwrap_or(DAYS * 2 * 7);
        let mut row = String::new();
        let mut at = ceil(self.from.as_unix_millis(), apart * 1000);
        while let Some(place) = self.place(Timestamp::from_unix_millis(at)) {
            let label = label(Timestamp::from_unix_millis(at), apart, zone);
            let used = cells(&row);
            if place + cells(&label) <= self.width && (used == 0 || used < place) {
                row.push_str(&" ".repeat(place.saturating_sub(used)));
                row.push_str(&label);
            }
            let Some(next) = at.checked_add(apart * 1000) else { break };
            at = next;
        }
        row
    }
}

fn label(at: Timestamp, apart: u64, zone: &Zone) -> String {
    match apart {
        0..60 => zone.time(at),
        DAYS.. => format!("{} {}", zone.day(at), zone.hour_minute(at)),
        60..DAYS => zone.hour_minute(at),
    }
}

const fn floor(of: u64, unit: u64) -> u64 {
    of - of % unit
}

const fn ceil(of: u64, unit: u64) -> u64 {
    of.div_ceil(unit).saturating_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::{Axis, Choice, Reach};
    use crate::base::{Millis, Timestamp, Zone};

    const fn at(secs: u64) -> Timestamp {
        Timestamp::from_unix_millis(1_800_000_000_000 + secs * 1000)
    }

    fn axis(ends: u64, closes: u64, now: u64, choice: Choice) -> Axis {
        let closes = Some(at(closes));
        Axis::new(Reach { from: at(0), ends: at(ends), closes, now: at(now) }, 80, choice)
    }

    #[test]
    fn the_whole_run_is_seen_and_the_window_where_it_is_not_far() {
        let near = axis(4 * 3600, 6 * 3600, 0, Choice::default());
        assert_eq!(near.place(at(0)), Some(0));
        assert!(near.place(at(6 * 3600)).is_some(), "{near:?}");
        let far = axis(120, 6 * 3600, 0, Choice::default());
        assert_eq!(far.column(), Millis::from_secs(2));
        assert_eq!(far.place(at(6 * 3600)), None);
        assert_eq!(far.place(at(119)), Some(59));
    }

    #[test]
    fn what_does_not_fit_is_seen_around_the_present_and_can_be_moved() {
        let fine = Choice::default().zoomed(3);
        let now = axis(36_000, 40_000, 18_000, fine);
        assert!(now.place(at(18_000)).is_some());
        assert_eq!(now.place(at(0)), None);
        let first = axis(36_000, 40_000, 18_000, fine.shifted(-400));
        assert_eq!(first.place(at(0)), Some(0));
        let last = axis(36_000, 40_000, 18_000, fine.shifted(400));
        assert!(last.place(at(40_000)).is_some(), "{last:?}");
    }

    #[test]
    fn something_short_is_still_a_column_and_nothing_lies_outside() {
        for zoom in -20..20 {
            for shift in [-500, -3, 0, 3, 500] {
                let choice = Choice::default().zoomed(zoom).shifted(shift);
                let axis = axis(7200, 9000, 3000, choice);
                for (start, end) in [(0, 0), (0, 7200), (3000, 3001), (9000, 9001)] {
                    let columns = axis.columns(at(start), at(end));
                    assert!(columns.end <= 80 && columns.start <= columns.end, "{columns:?}");
                }
                assert!(crate::base::cells(&axis.ticks(&Zone::UTC)) <= 80);
            }
        }
        let axis = axis(7200, 9000, 0, Choice::default());
        assert_eq!(axis.columns(at(60), at(60)).len(), 1);
    }
}
