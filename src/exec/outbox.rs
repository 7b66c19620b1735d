//! The way of reports to the session: secrets are taken out of every text in them.

use tokio::sync::mpsc;

use crate::base::SafeText;
use crate::engine::{Done, End, Proof, Reading, Sight};

use super::edge::{Link, Report};
use super::secrets::Secrets;

/// Sends reports. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Outbox {
    reports: mpsc::UnboundedSender<Report>,
    secrets: Secrets,
}

impl Outbox {
    pub(super) const fn new(reports: mpsc::UnboundedSender<Report>, secrets: Secrets) -> Self {
        Self { reports, secrets }
    }

    /// Sends a report; says whether anybody wants more.
    pub(super) fn send(&self, report: Report) -> bool {
        let report = if self.secrets.is_empty() { report } else { self.clean(report) };
        self.reports.send(report).is_ok()
    }

    /// What a host or a program said may be in any text.
    fn clean(&self, report: Report) -> Report {
        let clean = |text: SafeText| self.secrets.clean(text);
        match report {
            Report::Ended { job, end, transcript } => {
                Report::Ended { job, end: self.clean_end(end), transcript }
            }
            Report::Reading { probe, reading } => {
                Report::Reading { probe, reading: Reading { note: clean(reading.note), ..reading } }
            }
            Report::Proved { need, proof } => {
                let proof = match proof {
                    Proof::Ready => Proof::Ready,
                    Proof::NotReady(why) => Proof::NotReady(clean(why)),
                    Proof::Unknown(why) => Proof::Unknown(clean(why)),
                };
                Report::Proved { need, proof }
            }
            Report::Link { host, link } => {
                let link = match link {
                    Link::Down(why) => Link::Down(clean(why)),
                    link @ (Link::Connecting | Link::Up) => link,
                };
                Report::Link { host, link }
            }
            Report::Told { channel, numbers, tries, lost } => {
                Report::Told { channel, numbers, tries, lost: lost.map(clean) }
            }
            Report::Sighted { job, sight } => {
                let sight = match sight {
                    Sight::Lost { why, proved } => Sight::Lost { why: clean(why), proved },
                    Sight::Attached { why } => Sight::Attached { why: clean(why) },
                    sight @ (Sight::Began(_) | Sight::Back | Sight::Orphan) => sight,
                };
                Report::Sighted { job, sight }
            }
            // A key and a number are nobody's words.
            report @ (Report::Silent { .. }
            | Report::Flood { .. }
            | Report::Progress { .. }
            | Report::LooksSecret { .. }
            | Report::Host { .. }
            | Report::OutputLost { .. }
            | Report::OutputAway { .. }
            | Report::Tainted { .. }) => report,
        }
    }

    fn clean_end(&self, end: End) -> End {
        let clean = |text: SafeText| self.secrets.clean(text);
        match end {
            End::Exited { code, unmet, captured } => {
                End::Exited { code, unmet: unmet.map(clean), captured }
            }
            End::Done(done) => {
                let Done { what, digest, unmet, untouched, mut reconciled, captured } = *done;
                let (what, unmet) = (clean(what), unmet.map(clean));
                for text in reconciled.iter_mut().flat_map(|found| found.texts_mut()) {
                    *text = clean(std::mem::take(text));
                }
                let done = Done { what, digest, unmet, untouched, reconciled, captured };
                End::Done(Box::new(done))
            }
            End::Signalled { signal } => End::Signalled { signal: clean(signal) },
            End::Stopped { survivors } => {
                let names = survivors.map(|alive| alive.into_iter().map(clean).collect());
                End::Stopped { survivors: names }
            }
            end @ End::Rebooted { .. } => end,
            End::NotStarted { why } => End::NotStarted { why: clean(why) },
            End::Unknown { why, doubt } => End::Unknown { why: clean(why), doubt },
        }
    }
}
