//! What was done to a chain of lines: changed, cut, inserted, moved. Pure.
//!
//! Each line says its own number, its own seal and the digest of the line before. A line whose
//! seal holds is as it was sealed; so a wrong seal means *this line was changed*, and good lines
//! in a wrong order mean that lines were cut, inserted or moved. The longest run of good lines in
//! rising order is taken as the journal; the others are explained against it.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::{BTreeMap, BTreeSet};

use crate::base::Digest;

use super::file::Head;
use super::verify::{Finding, What};
use super::wire::Fault;

/// What a line whose seal holds says about its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// Its number, as it says.
    pub seq: u64,
    /// The digest of the line before, as it says.
    pub prev: Digest,
    /// Its seal.
    pub seal: Digest,
    /// The digest of its bytes.
    pub digest: Digest,
}

/// All that is known of a journal's lines.
#[derive(Debug)]
pub(super) struct Chain<'a> {
    /// The lines as they stand in the file.
    pub lines: &'a [Result<Link, Fault>],
    /// Bytes after the last line end.
    pub torn: usize,
    /// The end that was noted beside the journal; none if that is gone.
    pub head: Option<Head>,
    /// What the first line has to name as the one before it; none if no line says the session.
    pub genesis: Option<Digest>,
}

/// A good line and where it stands, from 1.
#[derive(Clone, Copy, Debug)]
struct Placed {
    at: u64,
    link: Link,
}

