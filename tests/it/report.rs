//! The documents that a record becomes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use golive::base::{Digest, Millis, SafeText, StepId, Timestamp};
use golive::engine::{
    Actor, AlarmId, Choice, Confirmed, End, Event, Evidence, Fact, Genesis, Health, Item, Job, Key,
    Level, Part, Place, Reading, RunKind, Verdict,
};
use golive::journal::{Entry, Journal, Stamp, Stream, Transcript, read_all, verify};
use golive::plan::Plan;
use golive::report::{csv, json_line, markdown, timeline_line, verify_txt};
use golive::runbook::Class;

const OPENS: u64 = 1_795_885_200_000; // 2026-11-29T01:00:00+08:00

fn step(name: &str) -> StepId {
    name.parse().unwrap()
}

fn key(name: &str, part: Part, attempt: u32) -> Key {
    Key { step: step(name), part, attempt }
}

fn host(name: &str) -> Place {
    Place::Host(name.parse().unwrap())
}

/// A night that is written down as it goes on.
struct Night<'a> {
    dir: &'a Path,
    journal: Journal,
    secs: u64,
}

impl<'a> Night<'a> {
    fn open(dir: &'a Path, kind: RunKind, plan: &Plan) -> Self {
        let session = "night-1".parse().unwrap();
        let journal = Journal::create(dir, &session).unwrap();
        let mut night = Self { dir, journal, secs: 0 };
        night.li(Event::SessionOpened(Genesis {
            session,
            kind,
            version: "0.1.0".into(),
            runbook: plan.id.clone(),
            title: plan.title.clone(),
            plan: plan.digest,
            driver: "li.wei".into(),
            machine: "bastion".into(),
            environment: plan.environment.clone(),
            overridden: None,
            signer: None,
        }));
        night.after(60).li(Event::RunBegan);
        night
    }

    fn at(&self) -> Timestamp {
        Timestamp::from_unix_millis(OPENS + self.secs * 1000)
    }

    fn after(&mut self, secs: u64) -> &mut Self {
        self.secs += secs;
        self
    }

    fn by(&mut self, by: Actor, event: Event) -> &mut Self {
        let (at, mono) = (self.at(), Millis::from_secs(self.secs));
        let stamp = Stamp { at, wall: at, mono, boot: "b-1".to_owned() };
        self.journal.append(&stamp, &[Fact { by, event }]).unwrap();
        self
    }

    fn li(&mut self, event: Event) -> &mut Self {
        self.by(Actor::Operator("li.wei".into()), event)
    }

    fn golive(&mut self, event: Event) -> &mut Self {
        self.by(Actor::Engine, event)
    }

    /// An attempt on one host, from its start to its verdict.
    fn job(&mut self, key: Key, place: Place, secs: u64, code: i32, output: &[u8]) -> &mut Self {
        let confirmed = match key.part {
            Part::Action => Confirmed::ByPerson { class: Class::Change, after: Millis::new(2_500) },
            Part::Verify | Part::Compare | Part::Undo | Part::UndoVerify => Confirmed::ByRule,
        };
        let places = vec![place.clone()];
        let payload = Digest::of(b"");
        self.li(Event::AttemptStarted { key: key.clone(), places, payload, confirmed }).after(secs);
        let job = Job { key: key.clone(), place };
        let mut transcript = Transcript::create(self.dir, &job).unwrap();
        transcript.write(Stream::Out, output, self.at()).unwrap();
        let transcript = Some(transcript.finish().unwrap());
        let unmet = (code != 0).then(|| SafeText::new("expected exit 0"));
        let end = End::Exited { code, unmet, captured: BTreeMap::new() };
        let verdict = if code == 0 { Verdict::Succeeded } else { Verdict::Failed };
        self.golive(Event::JobEnded { job, end, transcript });
        self.golive(Event::Settled { step: key.step, part: key.part, verdict })
    }
}

fn reading(at: Timestamp, value: f64) -> Reading {
    Reading { at, value: Some(value), ok: true, note: "| <b>HTTP</b> 200".into() }
}

