//! The last lines that jobs printed, safe to draw. All bytes are in the transcripts.
//!
//! # Invariants
//!
//! - Bounded: [`JOB_LINES_MAX`] lines a job, [`LINES_MAX`] in all; the oldest go first.
//! - A line never changes once it is in; its number grows over all jobs.

use std::collections::{BTreeMap, VecDeque};

use crate::base::{LineSanitizer, SafeText, Timestamp};
use crate::engine::{Job, Place};

/// Lines kept per job.
pub const JOB_LINES_MAX: usize = 10_000;

/// Lines kept in all.
pub const LINES_MAX: usize = 200_000;

/// A stream of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Its number over all jobs, from 0, in the order of arrival.
    pub number: u64,
    /// When it was complete.
    pub at: Timestamp,
    /// Where it came from.
    pub stream: Stream,
    /// The text.
    pub text: SafeText,
}

impl LogLine {
    /// Whether it looks like trouble.
    pub(super) fn is_bad(&self) -> bool {
        let words = ["error", "fatal", "fail", "denied", "refused", "panic", "timed out", "E: "];
        let text = self.text.as_str();
        let lower = text.to_lowercase();
        words.iter().any(|word| lower.contains(word) || text.contains(word))
    }
}

#[derive(Debug, Default)]
struct JobLog {
    lines: VecDeque<LogLine>,
    out: LineSanitizer,
    err: LineSanitizer,
    taken: u64,
}

/// The lines of all jobs.
#[derive(Debug, Default)]
pub struct LogStore {
    jobs: BTreeMap<Job, JobLog>,
    next: u64,
    kept: usize,
}

impl LogStore {
    /// Takes in what a job printed.
    pub fn push(&mut self, job: &Job, stream: Stream, bytes: &[u8], at: Timestamp) {
        if !self.jobs.contains_key(job) {
            self.jobs.insert(job.clone(), JobLog::default());
        }
        let Some(log) = self.jobs.get_mut(job) else { return };
        let sanitizer = match stream {
            Stream::Out => &mut log.out,
            Stream::Err => &mut log.err,
        };
        let texts = sanitizer.feed(bytes);
        self.add(job, stream, texts, at);
    }

    /// A job has ended: its unfinished lines are complete now.
    pub fn finish(&mut self, job: &Job, at: Timestamp) {
        let Some(log) = self.jobs.get_mut(job) else { return };
        let (out, err) = (log.out.finish(), log.err.finish());
        self.add(job, Stream::Out, out.into_iter().collect(), at);
        self.add(job, Stream::Err, err.into_iter().collect(), at);
    }

    fn add(&mut self, job: &Job, stream: Stream, texts: Vec<SafeText>, at: Timestamp) {
        let Some(log) = self.jobs.get_mut(job) else { return };
        for text in texts {
            if log.lines.len() == JOB_LINES_MAX {
                log.lines.pop_front();
                self.kept -= 1;
            }
            log.lines.push_back(LogLine { number: self.next, at, stream, text });
            log.taken += 1;
            self.next += 1;
            self.kept += 1;
        }
        while self.kept > LINES_MAX {
            let oldest = |log: &&mut JobLog| log.lines.front().map_or(u64::MAX, |l| l.number);
            let Some(log) = self.jobs.values_mut().min_by_key(oldest) else { break };
            if log.lines.pop_front().is_none() {
                break;
            }
            self.kept -= 1;
        }
    }

    /// The number of the next line.
    pub const fn next_number(&self) -> u64 {
        self.next
    }

    /// The places that have printed, over the jobs that `wanted` accepts.
    pub(super) fn places<F: Fn(&Job) -> bool>(&self, wanted: F) -> Vec<Place> {
        let mut places: Vec<_> =
            self.jobs.keys().filter(|job| wanted(job)).map(|job| job.place.clone()).collect();
        places.sort();
        places.dedup();
        places
    }

    /// How many lines these jobs have printed, kept or not.
    pub(super) fn count<F: Fn(&Job) -> bool>(&self, wanted: F) -> u64 {
        self.jobs.iter().filter(|(job, _)| wanted(job)).map(|(_, log)| log.taken).sum()
    }

    /// The last `count` lines before line `before` of the jobs that `wanted` accepts, oldest
    /// first.
    pub(super) fn last<F: Fn(&Job) -> bool>(
        &self,
        wanted: F,
        before: u64,
        count: usize,
    ) -> Vec<(&Job, &LogLine)> {
        let mut tails: Vec<_> = self
            .jobs
            .iter()
            .filter(|(job, _)| wanted(job))
            .map(|(job, log)| (job, log, log.lines.partition_point(|line| line.number < before)))
            .collect();
        let mut found = Vec::new();
        while found.len() < count {
            let number = |tail: &(&Job, &JobLog, usize)| {
                tail.2.checked_sub(1).and_then(|at| tail.1.lines.get(at)).map(|line| line.number)
            };
            let Some(tail) = tails.iter_mut().max_by_key(|tail| number(tail)) else { break };
            let Some(at) = tail.2.checked_sub(1) else { break };
            tail.2 = at;
            let (job, log) = (tail.0, tail.1);
            found.extend(log.lines.get(at).map(|line| (job, line)));
        }
        found.reverse();
        found
    }

