//! How much a durable step has printed, and when that is to be said: its host keeps all of it, and a
//! production host must not fill up by golive without a word.
//!
//! Nothing is cut: a step whose output is refused may fail in the middle. A person decides.

/// At these sizes it is said: look at it; decide.
pub(super) const MARKS: [u64; 2] = [1 << 30, 4 << 30];

/// What was printed so far. It is what has arrived: the host keeps that at least.
#[derive(Debug, Default)]
pub(super) struct Flood(u64);

impl Flood {
    /// So many bytes more; the mark that they pass, if they pass one.
    pub(super) fn add(&mut self, bytes: usize) -> Option<u64> {
        let before = self.0;
        self.0 = before.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        let passed = |mark: &u64| before < *mark && *mark <= self.0;
        MARKS.into_iter().rfind(passed)
    }
}

#[cfg(test)]
mod tests {
    use super::{Flood, MARKS};

    #[test]
    fn each_mark_is_said_once_as_it_is_passed() {
        let mut flood = Flood::default();
        let step = 1 << 20;
        let said: Vec<_> = (0..6 << 10).filter_map(|nth| Some((nth, flood.add(step)?))).collect();
        assert_eq!(said, [(1023, MARKS[0]), (4095, MARKS[1])]);
        let mut flood = Flood::default();
        assert_eq!((flood.add(usize::MAX), flood.add(1)), (Some(MARKS[1]), None));
    }
}
