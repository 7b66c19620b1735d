//! Luck that can be had again: the same seed gives the same world.

/// A small generator of our own (splitmix64): its sequence does not change with a crate's version.
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `sides`; 0 if there are no sides.
    pub(super) const fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        match z.checked_rem(sides) {
            Some(number) => number,
            None => 0,
        }
    }

    /// `value`, moved by up to `permille` thousandths up or down.
    pub(super) const fn around(&mut self, value: u64, permille: u64) -> u64 {
        let move_by = self.roll(2 * permille + 1);
        value.saturating_mul(1000 + move_by).saturating_sub(value.saturating_mul(permille)) / 1000
    }
}
