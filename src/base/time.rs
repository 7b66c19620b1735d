//! Points and spans of time, as plain numbers that can be written down and replayed.

use std::fmt;
use std::str::FromStr;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// A span, in whole milliseconds.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Millis(u64);

/// A point in time: milliseconds since 1970-01-01T00:00:00Z, never in local time.
///
/// Within a session it only grows: the wall clock is read once, when the session opens, and the
/// boot-time clock is added from there.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Timestamp(u64);

/// A span that could not be read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("`{0}` is not a duration: write it like \"90s\", \"5m\", \"1h30m\" or \"500ms\"")]
pub struct InvalidSpan(String);

impl Timestamp {
    /// The point this many milliseconds after 1970-01-01T00:00:00Z.
    pub const fn from_unix_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn as_unix_millis(self) -> u64 {
        self.0
    }

    /// The span from `earlier` to `self`; zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }

    /// The point `span` later.
    #[must_use]
    pub const fn after(self, span: Millis) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// The point `span` earlier.
    #[must_use]
    pub const fn before(self, span: Millis) -> Self {
        Self(self.0.saturating_sub(span.0))
    }

    /// RFC 3339 in UTC with milliseconds: `2026-11-29T01:00:00.000Z`.
    pub fn rfc3339(self) -> String {
        let format = "%Y-%m-%dT%H:%M:%S%.3fZ";
        self.instant().to_zoned_datetime(TimeZone::UTC).strftime(format).to_string()
    }

    fn instant(self) -> jiff::Timestamp {
        let millis = i64::try_from(self.0).unwrap_or(i64::MAX);
        jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX)
    }
}

impl FromStr for Timestamp {
    type Err = jiff::Error;

    /// Reads RFC 3339.
    fn from_str(text: &str) -> Result<Self, jiff::Error> {
        let instant: jiff::Timestamp = text.parse()?;
        Ok(Self(u64::try_from(instant.as_millisecond()).unwrap_or(0)))
    }
}

impl Millis {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A span of this many milliseconds.
    pub const fn new(millis: u64) -> Self {
        Self(millis)
    }

    /// A span of this many seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// The span in whole milliseconds.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The span in whole seconds, rounded down.
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// Both spans one after the other.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// What is left of this span after `other`; zero if nothing is.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// As a standard duration, for timers at the edge.
    pub const fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0)
    }

    /// `HH:MM:SS`, for count-downs.
    pub fn clock(self) -> String {
        let secs = self.as_secs();
        format!("{:02}:{:02}:{:02}", secs / 3600, secs / 60 % 60, secs % 60)
    }
}

impl fmt::Display for Millis {
    /// The shortest exact text with at most two units: `1h30m`, `5m`, `15m27s`, `20s`, `350ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.as_secs();
        let (hours, minutes, rest) = (secs / 3600, secs / 60 % 60, secs % 60);
        let text = match (hours, minutes, rest) {
            (0, 0, 0) => format!("{}ms", self.0),
            (0, 0, s) => format!("{s}s"),
            (0, m, 0) => format!("{m}m"),
            (0, m, s) => format!("{m}m{s:02}s"),
            (h, 0, _) => format!("{h}h"),
            (h, m, _) => format!("{h}h{m:02}m"),
        };
        f.pad(if self.0 == 0 { "0s" } else { &text })
    }
}

impl FromStr for Millis {
    type Err = InvalidSpan;

    fn from_str(text: &str) -> Result<Self, InvalidSpan> {
        let invalid = || InvalidSpan(text.chars().take(40).collect());
        let mut rest = text;
        let mut total: u64 = 0;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(invalid)?;
            let (number, tail) = rest.split_at(digits);
            let letters = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(letters);
            let scale: u64 = match unit {
                "ms" => 1,
                "s" => 1_000,
                "m" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => return Err(invalid()),
            };
            let number: u64 = number.parse().map_err(|_| invalid())?;
            let span = number.checked_mul(scale).ok_or_else(invalid)?;
            total = total.checked_add(span).ok_or_else(invalid)?;
            rest = tail;
        }
        if text.is_empty() { Err(invalid()) } else { Ok(Self(total)) }
    }
}

