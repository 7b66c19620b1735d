//! Names of steps and their places, found at once however many there are.
//!
//! In a sorted list a name takes a dozen comparisons of text, each of them somewhere else in
//! memory, and a forecast of 20,000 steps asks for tens of thousands of names. The order of the
//! table never shows: names are told in the order of the file.

use crate::base::StepId;

/// The names of the forward steps, by their places in the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Names {
    names: Vec<StepId>,
    /// A place and one, where a name was put by its hash or in the next free slot; 0 is free. It
    /// is never more than half full, and never without a slot.
    slots: Vec<u32>,
}

impl Names {
    pub(super) fn new(names: Vec<StepId>) -> Self {
        let slots = vec![0; (names.len() * 2).next_power_of_two()];
        let mut table = Self { names, slots };
        for place in 0..table.names.len() {
            let free = table.names.get(place).and_then(|name| table.find(name).err());
            if let (Some(slot), Ok(number)) =
                (free.and_then(|free| table.slots.get_mut(free)), u32::try_from(place + 1))
            {
                *slot = number;
            }
        }
        table
    }

    /// All names, in the order of the file.
    pub(super) fn all(&self) -> &[StepId] {
        &self.names
    }

    /// The place of a step, from 0.
    pub(super) fn place(&self, id: &StepId) -> Option<usize> {
        self.find(id).ok()
    }

    /// The place of a name; where there is no such name, the slot that is free for it.
    fn find(&self, id: &StepId) -> Result<usize, usize> {
        let mask = self.slots.len() - 1;
        let mut slot = hash(id.as_str()) & mask;
        loop {
            let held = self.slots.get(slot).and_then(|held| usize::try_from(*held).ok());
            let Some(place) = held.and_then(|held| held.checked_sub(1)) else { return Err(slot) };
            if self.names.get(place) == Some(id) {
                return Ok(place);
            }
            slot = (slot + 1) & mask;
        }
    }
}

/// FNV-1a, half of it: the same on every machine.
fn hash(text: &str) -> usize {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    usize::try_from((hash ^ (hash >> 32)) & 0xffff_ffff).unwrap_or_default()
}

#[cfg(test)]
mod unit {
    use super::Names;
    use crate::base::StepId;

    #[test]
    fn every_name_is_found_and_no_other() {
        for count in [0, 1, 2, 3, 64, 1000] {
            let name = |number: usize| -> StepId { format!("s{number}").parse().unwrap() };
            let names = Names::new((0..count).map(name).collect());
            for number in 0..count {
                assert_eq!(names.place(&name(number)), Some(number));
            }
            for number in count..count + 100 {
                assert_eq!(names.place(&name(number)), None);
            }
        }
    }
}
