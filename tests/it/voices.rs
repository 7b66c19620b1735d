//! What is said to a living session from a second terminal: who is believed, and what is not.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use golive::base::{Millis, Timestamp};
use golive::engine::{Choice, Event, Said, Signed, Voice};
use golive::exec::ssh::{KeyChoice, Options, Pool, SigningKey};
use golive::journal::{Run, VOICE_NAMESPACE, What, Word, read_all, verify};
use golive::session::{Found, Heard, Wish, open, run_of, send};
use serde_json::Value;

use crate::cli::{Called, golive_in, program};
use crate::journal::{fact, genesis, opened, stamp};
use crate::pty::Pty;
use crate::sshd::{keygen, until};

const NIGHT: &str = "
golive = 1
[runbook]
id = \"small\"
title = \"Small\"
environment = \"here\"
[roles.lead]
people = [\"Wei Zhang\"]
[roles.dba]
people = [\"Ana Souza\"]
keys = [\"ANA\"]
[roles.net]
people = [\"Bo Li\"]
keys = [\"BO\"]
[[phase]]
id = \"night\"
[[phase.step]]
id = \"g\"
gate = { poll = [\"dba\", \"lead\"] }
[[phase.step]]
id = \"b\"
local = \"echo b >> ledger\"
undo = { local = \"true\" }
four_eyes = true
";

struct Night {
    dir: tempfile::TempDir,
    ana: PathBuf,
    bo: PathBuf,
}

fn print(key: &Path) -> String {
    let out = Command::new("ssh-keygen").arg("-lf").arg(key).output().unwrap();
    String::from_utf8(out.stdout).unwrap().split(' ').nth(1).unwrap().to_owned()
}

impl Night {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ana = keygen(dir.path(), "ana", "ed25519", "");
        let bo = keygen(dir.path(), "bo", "ed25519", "");
        let text = NIGHT.replace("ANA", &print(&ana)).replace("BO", &print(&bo));
        std::fs::write(dir.path().join("small.toml"), text).unwrap();
        Self { dir, ana, bo }
    }

    /// A driver without a screen that waits for others.
    fn drive(&self, args: &[&str], signs: bool) -> Child {
        let rules = ["--driver", "Wei Zhang", "--confirm", "change", "--answer", "g=go"];
        let args = [args, &rules, &["--wait", "2m"]].concat();
        let mut command = program(&self.state(), &args);
        if signs {
            command.env_remove("GOLIVE_NO_SIGN").env("GOLIVE_SIGN_KEY", &self.bo);
        }
        let talk = File::create(self.dir.path().join("talk")).unwrap();
        command.current_dir(self.dir.path()).stdout(Stdio::null()).stderr(talk).spawn().unwrap()
    }

    fn run(&self) -> Child {
        self.drive(&["run", "small.toml", "--session", "tonight"], false)
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    fn talk(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("talk")).unwrap_or_default()
    }

    /// Waits until the driver says so.
    fn until(&self, words: &str) {
        until(words, || self.talk().contains(words).then_some(()));
    }

    fn say(&self, args: &[&str]) -> Called {
        golive_in(&self.state(), args)
    }

    fn vote(&self, choice: &str, key: &Path, more: &[&str]) -> Called {
        let key = key.to_str().unwrap();
        self.say(&[&["vote", "tonight", choice, "--sign-key", key], more].concat())
    }

    fn found(&self) -> Found {
        let dir = self.state().join("sessions/tonight");
        Found { id: "tonight".parse().unwrap(), dir }
    }

    fn events(&self) -> Vec<Event> {
        let entries = read_all(&self.found().dir).unwrap();
        entries.into_iter().flat_map(|it| it.facts).map(|fact| fact.event).collect()
    }

    /// The first answer in the record, as it could be sent again.
    fn recorded(&self) -> Wish {
        let voted = self.events().into_iter().find_map(|event| {
            let Event::Voted { step, voice, choice, words } = event else { return None };
            Some(Wish::Vote { step, voice, choice, words })
        });
        voted.expect("an answer is recorded")
    }
}

async fn key(path: &Path) -> SigningKey {
    let pool = Pool::new(Vec::new(), Options::default());
    pool.signing_key(&KeyChoice::File(path.to_owned())).await.unwrap().unwrap()
}

/// Says something past the command line.
fn send_now(night: &Night, wish: Wish) -> Heard {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(send(&night.found(), "somebody".into(), wish))
}

fn refused(heard: Heard) -> String {
    match heard {
        Heard::Refused(why) => why.to_string(),
        Heard::Done | Heard::Silent(_) => panic!("{heard:?}"),
    }
}

/// The answer in the record said again, said otherwise, and said without a signature.
fn again_and_otherwise(night: &Night) {
    let wish = night.recorded();
    assert!(refused(send_now(night, wish.clone())).contains("a signed word counts once"));
    let Wish::Vote { step, mut voice, words, .. } = wish else { unreachable!("it is a vote") };
    let turned = Wish::Vote {
        step: step.clone(),
        voice: voice.clone(),
        choice: Choice::NoGo,
        words: "x".into(),
    };
    assert!(refused(send_now(night, turned)).contains("its signature does not hold"));
    let said = voice.said.as_mut().unwrap();
    said.signed = None;
    let bare = Wish::Vote { step: step.clone(), voice: voice.clone(), choice: Choice::Go, words };
    assert!(refused(send_now(night, bare)).contains("signed with one"));
    let said = voice.said.as_mut().unwrap();
    said.at = Timestamp::from_unix_millis(said.at.as_unix_millis() - 600_000);
    let old = Wish::Vote {
        step: step.clone(),
        voice: voice.clone(),
        choice: Choice::Go,
        words: "".into(),
    };
    assert!(refused(send_now(night, old)).contains("say it again"));
    voice.said = None;
    let bare = Wish::Vote { step, voice, choice: Choice::Go, words: "".into() };
    assert!(refused(send_now(night, bare)).contains("it does not say when"));
}

#[test]
fn roles_answer_signed_and_a_second_person_agrees() {
    let night = Night::new();
    let mut run = night.run();
    night.until("waiting for `golive vote`");

    let stranger = night.vote("go", &night.bo, &["--role", "dba"]);
    assert_eq!(stranger.code, 2, "{}", stranger.err);
    assert!(stranger.err.contains("is not a key of the role `dba`"), "{}", stranger.err);
    let elsewhere = night.vote("go", &night.ana, &["--role", "dba", "--gate", "b"]);
    assert_eq!(elsewhere.code, 2);
    assert!(elsewhere.err.contains("there is no gate `b`"), "{}", elsewhere.err);
    let not_asked = night.vote("go", &night.bo, &["--role", "net"]);
    assert!(not_asked.err.contains("gate `g` does not ask `net`"), "{}", not_asked.err);
    let which = night.say(&["vote", "tonight", "go", "--name", "Nobody"]);
    assert_eq!(which.code, 2);
    assert!(which.err.contains("Nobody speaks for which role? dba, lead"), "{}", which.err);
    let no_key = night.say(&["vote", "tonight", "go", "--role", "dba"]);
    assert_eq!(no_key.code, 2);
    assert!(no_key.err.contains("no key that the runbook names for `dba` is at hand"));
    let silent = night.vote("no-go", &night.ana, &["--role", "dba"]);
    assert!(silent.err.contains("NO-GO needs a reason"), "{}", silent.err);

    let ana = ["--role", "dba", "--words", "lag 2 s", "--json"];
    let ana = night.vote("go", &night.ana, &ana);
    assert_eq!(ana.code, 0, "{}", ana.err);
    let said: Value = serde_json::from_str(&ana.out).unwrap();
    assert_eq!(said["schema"], "golive.said/1");
    assert_eq!((said["by"].as_str(), said["choice"].as_str()), (Some("Ana Souza"), Some("go")));
    assert_eq!(said["key"], print(&night.ana));

    again_and_otherwise(&night);
    let lead = night.say(&["vote", "tonight", "go", "--name", "Wei Zhang"]);
    assert_eq!(lead.code, 0, "{}", lead.err);
    assert!(lead.err.contains("nothing will prove who said it"), "{}", lead.err);
    night.until("waiting for `golive approve`");

    let keyless = night.say(&["approve", "tonight", "--role", "lead"]);
    assert_eq!(keyless.code, 2);
    assert!(keyless.err.contains("has to sign"), "{}", keyless.err);
    let said = Said {
        at: Timestamp::from_unix_millis(
            u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap(),
        ),
        from: "here".into(),
        attempt: 1,
        signed: None,
    };
    let mut voice = Voice::heard("net".parse().unwrap(), "Bo Li".into());
    voice.said = Some(Box::new(said));
    let wish = Wish::Approve { step: "b".parse().unwrap(), voice, words: "".into() };
    assert!(refused(send_now(&night, wish)).contains("is no second person"));
    let bo = night.bo.to_str().unwrap();
    let oneself = ["approve", "tonight", "--role", "net", "--name", "Wei Zhang", "--sign-key", bo];
    let oneself = night.say(&oneself);
    assert_eq!(oneself.code, 2, "{}", oneself.err);
    let agreed = night.say(&["approve", "tonight", "--role", "net", "--sign-key", bo]);
    assert_eq!(agreed.code, 0, "{}", agreed.err);
    assert!(agreed.err.contains("agreed of Bo Li for net, signed with SHA256:"), "{}", agreed.err);
    assert_eq!(run.wait().unwrap().code(), Some(0), "{}", night.talk());
    assert_eq!(std::fs::read_to_string(night.dir.path().join("ledger")).unwrap(), "b\n");

    let over = night.vote("go", &night.ana, &["--role", "dba", "--gate", "g"]);
    assert_eq!(over.code, 2);
    assert!(over.err.contains("is closed (completed)"), "{}", over.err);
    let checked = night.say(&["verify", "tonight"]);
    assert_eq!(checked.code, 15, "nobody signed the record itself: {}", checked.out);
    let line = format!("signed with {} of the runbook's role dba (Ana Souza)", print(&night.ana));
    assert!(checked.out.contains("voices     Ana Souza for dba: GO, g (line"), "{}", checked.out);
    assert!(checked.out.contains(&line), "{}", checked.out);
    assert!(checked.out.contains("Bo Li for net: agrees, b (line"), "{}", checked.out);
    let report = night.say(&["export", "tonight", "--format", "md", "-o", "-"]).out;
    assert!(report.contains("from another terminal, not signed"), "{report}");
    assert!(report.contains("signed with SHA256:"), "{report}");
}

#[test]
fn stock_tools_say_the_same_of_a_signed_word() {
    let night = Night::new();
    let mut run = night.run();
    night.until("waiting for `golive vote`");
    let no = night.vote("no-go", &night.ana, &["--role", "dba", "--words", "lag is 40 s"]);
    assert_eq!(no.code, 0, "{}", no.err);
    assert_eq!(run.wait().unwrap().code(), Some(6), "a NO-GO is not waited past");
    assert!(night.talk().contains("1 said NO-GO"), "{}", night.talk());
    let Wish::Vote { step, voice, choice, words } = night.recorded() else {
        unreachable!("it is a vote")
    };
    let said = voice.said.as_deref().unwrap();
    let run = run_of(&open(&night.found()).unwrap().state).unwrap();
    let word = Word { step: &step, voice: &voice, choice: Some(choice), words: &words };
    let dir = night.dir.path();
    let public = std::fs::read_to_string(dir.join("ana.pub")).unwrap();
    std::fs::write(dir.join("allowed"), format!("ana {public}")).unwrap();
    std::fs::write(dir.join("sig"), &said.signed.as_ref().unwrap().armour).unwrap();
    let check = |text: String| {
        std::fs::write(dir.join("text"), text).unwrap();
        let args =
            ["-Y", "verify", "-f", "allowed", "-I", "ana", "-n", VOICE_NAMESPACE, "-s", "sig"];
        let text = File::open(dir.join("text")).unwrap();
        let out = Command::new("ssh-keygen").args(args).current_dir(dir).stdin(text).output();
        out.unwrap().status.success()
    };
    let text = word.text(&run, said);
    assert!(text.contains("\nsays NO-GO\n") && text.contains("\nsession tonight\n"), "{text}");
    assert!(check(text.clone()));
    assert!(!check(text.replace("NO-GO", "GO")));
}

#[test]
fn an_answer_outlives_the_driver_that_heard_it() {
    let night = Night::new();
    let mut run = night.run();
    night.until("waiting for `golive vote`");
    assert_eq!(night.vote("go", &night.ana, &["--role", "dba"]).code, 0);
    run.kill().unwrap();
    run.wait().unwrap();
    for args in [
        &["vote", "tonight", "go", "--name", "Wei Zhang"][..],
        &["note", "tonight", "the driver is gone"],
        &["hold", "tonight"],
        &["ack", "tonight"],
    ] {
        let alone = night.say(args);
        assert_eq!(alone.code, 6, "{}", alone.err);
        assert!(alone.err.contains("nobody drives session tonight"), "{}", alone.err);
        assert!(alone.err.contains("golive resume tonight"), "{}", alone.err);
    }
    let mut heir = night.drive(&["resume", "tonight", "--headless"], false);
    night.until("waiting for `golive vote`: 1 of 2 roles said GO");
    let replayed = refused(send_now(&night, night.recorded()));
    assert!(replayed.contains("a signed word counts once"), "{replayed}");
    assert_eq!(night.say(&["vote", "tonight", "go", "--name", "Wei Zhang"]).code, 0);
    night.until("waiting for `golive approve`");
    let bo = night.bo.to_str().unwrap();
    assert_eq!(night.say(&["approve", "tonight", "--role", "net", "--sign-key", bo]).code, 0);
    assert_eq!(heir.wait().unwrap().code(), Some(0), "{}", night.talk());
}

#[test]
fn the_key_that_signs_for_the_driver_is_no_second_person() {
    let night = Night::new();
    let mut run = night.drive(&["run", "small.toml", "--session", "tonight"], true);
    night.until("waiting for `golive vote`");
    assert_eq!(night.vote("go", &night.ana, &["--role", "dba"]).code, 0);
    assert_eq!(night.say(&["vote", "tonight", "go", "--name", "Wei Zhang"]).code, 0);
    night.until("waiting for `golive approve`");
    let with = |key: &Path, role: &str| {
        let key = key.to_str().unwrap();
        night.say(&["approve", "tonight", "--role", role, "--sign-key", key])
    };
    let same = with(&night.bo, "net");
    assert_eq!(same.code, 2, "{}", same.err);
    assert!(same.err.contains("that key signs the record for the driver"), "{}", same.err);
    let other = with(&night.ana, "dba");
    assert_eq!(other.code, 0, "{}", other.err);
    assert_eq!(run.wait().unwrap().code(), Some(0), "{}", night.talk());
    assert_eq!(night.say(&["verify", "tonight"]).code, 0);
}

#[test]
fn a_hold_and_a_note_need_no_key_and_say_where_they_came_from() {
    let night = Night::new();
    let mut run = night.run();
    night.until("waiting for `golive vote`");
    let noted = night.say(&["note", "tonight", "the switch is back", "--name", "Ana Souza"]);
    assert_eq!(noted.code, 0, "{}", noted.err);
    let nowhere = night.say(&["note", "tonight", "x", "--step", "nowhere"]);
    assert_eq!(nowhere.code, 2);
    assert!(nowhere.err.contains("there is no step `nowhere`"), "{}", nowhere.err);
    let seen = night.say(&["ack", "tonight", "--json"]);
    assert_eq!(seen.code, 0, "{}", seen.err);
    let seen: Value = serde_json::from_str(&seen.out).unwrap();
    assert_eq!((seen["what"].as_str(), seen["recorded"].as_bool()), (Some("ack"), Some(true)));
    let held = night.say(&["hold", "tonight", "--reason", "the replica lags"]);
    assert_eq!(held.code, 0, "{}", held.err);
    assert_eq!(run.wait().unwrap().code(), Some(6));
    assert!(night.talk().contains("held: the replica lags"), "{}", night.talk());
    let journal = std::fs::read_to_string(night.found().dir.join("journal.jsonl")).unwrap();
    assert!(journal.contains("\"operator\":\"Ana Souza (another terminal)\""), "{journal}");
    assert!(journal.contains("\"operator\":\"wei.zhang (another terminal)\""), "{journal}");
}

#[tokio::test]
async fn a_signed_word_that_was_changed_or_put_there_again_is_found() {
    let keys = tempfile::tempdir().unwrap();
    let secret = keygen(keys.path(), "ana", "ed25519", "");
    let key = key(&secret).await;
    let (step, role) = ("g".parse().unwrap(), "dba".parse().unwrap());
    let opening = stamp(0).at;
    let run = Run { session: genesis().session, plan: genesis().plan, opened: opening };
    let mut said =
        Said { at: opening.after(Millis::new(5)), from: "here".into(), attempt: 1, signed: None };
    let mut voice = Voice::heard(role, "Ana Souza".into());
    let words = "fine".into();
    let word = Word { step: &step, voice: &voice, choice: Some(Choice::Go), words: &words };
    let armour = key.sign(VOICE_NAMESPACE, word.text(&run, &said).as_bytes()).await.unwrap();
    let (public, print) = (key.public_line().as_str().into(), key.fingerprint().as_str().into());
    said.signed = Some(Signed { key: print, public, armour });
    voice.said = Some(Box::new(said));
    let voted = |choice: Choice, voice: &Voice| {
        let (step, voice, words) = (step.clone(), voice.clone(), words.clone());
        fact(Event::Voted { step, voice, choice, words })
    };
    let mut other = voice.clone();
    other.person = "Bo Li".into();
    let record = |facts: &[golive::engine::Fact]| {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("night-1");
        let mut journal = opened(&dir);
        for (at, fact) in (1..).zip(facts) {
            journal.append(&stamp(at), std::slice::from_ref(fact)).unwrap();
        }
        verify(&dir, None).unwrap()
    };
    let good = record(&[voted(Choice::Go, &voice)]);
    assert!(good.intact, "{:?}", good.findings);
    assert_eq!(good.voices.len(), 1);
    for (facts, says) in [
        (vec![voted(Choice::NoGo, &voice)], "does not hold"),
        (vec![voted(Choice::Go, &other)], "does not hold"),
        (vec![voted(Choice::Go, &voice), voted(Choice::Go, &voice)], "put there twice"),
    ] {
        let bad = record(&facts);
        let finding = bad.findings.first().expect("something is wrong");
        assert_eq!(finding.what, What::Signature);
        assert!(!bad.intact && finding.text.contains(says), "{}", finding.text);
    }
}

#[test]
fn the_driver_sees_at_once_what_was_said() {
    let night = Night::new();
    let args = ["rehearse", "../small.toml", "--session", "tonight", "--driver", "Wei Zhang"];
    let work = night.dir.path().join("work");
    std::fs::create_dir(&work).unwrap();
    let mut golive = Pty::start(&work, (120, 36), &args);
    golive.until("READY");
    golive.press_until("\r", "BEGIN the run?");
    golive.press_until("y", "WAITING");
    let state = work.join("state");
    let ana = night.ana.to_str().unwrap();
    let say = |args: &[&str]| golive_in(&state, args);
    let voted =
        say(&["vote", "tonight", "go", "--role", "dba", "--words", "lag 2 s", "--sign-key", ana]);
    assert_eq!(voted.code, 0, "{}", voted.err);
    golive.until("Ana Souza (another terminal): vote g: dba Ana Souza (signed) GO lag 2 s");
    golive.press_until("\r", "DECISION of the driver");
    golive.until("signed lag 2 s");
    let voted = say(&["vote", "tonight", "go", "--name", "Wei Zhang"]);
    assert_eq!(voted.code, 0, "{}", voted.err);
    golive.until("NOT SIGNED");
    golive.until("GO 2  NO-GO 0  wait 0");
    let held = say(&["hold", "tonight", "--reason", "wait for the net"]);
    assert_eq!(held.code, 0, "{}", held.err);
    golive.until("| HOLD |");
}