/// The time zone of the site, by its IANA name; all clocks on screen use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// UTC, where a runbook names no zone.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// The zone of this name, if it is one: `Asia/Shanghai`.
    pub fn named(name: &str) -> Option<Self> {
        TimeZone::get(name).ok().map(Self)
    }

    /// The zone's name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// The instants that this civil time can mean: one, or two on the night the clocks go back.
    /// Empty if the clocks jump over it.
    pub fn instants(&self, civil: DateTime) -> Vec<Timestamp> {
        use jiff::tz::AmbiguousOffset;
        let at = |offset: jiff::tz::Offset| {
            let instant = offset.to_timestamp(civil).ok()?;
            Some(Timestamp(u64::try_from(instant.as_millisecond()).ok()?))
        };
        match self.0.to_ambiguous_zoned_datetime(civil).offset() {
            AmbiguousOffset::Unambiguous { offset } => at(offset).into_iter().collect(),
            AmbiguousOffset::Gap { .. } => Vec::new(),
            AmbiguousOffset::Fold { before, after } => {
                at(before).into_iter().chain(at(after)).collect()
            }
        }
    }

    /// `at` in this zone, by a strftime format.
    pub fn format(&self, at: Timestamp, format: &str) -> String {
        at.instant().to_zoned_datetime(self.0.clone()).strftime(format).to_string()
    }

    /// `HH:MM:SS` in this zone; with the offset, `02:30:00+01`, in the hour that there is twice.
    pub fn time(&self, at: Timestamp) -> String {
        self.format(at, "%H:%M:%S") + &self.which(at)
    }

    /// `HH:MM` in this zone; with the offset, `02:30+01`, in the hour that there is twice.
    pub fn hour_minute(&self, at: Timestamp) -> String {
        self.format(at, "%H:%M") + &self.which(at)
    }

    /// Which one of two moments with the same civil time it is; nothing where there is one.
    fn which(&self, at: Timestamp) -> String {
        use jiff::tz::AmbiguousOffset;
        let civil = at.instant().to_zoned_datetime(self.0.clone()).datetime();
        match self.0.to_ambiguous_zoned_datetime(civil).offset() {
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Gap { .. } => String::new(),
            AmbiguousOffset::Fold { .. } => {
                let offset = self.format(at, "%:z");
                offset.strip_suffix(":00").map_or(offset.clone(), str::to_owned)
            }
        }
    }

    /// The civil times between which the clocks jump over `civil`; none where they do not.
    pub fn jump_over(&self, civil: DateTime) -> Option<(DateTime, DateTime)> {
        use jiff::tz::AmbiguousOffset;
        let (before, after) = match self.0.to_ambiguous_zoned_datetime(civil).offset() {
            AmbiguousOffset::Gap { before, after } => (before, after),
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => return None,
        };
        // Read with the offset of before, the time is after the jump.
        let later = before.to_timestamp(civil).ok()? + jiff::SignedDuration::from_secs(1);
        let jump = self.0.preceding(later).next()?.timestamp();
        Some((before.to_datetime(jump), after.to_datetime(jump)))
    }

    /// The zone's short names from one time to another: `CEST`, or `CEST, then CET` where the
    /// clocks change in between.
    pub fn abbreviations(&self, from: Timestamp, to: Timestamp) -> String {
        let (first, last) = (self.abbreviation(from), self.abbreviation(to));
        if first == last { first } else { format!("{first}, then {last}") }
    }

    /// The zone's short name at that time: `CST`.
    pub fn abbreviation(&self, at: Timestamp) -> String {
        self.format(at, "%Z")
    }

    /// Two letters of the day's name: `Tu`.
    pub fn day(&self, at: Timestamp) -> String {
        self.format(at, "%a").chars().take(2).collect()
    }

    /// The day of the week, from 0 for Monday.
    pub fn weekday(&self, at: Timestamp) -> usize {
        let day = at.instant().to_zoned_datetime(self.0.clone()).weekday();
        usize::try_from(day.to_monday_zero_offset()).unwrap_or(0)
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        Self::named(&name).ok_or_else(|| serde::de::Error::custom(format!("no zone `{name}`")))
    }
}

#[cfg(test)]
mod tests {
    use super::{Millis, Timestamp, Zone};

    #[test]
    fn spans_read_and_write() {
        for (text, millis) in
            [("90s", 90_000), ("5m", 300_000), ("1h30m", 5_400_000), ("250ms", 250), ("0s", 0)]
        {
            assert_eq!(text.parse::<Millis>(), Ok(Millis::new(millis)));
        }
        for bad in ["", "5", "m", "5 m", "5x", "-5s", "99999999999999999999s"] {
            assert!(bad.parse::<Millis>().is_err(), "{bad}");
        }
        assert_eq!(Millis::from_secs(927).to_string(), "15m27s");
        assert_eq!(Millis::from_secs(5400).to_string(), "1h30m");
        assert_eq!(Millis::from_secs(90).clock(), "00:01:30");
    }

    #[test]
    fn a_night_can_hold_a_clock_change() {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        let twice = "2026-10-25T02:30:00".parse().unwrap();
        let never = "2026-03-29T02:30:00".parse().unwrap();
        let both = berlin.instants(twice);
        assert_eq!(both.len(), 2);
        assert_eq!(both[1].since(both[0]), Millis::from_secs(3600));
        assert!(berlin.instants(never).is_empty());
    }

    #[test]
    fn instants_round_trip() {
        let at: Timestamp = "2026-11-29T01:02:03.004Z".parse().unwrap();
        assert_eq!(at.rfc3339(), "2026-11-29T01:02:03.004Z");
        let shanghai = Zone::named("Asia/Shanghai").unwrap();
        assert_eq!(shanghai.time(at), "09:02:03");
        assert_eq!(shanghai.abbreviation(at), "CST");
    }
}
