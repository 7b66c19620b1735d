//! One line an event, and what the steps print.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde_json::json;

use crate::base::{LineSanitizer, Timestamp};
use crate::cli::message::Failure;
use crate::cli::screen::Screen;
use crate::engine::{Event, Fact, Job, Key};
use crate::journal::{Entry, Reader, Stream};
use crate::plan::Plan;
use crate::report;
use crate::session::{Chunk, View};

/// Prints the record as it grows, and output between its lines.
pub(super) struct Printer {
    screen: Screen,
    json: bool,
    plan: Arc<Plan>,
    journal: Reader,
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
}

impl Printer {
    pub(super) fn new(
        screen: Screen,
        json: bool,
        plan: Arc<Plan>,
        journal: Reader,
        after: u64,
    ) -> Self {
        Self {
            screen,
            json,
            plan,
            journal,
            after,
            waiting: VecDeque::new(),
            started: BTreeSet::new(),
            open: BTreeMap::new(),
            tenths: BTreeMap::new(),
            mute: false,
        }
    }

    /// Prints what is new in the record.
    pub(super) fn events(&mut self) -> Result<(), Failure> {
        self.read()?;
        while let Some((entry, fact)) = self.waiting.pop_front() {
            self.event(&entry, &fact);
        }
        Ok(())
    }

    fn read(&mut self) -> Result<(), Failure> {
        for entry in self.journal.by_ref() {
            let entry = Arc::new(entry?);
            if entry.seq > self.after {
                let facts = entry.facts.iter().cloned();
                self.waiting.extend(facts.map(|fact| (Arc::clone(&entry), fact)));
            }
        }
        Ok(())
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
    fn until_started(&mut self, key: &Key) -> Result<(), Failure> {
        if self.started.contains(key) {
            return Ok(());
        }
        self.read()?;
        let is_start = |fact: &Fact| matches!(&fact.event, Event::AttemptStarted { key: started, .. } if started == key);
        if self.waiting.iter().any(|(_, fact)| is_start(fact)) {
            while !self.started.contains(key)
                && let Some((entry, fact)) = self.waiting.pop_front()
            {
                self.event(&entry, &fact);
            }
        }
        self.started.insert(key.clone()); // Or it began before we were there.
        Ok(())
    }

    /// Prints output of a job, line by line.
    pub(super) fn output(&mut self, chunk: &Chunk) -> Result<(), Failure> {
        if self.screen.quiet {
            return Ok(());
        }
        self.until_started(&chunk.job.key)?;
        let key = (chunk.job.clone(), chunk.stream == Stream::Err);
        let lines = self.open.entry(key).or_default().feed(&chunk.bytes);
        for line in lines {
            self.output_line(&chunk.job, chunk.stream == Stream::Err, chunk.at, line.as_str());
        }
        Ok(())
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
