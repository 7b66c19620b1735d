//! The edge of a session: no job is ever without an end.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use golive::base::Millis;
use golive::engine::{Effect, End, Job, Key, Part, Place, Poll, Run, Transcript};
use golive::exec::{Edge, Report, Secrets, Sink, Sinks};
use golive::runbook::Expect;
use tokio::sync::mpsc;

/// A disk that a bug of ours is behind.
struct Buggy;

impl Sinks for Buggy {
    fn open(&self, _: &Job) -> io::Result<Box<dyn Sink>> {
        Ok(Box::new(Self))
    }
}

impl Sink for Buggy {
    fn write(&mut self, _: bool, bytes: &[u8]) -> io::Result<()> {
        assert_ne!(bytes, b"boom\n", "the bug");
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<Option<Transcript>> {
        let digest = golive::base::Digest::of(b"");
        Ok(Some(Transcript { bytes: 0, lines: 0, digest, redacted: BTreeMap::new() }))
    }
}

fn edge() -> (Edge, mpsc::UnboundedReceiver<Report>) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("night.toml");
    std::fs::write(&file, crate::session::THREE).unwrap();
    let (_, plan) = crate::session::inputs(&file);
    let (sender, reports) = mpsc::unbounded_channel();
    let runtime = tokio::runtime::Handle::current();
    let edge = Edge::new(
        &plan,
        crate::session::pool(),
        Arc::new(Buggy),
        sender,
        runtime,
        &Secrets::none(),
    );
    (edge.unwrap(), reports)
}

fn here(line: &str, poll: Option<Poll>) -> Run {
    Run {
        key: Key { step: "one".parse().unwrap(), part: Part::Action, attempt: 1 },
        places: vec![Place::Here],
        line: line.to_owned(),
        env: BTreeMap::new(),
        stdin: None,
        r#become: false,
        silence: Some(Millis::from_secs(100)),
        expect: Expect::default(),
        capture: BTreeMap::new(),
        progress: None,
        poll,
        prove: false,
        durable: None,
        builtin: None,
        session: None,
    }
}

async fn end(reports: &mut mpsc::UnboundedReceiver<Report>) -> End {
    let one = tokio::time::timeout(Duration::from_secs(30), reports.recv());
    let report = one.await.expect("it never ended").unwrap();
    let Report::Ended { end, .. } = report else { panic!("{report:?}") };
    end
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_a_bug_ends_is_in_doubt_and_not_forgotten() {
    let (edge, mut reports) = edge();
    edge.perform(Effect::Run(Box::new(here("echo boom", None))));
    let End::Unknown { why, .. } = end(&mut reports).await else { panic!("not in doubt") };
    assert!(why.as_str().contains("golive itself failed"), "{why}");
    edge.perform(Effect::Run(Box::new(here("echo well", None))));
    assert!(matches!(end(&mut reports).await, End::Exited { code: 0, unmet: None, .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_between_two_looks_is_not_waited_for() {
    let (edge, mut reports) = edge();
    let poll = Poll { every: Millis::from_secs(300), within: Millis::from_secs(3600) };
    let run = here("false", Some(poll));
    let key = run.key.clone();
    edge.perform(Effect::Run(Box::new(run)));
    // Whether it comes in a look or between two of them, it is the end.
    edge.perform(Effect::Stop(key.clone()));
    assert!(
        matches!(end(&mut reports).await, End::Stopped { survivors: Some(alive) } if alive.is_empty())
    );
    let mark = tempfile::NamedTempFile::new().unwrap();
    let line = format!("echo $$ > {}; false", mark.path().display());
    edge.perform(Effect::Run(Box::new(here(&line, Some(poll)))));
    let began = std::time::Instant::now();
    let looked = || {
        let pid = std::fs::read_to_string(mark.path()).unwrap();
        !pid.is_empty() && !Path::new("/proc").join(pid.trim()).exists()
    };
    while !looked() {
        assert!(began.elapsed() < Duration::from_secs(30), "it never looked");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    edge.perform(Effect::Stop(key));
    assert!(
        matches!(end(&mut reports).await, End::Stopped { survivors: Some(alive) } if alive.is_empty())
    );
}
