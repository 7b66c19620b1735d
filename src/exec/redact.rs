//! Values of secrets, found in a stream of bytes and replaced by `‹redacted:NAME›`. Pure.
//!
//! A value is found as it is, in base64 and hexadecimal (wrapped over lines too), URL-encoded,
//! JSON-escaped and quoted for a shell; a value of several lines also line by line. Chunk borders
//! mean nothing. What overlaps is replaced as one, so that no end of a value is left over.
//!
//! Only bytes that can begin a value are held back, until it is known whether they do. They are
//! not given out while output pauses: the first half of a secret is half a secret.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use thiserror::Error;

use crate::base::SecretName;

use super::forms;

/// A shorter value is refused: it could not be told from ordinary text.
pub const SECRET_BYTES_MIN: usize = 6;
/// A longer value is refused: what is looked for has to fit into memory many times.
pub const SECRET_BYTES_MAX: usize = 16 * 1024;
/// Above so many bytes of needles, the automaton is the small one, not the fast one.
const FAST_BYTES_MAX: usize = 8 * 1024;

/// Why a value cannot be kept out of the record, and so cannot be a secret.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Unusable {
    /// Nothing, or blanks only.
    #[error("is empty")]
    Empty,
    /// Too short.
    #[error(
        "has {0} bytes: at least {SECRET_BYTES_MIN} are needed, because a shorter one cannot be told from ordinary output"
    )]
    TooShort(usize),
    /// Too long.
    #[error("has {0} bytes: the limit is {SECRET_BYTES_MAX}")]
    TooLong(usize),
    /// A NUL byte.
    #[error("holds a NUL byte, which no variable and no text can hold")]
    Nul,
    /// Part of the mark that replaces it.
    #[error("stands in golive's own mark for it, or in its name: it can be guessed")]
    LikeMark,
}

/// What stands in place of a value.
pub fn mark(secret: &SecretName) -> String {
    format!("‹redacted:{secret}›")
}

/// The values to find, in all their forms.
#[derive(Default)]
pub struct Needles {
    names: Vec<SecretName>,
    marks: Vec<String>,
    /// Looked for in the bytes as they come.
    plain: Finder,
    /// Looked for in the bytes without their line ends.
    packed: Finder,
}

impl fmt::Debug for Needles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Needles").field("names", &self.names).finish_non_exhaustive()
    }
}

impl Needles {
    /// Needles for these values.
    ///
    /// # Errors
    /// Every value that cannot be kept out of the record, and why.
    pub fn new<'a>(
        values: impl IntoIterator<Item = (&'a SecretName, &'a [u8])>,
    ) -> Result<Self, Vec<(SecretName, Unusable)>> {
        let values: Vec<_> = values.into_iter().collect();
        let names: Vec<SecretName> = values.iter().map(|(name, _)| (*name).clone()).collect();
        let marks: Vec<String> = names.iter().map(mark).collect();
        let (mut plain, mut packed) = (BTreeMap::new(), BTreeMap::new());
        let mut unusable = Vec::new();
        for (index, (name, value)) in values.into_iter().enumerate() {
            if let Err(why) = usable(value) {
                unusable.push((name.clone(), why));
                continue;
            }
            let forms = forms::forms(value);
            if forms.plain.iter().any(|form| marks.iter().any(|mark| meets(form, mark.as_bytes())))
            {
                unusable.push((name.clone(), Unusable::LikeMark));
                continue;
            }
            let own = |form: Vec<u8>| (form, index);
            for (form, index) in forms.plain.into_iter().map(own) {
                plain.entry(form).or_insert(index);
            }
            for (form, index) in forms.packed.into_iter().map(own) {
                packed.entry(form).or_insert(index);
            }
        }
        if !unusable.is_empty() {
            return Err(unusable);
        }
        Ok(Self { names, marks, plain: Finder::new(plain), packed: Finder::new(packed) })
    }

    /// Whether there is nothing to find.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The first of the secrets whose value is in `bytes` in any form.
    pub fn find(&self, bytes: &[u8]) -> Option<&SecretName> {
        let found = self.spans(bytes).into_iter().next()?;
        self.names.get(found.index)
    }

    /// `text` with every value replaced.
    pub fn clean<'t>(self: &Arc<Self>, text: &'t str) -> Cow<'t, str> {
        if self.is_empty() || self.find(text.as_bytes()).is_none() {
            return Cow::Borrowed(text);
        }
        let mut redactor = Redactor::new(self);
        let mut clean = redactor.feed(text.as_bytes()).into_owned();
        clean.extend(redactor.finish());
        Cow::Owned(String::from_utf8_lossy(&clean).into_owned())
    }

    /// Where marks of these secrets stand in `text`.
    pub fn marks_in(&self, text: &str) -> Vec<(Range<usize>, &SecretName)> {
        let marks = self.marks.iter().zip(&self.names);
        let all = marks.flat_map(|(mark, name)| {
            text.match_indices(mark.as_str()).map(move |(at, _)| (at..at + mark.len(), name))
        });
        all.collect()
    }

    /// What is to be replaced in `bytes`, in order; nothing overlaps.
    fn spans(&self, bytes: &[u8]) -> Vec<Found> {
        let mut found = Vec::new();
        self.plain.find(bytes, |range, index| found.push(Found { range, index }));
        let view = View::new(bytes);
        self.packed.find(&view.bytes, |range, index| {
            if let Some(range) = view.range(bytes, range) {
                found.push(Found { range, index });
            }
        });
        found.sort_by_key(|found| (found.range.start, std::cmp::Reverse(found.range.end)));
        let mut joined: Vec<Found> = Vec::new();
        for next in found {
            match joined.last_mut() {
                Some(last) if next.range.start < last.range.end => {
                    last.range.end = last.range.end.max(next.range.end);
                }
                Some(_) | None => joined.push(next),
            }
        }
        joined
    }

    /// From where on `bytes` can begin a value that is not complete yet; their length if nowhere.
    fn open_from(&self, bytes: &[u8]) -> usize {
        let plain = self.plain.open_from(bytes, |_| true);
        let view = View::new(bytes);
        let packed = self.packed.open_from(&view.bytes, |at| view.begins_well(bytes, at));
        view.offset(packed).map_or(plain, |packed| packed.min(plain))
    }
}

