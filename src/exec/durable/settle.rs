//! The second half of the line of conduct: how its bytes are asked for, how a step is stopped, and
//! what its end means.

use crate::base::{Millis, SafeText};
use crate::engine::{Doubt, Sync};

use super::conduct::{Call, Conduct, Final, LAST_BYTES, Stopping};
use super::fate::{Act, Ask, Fate, Line, Want};
use super::wire::{Home, Standing, Word};

/// How much longer than its grace a cancel may take.
const CANCEL_MAX: u64 = 60_000;
/// A step that has ended so soon costs its host no process that sends bytes as they come.
const FOLLOW_AFTER: u64 = 20;
/// So often in a row a host may fail to send the bytes that it says it has.
const SHORT_MAX: u32 = 3;

impl Conduct {
    // ---- its bytes --------------------------------------------------------------------------

    /// The step itself has left, in the call that was opened so.
    ///
    /// What reads its input on the host may take more than the input, so nothing is sent behind
    /// one before the step has begun.
    pub(super) fn payload_left(&mut self, ask: Ask) {
        if !self.before.input && self.watch.as_ref().is_some_and(|call| call.ask == ask) {
            self.want_soon();
        }
    }

    pub(super) fn want_soon(&mut self) {
        let at = self.now.saturating_add(FOLLOW_AFTER);
        if let Some(call) = self.watch.as_mut().filter(|call| !call.wanted) {
            call.want = Some(at);
        }
    }

    /// Asks for bytes, unless they were asked for or come unasked.
    pub(super) fn want(&mut self, want: Want) {
        if let Some(call) = self.watch.as_mut().filter(|call| !call.wanted) {
            (call.wanted, call.want) = (true, None);
            self.acts.push(Act::Want(want));
        }
    }

    /// The step has ended, and bytes are missing.
    pub(super) fn again_for_bytes(&mut self) {
        self.short = self.short.saturating_add(1);
        if self.short > SHORT_MAX
            && let Some(last) = self.last
        {
            let missing = last.out.saturating_sub(self.out) + last.err.saturating_sub(self.err);
            let why =
                format!("it ended, but {missing} bytes that it printed are gone from the host");
            return self.doubt(Doubt::Unrecorded, &why);
        }
        if self.short > 1 {
            return self.pause();
        }
        self.retry = Some(self.now);
    }

    // ---- its stopping -----------------------------------------------------------------------

    pub(super) fn stop_asked(&mut self, grace: Millis) {
        if !self.sent {
            return self.never("stopped before it was sent");
        }
        let hurry = self.stopping.as_ref().is_none_or(|it| grace < it.grace && !it.done);
        if !hurry {
            return;
        }
        self.stopping = Some(Stopping { grace, ..Stopping::default() });
        self.refusals = 0;
        self.hang_up(Line::Stop);
        let waits = |call: &Call| !call.answered && !matches!(call.ask, Ask::Start { .. });
        if self.watch.as_ref().is_some_and(waits) {
            self.hang_up(Line::Watch); // It may be waiting for a host that is gone.
        }
        self.retry = None;
        self.open(Line::Stop, Ask::Cancel { grace });
    }

    pub(super) fn stopped(&mut self, word: Word) {
        let now = self.now;
        let Some(stopping) = self.stopping.as_mut() else { return };
        match word {
            Word::Hello(home) => {
                self.home = Some(home);
                let limit = stopping.grace.as_millis().saturating_add(CANCEL_MAX);
                if let Some(call) = self.stop.as_mut() {
                    call.answered = true;
                    call.until = Some(now.saturating_add(limit));
                }
            }
            Word::State { standing, process, code, out, err } => {
                stopping.found = Some(standing);
                // Which boot it began in may be heard here first.
                let sync = self.before.sync.unwrap_or(Sync::None);
                let lives = matches!(standing, Standing::Running | Standing::Orphan);
                let ran =
                    matches!(standing, Standing::Exited | Standing::Lost | Standing::Rebooted);
                if lives || ran {
                    self.begins(&process, (true, sync), lives);
                }
                if standing != Standing::Staged && standing != Standing::Absent {
                    self.last = Some(Final { standing, code: code.unwrap_or(0), out, err });
                }
            }
            Word::Alive(text) => stopping.alive.push(survivor(&text, "")),
            Word::Strayed(text) => stopping.alive.push(survivor(&text, ", left its group")),
            Word::Done => {
                stopping.done = stopping.found.is_some();
                self.tries = 0;
                self.hang_up(Line::Stop);
                if self.watch.is_none() {
                    self.retry = Some(now);
                } else {
                    self.late = Some(now.saturating_add(LAST_BYTES));
                }
                self.settle();
            }
            Word::Error { code, text } => {
                let why = format!("{code}: {text}");
                self.hang_up(Line::Stop);
                if matches!(code.as_str(), "ROOT" | "ROOTID") {
                    return self.doubt(Doubt::Forgotten, &why);
                }
                self.pause();
            }
            Word::Started { .. } | Word::End { .. } | Word::Strange(_) => {}
        }
    }

