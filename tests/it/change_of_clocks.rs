//! Nights in which the clocks change, in three zones and both ways: one hour that there is not,
//! one that there is twice, and an island that moves its clocks by half an hour.

use golive::base::{Millis, Timestamp};
use golive::engine::{Actor, AlarmId, Command, Event, Fact, Level, RunKind};
use golive::journal::{Journal, Stamp, read_all};
use golive::plan::{Rag, initial};
use golive::report::markdown;
use golive::runbook::{SourceFile, Window, check};

use crate::console_night::{self, BILLING, PLAIN};
use crate::night::Night;
use crate::plans::{genesis, plan, wei};
use crate::runbook::listing;

/// One night with a window over the change.
struct Change {
    zone: &'static str,
    opens: &'static str,
    closes: &'static str,
    /// How long that really is, in minutes.
    minutes: u64,
    /// When three steps of 40 minutes begin, and when the last one ends.
    times: [&'static str; 4],
    /// A time of that night that means none or two moments, and what the loader says.
    odd: &'static str,
    says: [&'static str; 2],
}

const CHANGES: [Change; 6] = [
    Change {
        zone: "Europe/Berlin",
        opens: "2026-03-29T01:00:00",
        closes: "2026-03-29T04:00:00",
        minutes: 120,
        times: ["01:00", "01:40", "03:20", "04:00"],
        odd: "2026-03-29T02:30:00",
        says: ["does not exist in Europe/Berlin", "they go from 02:00 to 03:00"],
    },
    Change {
        zone: "America/New_York",
        opens: "2026-03-08T01:00:00",
        closes: "2026-03-08T04:00:00",
        minutes: 120,
        times: ["01:00", "01:40", "03:20", "04:00"],
        odd: "2026-03-08T02:00:00",
        says: ["does not exist in America/New_York", "they go from 02:00 to 03:00"],
    },
    Change {
        zone: "Australia/Lord_Howe",
        opens: "2026-10-04T01:00:00",
        closes: "2026-10-04T04:00:00",
        minutes: 150,
        times: ["01:00", "01:40", "02:50", "03:30"],
        odd: "2026-10-04T02:29:59",
        says: ["does not exist in Australia/Lord_Howe", "they go from 02:00 to 02:30"],
    },
    Change {
        zone: "Europe/Berlin",
        opens: "2026-10-25T01:00:00",
        closes: "2026-10-25T04:00:00",
        minutes: 240,
        times: ["01:00", "01:40", "02:20+02", "02:00+01"],
        odd: "2026-10-25T02:30:00",
        says: ["happens twice", "2026-10-25T02:30:00+02:00 or 2026-10-25T02:30:00+01:00"],
    },
    Change {
        zone: "America/New_York",
        opens: "2026-11-01T00:00:00",
        closes: "2026-11-01T04:00:00",
        minutes: 300,
        times: ["00:00", "00:40", "01:20-04", "01:00-05"],
        odd: "2026-11-01T01:30:00",
        says: ["happens twice", "2026-11-01T01:30:00-04:00 or 2026-11-01T01:30:00-05:00"],
    },
    Change {
        zone: "Australia/Lord_Howe",
        opens: "2026-04-05T00:40:00",
        closes: "2026-04-05T04:00:00",
        minutes: 230,
        times: ["00:40", "01:20", "01:30+10:30", "02:10"],
        odd: "2026-04-05T01:45:00",
        says: ["happens twice", "2026-04-05T01:45:00+11:00 or 2026-04-05T01:45:00+10:30"],
    },
];

impl Change {
    fn is_twice(&self) -> bool {
        self.says[0] == "happens twice"
    }

    fn window(&self) -> String {
        let Self { zone, opens, closes, .. } = self;
        format!(
            "[window]\nopens = {opens}\ncloses = {closes}\nzone = \"{zone}\"\nwarn = \"45m\"\n\
             protect = \"20m\"\n"
        )
    }

    /// Three steps of 40 minutes, each with an undo of 10.
    fn body(&self) -> String {
        let step = |id| {
            format!(
                "[[phase.step]]\nid = \"{id}\"\non = \"web1\"\nrun = \"do\"\nestimate = \"40m\"\n\
                 undo = {{ run = \"undo\", estimate = \"10m\" }}\n"
            )
        };
        ["a", "b", "c"].map(step).concat() + &self.window()
    }

    /// The two moments that have the odd time, where there are two.
    fn moments(&self, window: &Window) -> Vec<Timestamp> {
        window.zone.instants(self.odd.parse().unwrap())
    }
}

fn minutes(minutes: u64) -> Millis {
    Millis::from_secs(60 * minutes)
}

#[test]
fn a_time_that_is_not_or_is_twice_is_refused_with_what_to_write() {
    for change in &CHANGES {
        for key in ["opens", "closes"] {
            let was = if key == "opens" { change.opens } else { change.closes };
            let wrong = change.window().replace(was, change.odd);
            let head = "golive = 1\n[runbook]\nid = \"x\"\ntitle = \"x\"\n";
            let said =
                listing(&check(&SourceFile::new("x.toml", &format!("{head}{wrong}")), &mut |_| {
                    Err("none".to_owned())
                }));
            let place = if key == "opens" { "x.toml:6:9-" } else { "x.toml:7:10-" };
            for part in [place, change.says[0], change.says[1]] {
                assert!(said.contains(part), "{key} in {}: {part}\n{said}", change.zone);
            }
        }
        // One of the two is taken when it is written as the loader says.
        if change.is_twice() {
            let one = change.says[1].split_once(" or ").unwrap().1;
            let body = change.body().replace(change.opens, one);
            let window = plan(&body).window.clone().unwrap();
            assert_eq!(window.opens, change.moments(&window)[1]);
        }
    }
}

#[test]
fn planned_times_and_margins_count_the_minutes_that_really_pass() {
    for change in &CHANGES {
        let plan = plan(&change.body());
        let window = plan.window.clone().unwrap();
        assert_eq!(window.closes.since(window.opens), minutes(change.minutes), "{}", change.zone);
        let times = initial(&plan, window.opens);
        let start = |id: &str| times.steps[&id.parse().unwrap()].planned.start;
        let shown = [start("a"), start("b"), start("c"), times.end];
        assert_eq!(shown.map(|at| window.zone.hour_minute(at)), change.times, "{}", change.zone);
        let margin = change.minutes - 120;
        assert_eq!(times.margin, i64::try_from(margin * 60_000).ok());
        // By the hands of the clock the short nights would have an hour more, and look well.
        let rag = if margin < 45 { Rag::Amber } else { Rag::Green };
        assert_eq!(times.rag, Some(rag), "{}", change.zone);
        assert_eq!(times.backout.worst_ends, times.end.after(minutes(30)));
        let latest = times.backout.latest_safe_worst.unwrap();
        assert_eq!(latest.since(window.opens), minutes(change.minutes - 30));
    }
}

#[test]
fn the_window_is_open_and_its_alarms_come_by_the_minutes_that_really_pass() {
    for change in &CHANGES {
        let mut night = Night::open(&change.body(), RunKind::Live);
        let window = night.plan.window.clone().unwrap();
        let before = window.opens.before(minutes(1));
        night.ask(&wei(), &Command::Begin, before).unwrap();
        let gesture = golive::engine::Gesture {
            class: golive::runbook::Class::Critical,
            after: Millis::from_secs(2),
        };
        let start = Command::Start { step: "a".parse().unwrap(), gesture };
        let why = night.ask(&wei(), &start, before).unwrap_err();
        assert!(why.contains(&window.zone.hour_minute(window.opens)), "{why}");
        night.ask(&wei(), &start, window.opens).unwrap();
        for (left, level) in [
            (change.minutes, None),
            (31, None),
            (30, Some(Level::Advisory)),
            (10, Some(Level::Caution)),
            (0, Some(Level::Warning)),
        ] {
            let now = window.closes.before(minutes(left));
            let (latest_safe, window) = night.state.time_left(&night.state.forecast(now), now);
            let limit = Command::Limit { latest_safe, window };
            night.ask(&Actor::Clock, &limit, now).unwrap();
            let open = night.state.open_alarms();
            let alarm = open.iter().find(|alarm| alarm.id == AlarmId::Window);
            assert_eq!(alarm.map(|alarm| alarm.level), level, "{} {left}", change.zone);
        }
        let shut = night.state.shut(window.closes).map(|(edge, _)| edge);
        assert_eq!(shut, Some(golive::engine::WindowEdge::Closes));
        assert_eq!(night.state.shut(window.closes.before(Millis::from_secs(1))), None);
    }
}

#[test]
fn the_screen_says_which_of_two_equal_times_it_is() {
    let old = "opens = 2026-09-21T23:00:00\ncloses = 2026-09-22T05:00:00\nzone = \"Asia/Shanghai\"\nwarn = \"30m\"\n";
    assert!(BILLING.contains(old));
    for change in CHANGES.iter().filter(|change| change.is_twice()) {
        let window = change.window().replace("[window]\n", "");
        let text = BILLING.replace(old, &window);
        let mut shown = Vec::new();
        let mut night = console_night::Night::of(&text, RunKind::Drill);
        let zone = night.state.plan().zone.clone();
        let window = night.state.plan().window.clone().unwrap();
        for at in change.moments(&window) {
            night.now = at;
            night.refresh();
            for (width, height) in [(120, 36), (80, 24)] {
                let text = night.draw(width, height, PLAIN);
                let clock = format!("{} {}", zone.time(at), zone.abbreviation(at));
                assert!(text.contains(&clock), "{clock}\n{text}");
                shown.push(clock);
            }
        }
        shown.dedup();
        assert_eq!(shown.len(), 2, "{shown:?}");
        let hands = |clock: &String| clock.chars().take(8).collect::<String>();
        assert_eq!(hands(&shown[0]), hands(&shown[1]), "the hands of the clock say the same");
        // An hour that there is once needs no offset.
        assert_eq!(zone.time(window.closes), "04:00:00");
    }
}

#[test]
fn the_report_says_which_of_two_equal_times_it_is() {
    for change in CHANGES.iter().filter(|change| change.is_twice()) {
        let plan = plan(&change.body());
        let window = plan.window.clone().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut journal = Journal::create(dir.path(), &"night-1".parse().unwrap()).unwrap();
        let mut write = |at: Timestamp, event| {
            let mono = at.since(window.opens);
            let stamp = Stamp { at, wall: at, mono, boot: "b-1".to_owned() };
            journal.append(&stamp, &[Fact { by: wei(), event }]).unwrap();
        };
        let mut opened = genesis(&plan, RunKind::Live);
        opened.session = "night-1".parse().unwrap();
        write(window.opens, Event::SessionOpened(opened));
        write(window.opens, Event::RunBegan);
        let moments = change.moments(&window);
        for at in &moments {
            write(*at, Event::Noted { step: None, text: "the same time".into() });
        }
        write(window.closes, Event::Noted { step: None, text: "late".into() });
        let report = markdown(&plan, &read_all(dir.path()).unwrap(), None);
        let (summer, winter) =
            (window.zone.abbreviation(window.opens), window.zone.abbreviation(window.closes));
        assert!(report.contains(&format!("Site ({summer}, then {winter})")), "{report}");
        let times: Vec<_> = moments.iter().map(|at| window.zone.time(*at)).collect();
        assert!(times.len() == 2 && times[0] != times[1], "{times:?}");
        for time in times {
            assert!(report.contains(&format!("| {time} | ")), "{time}\n{report}");
        }
    }
}