fn usable(value: &[u8]) -> Result<(), Unusable> {
    if value.iter().all(u8::is_ascii_whitespace) {
        return Err(Unusable::Empty);
    }
    if value.contains(&0) {
        return Err(Unusable::Nul);
    }
    match value.len() {
        short @ ..SECRET_BYTES_MIN => Err(Unusable::TooShort(short)),
        SECRET_BYTES_MIN..=SECRET_BYTES_MAX => Ok(()),
        long => Err(Unusable::TooLong(long)),
    }
}

/// Whether `form` is in `mark` or holds it, or begins or ends where `mark` ends or begins: then writing the
/// mark could write the form.
fn meets(form: &[u8], mark: &[u8]) -> bool {
    let inside = mark.windows(form.len()).any(|window| window == form)
        || form.windows(mark.len()).any(|window| window == mark);
    let border = |len: usize| {
        let (head, tail) = (form.get(..len), form.get(form.len() - len..));
        head.is_some_and(|head| mark.ends_with(head))
            || tail.is_some_and(|tail| mark.starts_with(tail))
    };
    inside || (1..form.len().min(mark.len())).any(border)
}

/// A value in some bytes.
struct Found {
    range: Range<usize>,
    /// Of the secret.
    index: usize,
}

/// Finds needles.
#[derive(Default)]
struct Finder {
    automaton: Option<AhoCorasick>,
    /// Sorted, with the index of the secret.
    needles: Vec<(zeroize::Zeroizing<Vec<u8>>, usize)>,
    longest: usize,
}

impl Finder {
    fn new(needles: BTreeMap<Vec<u8>, usize>) -> Self {
        let bytes: usize = needles.keys().map(Vec::len).sum();
        let longest = needles.keys().map(Vec::len).max().unwrap_or(0);
        let kind = (bytes > FAST_BYTES_MAX).then_some(AhoCorasickKind::ContiguousNFA);
        let mut builder = AhoCorasick::builder();
        let automaton = builder.kind(kind).build(needles.keys());
        let automaton = (longest > 0).then_some(automaton).transpose();
        // It fails for more states than a number of 32 bits can count; the limits are far below.
        let automaton = automaton.expect("the needles of a few short values");
        let needles = needles.into_iter();
        let needles = needles.map(|(needle, index)| (needle.into(), index)).collect();
        Self { automaton, needles, longest }
    }

    fn find(&self, bytes: &[u8], mut found: impl FnMut(Range<usize>, usize)) {
        let Some(automaton) = &self.automaton else { return };
        for hit in automaton.find_overlapping_iter(bytes) {
            if let Some((_, index)) = self.needles.get(hit.pattern().as_usize()) {
                found(hit.range(), *index);
            }
        }
    }

    /// The first place from which on all of `bytes` is the beginning of a needle, of those places
    /// that are `good`.
    fn open_from(&self, bytes: &[u8], good: impl Fn(usize) -> bool) -> usize {
        let from = bytes.len().saturating_sub(self.longest.saturating_sub(1));
        let begins = |at: &usize| {
            let rest = bytes.get(*at..).unwrap_or_default();
            let first = self.needles.partition_point(|(needle, _)| needle.as_slice() <= rest);
            // Those that begin with `rest` and are longer come right after where it would stand.
            let next = self.needles.get(first);
            next.is_some_and(|(needle, _)| needle.starts_with(rest)) && good(*at)
        };
        (from..bytes.len()).find(begins).unwrap_or(bytes.len())
    }
}