/// A night that goes wrong in the middle and back to the old system.
fn rolled_back(dir: &Path, kind: RunKind) -> (Arc<Plan>, Vec<Entry>) {
    let plan = Arc::new(crate::plan::plan_with(&[]).unwrap());
    let mut night = Night::open(dir, kind, &plan);
    let probe = || "orders-p99".parse().unwrap();
    let seen = reading(night.at(), 120.5);
    let healthy = Event::HealthChanged {
        probe: probe(),
        was: Health::Unknown,
        is: Health::Healthy,
        reading: Some(seen.clone()),
    };
    night.by(Actor::Probe(probe()), healthy);
    night.job(key("count", Part::Action, 1), host("db1"), 15, 0, b"4711\n");
    let evidence = vec![Evidence {
        probe: probe(),
        health: Health::Healthy,
        reading: Some(seen),
        age: Some(Millis::new(1_200)),
    }];
    night.after(30).li(Event::GateDecided {
        step: step("ready"),
        choice: Choice::Go,
        evidence,
        reason: None,
        frozen: None,
    });
    night.golive(Event::Settled {
        step: step("ready"),
        part: Part::Action,
        verdict: Verdict::Succeeded,
    });
    night.after(5).job(key("deploy-green", Part::Action, 1), host("web2"), 200, 2, b"no space\n");
    night.golive(Event::AlarmRaised {
        id: AlarmId::Step(step("deploy-green")),
        level: Level::Warning,
        text: "=HYPERLINK(\"http://evil\",\"deploy\") failed".into(),
    });
    night.after(60).li(Event::AlarmsAcknowledged);
    night.li(Event::Noted {
        step: Some(step("deploy-green")),
        text: "disk of web2 is full | <script>alert(1)</script>\n#followup watch the *disks*"
            .into(),
    });
    night.job(key("deploy-green", Part::Action, 2), host("web2"), 240, 0, b"ok\n");
    night.golive(Event::AlarmCleared { id: AlarmId::Step(step("deploy-green")) });
    night.li(Event::Skipped { step: step("warm"), reason: "caches are warm, `date`".into() });
    let slow = Event::HealthChanged {
        probe: probe(),
        was: Health::Healthy,
        is: Health::Degraded,
        reading: Some(reading(night.at(), 412.0)),
    };
    night.after(90).by(Actor::Probe(probe()), slow);
    night.after(20).li(Event::GuardOpened);
    let item = |name: &str, part| Item { step: step(name), part };
    night.after(7).li(Event::RollbackBegan {
        reason: "p99 over 400 ms & rising".into(),
        items: vec![
            item("freeze", Part::Action),
            item("deploy-green", Part::Undo),
            item("verify-old", Part::Action),
            item("tell-back", Part::Action),
        ],
        break_glass: None,
        to: None,
    });
    night.job(key("freeze", Part::Action, 1), host("lb"), 4, 0, b"");
    night.job(key("deploy-green", Part::Undo, 1), host("web2"), 110, 0, b"back\n");
    night.job(key("verify-old", Part::Action, 1), host("web1"), 8, 0, b"well\n");
    night.job(key("tell-back", Part::Action, 1), Place::Here, 2, 0, b"");
    night.golive(Event::RollbackEnded { verified: true });
    night.after(30).li(Event::Closed);
    (plan, read_all(dir).unwrap())
}

#[test]
fn the_report_tells_the_night() {
    let dir = tempfile::tempdir().unwrap();
    let (plan, entries) = rolled_back(dir.path(), RunKind::Live);
    let verdict = verify(dir.path(), None).unwrap();
    let report = markdown(&plan, &entries, Some(&verdict));
    let told = report.replace(&plan.digest.to_string(), "PLAN").replace(&verdict.head, "HEAD");
    insta::assert_snapshot!("report", told);
    assert_eq!(report, markdown(&plan, &entries, Some(&verdict)), "the same bytes again");
    assert!(!report.contains("<script>") && !report.contains("<b>"));
    assert!(!report.contains("http://evil"));
    // Every row of a table has as many cells as its head.
    let mut cells = 0;
    for line in report.lines() {
        let bars = line.replace("\\|", "").matches('|').count();
        assert!(bars == 0 || cells == 0 || bars == cells, "{line}");
        cells = if line.starts_with('|') { bars } else { 0 };
    }
}

#[test]
fn a_drill_says_so_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let (plan, entries) = rolled_back(dir.path(), RunKind::Drill);
    let report = markdown(&plan, &entries, None);
    let headings = report.lines().filter(|line| line.starts_with('#'));
    for heading in headings {
        assert!(heading.trim_start_matches('#').starts_with(" DRILL "), "{heading}");
    }
    for (name, table) in csv(&plan, &entries) {
        assert!(table.lines().skip(1).all(|row| row.starts_with("DRILL,night-1,")), "{name}");
    }
}

/// The cells of RFC 4180.
fn parse(table: &str) -> Vec<Vec<String>> {
    let row = |line: &str| {
        let mut cells = vec![String::new()];
        let mut inside = false;
        for c in line.chars() {
            match c {
                '"' => inside = !inside,
                ',' if !inside => cells.push(String::new()),
                c => cells.last_mut().unwrap().push(c),
            }
        }
        cells
    };
    assert!(table.ends_with("\r\n"));
    table.split_terminator("\r\n").map(row).collect()
}

