//! What is said to a living session from another terminal: hold, a note, that the alarms were
//! seen, an answer at a gate, and a second person's word.

use serde_json::{Value, json};

use crate::base::{RoleId, SafeText, StepId, Timestamp};
use crate::engine::{Choice, Said, Signed, State, Status, Voice};
use crate::exec::ssh::{KeyChoice, Options, Pool, SigningKey};
use crate::journal::{Lock, VOICE_NAMESPACE, Word};
use crate::plan::{StepPlan, Work};
use crate::session::{Found, Heard, Recovered, Store, Wish, open, run_of, send};

use super::args::{self, AckArgs, ApproveArgs, HoldArgs, NoteArgs, Speaker, VoteArgs};
use super::exit::Exit;
use super::ground;
use super::message::Failure;
use super::run::{asker, on_runtime};
use super::screen::{Ink, Screen};
use super::sign::key_named;
use super::status::stage_words;

/// A session that is driven at this moment.
struct Living {
    screen: Screen,
    recovered: Recovered,
}

impl Living {
    /// The session that `name` means, if somebody drives it.
    fn find(screen: Screen, store: &Store, name: &str) -> Result<Self, Failure> {
        let found = store.find(name)?;
        let recovered = open(&found)?;
        let (id, state) = (&found.id, &recovered.state);
        if state.is_closed() {
            let words = stage_words(state);
            return Err(Failure::usage(format!(
                "session {id} is closed ({words}): nothing can be added to its record"
            )));
        }
        if Lock::holder(&found.dir)?.is_none() {
            return Err(not_driven(&found));
        }
        Ok(Self { screen, recovered })
    }

    const fn found(&self) -> &Found {
        &self.recovered.found
    }

    const fn state(&self) -> &State {
        &self.recovered.state
    }

    /// Says it, and tells what became of it.
    async fn say(&self, speaker: &Speaker, wish: Wish, done: &str) -> Result<Exit, Failure> {
        let who = ground::driver(speaker.name.as_deref());
        let heard = send(self.found(), who.clone(), wish.clone()).await;
        let id = &self.found().id;
        let why = match heard {
            Heard::Done => return self.told(speaker, &who, &wish, done),
            Heard::Refused(why) => {
                return Err(Failure::usage(format!("session {id} did not take it: {why}")));
            }
            Heard::Silent(why) => why,
        };
        // It may have been recorded before the answer was lost: the record knows.
        let after = open(self.found())?;
        let mut new = after.entries.iter().skip(self.recovered.entries.len());
        if new.any(|entry| entry.facts.iter().any(|fact| wish.is(&fact.event))) {
            return self.told(speaker, &who, &wish, done);
        }
        if Lock::holder(self.found().dir.as_path())?.is_none() {
            return Err(not_driven(self.found()).because("it ended while it was asked"));
        }
        let message = format!("session {id} is driven, and cannot be reached ({why})");
        let help = "whether it was recorded is not known: `golive status` shows it; say it to the \
                    driver in another way";
        Err(Failure::new(Exit::Unreachable, message).help(help))
    }

    fn told(
        &self,
        speaker: &Speaker,
        who: &SafeText,
        wish: &Wish,
        done: &str,
    ) -> Result<Exit, Failure> {
        if speaker.json {
            let document = document(self.found(), who, wish);
            self.screen.data(&format!("{document:#}\n"))?;
        } else {
            let done = self.screen.error_ink(Ink::Green, done);
            self.screen.say(&format!("{done} session {}", self.found().id));
        }
        Ok(Exit::Done)
    }
}

fn not_driven(found: &Found) -> Failure {
    let message = format!(
        "nobody drives session {} at this moment: nothing starts, and nobody hears it",
        found.id
    );
    Failure::new(Exit::Stopped, message).help(format!("go on with: golive resume {}", found.id))
}

fn document(found: &Found, who: &SafeText, wish: &Wish) -> Value {
    let what = match wish {
        Wish::Hold { .. } => "hold",
        Wish::Note { .. } => "note",
        Wish::Acknowledge => "ack",
        Wish::Vote { .. } => "vote",
        Wish::Approve { .. } => "approve",
    };
    let word = wish.word();
    let voice = word.map(|word| word.voice);
    let said = voice.and_then(|voice| voice.said.as_deref());
    json!({
        "schema": "golive.said/1", "session": found.id, "what": what, "recorded": true,
        "by": voice.map_or(who, |voice| &voice.person),
        "step": word.map(|word| word.step), "role": voice.map(|voice| &voice.role),
        "choice": word.and_then(|word| word.choice),
        "at": said.map(|said| said.at.rfc3339()),
        "key": said.and_then(|said| said.signed.as_ref()).map(|signed| &signed.key),
    })
}

