//! Words that come from another terminal: when they were said, and what proves whose they are.
//!
//! The driver writes down what somebody said on the bridge; that is the driver's word. What comes
//! from another terminal is not, and so it is held to more:
//!
//! - A role whose `keys` the runbook names speaks with one of them, or not at all.
//! - A role without keys may answer a gate unsigned, and the record says that nothing proves it.
//! - A second person for a step (`four_eyes`) always signs: another terminal of the account that
//!   drives is no second person. The key is another one than the one that signs the record; where
//!   the record is unsigned, only the names and the role's keys tell the two apart.
//! - A key says each thing once: its next word has to be later than its last.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::{SafeText, StepId, Timestamp};

use super::event::{Event, Genesis};
use super::gate::Voice;
use super::job::Part;
use super::refusal::Refusal;
use super::state::State;

/// How somebody's word came from another terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// When, by the clock on the wall of who said it.
    pub at: Timestamp,
    /// Where from, as the session saw it.
    pub from: SafeText,
    /// Of which attempt of the step they spoke.
    pub attempt: u32,
    /// The signature; none: nothing proves who it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<Signed>,
}

/// An SSH signature over somebody's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// The fingerprint of the key, `SHA256:…`.
    pub key: SafeText,
    /// The public key, as in `authorized_keys`.
    pub public: SafeText,
    /// The signature, armoured, as `ssh-keygen -Y verify` takes it.
    pub armour: String,
}

/// Who has spoken with which key, and with which one the record is signed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Spoken {
    signer: Option<SafeText>,
    last: BTreeMap<SafeText, Timestamp>,
}

impl Spoken {
    /// Takes in who signs the record, and words that were signed.
    pub(super) fn take(&mut self, event: &Event) {
        if let Event::SessionOpened(Genesis { signer, .. }) | Event::Resumed { signer, .. } = event
        {
            self.signer.clone_from(signer);
        } else if let Event::Voted { voice, .. } | Event::Approved { voice, .. } = event
            && let Some(Said { at, signed: Some(signed), .. }) = voice.said.as_deref()
        {
            self.last.insert(signed.key.clone(), *at);
        }
    }
}

impl State {
    /// The public key that signs the record now; none: it is not signed.
    pub const fn signer(&self) -> Option<&SafeText> {
        self.spoken.signer.as_ref()
    }

    /// Of which attempt of a step people speak now: the one that is open, or the next.
    pub fn attempt_spoken_of(&self, step: &StepId) -> u32 {
        let track = self.track(step);
        let open = track.status.is_in_flight().then(|| track.last_action()).flatten();
        open.map_or_else(|| track.next_attempt(Part::Action), |attempt| attempt.key.attempt)
    }

    /// Whether a word from another terminal counts for the role; the driver's own always does.
    pub(super) fn may_say(&self, step: &StepId, voice: &Voice) -> Result<(), Refusal> {
        let Some(Said { at, attempt, signed, .. }) = voice.said.as_deref() else { return Ok(()) };
        let now = self.attempt_spoken_of(step);
        if *attempt != now {
            return Err(Refusal::OtherAttempt { step: step.clone(), said: *attempt, now });
        }
        let keys = self.plan.roles.get(&voice.role).map(|role| role.keys.as_slice());
        let keys = keys.unwrap_or_default();
        let Some(Signed { key, .. }) = signed else {
            return if keys.is_empty() {
                Ok(())
            } else {
                Err(Refusal::Unsigned(voice.role.clone()))
            };
        };
        if !keys.iter().any(|own| own == key.as_str()) {
            return Err(Refusal::StrangeKey { key: key.clone(), role: voice.role.clone() });
        }
        match self.spoken.last.get(key) {
            Some(last) if last >= at => Err(Refusal::SaidBefore(key.clone())),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether a word from another terminal is a second person's.
    pub(super) fn is_second(&self, voice: &Voice) -> Result<(), Refusal> {
        match voice.said.as_deref() {
            None => Ok(()),
            Some(Said { signed: None, .. }) => Err(Refusal::SecondUnsigned),
            Some(Said { signed: Some(Signed { public, .. }), .. }) => {
                if self.spoken.signer.as_ref() == Some(public) {
                    Err(Refusal::SameKey)
                } else {
                    Ok(())
                }
            }
        }
    }
}