#[test]
fn spreadsheets_get_rows_and_no_formulas() {
    let dir = tempfile::tempdir().unwrap();
    let (plan, entries) = rolled_back(dir.path(), RunKind::Live);
    let tables = csv(&plan, &entries);
    let names: Vec<_> = tables.keys().copied().collect();
    let all = ["alarms", "gates", "health", "hosts", "reconcile", "steps"];
    assert_eq!(names, all.map(|name| format!("{name}.csv")));
    for (name, table) in &tables {
        let rows = parse(table);
        let is_empty = *name == "reconcile.csv"; // Nothing is compared in this night.
        assert!(is_empty == (rows.len() == 1));
        assert!(rows.iter().all(|row| row.len() == rows[0].len()), "{name}");
        let text = rows.iter().flatten().filter(|cell| cell.parse::<f64>().is_err());
        assert!(text.clone().all(|cell| !cell.starts_with(['=', '+', '-', '@'])), "{name}");
    }
    let steps = parse(&tables["steps.csv"]);
    let deploy = steps.iter().find(|row| row[2] == "deploy-green").unwrap();
    let column = |name: &str| steps[0].iter().position(|column| column == name).unwrap();
    assert_eq!(deploy[column("start_site")], "2026-11-29T01:01:50.000+08:00");
    assert_eq!(deploy[column("start_utc")], "2026-11-28T17:01:50.000Z");
    assert_eq!(deploy[column("actual_s")], "500");
    assert_eq!(deploy[column("attempts")], "2");
    assert_eq!(deploy[column("undo_outcome")], "undone");
    let hosts = parse(&tables["hosts.csv"]);
    assert_eq!(hosts.len(), 1 + 7);
    let alarms = parse(&tables["alarms.csv"]);
    assert!(alarms[1].iter().any(|cell| cell.starts_with("'=HYPERLINK")));
}

#[test]
fn one_line_an_event() {
    let dir = tempfile::tempdir().unwrap();
    let (plan, entries) = rolled_back(dir.path(), RunKind::Live);
    let facts = || entries.iter().flat_map(|entry| entry.facts.iter().map(move |f| (entry, f)));
    let lines: Vec<_> = facts().map(|(entry, fact)| timeline_line(&plan, entry.at, fact)).collect();
    insta::assert_snapshot!("lines", lines.join("\n"));
    for (entry, fact) in facts() {
        let object: serde_json::Value = serde_json::from_str(&json_line(entry, fact)).unwrap();
        assert_eq!(object["schema"], "golive.event/1");
        assert_eq!(object["seq"], entry.seq);
        let back: Fact = serde_json::from_value(object).unwrap();
        assert_eq!(back, *fact);
    }
}

/// `sh verify.txt` in an export: whether it is content, and what it says.
fn checked(export: &Path) -> (bool, String) {
    let output = Command::new("sh").arg("verify.txt").current_dir(export).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn sha256sum_and_jq_are_enough() {
    let dir = tempfile::tempdir().unwrap();
    rolled_back(dir.path(), RunKind::Live);
    let export = dir.path();
    let verdict = verify(export, None).unwrap();
    let session = verdict.session.clone().unwrap();
    fs::write(export.join("verify.txt"), verify_txt(&session, &verdict)).unwrap();
    let audit = export.join("audit.jsonl");
    let good = fs::read_to_string(export.join("journal.jsonl")).unwrap();
    fs::write(&audit, &good).unwrap();
    let (content, said) = checked(export);
    assert!(content && said.contains("The record is as it was written."), "{said}");

    let lines: Vec<&str> = good.split_inclusive('\n').collect();
    let wrong = |text: String, finding: &str| {
        fs::write(&audit, text).unwrap();
        let (content, said) = checked(export);
        assert!(!content && said.contains(finding), "{said}");
        assert!(!said.contains("as it was written"));
    };
    wrong(good.replace("caches are warm", "caches are cold"), "was changed");
    wrong([&lines[..4], &lines[5..]].concat().concat(), "line 5 says it is number 6");
    wrong(lines[..lines.len() - 1].concat(), "lines once, now there are");
    wrong(good.trim_end().to_owned(), "the last line has no end");
    fs::write(&audit, &good).unwrap();
    let output = export.join("output/deploy-green.2.web2.log");
    fs::write(&output, "OK\n").unwrap();
    let (content, said) = checked(export);
    assert!(!content && said.contains("deploy-green.2.web2.log"), "{said}");
}
