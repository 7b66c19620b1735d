//! What *backout now* has to count beyond the undos: attempts that may be repeated, probes that have
//! said nothing yet, and what is let run.

use crate::night::{Night, ONE, change, story, tell};
use crate::plans::at;

/// What a rollback of a story begun at `from` takes at most.
fn takes(night: &Night, from: u64) -> u64 {
    night.state.forecast(at(from)).backout.takes.as_secs()
}

/// A step with an undo of 40 s, and the rollback's own step.
fn one_and(own: &str) -> String {
    let undo = "undo = { run = \"undo a\", timeout = \"5m\" }";
    let step = change("a", ONE, "");
    assert!(step.contains(undo));
    step.replace(undo, "undo = { run = \"undo\", estimate = \"40s\" }")
        + "[[rollback.after]]\nid = \"look\"\n"
        + own
}

#[test]
fn every_attempt_at_a_step_of_the_rollback_counts() {
    let body = one_and(
        "run = \"look\"\non = \"web1\"\nestimate = \"20s\"\n\
         retry = { attempts = 3, delay = \"30s\" }\n",
    );
    let mut night = story(&body, "0 start a | run a.1 web1\n60 end a.1.web1 ok");
    assert_eq!(takes(&night, 100), 40 + 3 * 20 + 2 * 30);
    tell(
        &mut night,
        "100 roll-back no | rolling-back; run a.undo.1 web1
         140 end a.undo.1.web1 ok | run look.1 web1
         160 end look.1.web1 bad |
         190 wake | run look.2 web1
         210 end look.2.web1 bad |
         240 wake | run look.3 web1
         260 end look.3.web1 ok | rolled-back",
    );
}

#[test]
fn a_soak_of_the_rollback_waits_for_a_probe_that_has_said_nothing() {
    let body = one_and("soak = { for = \"5s\", probes = [\"p99\"] }\n");
    let night = story(&body, "0 start a | run a.1 web1\n60 end a.1.web1 ok");
    assert_eq!(takes(&night, 100), 40 + 20); // The probe is stale after 20 s.
}

#[test]
fn what_is_let_run_has_the_limit_of_its_wave() {
    let body = change("a", "[\"web1\", \"web2\"]", "batch = [1]\npause = \"10s\"")
        + "[rollback]\nrunning = \"finish\"\n";
    let night = story(
        &body,
        "0 start a | run a.1 web1
         200 end a.1.web1 ok |
         210 wake | run a.1 web2",
    );
    // Its limit of 5 min began with the second wave; then it is stopped, and a minute undoes it.
    assert_eq!(takes(&night, 300), 210 + 300 + 15 - 300 + 60);
}
