//! What hosts hold of a run: its durable steps' outputs, until they are told to let go of them.

use std::collections::BTreeMap;

use crate::base::{HostId, SessionId};
use crate::engine::{Actor, Command, Doubt, End, Job, Part, Place, State};
use crate::exec::Edge;

/// Lets every host go of what it holds of the run, unless something that it holds may be asked
/// for yet; a note for each that holds on. To be asked right before the session is closed.
pub(super) async fn clean(state: &State, edge: &Edge) -> Vec<(Actor, Command)> {
    let Some(name) = state.name_on_hosts() else { return Vec::new() };
    let held = held(state);
    let free = |(host, why): (&HostId, &Option<Job>)| why.is_none().then(|| host.clone());
    let hosts = held.iter().filter_map(free).collect();
    let mut left = edge.close(&name, hosts).await;
    left.extend(held.into_iter().filter_map(|(host, why)| {
        let why = format!("nobody knows what became of {}", why?);
        Some((host, why))
    }));
    left.into_iter().map(|(host, why)| (Actor::Engine, note(&host, &name, &why))).collect()
}

fn note(host: &HostId, name: &SessionId, why: &str) -> Command {
    let text = format!("{host} keeps the outputs of this run in .golive/R/{name}: {why}");
    Command::Note { step: None, text }
}

/// The hosts where something durable began, each with a job there whose outcome nobody knows.
fn held(state: &State) -> BTreeMap<HostId, Option<Job>> {
    let mut held = BTreeMap::new();
    let steps = state.plan().steps.keys();
    let tracks =
        steps.flat_map(|step| [Part::Action, Part::Undo].map(|it| state.track_of(step, it)));
    for attempt in tracks.flat_map(|track| &track.attempts) {
        for (place, end) in &attempt.places {
            let Place::Host(host) = place else { continue };
            let job = Job { key: attempt.key.clone(), place: place.clone() };
            let doubt = match end.as_ref().map(|end| &end.end) {
                Some(End::Unknown { doubt, .. }) => {
                    // What is gone for good is held by no host.
                    !matches!(doubt, Doubt::Gone | Doubt::Rebooted | Doubt::Forgotten)
                }
                Some(End::Stopped { survivors }) => {
                    survivors.as_ref().is_none_or(|it| !it.is_empty())
                }
                Some(
                    End::Exited { .. }
                    | End::Done(_)
                    | End::Signalled { .. }
                    | End::NotStarted { .. }
                    | End::Rebooted { .. },
                ) => false,
                None => true,
            };
            let began = attempt.seen.get(place).is_some_and(|seen| seen.begun.is_some());
            if state.is_durable(&job) && (began || doubt) {
                let known = held.entry(host.clone()).or_insert(None);
                if doubt {
                    *known = Some(job);
                }
            }
        }
    }
    held
}
