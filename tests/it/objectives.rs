//! `[objectives]`: how long the recovery took and how much was lost, told as stories; and what the
//! loader says of objectives that cannot be measured.

use golive::engine::{Attained, RunKind, State};
use golive::runbook::{SourceFile, check};
use proptest::prelude::*;

use crate::night::{Night, ONE, change, story, tell};
use crate::plans::at;

const LAG: &str = "[[probe]]\nid = \"lag\"\nsource = { tcp = \"10.0.0.5:5434\" }\nunit = \"s\"\n\
                   failed = \"> 600\"\nstale = \"20s\"\n";

fn body(objectives: &str) -> String {
    change("a", ONE, "")
        + &change("stop", ONE, "")
        + &change("serve", ONE, "")
        + LAG
        + "[objectives]\n"
        + objectives
}

fn night(objectives: &str, told: &str) -> Night {
    let mut night = Night::open(&body(objectives), RunKind::Live);
    tell(&mut night, told);
    night
}

const RTO: &str = "rto = { within = \"5m\", from = \"stop\", to = \"serve\" }\n";
const RPO: &str = "rpo = { within = \"60s\", measured_by = \"lag\" }\n";

/// Verdict, seconds taken, whether the clock runs.
fn rta(state: &State, now: u64) -> (Attained, Option<u64>, bool) {
    let rta = state.rta(at(now)).unwrap();
    (rta.verdict, rta.taken.map(golive::base::Millis::as_secs), rta.runs)
}

#[test]
fn the_clock_runs_from_the_first_start_to_the_good_end() {
    let night = night(
        RTO,
        "1 begin
         1 start a                      | run a.1 web1
         2 end a.1.web1 ok
         10 start stop                  | run stop.1 web1
         11 end stop.1.web1 bad         | stop:failed
         20 retry stop failed           | run stop.2 web1
         30 end stop.2.web1 ok
         40 start serve                 | run serve.1 web1
         100 end serve.1.web1 ok        | completed; quiet",
    );
    assert_eq!(rta(&night.state, 900), (Attained::Met, Some(90), false));
}

#[test]
fn when_it_passes_there_is_an_alarm_until_the_service_is_back_and_then_it_is_missed() {
    let night = night(
        RTO,
        "1 begin
         1 skip a not tonight
         10 start stop                  | run stop.1 web1
         30 end stop.1.web1 ok
         40 start serve                 | run serve.1 web1
         310 wake                       | quiet
         311 wake                       | facts: alarm-raised; alarm Warning: RTO of 5m is past, and serve is not over; by golive alarm-raised
         312 wake                       | facts: 
         320 end serve.1.web1 ok        | completed; quiet",
    );
    assert_eq!(rta(&night.state, 900), (Attained::Missed, Some(310), false));
}

#[test]
fn what_brought_nothing_back_is_not_measured() {
    for (told, why) in [
        ("3 skip serve by another way | completed", "serve was skipped"),
        ("3 roll-back enough | run stop.undo.1 web1\n4 end stop.undo.1.web1 ok", "rolled back"),
        ("3 abandon enough | abandoned", "given up"),
    ] {
        let begin = "1 begin\n1 skip a no\n1 start stop | run stop.1 web1\n2 end stop.1.web1 ok\n";
        let night = night(RTO, &format!("{begin}{told}"));
        assert_eq!(rta(&night.state, 900), (Attained::NotMeasured, None, false), "{told}");
        let said = night.state.rta(at(900)).unwrap().why.unwrap();
        assert!(said.as_str().contains(why), "{said}");
    }
    let night = night(RTO, "1 begin");
    assert_eq!(rta(&night.state, 900), (Attained::NotStarted, None, false));
    assert_eq!(night.state.rpa(), None);
}

#[test]
fn what_is_lost_is_what_the_probe_said_when_the_clock_started() {
    let begin = "1 begin\n1 skip a no\n10 start stop | run stop.1 web1\n";
    for (measured, verdict, lost, says) in [
        ("11 measure 41 | facts: loss-measured; quiet", Attained::Met, Some(41), "lag was 41 s"),
        (
            "11 measure 61 | facts: loss-measured alarm-raised; alarm Warning: RPO of 1m is MISSED",
            Attained::Missed,
            Some(61),
            "lag was 61 s, 11s before",
        ),
        (
            "11 measure none | facts: loss-measured alarm-raised; alarm Caution: RPO of 1m is not measured",
            Attained::NotMeasured,
            None,
            "lag was unknown",
        ),
    ] {
        let night = night(&format!("{RTO}{RPO}"), &format!("{begin}{measured}"));
        let rpa = night.state.rpa().unwrap();
        assert_eq!((rpa.verdict, rpa.lost.map(golive::base::Millis::as_secs)), (verdict, lost));
        assert!(rpa.says.as_str().contains(says), "{}", rpa.says);
    }
    // A crash between the start and the measuring: nobody knows, and nobody guesses.
    let night = night(&format!("{RTO}{RPO}"), begin);
    assert_eq!(night.state.rpa().unwrap().verdict, Attained::NotMeasured);
}