/// `golive hold`.
pub(super) fn hold(screen: Screen, store: &Store, args: &HoldArgs) -> Result<Exit, Failure> {
    let living = Living::find(screen, store, &args.session)?;
    let wish = Wish::Hold { why: SafeText::new(&args.reason) };
    on_runtime(async { living.say(&args.speaker, wish, "held:").await })
}

/// `golive note`.
pub(super) fn note(screen: Screen, store: &Store, args: &NoteArgs) -> Result<Exit, Failure> {
    let living = Living::find(screen, store, &args.session)?;
    let wish = Wish::Note { step: args.step.clone(), text: SafeText::new(&args.text) };
    on_runtime(async { living.say(&args.speaker, wish, "noted:").await })
}

/// `golive ack`.
pub(super) fn ack(screen: Screen, store: &Store, args: &AckArgs) -> Result<Exit, Failure> {
    let living = Living::find(screen, store, &args.session)?;
    on_runtime(async { living.say(&args.speaker, Wish::Acknowledge, "alarms seen:").await })
}

/// `golive vote`.
pub(super) fn vote(screen: Screen, store: &Store, args: &VoteArgs) -> Result<Exit, Failure> {
    let living = Living::find(screen, store, &args.session)?;
    let state = living.state();
    let (step, gate) = match &args.gate {
        Some(step) => match state.gate_of(step) {
            Some(gate) => (step.clone(), gate),
            None => return Err(Failure::usage(format!("there is no gate `{step}`"))),
        },
        None => the_gate(state)?,
    };
    let choice = Choice::from(args.choice);
    on_runtime(async {
        let (voice, words) = speak(&living, &args.word, &step, Some(choice), &gate.poll).await?;
        let done = format!("{}, at gate {step}:", told(&voice, choice.into()));
        let wish = Wish::Vote { step: step.clone(), voice, choice, words };
        living.say(&args.word.speaker, wish, &done).await
    })
}

/// `golive approve`.
pub(super) fn approve(screen: Screen, store: &Store, args: &ApproveArgs) -> Result<Exit, Failure> {
    let living = Living::find(screen, store, &args.session)?;
    let state = living.state();
    let step = match &args.step {
        Some(step) => step.clone(),
        None => the_step(state)?,
    };
    let roles: Vec<_> = state.plan().roles.keys().cloned().collect();
    on_runtime(async {
        let (voice, words) = speak(&living, &args.word, &step, None, &roles).await?;
        let done = format!("{}, step {step} may start:", told(&voice, None));
        let wish = Wish::Approve { step: step.clone(), voice, words };
        living.say(&args.word.speaker, wish, &done).await
    })
}

fn told(voice: &Voice, choice: Option<Choice>) -> String {
    let says = match choice {
        Some(Choice::Go) => "GO",
        Some(Choice::NoGo) => "NO-GO",
        None => "agreed",
    };
    let signed = voice.said.as_ref().and_then(|said| said.signed.as_ref());
    let proof = signed
        .map_or_else(|| "not signed".to_owned(), |signed| format!("signed with {}", signed.key));
    format!("{says} of {} for {}, {proof}", voice.person, voice.role)
}

/// The gate that asks somebody now.
fn the_gate(state: &State) -> Result<(StepId, &crate::runbook::Gate), Failure> {
    let steps = state.plan().order.iter().filter_map(|id| state.plan().step(id));
    let here = |step: &&StepPlan| {
        state.track(&step.id).status == Status::Waiting
            || state.ready().any(|ready| ready.id == step.id)
    };
    let gates = steps.filter(here).filter_map(|step| {
        let Work::Gate(gate) = &step.work else { return None };
        (!gate.poll.is_empty()).then(|| (step.id.clone(), gate))
    });
    let gates: Vec<_> = gates.collect();
    let names: Vec<_> = gates.iter().map(|(step, _)| step.to_string()).collect();
    one(gates).map_err(|many| {
        if many {
            Failure::usage(format!("more than one gate asks now: {}", names.join(", ")))
                .help("say which with --gate ID")
        } else {
            Failure::usage("no gate asks anybody at this moment")
                .help("`golive status` shows where the run stands")
        }
    })
}

/// The step that waits for a second person.
fn the_step(state: &State) -> Result<StepId, Failure> {
    let wait = state.ready().filter(|step| step.four_eyes);
    let wait: Vec<_> = wait.map(|step| step.id.clone()).collect();
    let names: Vec<_> = wait.iter().map(ToString::to_string).collect();
    one(wait).map_err(|many| {
        if many {
            Failure::usage(format!("more than one step waits: {}", names.join(", ")))
                .help("say which with --step ID")
        } else {
            Failure::usage("no step waits for a second person at this moment")
                .help("name one that comes later with --step ID")
        }
    })
}

