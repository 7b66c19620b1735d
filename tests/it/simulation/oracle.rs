//! What must hold, judged by what really happened on the hosts.

use golive::engine::{Doubt, End, Part, Place, State};
use golive::exec::durable::Fate;

use super::world::Night;

impl Night {
    /// What is said of a step against what is true of it.
    pub(super) fn check_fate(
        &mut self,
        host: usize,
        key: &str,
        fate: &Fate,
        (out, err): (&[u8], &[u8]),
    ) {
        let at = (host, key.to_owned());
        let name = self.hosts[host].name.clone();
        let truth = self.truths.get(&at);
        let wrong = match fate {
            Fate::NotStarted(_) | Fate::Attached(_) => {
                let ran = truth.is_some();
                self.never.insert(at);
                ran.then(|| "is said never to have run, and did".to_owned())
            }
            Fate::NotRebooted => {
                let ended = truth.is_some_and(|truth| truth.code == Some(0));
                let wrong = !ended || self.was_booted(host, key);
                wrong.then(|| "is said not to have rebooted its host, and did".to_owned())
            }
            Fate::Exited(code) => match truth {
                None => Some("is said to have ended, and never ran".to_owned()),
                Some(truth) if truth.alive || truth.code.map(i32::from) != Some(*code) => {
                    Some(format!("is said to have ended with {code}; it is {:?}", truth.code))
                }
                Some(truth) if truth.out != out || truth.err != err => Some(format!(
                    "wrote {} and {} bytes, of which {} and {} came",
                    truth.out.len(),
                    truth.err.len(),
                    out.len(),
                    err.len()
                )),
                Some(_) => None,
            },
            Fate::Rebooted(_) => {
                let booted = truth.is_some() && self.was_booted(host, key);
                (!booted).then(|| "is said to have rebooted its host, and did not".to_owned())
            }
            Fate::Stopped(Some(survivors)) if survivors.is_empty() => {
                let alive = truth.is_some_and(|truth| truth.alive);
                alive.then(|| "is said to be gone, and lives".to_owned())
            }
            Fate::Unknown(doubt, why) => self.doubted_wrongly(host, key, *doubt, why),
            // Nothing is claimed.
            Fate::Stopped(_) | Fate::LetGo => None,
        };
        if let Some(wrong) = wrong {
            self.broken(format!("{key} on {name} {wrong}"));
        }
    }

    /// Not to know is allowed only for the reason that is said.
    fn doubted_wrongly(&self, host: usize, key: &str, doubt: Doubt, why: &str) -> Option<String> {
        let truth = self.truths.get(&(host, key.to_owned()));
        let fine = match doubt {
            Doubt::Gone => truth.is_some_and(|truth| !truth.alive),
            Doubt::Rebooted => self.was_booted(host, key),
            // Or it began in new records before anybody had heard of them: those that were known are
            // gone, and that is what is said.
            Doubt::Forgotten => self.hosts[host].wipes > 0,
            // All that is written is kept.
            Doubt::Unrecorded | Doubt::Link | Doubt::LetGo => false,
        };
        (!fine).then(|| format!("is in doubt for a wrong reason: {doubt:?}, {why}"))
    }

    /// Nothing ran of which the record does not know.
    pub(super) fn check_launched(&mut self, state: &State) {
        let known = |host: &str, key: &str| {
            let tracks = state.plan().steps.keys();
            let tracks = tracks.flat_map(|id| [state.track(id), state.undo_track(id)]);
            let mut attempts = tracks.flat_map(|track| &track.attempts);
            attempts.any(|attempt| {
                let here = |place: &Place| place.to_string() == host;
                attempt.key.to_string() == key && attempt.places.keys().any(here)
            })
        };
        let unknown = self.truths.keys().find(|(host, key)| !known(&self.hosts[*host].name, key));
        if let Some((host, key)) = unknown {
            let text =
                format!("{key} ran on {}, and the record does not know", self.hosts[*host].name);
            self.broken(text);
        }
    }

    /// What the record says in the end against what is true.
    pub(super) fn check_record(&mut self) {
        let (state, _) = self.last_moment();
        let Some(state) = state else { return };
        self.check_launched(&state);
        if *state != self.state_on_disk() {
            self.broken("the state is not what the disk says".to_owned());
        }
        let mut wrong = Vec::new();
        let tracks = state.plan().steps.keys();
        for attempt in tracks
            .flat_map(|id| [state.track(id), state.undo_track(id)])
            .flat_map(|track| &track.attempts)
            .filter(|attempt| matches!(attempt.key.part, Part::Action | Part::Undo))
        {
            for (place, end) in &attempt.places {
                let Some(host) = self.hosts.iter().position(|it| it.name == place.to_string())
                else {
                    continue;
                };
                let truth = self.truths.get(&(host, attempt.key.to_string()));
                let job = format!("{} on {place}", attempt.key);
                match end.as_ref().map(|end| &end.end) {
                    None => wrong.push(format!("{job} never ended")),
                    Some(End::Exited { code, .. }) => {
                        if truth.and_then(|truth| truth.code).map(i32::from) != Some(*code) {
                            wrong.push(format!("{job} did not exit with {code}"));
                        }
                    }
                    Some(End::NotStarted { .. }) if truth.is_some() => {
                        wrong.push(format!("{job} is recorded never to have run, and did"));
                    }
                    Some(
                        End::NotStarted { .. }
                        | End::Done(_)
                        | End::Signalled { .. }
                        | End::Stopped { .. }
                        | End::Rebooted { .. }
                        | End::Unknown { .. },
                    ) => {}
                }
            }
        }
        for ((host, key), truth) in &self.truths {
            let stands = self.stands(*host, key);
            let name = &self.hosts[*host].name;
            if truth.launches > 1 || self.hosts[*host].spool.launches(super::hosts::RUN, key) > 1 {
                wrong.push(format!("{key} ran twice on {name}"));
            }
            if truth.alive && stands.is_final() && !self.is_forgotten(*host, key) {
                wrong.push(format!("{key} lives on {name}, which calls it {}", stands.word()));
            }
        }
        for text in wrong {
            self.broken(text);
        }
    }
}
