//! What a person signs at another terminal: their word at a gate or about a step, as a text that
//! names the run, so that it proves nothing in another one. Pure.
//!
//! `jq -r` takes text fields and armour out of the journal's line, and
//! `ssh-keygen -Y verify -n golive-voice` then says the same as `golive verify`.

use std::collections::BTreeMap;

use crate::base::{Digest, SafeText, SessionId, StepId, Timestamp};
use crate::engine::{Choice, Event, Said, Signed, Voice};

use super::sshsig::{Key, signer_for};

/// The namespace of the signatures over people's words: none of a checkpoint is one of these.
pub const VOICE_NAMESPACE: &str = "golive-voice";

/// The run that a word belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The session's name.
    pub session: SessionId,
    /// The digest of the plan.
    pub plan: Digest,
    /// When it was opened: the same name may be given twice.
    pub opened: Timestamp,
}

/// What somebody says: GO or NO-GO at a gate, or, without a choice, that a step may start.
#[derive(Clone, Copy, Debug)]
pub struct Word<'a> {
    /// About which step.
    pub step: &'a StepId,
    /// Who, and for which role.
    pub voice: &'a Voice,
    /// GO or NO-GO; none: they agree that the step starts.
    pub choice: Option<Choice>,
    /// In their words.
    pub words: &'a SafeText,
}

/// A signed word of the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedWord {
    /// The line of the journal.
    pub line: u64,
    /// About which step.
    pub step: StepId,
    /// `GO`, `NO-GO`, or `agrees`.
    pub says: &'static str,
    /// Who, for which role.
    pub voice: Voice,
    /// The fingerprint of the key that signed it.
    pub key: SafeText,
}

impl Word<'_> {
    /// The word of an event, if it is one.
    pub(super) const fn of(event: &Event) -> Option<Word<'_>> {
        if let Event::Voted { step, voice, choice, words } = event {
            return Some(Word { step, voice, choice: Some(*choice), words });
        }
        if let Event::Approved { step, voice, words } = event {
            return Some(Word { step, voice, choice: None, words });
        }
        None
    }

    const fn says(&self) -> &'static str {
        match self.choice {
            Some(Choice::Go) => "GO",
            Some(Choice::NoGo) => "NO-GO",
            None => "agrees",
        }
    }

    /// What is signed, in lines. No text in it can hold a line end.
    pub fn text(&self, run: &Run, said: &Said) -> String {
        let Run { session, plan, opened } = run;
        let Word { step, voice: Voice { role, person, .. }, words, .. } = self;
        let (opened, at, attempt) = (opened.rfc3339(), said.at.rfc3339(), said.attempt);
        let says = self.says();
        format!(
            "golive-voice/1\nsession {session}\nplan {plan}\nopened {opened}\nstep {step}\n\
             attempt {attempt}\nsays {says}\nrole {role}\nperson {person}\nat {at}\nwords {words}\n"
        )
    }

    /// Whether the signature is over this word in `run`, by the key that it names.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, run: &Run, said: &Said, signed: &Signed) -> Result<(), String> {
        let key = signer_for(VOICE_NAMESPACE, &signed.armour, &self.text(run, said))?;
        let named = Key::parse(signed.public.as_str()).is_some_and(|own| own.is(&key));
        if named && key.fingerprint() == signed.key.as_str() {
            return Ok(());
        }
        Err(format!("it is by {}, not by {}", key.fingerprint(), signed.key))
    }
}

/// The signed words of a record, as it is read.
#[derive(Debug, Default)]
pub(super) struct Words {
    run: Option<Run>,
    last: BTreeMap<SafeText, Timestamp>,
    pub(super) good: Vec<SignedWord>,
}

impl Words {
    /// Takes in an event of line `line` of the time `at`; what is wrong with the word in it.
    pub(super) fn take(&mut self, line: u64, at: Timestamp, event: &Event) -> Option<String> {
        if let Event::SessionOpened(genesis) = event {
            let (session, plan) = (genesis.session.clone(), genesis.plan);
            self.run.get_or_insert(Run { session, plan, opened: at });
        }
        let word = Word::of(event)?;
        let said = word.voice.said.as_deref()?;
        let signed = said.signed.as_ref()?;
        let who =
            format!("the word of {} for {} on {}", word.voice.person, word.voice.role, word.step);
        let Some(run) = &self.run else { return Some(format!("{who} belongs to no session")) };
        if let Err(why) = word.check(run, said, signed) {
            return Some(format!("the signature of {who} does not hold: {why}"));
        }
        let last = self.last.insert(signed.key.clone(), said.at);
        if last.is_some_and(|last| last >= said.at) {
            return Some(format!("{who} was put there twice: its key had said something later"));
        }
        let (step, voice) = (word.step.clone(), word.voice.clone());
        let (says, key) = (word.says(), signed.key.clone());
        self.good.push(SignedWord { line, step, says, voice, key });
        None
    }
}