impl Chain<'_> {
    /// Everything that is wrong with the chain, in the order of the file.
    pub(super) fn examine(&self) -> Vec<Finding> {
        let good = self.good();
        let kept = longest_run(&good);
        let mut findings = self.changed();
        let moved = self.misplaced(&good, &kept, &mut findings);
        self.gaps(&kept, &moved, &mut findings);
        let mut by_seq: BTreeMap<u64, Link> = BTreeMap::new();
        by_seq.extend(moved.iter().chain(&kept).map(|placed| (placed.link.seq, placed.link)));
        self.links(&by_seq, &mut findings);
        findings.sort_by_key(|finding| finding.line);
        findings
    }

    fn good(&self) -> Vec<Placed> {
        let placed = (1..).zip(self.lines);
        placed.filter_map(|(at, line)| Some(Placed { at, link: *line.as_ref().ok()? })).collect()
    }

    fn changed(&self) -> Vec<Finding> {
        let placed = (1..).zip(self.lines);
        let bad = placed.filter_map(|(at, line)| Some((at, line.as_ref().err()?)));
        bad.map(|(at, fault)| {
            let what = match fault {
                Fault::Frame | Fault::Seal { .. } | Fault::TooLong => What::Changed,
                Fault::Version(_) | Fault::UnknownEvent(_) => What::Foreign,
                Fault::Shape(_) => What::NotUnderstood,
            };
            Finding::at(at, what, fault.to_string())
        })
        .collect()
    }

    /// Reports good lines that stand where they should not, and returns those that belong to the
    /// journal and were moved.
    fn misplaced(
        &self,
        good: &[Placed],
        kept: &[Placed],
        findings: &mut Vec<Finding>,
    ) -> Vec<Placed> {
        let by_seq: BTreeMap<u64, Placed> = kept.iter().map(|k| (k.link.seq, *k)).collect();
        let stands: BTreeSet<u64> = kept.iter().map(|k| k.at).collect();
        let last = kept.last().map_or(0, |k| k.link.seq).max(self.head.map_or(0, |head| head.seq));
        let mut moved: BTreeMap<u64, Placed> = BTreeMap::new();
        for placed in good.iter().filter(|placed| !stands.contains(&placed.at)) {
            let Placed { at, link } = placed;
            let seq = link.seq;
            let twin = by_seq.get(&seq).or_else(|| moved.get(&seq));
            let finding = match twin {
                Some(twin) if twin.link.digest == link.digest => {
                    let text = format!("it was inserted: it is a copy of line {}", twin.at);
                    Finding::at(*at, What::Inserted, text)
                }
                Some(twin) => {
                    let text =
                        format!("it was inserted: it has number {seq}, as line {} has", twin.at);
                    Finding::at(*at, What::Inserted, text)
                }
                None if seq == 0 || seq > last => {
                    let text = format!("it was inserted: number {seq} is not of this journal");
                    Finding::at(*at, What::Inserted, text)
                }
                None => {
                    moved.insert(seq, *placed);
                    Finding::at(*at, What::Moved, moved_text(placed, kept))
                }
            };
            findings.push(finding);
        }
        moved.into_values().collect()
    }

    /// Reports numbers that no line has, apart from those that changed lines may have had.
    fn gaps(&self, kept: &[Placed], moved: &[Placed], findings: &mut Vec<Finding>) {
        let count = u64::try_from(self.lines.len()).unwrap_or(u64::MAX);
        let bad: BTreeSet<u64> =
            (1..).zip(self.lines).filter(|(_, line)| line.is_err()).map(|(at, _)| at).collect();
        let bad_between = |from: u64, to: u64| {
            let between = if from + 1 < to { bad.range(from + 1..to).count() } else { 0 };
            u64::try_from(between).unwrap_or(u64::MAX)
        };
        let moved_between = |from: u64, to: u64| {
            let within = moved.iter().filter(|m| (from..to).contains(&m.link.seq)).count();
            u64::try_from(within).unwrap_or(u64::MAX)
        };
        let mut before = (0, 0);
        for Placed { at, link } in kept {
            let (seq, stood) = before;
            let fill = bad_between(stood, *at);
            let explained = fill + moved_between(seq + 1, link.seq);
            let missing = (link.seq - seq - 1).saturating_sub(explained);
            if missing > 0 {
                findings.push(cut(seq + 1 + fill, missing));
            }
            before = (link.seq, *at);
        }
        let (seq, stood) = before;
        let noted = self.head.map_or(0, |head| head.seq);
        let fill = bad_between(stood, count + 1);
        let explained = fill + moved_between(seq + 1, noted + 1);
        let missing = noted.saturating_sub(seq).saturating_sub(explained);
        if self.torn > 0 {
            findings.push(torn(count + 1, self.torn, missing > 0));
        }
        let missing = missing.saturating_sub(u64::from(self.torn > 0));
        if missing > 0 {
            findings.push(cut(seq + 1 + fill + u64::from(self.torn > 0), missing));
        }
    }

    /// Reports lines that were changed and sealed anew: the line after does not follow them.
    fn links(&self, by_seq: &BTreeMap<u64, Link>, findings: &mut Vec<Finding>) {
        let before = |seq: u64| match seq {
            1 => self.genesis,
            seq => by_seq.get(&(seq - 1)).map(|link| link.digest),
        };
        let breaks: BTreeSet<u64> = by_seq
            .iter()
            .filter(|(seq, _)| **seq > 0)
            .filter(|(seq, link)| before(**seq).is_some_and(|digest| digest != link.prev))
            .map(|(seq, _)| *seq)
            .collect();
        let noted = self.head.filter(|head| {
            by_seq.get(&head.seq).is_some_and(|link| link.seal != head.seal)
                || (head.seq == 0 && self.genesis.is_some_and(|genesis| genesis != head.seal))
        });
        let mut blamed = BTreeSet::new();
        for seq in &breaks {
            let is_last = !by_seq.contains_key(&(seq + 1));
            let both = breaks.contains(&(seq + 1));
            let against_head = is_last && noted.is_some_and(|head| head.seq == *seq);
            // Both of its links wrong: the line itself. One: the line that the next does not know.
            if both || against_head || *seq == 1 {
                blamed.insert(*seq);
            } else if !blamed.contains(seq) && !blamed.contains(&(seq - 1)) {
                blamed.insert(seq - 1);
            }
        }
        if let Some(head) = noted
            && !blamed.contains(&head.seq)
            && !findings.iter().any(|f| f.line == Some(head.seq) && f.what == What::Changed)
        {
            let text = "its seal is not the one noted in `head`: it, or a line before it, was \
                        changed and sealed anew, or `head` was changed";
            findings.push(Finding::at(head.seq.max(1), What::Changed, text.to_owned()));
        }
        for seq in blamed {
            let alone = seq == 1 && !breaks.contains(&2) && breaks.contains(&1);
            findings.push(if alone {
                let text = "it does not begin the chain of the session that it opens";
                Finding::at(1, What::WrongSession, text.to_owned())
            } else {
                let text = "it was changed and sealed anew: its seal holds, but the line after \
                            it follows another line";
                Finding::at(seq, What::Changed, text.to_owned())
            });
        }
    }
}

