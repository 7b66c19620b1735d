//! What can be said to a living session from another terminal without taking it: hold, a note,
//! that the alarms were seen, and somebody's word at a gate or about a step.
//!
//! # Who is believed
//!
//! The socket lies in a folder of the account that drives, and the kernel says that the other end
//! is that account. So a hold, a note and an acknowledgement are taken as they come: they start
//! nothing and confirm nothing, and the record says that they came from another terminal.
//!
//! A word at a gate, or that a step may start, speaks for a person, and the account is no proof of
//! who that is. It is signed with a key that the runbook names for the role, over a text that names
//! the session, its plan, the step, the attempt, the choice and the time; or, at a gate and for a
//! role without keys, it is recorded as what somebody on this machine said. What that means for
//! each is the engine's to decide; here the signature is checked, and that it is fresh.
//!
//! No step is started, confirmed or stopped through here.

use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::base::{SafeText, StepId, Timestamp};
use crate::engine::{Actor, Choice, Command, Event, State, Voice};
use crate::journal::{Run, Word};

use super::clock::{machine_name, wall};
use super::door::{Answer, speak};
use super::handle::Handle;
use super::store::Found;

/// What is spoken at the door by those who do not want to drive.
pub(super) const LANGUAGE: &str = "golive.errand/1";
/// A living session answers within this time.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// Whoever signs has this long for it; what was signed longer ago is said again.
const FRESH: Duration = Duration::from_mins(5);
/// A note is no document.
const TEXT_MAX: usize = 4 * 1024;

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wish {
    /// Start nothing new.
    Hold {
        /// Why.
        why: SafeText,
    },
    /// Write something down.
    Note {
        /// About which step, if about one.
        step: Option<StepId>,
        /// What.
        text: SafeText,
    },
    /// The open alarms have been seen.
    Acknowledge,
    /// What a role answers at a gate.
    Vote {
        /// Which gate.
        step: StepId,
        /// Who.
        voice: Voice,
        /// GO or NO-GO.
        choice: Choice,
        /// In their words.
        words: SafeText,
    },
    /// A second person agrees that a step may start.
    Approve {
        /// Which step.
        step: StepId,
        /// Who.
        voice: Voice,
        /// In their words.
        words: SafeText,
    },
}

/// The run that words in `state` belong to; none before it is opened.
pub fn run_of(state: &State) -> Option<Run> {
    let genesis = state.genesis()?;
    Some(Run { session: genesis.session.clone(), plan: genesis.plan, opened: state.opened() })
}

impl Wish {
    /// What it asks of the session.
    pub fn command(&self) -> Command {
        match self.clone() {
            Self::Hold { why } => Command::Hold { why },
            Self::Note { step, text } => Command::Note { step, text: text.to_string() },
            Self::Acknowledge => Command::AcknowledgeAlarms,
            Self::Vote { step, voice, choice, words } => {
                Command::Vote { step, voice, choice, words }
            }
            Self::Approve { step, voice, words } => Command::Approve { step, voice, words },
        }
    }

    /// Whether an event of the record is what came of it, where somebody has signed it or said
    /// when: nothing else can be told from what others said.
    pub fn is(&self, event: &Event) -> bool {
        if let (Self::Vote { step, voice, .. }, Event::Voted { step: at, voice: who, .. })
        | (Self::Approve { step, voice, .. }, Event::Approved { step: at, voice: who, .. }) =
            (self, event)
        {
            let when = |voice: &Voice| voice.said.as_ref().map(|said| said.at);
            return step == at && when(voice) == when(who) && voice.person == who.person;
        }
        false
    }

    /// The word in it.
    pub const fn word(&self) -> Option<Word<'_>> {
        match self {
            Self::Vote { step, voice, choice, words } => {
                Some(Word { step, voice, choice: Some(*choice), words })
            }
            Self::Approve { step, voice, words } => Some(Word { step, voice, choice: None, words }),
            Self::Hold { .. } | Self::Note { .. } | Self::Acknowledge => None,
        }
    }

    /// The same, as the session saw it come.
    fn seen_from(mut self, from: &SafeText) -> Self {
        if let Self::Vote { voice, .. } | Self::Approve { voice, .. } = &mut self
            && let Some(said) = &mut voice.said
        {
            said.from = from.clone();
        }
        self
    }

    /// Whether it can be believed at `now`, in a session that is in `state`.
    fn check(&self, state: &State, now: Timestamp) -> Result<(), String> {
        if matches!(self, Self::Note { text, .. } if text.as_str().len() > TEXT_MAX) {
            return Err(format!("a note has at most {TEXT_MAX} bytes"));
        }
        let Some(word) = self.word() else { return Ok(()) };
        let Some(said) = word.voice.said.as_deref() else {
            return Err("it does not say when it was said".to_owned());
        };
        let apart = now.since(said.at).max(said.at.since(now));
        if u128::from(apart.as_millis()) > FRESH.as_millis() {
            return Err(format!("it was said {apart} ago, or the clocks differ: say it again"));
        }
        let Some(signed) = &said.signed else { return Ok(()) };
        let run = run_of(state).ok_or("the session is not open yet")?;
        word.check(&run, said, signed).map_err(|why| format!("its signature does not hold: {why}"))
    }
}

/// A wish that came through the door.
#[derive(Debug)]
pub(super) struct Errand {
    /// Who came, by their own word.
    who: SafeText,
    wish: Wish,
    /// The number of the account.
    uid: u32,
    answer: oneshot::Sender<Answer>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Asked {
    language: String,
    who: SafeText,
    wish: Wish,
}

impl Errand {
    pub(super) fn new(asked: Asked, uid: u32, answer: oneshot::Sender<Answer>) -> Self {
        let Asked { who, wish, .. } = asked;
        Self { who, wish, uid, answer }
    }

    /// Asks the session for it, and tells the other terminal once it is on disk or refused.
    pub(super) async fn carry_out(self, handle: &Handle) {
        let from = format!("another terminal of uid {} on {}", self.uid, machine_name());
        let wish = self.wish.seen_from(&SafeText::new(&from));
        let checked = wish.check(&handle.view().state, wall());
        let done = if let Err(why) = checked {
            Err(why)
        } else {
            let who = wish.word().map_or(&self.who, |word| &word.voice.person);
            let by = SafeText::new(&format!("{who} (another terminal)"));
            let asked = handle.submit(&Actor::Operator(by), wish.command()).await;
            asked.map_err(|error| error.to_string())
        };
        let why = done.as_ref().err().map(String::as_str).unwrap_or_default();
        self.answer.send(Answer::new(done.is_ok(), why)).ok();
    }
}

/// What became of a wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It is in the record.
    Done,
    /// It is not, for this reason.
    Refused(SafeText),
    /// The session said nothing that could be understood; whether it is in the record is not known.
    Silent(SafeText),
}

/// Tells the process that drives `found` what is wanted.
pub async fn send(found: &Found, who: SafeText, wish: Wish) -> Heard {
    let asked = Asked { language: LANGUAGE.to_owned(), who, wish };
    let said: io::Result<_> = match timeout(ANSWER_WITHIN, speak(found, &asked)).await {
        Err(_) => return Heard::Silent(SafeText::new("it does not answer")),
        Ok(said) => said,
    };
    match said {
        Err(error) => Heard::Silent(SafeText::new(&error.to_string())),
        Ok((answer, _)) if answer.yes => Heard::Done,
        Ok((answer, _)) => Heard::Refused(answer.why),
    }
}