/// The only one; whether there are many, where there is not one.
fn one<T>(all: Vec<T>) -> Result<T, bool> {
    let many = all.len() > 1;
    all.into_iter().next().filter(|_| !many).ok_or(many)
}

/// Whose word it is, signed where the role has keys, or where a key was named.
async fn speak(
    living: &Living,
    args: &args::Word,
    step: &StepId,
    choice: Option<Choice>,
    asked: &[RoleId],
) -> Result<(Voice, SafeText), Failure> {
    let state = living.state();
    let login = ground::driver(args.speaker.name.as_deref());
    let role = role(state, args.role.as_ref(), &login, asked)?;
    let known = state.plan().roles.get(&role);
    let people = known.map(|role| role.people.as_slice()).unwrap_or_default();
    let keys = known.map(|role| role.keys.clone()).unwrap_or_default();
    let person = match people {
        [only] if args.speaker.name.is_none() => only.clone(),
        _ => login,
    };
    let words = SafeText::new(args.words.trim());
    let at = now();
    let attempt = state.attempt_spoken_of(step);
    let said = Said { at, from: SafeText::default(), attempt, signed: None };
    let mut voice = Voice::heard(role.clone(), person);
    voice.said = Some(Box::new(said.clone()));
    let Some(key) = key(living.screen, args, &role, keys, choice.is_none()).await? else {
        return Ok((voice, words));
    };
    let run = run_of(state)
        .ok_or_else(|| Failure::usage("the session is not open yet: there is nothing to say"))?;
    let text = Word { step, voice: &voice, choice, words: &words }.text(&run, &said);
    if key.needs_touch() {
        living.screen.complain("touch your security key once");
    }
    let armour = key.sign(VOICE_NAMESPACE, text.as_bytes()).await;
    let armour = armour.map_err(|why| Failure::usage(format!("it cannot be signed: {why}")))?;
    let public = SafeText::new(&key.public_line());
    let signed = Signed { key: SafeText::new(&key.fingerprint()), public, armour };
    voice.said = Some(Box::new(Said { signed: Some(signed), ..said }));
    Ok((voice, words))
}

/// The role that somebody speaks for: the one that is named, the one that they are in, or the only
/// one that is asked.
fn role(
    state: &State,
    named: Option<&RoleId>,
    login: &SafeText,
    asked: &[RoleId],
) -> Result<RoleId, Failure> {
    if let Some(role) = named {
        return Ok(role.clone());
    }
    let is_in = |role: &&RoleId| {
        state.plan().roles.get(*role).is_some_and(|role| role.people.contains(login))
    };
    let own: Vec<_> = asked.iter().filter(is_in).collect();
    match (own.as_slice(), asked) {
        ([role], _) => Ok((*role).clone()),
        ([], [only]) => Ok(only.clone()),
        _ => {
            let all: Vec<_> = asked.iter().map(ToString::to_string).collect();
            let message = format!("{login} speaks for which role? {}", all.join(", "));
            Err(Failure::usage(message).help("say which with --role ROLE"))
        }
    }
}

/// The key that signs: the one that was named, else one of the role's. None where the role has
/// none, and none is needed.
async fn key(
    screen: Screen,
    args: &args::Word,
    role: &RoleId,
    keys: Vec<String>,
    must: bool,
) -> Result<Option<SigningKey>, Failure> {
    let choice = match args.sign_key.as_deref() {
        Some(named) => key_named(named),
        None if keys.is_empty() && must => {
            let message = format!(
                "the runbook names no key for `{role}`, and a second person at another terminal \
                 has to sign"
            );
            return Err(Failure::usage(message).help(
                "the driver writes down who agreed (a in the console, or --answer ID@ROLE/PERSON=agree); \
                 or add `keys` to the role before the next run",
            ));
        }
        None if keys.is_empty() => {
            screen.complain(&format!(
                "{} the runbook names no key for `{role}`: nothing will prove who said it",
                screen.error_ink(Ink::Yellow, "not signed:")
            ));
            return Ok(None);
        }
        None => KeyChoice::OneOf(keys),
    };
    let pool = Pool::new(Vec::new(), Options { prompt: asker(), ..Options::default() });
    let key = pool.signing_key(&choice).await;
    pool.close().await;
    match key {
        Ok(Some(key)) => Ok(Some(key)),
        Ok(None) => {
            Err(Failure::usage(format!("no key that the runbook names for `{role}` is at hand"))
                .help("add yours to the agent with ssh-add, or name its file with --sign-key"))
        }
        Err(why) => Err(Failure::usage(format!("it cannot be signed: {why}"))),
    }
}

fn now() -> Timestamp {
    let now = jiff::Timestamp::now().as_millisecond();
    Timestamp::from_unix_millis(u64::try_from(now).unwrap_or(0))
}
