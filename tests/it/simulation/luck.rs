//! The one source of chance of a night, and the account of what happened in it.

use std::hash::{DefaultHasher, Hasher as _};

/// Chance: the same seed gives the same draws on every machine.
#[derive(Clone, Debug)]
pub(crate) struct Luck(u64);

impl Luck {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn draw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// A number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.draw() % limit.max(1)
    }

    /// A number from `low` to below `high`.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low)
    }

    pub(crate) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(crate) fn pick(&mut self, count: usize) -> usize {
        usize::try_from(self.below(count as u64)).unwrap()
    }
}

/// What happened: a digest always, the lines if somebody wants to read them.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    hasher: DefaultHasher,
    pub(crate) lines: u64,
    pub(crate) kept: Option<Vec<String>>,
}

impl Trace {
    pub(crate) fn add(&mut self, now: u64, text: &str) {
        self.hasher.write_u64(now);
        self.hasher.write(text.as_bytes());
        self.lines += 1;
        if let Some(kept) = &mut self.kept {
            kept.push(format!(
                "{:>9.3} {text}",
                std::time::Duration::from_millis(now).as_secs_f64()
            ));
        }
    }

    pub(crate) fn digest(&self) -> u64 {
        self.hasher.finish()
    }
}