#[test]
fn a_captured_value_measures_as_well() {
    story(
        "[[phase.step]]\nid = \"look\"\non = \"web1\"\nrun = \"lag\"\nread_only = true\n\
         estimate = \"1m\"\ncapture = { behind = \"behind=(.*)\" }\n\
         [[phase.step]]\nid = \"stop\"\nlocal = \"stop\"\nestimate = \"1m\"\nundo = { local = \"start\" }\n\
         [objectives]\nrto = { within = \"5m\", from = \"stop\", to = \"stop\" }\n\
         rpo = { within = \"1m\", measured_by = \"behind\" }\n",
        "1 start look                   | run look.1 web1
         2 end look.1.web1 ok behind=1m40s
         3 start stop                   | run stop.1 local
         3 measure none                 | alarm RPO of 1m is MISSED: 1m40s of data (behind was 1m40s)",
    );
}

proptest! {
    #[test]
    fn met_or_missed_is_what_the_times_say(from in 2_u64..400, took in 0_u64..700) {
        let end = from + took;
        let told = format!(
            "1 begin\n1 skip a no\n{from} start stop | run stop.1 web1\n{from} end stop.1.web1 ok\n\
             {from} start serve | run serve.1 web1\n{end} end serve.1.web1 ok"
        );
        // The step's own limit of five minutes does not come first: nobody wakes the engine.
        let night = night(RTO, &told);
        let verdict = if took > 300 { Attained::Missed } else { Attained::Met };
        prop_assert_eq!(rta(&night.state, end + 1), (verdict, Some(took), false));
    }
}

/// What the loader says of these objectives.
fn problems(objectives: &str) -> Vec<String> {
    let text = format!(
        "golive = 1\n[runbook]\nid = \"x\"\n[hosts.web1]\n[[probe]]\nid = \"lag\"\n\
         source = {{ tcp = \"10.0.0.5:1\" }}\nunit = \"%\"\n[objectives]\n{objectives}\n\
         [[phase]]\nid = \"p\"\n{}{}{}",
        change("a", ONE, ""),
        change("b", ONE, "capture = { behind = \"(.*)\" }"),
        "[[phase.step]]\nid = \"w\"\nfor_each = { n = [1, 2] }\nlocal = \"echo {{ n }}\"\n",
    );
    let main = SourceFile::new("x.toml", &text);
    let checked = check(&main, &mut |path| Err(format!("no file {path}")));
    let said = checked.errors().map(|problem| {
        let (line, column) = golive::runbook::line_col(&text, problem.at.place.start);
        let help = problem.help.clone().unwrap_or_default();
        format!("{line}:{column} {} [{help}]", problem.message)
    });
    said.collect()
}

#[test]
fn objectives_that_cannot_be_measured_are_refused_with_their_place() {
    let rto = "rto = { within = \"5m\", from = \"a\", to = \"b\" }";
    assert_eq!(problems(rto), Vec::<String>::new());
    for (objectives, says) in [
        (
            "rto = { within = \"5m\", from = \"aa\", to = \"b\" }",
            "10:31 there is no step `aa` [did you mean `a`?]",
        ),
        (
            "rto = { within = \"5m\", from = \"b\", to = \"a\" }",
            "10:41 `a` does not come after `b`",
        ),
        (
            "rto = { within = \"5m\", from = \"a\", to = \"w\" }",
            "10:41 `w` is several steps, and a clock needs one [write \"w.1\"]",
        ),
        ("rto = { within = \"5m\", from = \"a\" }", "without `to`"),
        ("rto = { within = \"soon\", from = \"a\", to = \"b\" }", "10:18 `soon` is not a duration"),
        ("rpo = { within = \"5m\", measured_by = \"lag\" }", "nothing says when it is measured"),
        ("rto = { within = \"5m\", form = \"a\", to = \"b\" }", "unknown key `form`"),
    ] {
        let found = problems(objectives);
        assert!(found.iter().any(|it| it.contains(says)), "{objectives}\n{found:#?}");
    }
    for (by, says) in [
        ("lag", "11:38 probe `lag` measures no time: its unit is `%`"),
        ("lga", "11:38 there is no probe and no captured value `lga` [did you mean `lag`?]"),
        ("behind", "11:38 `behind` is captured by `b`, which does not come before `a`"),
    ] {
        let rpo = format!("{rto}\nrpo = {{ within = \"5m\", measured_by = \"{by}\" }}");
        let found = problems(&rpo);
        assert!(found.iter().any(|it| it.contains(says)), "{by}\n{found:#?}");
    }
}
