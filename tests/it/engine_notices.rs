//! Notices in the engine: opened by events, closed by their ends, told again on resume.

use golive::base::{ChannelId, SafeText};
use golive::engine::{Actor, AlarmId, Command, Effect, RunKind, State};

use crate::night::Night;
use crate::plans::{at, wei};

const BODY: &str = r#"
[[phase.step]]
id = "a"
on = "web1"
run = "deploy"
[[phase.step]]
id = "b"
on = "web1"
run = "check"
[[channel]]
id = "pager"
pagerduty = { env = "PAGER" }
events = ["failed", "rollback"]
[[channel]]
id = "room"
slack = { env = "ROOM" }
events = ["alarm"]
"#;

fn begun() -> Night {
    let mut night = Night::open(BODY, RunKind::Live);
    night.ask(&wei(), &Command::Begin, at(1)).unwrap();
    night
}

/// Who is told, and what, by the last command: `pager+ops: text`, with the alarm behind it.
fn heard(night: &Night) -> Vec<String> {
    let told = |effect: &Effect| match effect {
        Effect::Notify { channels, text, mark, .. } => {
            let mut channels: Vec<_> = channels.iter().map(ChannelId::as_str).collect();
            channels.sort_unstable();
            let signal = mark.signal.as_ref();
            let word = |over: bool| if over { "ends" } else { "raises" };
            let signal = signal.map(|it| format!(" [{} {}]", word(it.over), it.alarm));
            let again = if mark.again { " again" } else { "" };
            Some(format!("{}: {text}{}{again}", channels.join("+"), signal.unwrap_or_default()))
        }
        Effect::Run(_)
        | Effect::Follow(_)
        | Effect::LetGo(_)
        | Effect::Stop(_)
        | Effect::HoldToKey { .. }
        | Effect::ProbeLinks
        | Effect::WakeAt(_) => None,
    };
    night.effects.iter().filter_map(told).collect()
}

fn told(night: &mut Night, second: u64, channel: &str, numbers: Vec<u64>, lost: Option<&str>) {
    let (channel, lost) = (channel.parse().unwrap(), lost.map(SafeText::new));
    let command = Command::Told { channel, numbers, tries: 2, lost };
    night.ask(&Actor::Engine, &command, at(second)).unwrap();
}

fn open(state: &State) -> Vec<String> {
    let of = |open: &golive::engine::OpenNotice| format!("{} {}", open.channel, open.text);
    state.open_notices().iter().map(of).collect()
}

#[test]
fn a_notice_is_open_until_its_end_is_recorded() {
    let mut night = begun();
    assert_eq!(heard(&night), ["ops: Small: the run has begun"]);
    assert_eq!(open(&night.state), ["ops Small: the run has begun"]);
    let number = night.state.open_notices()[0].mark.number;
    // Others, and other numbers, are not it.
    told(&mut night, 2, "pager", vec![number], None);
    told(&mut night, 3, "ops", vec![number + 1], None);
    assert_eq!(open(&night.state).len(), 1);
    told(&mut night, 4, "ops", vec![number], None);
    assert_eq!(open(&night.state), [""; 0]);
    night.ask(&wei(), &resume(), at(5)).unwrap();
    assert_eq!(heard(&night), [""; 0]);
}

fn resume() -> Command {
    Command::Resume {
        driver: "Ana Souza".into(),
        machine: "laptop".into(),
        away: golive::base::Millis::from_secs(60),
        signer: None,
    }
}

#[test]
fn what_is_open_after_a_crash_is_told_again_under_its_number() {
    let mut night = begun();
    let number = night.state.open_notices()[0].mark.number;
    night.ask(&wei(), &resume(), at(5)).unwrap();
    assert_eq!(heard(&night), ["ops: Small: the run has begun again"]);
    let numbers = night.state.open_notices().iter().map(|open| open.mark.number);
    assert_eq!(numbers.collect::<Vec<_>>(), [number]);
    let is_again = |effect: &&Effect| matches!(effect, Effect::Notify { mark, .. } if mark.again && mark.number == number);
    assert_eq!(night.effects.iter().filter(is_again).count(), 1);
    told(&mut night, 6, "ops", vec![number], None);
    night.ask(&wei(), &resume(), at(7)).unwrap();
    assert_eq!(heard(&night), [""; 0]);
}

#[test]
fn a_channel_that_does_not_deliver_is_an_alarm_until_it_does() {
    let mut night = begun();
    let number = night.state.open_notices()[0].mark.number;
    told(&mut night, 2, "ops", vec![number], Some("channel ops (command): exited with 1"));
    let alarm = AlarmId::Notice("ops".parse().unwrap());
    let alarms = night.state.open_alarms();
    let text = alarms.iter().find(|open| open.id == alarm).unwrap().text.as_str();
    assert_eq!(
        text,
        "channel ops (command): exited with 1: given up after 2 tries, tell people yourself"
    );
    // Nobody is told over a channel that channels do not deliver.
    assert_eq!(heard(&night), [""; 0]);
    told(&mut night, 3, "ops", vec![99], None);
    assert!(night.state.open_alarms().iter().all(|open| open.id != alarm));
}

#[test]
fn a_failure_is_raised_and_ended_where_alarms_are_kept_and_told_once_elsewhere() {
    use golive::base::Millis;
    use golive::engine::{End, Gesture, Job, Key, Part, Place, Which};
    use golive::runbook::Class;
    let mut night = begun();
    let gesture = Gesture { class: Class::Critical, after: Millis::from_secs(2) };
    let step: golive::base::StepId = "a".parse().unwrap();
    night.ask(&wei(), &Command::Start { step: step.clone(), gesture }, at(2)).unwrap();
    let ended = |attempt: u32, code: i32| Command::Ended {
        job: Job {
            key: Key { step: "a".parse().unwrap(), part: Part::Action, attempt },
            place: Place::Host("web1".parse().unwrap()),
        },
        end: End::Exited {
            code,
            unmet: (code != 0).then(|| "exit 1".into()),
            captured: std::collections::BTreeMap::new(),
        },
        transcript: None,
    };
    night.ask(&Actor::Engine, &ended(1, 1), at(3)).unwrap();
    let first = heard(&night);
    assert_eq!(first[0], "ops+pager: Small: step a failed [raises step a]");
    assert!(
        first[1].starts_with("room: Small: ") && first[1].ends_with(" [raises step a]"),
        "{first:?}"
    );
    let retry =
        Command::Retry { step, part: Part::Action, which: Which::All, gesture, reason: None };
    night.ask(&wei(), &retry, at(4)).unwrap();
    night.ask(&Actor::Engine, &ended(2, 0), at(5)).unwrap();
    let last: Vec<_> =
        night.state.open_notices().iter().filter(|open| open.channel.as_str() == "pager").collect();
    assert!(
        last.iter().any(|open| open.mark.signal.as_ref().is_some_and(|signal| signal.over)),
        "{last:?}"
    );
}
