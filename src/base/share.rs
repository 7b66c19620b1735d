//! How far something has come.

use std::fmt;

use super::time::Millis;

/// Less than this says nothing about what is left.
const TELLING: u64 = 20;

/// A share of a whole, in thousandths. Ordered: more is greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u16);

impl Share {
    /// All of it.
    pub const WHOLE: Self = Self(1_000);

    /// So many percent; none if it is no number from 0 to 100.
    pub fn percent(percent: f64) -> Option<Self> {
        Self::of(percent, 100.0)
    }

    /// So many of so many; none if there is nothing to have, or more is had than there is.
    pub fn of(part: f64, whole: f64) -> Option<Self> {
        let thousandths = (part / whole * 1_000.0).floor();
        if !(0.0..=1_000.0).contains(&thousandths) {
            return None; // No number, too.
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1,000")]
        Some(Self(thousandths as u16))
    }

    /// Thousandths.
    pub const fn thousandths(self) -> u16 {
        self.0
    }

    /// Whole percent.
    pub const fn whole_percent(self) -> u16 {
        self.0 / 10
    }

    /// How long the rest takes, if this much took `spent` and the rest is as slow; none where too
    /// little is done to tell.
    pub fn left(self, spent: Millis) -> Option<Millis> {
        let done = u64::from(self.0);
        let rest = 1_000_u64.saturating_sub(done);
        (done >= TELLING).then(|| Millis::new(spent.as_millis().saturating_mul(rest) / done))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", self.whole_percent())
    }
}

#[cfg(test)]
mod tests {
    use super::{Millis, Share};

    #[test]
    fn what_is_left_follows_from_what_is_done() {
        let quarter = Share::percent(25.9).unwrap();
        assert_eq!((quarter.thousandths(), quarter.to_string().as_str()), (259, "25 %"));
        assert_eq!(
            Share::of(1.0, 4.0).unwrap().left(Millis::from_secs(10)),
            Some(Millis::from_secs(30))
        );
        assert_eq!(Share::WHOLE.left(Millis::from_secs(10)), Some(Millis::ZERO));
        assert_eq!(Share::percent(1.0).unwrap().left(Millis::from_secs(10)), None);
        for (part, whole) in [(1.0, 0.0), (0.0, 0.0), (5.0, 4.0), (-1.0, 4.0), (f64::NAN, 1.0)] {
            assert_eq!(Share::of(part, whole), None, "{part}/{whole}");
        }
    }
}