fn cut(first: u64, missing: u64) -> Finding {
    let text = if missing == 1 {
        "it was cut: no line has this number".to_owned()
    } else {
        let last = first.saturating_add(missing - 1);
        format!("lines {first} to {last} were cut: no line has these numbers")
    };
    Finding::at(first, What::Cut, text)
}

fn torn(at: u64, bytes: usize, was_whole: bool) -> Finding {
    if was_whole {
        let text = "it was changed: it was whole once, and has no line end now";
        return Finding::at(at, What::Changed, text.to_owned());
    }
    let text = format!(
        "{bytes} bytes of an unfinished line: left by a crash, never acknowledged; resuming the \
         session sets them aside"
    );
    Finding::at(at, What::Torn, text)
}

fn moved_text(moved: &Placed, kept: &[Placed]) -> String {
    let seq = moved.link.seq;
    let before = kept.iter().rev().find(|k| k.at < moved.at);
    let after = kept.iter().find(|k| k.at > moved.at);
    match (before, after) {
        (Some(before), _) if before.link.seq > seq => {
            format!("it was moved: number {seq} stands after number {}", before.link.seq)
        }
        (_, Some(after)) => {
            format!("it was moved: number {seq} stands before number {}", after.link.seq)
        }
        (_, None) => format!("it was moved: it has number {seq}"),
    }
}

/// The longest run of lines in rising order of their numbers. Where there is a choice, lines that
/// stand at their own number and that their neighbours know are preferred.
fn longest_run(good: &[Placed]) -> Vec<Placed> {
    const ONE: u64 = 1 << 32;
    let digests: BTreeSet<(u64, Digest)> =
        good.iter().map(|p| (p.link.seq.saturating_add(1), p.link.digest)).collect();
    let named: BTreeSet<(u64, Digest)> = good.iter().map(|p| (p.link.seq, p.link.prev)).collect();
    let weight = |Placed { at, link }: &Placed| {
        let followed = named.contains(&(link.seq.saturating_add(1), link.digest));
        let follows = digests.contains(&(link.seq, link.prev));
        let stands = *at == link.seq;
        ONE + 4 * u64::from(stands) + 2 * u64::from(followed) + u64::from(follows)
    };
    // The best run that ends below a number, by number: weights rise with numbers.
    let mut best: BTreeMap<u64, (u64, usize)> = BTreeMap::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(good.len());
    for (index, placed) in good.iter().enumerate() {
        let seq = placed.link.seq;
        let below = best.range(..seq).next_back().map(|(_, run)| *run);
        before.push(below.map(|(_, index)| index));
        let total = below.map_or(0, |(total, _)| total) + weight(placed);
        if best.range(..=seq).next_back().is_some_and(|(_, (known, _))| *known >= total) {
            continue;
        }
        let beaten = best.range(seq..).take_while(|(_, (known, _))| *known <= total);
        let beaten: Vec<u64> = beaten.map(|(seq, _)| *seq).collect();
        for seq in beaten {
            best.remove(&seq);
        }
        best.insert(seq, (total, index));
    }
    let mut next = best.last_key_value().map(|(_, (_, index))| *index);
    let mut run = Vec::new();
    while let Some(placed) = next.and_then(|index| good.get(index)) {
        run.push(*placed);
        next = next.and_then(|index| before.get(index).copied().flatten());
    }
    run.reverse();
    run
}
