//! One line an event, and what the steps print.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;

use crate::base::{LineSanitizer, Timestamp};
use crate::cli::message::Failure;
use crate::cli::screen::Screen;
use crate::engine::{Event, Fact, Job, Key};
use crate::journal::{self, Entry, JournalError, Reader, Stream};
use crate::plan::Plan;
use crate::report;
use crate::session::{Chunk, View};

/// Prints the record as it grows, and output between its lines.
pub(super) struct Printer {
    screen: Screen,
    json: bool,
    plan: Arc<Plan>,
    /// The session's folder.
    dir: PathBuf,
    journal: Reader,
    /// So often the record had been written anew when `journal` was opened.
    anew: u64,
    /// Lines up to this one are old news.
    after: u64,
    /// Read and not printed yet.
    waiting: VecDeque<(Arc<Entry>, Fact)>,
    /// Attempts whose start was printed: output never comes before it.
    started: BTreeSet<Key>,
    open: BTreeMap<(Job, bool), LineSanitizer>,
    /// The last tenth that was printed of each job's progress.
    tenths: BTreeMap<Job, u16>,
    /// The reader has gone away; the run goes on, and the record has it all.
    mute: bool,
    /// The record cannot be read back; the run goes on without being told here.
    blind: bool,
}

impl Printer {
    pub(super) fn new(
        screen: Screen,
        json: bool,
        plan: Arc<Plan>,
        dir: PathBuf,
        after: u64,
    ) -> Result<Self, Failure> {
        let journal = journal::read(&dir)?;
        Ok(Self {
            screen,
            json,
            plan,
            dir,
            journal,
            anew: 0,
            after,
            waiting: VecDeque::new(),
            started: BTreeSet::new(),
            open: BTreeMap::new(),
            tenths: BTreeMap::new(),
            mute: false,
            blind: false,
        })
    }

    /// Prints what is new in the record: the lines that `view` says are on the disk, and no line
    /// that a disk has refused.
    pub(super) fn events(&mut self, view: &View) {
        if view.anew != self.anew {
            self.anew = view.anew;
            self.try_to(Self::read_anew);
        }
        self.read(|_, read| read < view.seq);
        while let Some((entry, fact)) = self.waiting.pop_front() {
            self.event(&entry, &fact);
        }
    }

    /// Goes on in the file in which the record is now: nothing comes any more in the one that was
    /// given up. The lines that were read before are the same in it.
    fn read_anew(&mut self) -> Result<(), JournalError> {
        let read = self.journal.seq();
        self.journal = journal::read(&self.dir)?;
        while self.journal.seq() < read {
            let Some(entry) = self.journal.next() else { break };
            entry?;
        }
        Ok(())
    }

    /// Reads on while `more` says so, of what waits and of the number of lines that were read.
    fn read(&mut self, more: impl Fn(&VecDeque<(Arc<Entry>, Fact)>, u64) -> bool) {
        self.try_to(|it| {
            while more(&it.waiting, it.journal.seq())
                && let Some(entry) = it.journal.next()
            {
                let entry = Arc::new(entry?);
                if entry.seq > it.after {
                    let facts = entry.facts.iter().cloned();
                    it.waiting.extend(facts.map(|fact| (Arc::clone(&entry), fact)));
                }
            }
            Ok(())
        });
    }

    /// Reads. A record that cannot be read back is no reason to leave what runs.
    fn try_to(&mut self, read: impl FnOnce(&mut Self) -> Result<(), JournalError>) {
        if self.blind {
            return;
        }
        if let Err(error) = read(self) {
            self.blind = true;
            self.screen.complain(&format!(
                "warning: the record cannot be read back, so it is not printed any more; the run \
                 goes on: {error}"
            ));
        }
    }

    fn event(&mut self, entry: &Entry, fact: &Fact) {
        if let Event::AttemptStarted { key, .. } = &fact.event {
            self.started.insert(key.clone());
        }
        let line = if self.json {
            report::json_line(entry, fact)
        } else {
            report::timeline_line(&self.plan, entry.at, fact)
        };
        self.line(&line);
    }

    /// Prints up to the start of the attempt that output belongs to.
    fn until_started(&mut self, key: &Key) {
        if self.started.contains(key) {
            return;
        }
        let is_start = |fact: &Fact| matches!(&fact.event, Event::AttemptStarted { key: started, .. } if started == key);
        // What has printed is on the disk as started, whether a view says so yet or not.
        self.read(|waiting, _| !waiting.iter().any(|(_, fact)| is_start(fact)));
        if self.waiting.iter().any(|(_, fact)| is_start(fact)) {
            while !self.started.contains(key)
                && let Some((entry, fact)) = self.waiting.pop_front()
            {
                self.event(&entry, &fact);
            }
        }
        self.started.insert(key.clone()); // Or it began before we were there.
    }

    /// Prints output of a job, line by line.
    pub(super) fn output(&mut self, chunk: &Chunk) {
        if self.screen.quiet {
            return;
        }
        self.until_started(&chunk.job.key);
        let key = (chunk.job.clone(), chunk.stream == Stream::Err);
        let lines = self.open.entry(key).or_default().feed(&chunk.bytes);
        for line in lines {
            self.output_line(&chunk.job, chunk.stream == Stream::Err, chunk.at, line.as_str());
        }
    }

    /// Prints how far running jobs have come, each tenth once.
    pub(super) fn progress(&mut self, view: &View) {
        self.tenths.retain(|job, _| view.gauges.contains_key(job));
        for (job, gauge) in view.gauges.iter() {
            let tenth = gauge.share.whole_percent() / 10;
            if self.screen.quiet || self.tenths.insert(job.clone(), tenth) == Some(tenth) {
                continue;
            }
            let share = gauge.share;
            let line = if self.json {
                json!({
                    "schema": "golive.progress/1",
                    "at": gauge.at.rfc3339(),
                    "job": job.to_string(),
                    "step": job.key.step,
                    "place": job.place.to_string(),
                    "thousandths": share.thousandths(),
                })
                .to_string()
            } else {
                format!("{} | {} is at {share}", job.place, job.key.step)
            };
            self.line(&line);
        }
    }

    /// Prints what has no line end yet.
    pub(super) fn rest(&mut self, at: Timestamp) {
        for ((job, err), mut open) in std::mem::take(&mut self.open) {
            if let Some(line) = open.finish() {
                self.output_line(&job, err, at, line.as_str());
            }
        }
    }

    fn output_line(&mut self, job: &Job, err: bool, at: Timestamp, line: &str) {
        let text = if self.json {
            json!({
                "schema": "golive.output/1",
                "at": at.rfc3339(),
                "job": job.to_string(),
                "step": job.key.step,
                "place": job.place.to_string(),
                "stream": if err { "err" } else { "out" },
                "line": line,
            })
            .to_string()
        } else {
            format!("{} | {line}", job.place)
        };
        self.line(&text);
    }

    fn line(&mut self, line: &str) {
        if !self.mute {
            let line = format!("{line}\n");
            let written = if self.json { self.screen.data(&line) } else { self.screen.text(&line) };
            if let Err(failure) = written {
                self.mute = true;
                // A reader that went away does not want to hear of it; a full disk has to be told.
                for line in failure.lines() {
                    self.screen.complain(&line);
                }
            }
        }
    }
}