/// Some bytes without their line ends: what a program wrapped is seen whole.
struct View<'b> {
    bytes: Cow<'b, [u8]>,
    /// Where each byte is in the original; none where that is the same place.
    offsets: Option<Vec<usize>>,
}

impl<'b> View<'b> {
    fn new(bytes: &'b [u8]) -> Self {
        if !bytes.iter().any(|byte| is_line_end(*byte)) {
            return Self { bytes: Cow::Borrowed(bytes), offsets: None };
        }
        let kept = bytes.iter().enumerate().filter(|(_, byte)| !is_line_end(**byte));
        let (offsets, kept): (_, Vec<u8>) = kept.map(|(at, byte)| (at, *byte)).unzip();
        Self { bytes: Cow::Owned(kept), offsets: Some(offsets) }
    }

    /// The place in the original; none behind the end.
    fn offset(&self, at: usize) -> Option<usize> {
        match &self.offsets {
            Some(offsets) => offsets.get(at).copied(),
            None => (at < self.bytes.len()).then_some(at),
        }
    }

    /// A range of the view in the original, if its beginning is long enough to count.
    fn range(&self, bytes: &[u8], range: Range<usize>) -> Option<Range<usize>> {
        let start = self.offset(range.start)?;
        let end = self.offset(range.end.checked_sub(1)?)? + 1;
        let piece = first_piece(bytes.get(start..end)?);
        piece.is_none_or(|piece| piece >= forms::WRAPPED_MIN).then_some(start..end)
    }

    /// Whether what begins at `at` is held back for what may come after a line end. A few
    /// characters are not, else every other line would wait for the next: what follows them is
    /// found by itself.
    fn begins_well(&self, bytes: &[u8], at: usize) -> bool {
        let rest = self.offset(at).and_then(|start| bytes.get(start..));
        let piece = rest.and_then(first_piece);
        piece.is_none_or(|piece| piece >= forms::WRAPPED_MIN)
    }
}

const fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// How many bytes are before the first line end, if there is one.
fn first_piece(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| is_line_end(*byte))
}

/// Replaces values in one stream. Cheap where there are none: bytes pass through as they are.
#[derive(Clone, Debug)]
pub struct Redactor {
    needles: Arc<Needles>,
    /// Bytes that can begin a value.
    held: Vec<u8>,
    /// So many of them belong to a value whose mark has been given out.
    marked: usize,
    counts: BTreeMap<SecretName, u64>,
}

impl Redactor {
    /// A redactor for the values of `needles`.
    pub fn new(needles: &Arc<Needles>) -> Self {
        Self { needles: Arc::clone(needles), held: Vec::new(), marked: 0, counts: BTreeMap::new() }
    }

    /// Takes bytes, and gives those that can be shown.
    pub fn feed<'b>(&mut self, bytes: &'b [u8]) -> Cow<'b, [u8]> {
        if self.needles.is_empty() {
            return Cow::Borrowed(bytes);
        }
        self.held.extend_from_slice(bytes);
        let until = self.needles.open_from(&self.held);
        Cow::Owned(self.give_out(until))
    }

    /// The stream has ended: what was held back.
    pub fn finish(&mut self) -> Vec<u8> {
        self.give_out(self.held.len())
    }

    /// How many bytes are held back.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// How often the value of which secret was replaced.
    pub const fn counts(&self) -> &BTreeMap<SecretName, u64> {
        &self.counts
    }

    /// The first `until` of the held bytes, values replaced.
    fn give_out(&mut self, until: usize) -> Vec<u8> {
        let needles = Arc::clone(&self.needles);
        let mut out = Vec::with_capacity(until);
        let (mut at, mut covered) = (0, self.marked);
        for Found { range, index } in needles.spans(&self.held) {
            if range.start < covered {
                covered = covered.max(range.end);
                continue;
            }
            if range.start >= until {
                break;
            }
            at = at.max(covered);
            out.extend_from_slice(self.held.get(at..range.start).unwrap_or_default());
            if let (Some(mark), Some(name)) = (needles.marks.get(index), needles.names.get(index)) {
                out.extend_from_slice(mark.as_bytes());
                *self.counts.entry(name.clone()).or_default() += 1;
            }
            (at, covered) = (range.end, range.end);
        }
        at = at.max(covered);
        out.extend_from_slice(self.held.get(at..until).unwrap_or_default());
        self.marked = covered.saturating_sub(until);
        self.held.drain(..until);
        out
    }
}

/// The counts of two streams together.
pub(super) fn sum(
    one: &BTreeMap<SecretName, u64>,
    other: &BTreeMap<SecretName, u64>,
) -> BTreeMap<SecretName, u64> {
    let names: BTreeSet<_> = one.keys().chain(other.keys()).collect();
    let of = |counts: &BTreeMap<SecretName, u64>, name| counts.get(name).copied().unwrap_or(0);
    names.into_iter().map(|name| (name.clone(), of(one, name) + of(other, name))).collect()
}