    // ---- the end ----------------------------------------------------------------------------

    /// Whether the host runs another boot than the one that the step began in.
    pub(super) fn is_another_boot(&self) -> bool {
        let boot =
            |home: &Home| self.begun.as_ref().is_some_and(|begun| begun.boot.as_str() != home.boot);
        self.home.as_ref().is_some_and(boot)
    }

    /// Ends it, if the last word was said and all its bytes are here.
    pub(super) fn settle(&mut self) {
        let Some(last) = self.last else { return };
        if self.out < last.out || self.err < last.err {
            return;
        }
        if let Some(stopping) = &self.stopping {
            if !stopping.done {
                return; // The answer to the stop says who is left.
            }
            return self.settle_stopped(last, stopping.alive.clone());
        }
        let Final { standing, code, .. } = last;
        if self.before.reboot && standing != Standing::Void && self.begun.is_some() {
            if self.is_another_boot() {
                let after = Millis::new(self.now.saturating_sub(self.began));
                return self.end(Fate::Rebooted(after));
            }
            // Going down, a host may end the very command that made it go down.
            if standing == Standing::Lost
                || (standing == Standing::Exited && (code == 0 || code > 128))
            {
                self.hang_up(Line::Watch);
                (self.late, self.last, self.awaits_reboot) = (None, None, true);
                return self.pause();
            }
        }
        match standing {
            Standing::Exited => self.end(Fate::Exited(code)),
            Standing::Void if self.begun.is_none() => {
                self.never("its start did not arrive there: it never ran, and never will");
            }
            Standing::Void | Standing::Absent | Standing::Staged => {
                let why = "it had begun there, and the host has no record of it any more";
                self.doubt(Doubt::Forgotten, why);
            }
            Standing::Rebooted => self.doubt(Doubt::Rebooted, "it was rebooted while the step ran"),
            Standing::Lost | Standing::Orphan | Standing::Running => {
                self.doubt(
                    Doubt::Gone,
                    "the step and its watcher are gone, and left no exit status",
                );
            }
        }
    }

    pub(super) fn settle_stopped(&mut self, last: Final, alive: Vec<SafeText>) {
        let began = last.standing != Standing::Void && self.begun.is_some();
        if self.before.reboot && began && self.is_another_boot() {
            // The stop came while it was away.
            let after = Millis::new(self.now.saturating_sub(self.began));
            return self.end(Fate::Rebooted(after));
        }
        match last.standing {
            Standing::Void if self.begun.is_none() => {
                self.never("stopped before it began there: it never ran, and never will");
            }
            Standing::Void | Standing::Absent | Standing::Staged => {
                let why = "it had begun there, and the host has no record of it any more";
                self.doubt(Doubt::Forgotten, why);
            }
            Standing::Rebooted if self.before.reboot => {
                let after = Millis::new(self.now.saturating_sub(self.began));
                self.end(Fate::Rebooted(after));
            }
            Standing::Rebooted => self.doubt(Doubt::Rebooted, "it was rebooted while the step ran"),
            Standing::Exited if self.before.reboot && last.code == 0 => {
                self.end(Fate::NotRebooted);
            }
            Standing::Exited | Standing::Lost | Standing::Orphan | Standing::Running => {
                // Without a group of its own, its children cannot be told from others.
                let whole = self.begun.as_ref().is_none_or(|begun| begun.group);
                let known = whole || !alive.is_empty();
                self.end(Fate::Stopped(known.then_some(alive)));
            }
        }
    }
}

/// `PID STATE NAME` as people read it.
fn survivor(text: &str, more: &str) -> SafeText {
    let mut words = text.splitn(3, ' ');
    let (pid, state) = (words.next().unwrap_or("?"), words.next().unwrap_or("?"));
    SafeText::new(&format!("{pid} {} ({state}{more})", words.next().unwrap_or("?")))
}