    /// The first `count` lines from number `from` on of the jobs that `wanted` accepts.
    pub(super) fn next<F: Fn(&Job) -> bool>(
        &self,
        wanted: F,
        from: u64,
        count: usize,
    ) -> Vec<(&Job, &LogLine)> {
        let mut heads: Vec<_> = self
            .jobs
            .iter()
            .filter(|(job, _)| wanted(job))
            .map(|(job, log)| (job, log, log.lines.partition_point(|line| line.number < from)))
            .collect();
        let mut found = Vec::new();
        while found.len() < count {
            let number = |head: &(&Job, &JobLog, usize)| {
                head.1.lines.get(head.2).map_or(u64::MAX, |line| line.number)
            };
            let Some(head) = heads.iter_mut().min_by_key(|head| number(head)) else { break };
            let (job, log) = (head.0, head.1);
            let Some(line) = log.lines.get(head.2) else { break };
            head.2 += 1;
            found.push((job, line));
        }
        found
    }

    /// How many kept lines of these jobs have number `from` or a greater one.
    pub(super) fn count_from<F: Fn(&Job) -> bool>(&self, wanted: F, from: u64) -> usize {
        let after =
            |log: &JobLog| log.lines.len() - log.lines.partition_point(|line| line.number < from);
        self.jobs.iter().filter(|(job, _)| wanted(job)).map(|(_, log)| after(log)).sum()
    }

    /// The lines from number `from` on that pass, in their order.
    pub(super) fn since<F: Fn(&Job) -> bool, G: Fn(&LogLine) -> bool>(
        &self,
        wanted: F,
        from: u64,
        passes: G,
    ) -> Vec<u64> {
        let mut numbers: Vec<u64> = self
            .jobs
            .iter()
            .filter(|(job, _)| wanted(job))
            .flat_map(|(_, log)| {
                let start = log.lines.partition_point(|line| line.number < from);
                log.lines.range(start..).filter(|line| passes(line)).map(|line| line.number)
            })
            .collect();
        numbers.sort_unstable();
        numbers
    }

    /// The line of this number, if it is still kept.
    pub(super) fn get(&self, number: u64) -> Option<(&Job, &LogLine)> {
        self.jobs.iter().find_map(|(job, log)| {
            let at = log.lines.partition_point(|line| line.number < number);
            log.lines.get(at).filter(|line| line.number == number).map(|line| (job, line))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{JOB_LINES_MAX, LogStore, Stream};
    use crate::base::Timestamp;
    use crate::engine::{Job, Key, Part, Place};

    fn job(host: &str) -> Job {
        let key = Key { step: "s".parse().unwrap(), part: Part::Action, attempt: 1 };
        Job { key, place: Place::Host(host.parse().unwrap()) }
    }

    #[test]
    fn lines_of_many_jobs_come_in_their_order() {
        let mut log = LogStore::default();
        let (a, b) = (job("a"), job("b"));
        log.push(&a, Stream::Out, b"1\n", Timestamp::default());
        log.push(&b, Stream::Err, b"2\n3", Timestamp::default());
        log.push(&a, Stream::Out, b"4\n", Timestamp::default());
        log.finish(&b, Timestamp::default());
        let texts = |count, before| {
            let lines = log.last(|_| true, before, count);
            lines.iter().map(|(_, line)| line.text.as_str()).collect::<String>()
        };
        assert_eq!(texts(10, u64::MAX), "1243");
        assert_eq!(texts(2, u64::MAX), "43");
        assert_eq!(texts(2, 2), "12");
        assert_eq!(log.last(|job| job.place == b.place, u64::MAX, 10).len(), 2);
        assert_eq!(log.since(|_| true, 1, |line| line.text.as_str() != "4"), [1, 3]);
        assert_eq!(log.get(2).unwrap().1.text.as_str(), "4");
    }

    #[test]
    fn a_flood_is_bounded() {
        let mut log = LogStore::default();
        let chunk = b"x\n".repeat(JOB_LINES_MAX + 5);
        log.push(&job("a"), Stream::Out, &chunk, Timestamp::default());
        assert_eq!(log.last(|_| true, u64::MAX, usize::MAX / 64).len(), JOB_LINES_MAX);
        assert_eq!(log.count(|_| true), u64::try_from(JOB_LINES_MAX).unwrap() + 5);
        assert!(log.get(0).is_none());
    }
}
