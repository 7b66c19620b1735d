//! `golive status`: where a session stands, without touching it; a driver may be alive.

use serde_json::{Value, json};

use crate::base::{Millis, StepId, Timestamp};
use crate::engine::{Attempt, Health, Lamp, Needed, Place, Readiness, RunStage, State, WayBack};
use crate::journal::{Holder, Lock, continued};
use crate::plan::{Forecast, Rag};
use crate::session::{Clock, Recovered, Store, open};

use super::args::{StatusArgs, StatusFormat};
use super::exit::Exit;
use super::message::Failure;
use super::plan::span;
use super::screen::{Ink, Screen};
use super::sessions::kind_word;
use crate::report::objectives_words;

/// Where a session stands, at one moment.
struct Status<'a> {
    recovered: &'a Recovered,
    state: &'a State,
    holder: Option<Holder>,
    now: Timestamp,
    times: Forecast,
    way_back: WayBack,
    readiness: Readiness,
}

/// Runs the command.
pub(super) fn run(screen: Screen, store: &Store, args: &StatusArgs) -> Result<Exit, Failure> {
    let found = store.find(&args.session)?;
    let recovered = open(&found)?;
    let state = &recovered.state;
    let over = !matches!(state.stage(), RunStage::Active | RunStage::RollingBack);
    let last = recovered.last();
    let now = if over { last } else { Clock::new(last).now() };
    let status = Status {
        recovered: &recovered,
        state,
        holder: Lock::holder(&found.dir).ok().flatten(),
        now,
        times: state.forecast(now),
        way_back: state.way_back(),
        readiness: state.rollback_ready(),
    };
    match if args.json { StatusFormat::Json } else { args.format } {
        StatusFormat::Short => screen.text(&format!("{}\n", status.short()))?,
        StatusFormat::Text => screen.text(&status.text(screen))?,
        StatusFormat::Json => screen.data(&format!("{:#}\n", status.json()))?,
    }
    Ok(Exit::Done)
}

/// The life of a session in a few words.
pub(super) fn stage_words(state: &State) -> &'static str {
    match (state.stage(), state.hold()) {
        (RunStage::Preparing, _) => "not begun",
        (RunStage::Active, None) => "running",
        (RunStage::Active, Some(_)) => "HELD",
        (RunStage::RollingBack, None) => "ROLLING BACK",
        (RunStage::RollingBack, Some(_)) => "ROLLBACK HELD",
        (RunStage::RolledBack { verified: true }, _) => "rolled back, old system verified",
        (RunStage::RolledBack { verified: false }, _) => "rolled back, NOT VERIFIED",
        (RunStage::Completed, _) => "completed",
        (RunStage::Abandoned, _) => "given up",
    }
}

impl Status<'_> {
    fn under_way(&self) -> bool {
        matches!(self.state.stage(), RunStage::Active | RunStage::RollingBack)
    }

    /// Under way and not held by its record, but no process drives it.
    fn is_left_alone(&self) -> bool {
        self.under_way() && self.state.hold().is_none() && self.holder.is_none()
    }

    fn time(&self, at: Timestamp) -> String {
        self.state.plan().zone.time(at)
    }

    /// What is left of the window at the forecast end, in milliseconds.
    fn margin(&self) -> Option<i64> {
        self.times.margin
    }

    fn running(&self) -> Vec<(StepId, Millis, Vec<&Place>)> {
        let running = self.state.in_flight().map(|attempt| {
            let Attempt { key, started, .. } = attempt;
            (key.step.clone(), self.now.since(*started), attempt.open_places().collect())
        });
        running.collect()
    }

    /// What is watched, until when, and when both systems are compared next.
    fn soaking(&self) -> impl Iterator<Item = (&StepId, Timestamp, Option<Timestamp>)> {
        self.state.soaking().map(|(step, until)| (step, until, self.state.next_comparison(step)))
    }

    fn short(&self) -> String {
        let (over, all) = self.state.count();
        let kind = self.recovered.genesis.kind.word();
        let mut parts = vec![format!("{kind} {}", stage_words(self.state))];
        if self.is_left_alone() {
            parts.push("NOT DRIVEN".to_owned());
        }
        parts.push(format!("{over}/{all}"));
        if self.under_way() {
            parts.extend(self.state.current().map(ToString::to_string));
            parts.extend(self.margin().map(|margin| format!("margin {}", span(margin))));
            let latest = self.times.backout.latest_safe;
            parts.extend(latest.map(|at| format!("latest safe {}", self.time(at))));
            if self.readiness.lamp != Lamp::Ready {
                parts.push(format!("way back {}", self.readiness.lamp.word()));
            }
        }
        let alarms = self.state.open_alarms().len();
        if alarms > 0 {
            parts.push(format!("{alarms} alarms"));
        }
        parts.join(" · ")
    }

    fn text(&self, screen: Screen) -> String {
        let Recovered { genesis, found, .. } = self.recovered;
        let plan = self.state.plan();
        let mut lines = Vec::new();
        let mut one = |label: &str, text: String| lines.push(format!("{label:<11}{text}"));
        one("session", found.id.to_string());
        one("runbook", format!("{} ({})", genesis.title, genesis.runbook));
        let environment = genesis.environment.as_ref().map_or("not named", |it| it.as_str());
        one("kind", format!("{} · environment {environment}", kind_word(genesis.kind)));
        let ink = match self.state.stage() {
            RunStage::Completed => Ink::Green,
            RunStage::Active if self.state.hold().is_none() => Ink::Bold,
            RunStage::Preparing | RunStage::Active => Ink::Yellow,
            RunStage::RollingBack | RunStage::RolledBack { .. } | RunStage::Abandoned => Ink::Red,
        };
        let (over, all) = self.state.count();
        let stage = screen.ink(ink, stage_words(self.state));
        one("state", format!("{stage} · {over} of {all} steps"));
        let edited: Vec<_> = self.state.edited_steps().map(|(step, _)| step.as_str()).collect();
        let replans = self.state.replans().len();
        if replans > 0 {
            one("runbook", format!("changed {replans} times in this run"));
        }
        if !edited.is_empty() {
            one("edited", format!("{}: other commands than the runbook's", edited.join(" ")));
        }
        if let Some(hold) = self.state.hold() {
            one("", format!("since {}: {}", self.time(hold.since), hold.why));
        }
        one("driver", self.driver());
        if let Some(dir) = continued(&found.dir).ok().flatten() {
            let said = format!("continued in {}: its own folder failed", dir.display());
            one("record", screen.ink(Ink::Yellow, &said));
        }
        if self.is_left_alone() {
            let said = "nobody drives it: nothing new starts. `golive resume` takes it up";
            one("", screen.ink(Ink::Yellow, said));
        }
        for (step, took, places) in self.running() {
            let places: Vec<_> = places.iter().map(ToString::to_string).collect();
            let places = places.join(", ");
            if self.holder.is_some() {
                one("running", format!("{step} for {took} on {places}"));
            } else {
                let said = format!(
                    "{step} on {places}: was running when golive ended; `golive resume` asks there"
                );
                one("unknown", screen.ink(Ink::Red, &said));
            }
        }
        for (step, until, next) in self.soaking() {
            let next = next.map(|at| format!(", compares again at {}", self.time(at)));
            let next = next.unwrap_or_default();
            one("soaking", format!("{step} until {}{next}", self.time(until)));
        }
        for step in self.state.undecided() {
            let word = self.state.track(step).status.word();
            one("undecided", screen.ink(Ink::Red, &format!("{step} {word}")));
        }
        if self.under_way() {
            for step in self.state.ready() {
                one("ready", format!("{} {}", step.id, step.title));
            }
        }
        for alarm in self.state.open_alarms() {
            let text = format!("since {}: {}", self.time(alarm.since), alarm.text);
            one("alarm", screen.ink(Ink::Yellow, &text));
        }
        self.hosts_text(screen, &mut one);
        let health = plan.probes.iter().map(|probe| (probe, self.state.health(&probe.id)));
        let (well, rest): (Vec<_>, Vec<_>) = health.partition(|(_, it)| *it == Health::Healthy);
        if !plan.probes.is_empty() {
            one("health", format!("{} of {} healthy", well.len(), plan.probes.len()));
        }
        for (probe, health) in rest {
            one("", screen.ink(Ink::Yellow, &format!("{} {}", probe.title, health.word())));
        }
        self.objectives_text(&mut one);
        if self.under_way() {
            self.times_text(&mut one);
        }
        lines.push(String::new());
        lines.join("\n")
    }

    /// Clocks in one line, and each host that is not as it should be.
    fn hosts_text(&self, screen: Screen, one: &mut dyn FnMut(&str, String)) {
        let found = &self.recovered.found;
        let plan = self.state.plan();
        let clocks = plan.hosts.keys().filter_map(|host| {
            let clock = self.state.host(host)?.clock?;
            Some((clock.millis.unsigned_abs(), host, clock))
        });
        let clocks: Vec<_> = clocks.collect();
        if let Some((_, host, furthest)) = clocks.iter().max_by_key(|(millis, _, _)| *millis) {
            let (known, all) = (clocks.len(), plan.hosts.len());
            let words = furthest.words();
            one("clocks", format!("{known} of {all} hosts; the furthest is {host}, {words}"));
        }
        for (_, host, clock) in clocks.iter().filter(|(_, _, clock)| clock.is_wrong()) {
            one("", screen.ink(Ink::Yellow, &format!("{host} is {}: wrong", clock.words())));
        }
        for host in plan.hosts.keys() {
            let Some(record) = self.state.host(host) else { continue };
            let (Some(held), Some(shown)) = (&record.key, &record.other_key) else { continue };
            let text =
                format!("{host} is held to {held}, and showed {shown}: nothing is sent to it");
            one("host key", screen.ink(Ink::Red, &text));
            let id = &found.id;
            one("", format!("golive resume {id} --accept-host-key {host} --reason \"why\""));
        }
    }

    fn driver(&self) -> String {
        match &self.holder {
            Some(holder) => format!(
                "{} on {} since {} (pid {})",
                holder.driver,
                holder.machine,
                self.time(holder.since),
                holder.pid
            ),
            None if self.state.is_closed() => format!("{}, closed", self.state.driver()),
            None => format!("nobody; the last was {}", self.state.driver()),
        }
    }

    /// The steps left that decide when the end is, in the order in which they run.
    fn critical_path(&self) -> Vec<&StepId> {
        let steps = self.times.steps.all().filter(|(_, times)| times.critical);
        let mut path: Vec<_> = steps.collect();
        path.sort_by_key(|(id, times)| (times.forecast.start, self.recovered.plan.number(id)));
        path.into_iter().map(|(id, _)| id).collect()
    }

    fn times_text(&self, one: &mut dyn FnMut(&str, String)) {
        let backout = &self.times.backout;
        if let Some(end) = self.state.rollback_ends(self.now) {
            one("back", format!("at {}", self.time(end)));
            return;
        }
        let mut end = self.time(self.times.end);
        if let (Some(margin), Some(rag)) = (self.margin(), self.times.rag) {
            end = format!("{end} · margin {} · {}", span(margin), rag.word());
        }
        one("forecast", format!("ends {end}, planned {}", self.time(self.times.planned_end)));
        let pace = self.times.pace.words();
        if !pace.is_empty() {
            one("counted", pace.join(" · "));
        }
        let path: Vec<_> = self.critical_path().into_iter().map(ToString::to_string).collect();
        if !path.is_empty() {
            one("critical", path.join(" → "));
        }
        let count = self.way_back.items.len();
        let mut back =
            format!("{count} items, {}, back at {}", backout.takes, self.time(backout.ends));
        back = format!("{back} · worst {}", backout.worst);
        if let Some(latest) = backout.latest_safe {
            back = format!("{back} · latest safe rollback {}", self.time(latest));
        }
        if let Some(point) = &self.way_back.past {
            back = format!("{back} · PAST THE POINT OF NO RETURN ({point})");
        }
        one("way back", back);
        for line in self.readiness_text() {
            one("", line);
        }
    }

    /// Whether the way back would find what it needs, and all that is missing. As of the record:
    /// where nobody drives, nobody looks.
    fn readiness_text(&self) -> Vec<String> {
        let Readiness { lamp, why, stands, .. } = &self.readiness;
        let mut lines = vec![format!("{}: {why}", lamp.word())];
        let bad = stands.iter().filter(|stand| stand.lamp != Lamp::Ready);
        lines.extend(bad.map(|stand| {
            let since = stand.since.map(|since| format!(", since {}", self.time(since)));
            let since = since.unwrap_or_default();
            format!("{} {}: {}{since}", stand.lamp.word(), stand.need.words(), stand.why)
        }));
        lines
    }

    /// How the objectives stand.
    fn objectives_text(&self, one: &mut dyn FnMut(&str, String)) {
        for (name, said) in objectives_words(self.state, self.now) {
            one(name, said);
        }
    }

    fn objectives_json(&self) -> Value {
        let objectives = &self.recovered.plan.objectives;
        let rto = objectives.rto.as_ref().zip(self.state.rta(self.now)).map(|(rto, rta)| {
            json!({
                "within": rto.within, "from": rto.from, "to": rto.to,
                "since": rta.since.map(Timestamp::rfc3339), "taken": rta.taken,
                "running": rta.runs, "verdict": rta.verdict, "why": rta.why,
            })
        });
        let rpo = objectives.rpo.as_ref().zip(self.state.rpa()).map(|(rpo, rpa)| {
            json!({
                "within": rpo.within, "measured_by": rpo.measured_by.name(),
                "lost": rpa.lost, "verdict": rpa.verdict, "says": rpa.says,
            })
        });
        json!({ "rto": rto, "rpo": rpo })
    }

    fn readiness_json(&self) -> Value {
        let stands = self.readiness.stands.iter().map(|stand| {
            let (what, step) = match &stand.need.what {
                Needed::Answer => ("answer", None),
                Needed::Become => ("become", None),
                Needed::Check(step) => ("check", Some(step)),
            };
            json!({
                "where": stand.need.place.to_string(), "what": what, "step": step,
                "is": stand.lamp.word(), "why": stand.why,
                "since": stand.since.map(Timestamp::rfc3339),
            })
        });
        json!({
            "is": self.readiness.lamp.word(),
            "why": self.readiness.why,
            "needs": stands.collect::<Vec<_>>(),
        })
    }

    fn json(&self) -> Value {
        let Recovered { genesis, found, .. } = self.recovered;
        let plan = self.state.plan();
        let (over, all) = self.state.count();
        let steps = plan.order.iter().map(|id| {
            let (track, undo) = (self.state.track(id), self.state.undo_track(id));
            json!({
                "id": id,
                "status": track.status.word(),
                "undo": (undo.status != crate::engine::Status::Pending).then(|| undo.status.word()),
                "attempts": track.attempts.len(),
                "started": track.started.map(Timestamp::rfc3339),
                "settled": track.settled.map(Timestamp::rfc3339),
                "times": self.times.steps.get(id).map(|times| json!({
                    "planned_start": times.planned.start.rfc3339(),
                    "planned_end": times.planned.end.rfc3339(),
                    "forecast_start": times.forecast.start.rfc3339(),
                    "forecast_end": times.forecast.end.rfc3339(),
                    "critical": times.critical, "slack": times.slack,
                })),
            })
        });
        let health = plan
            .probes
            .iter()
            .map(|probe| json!({ "probe": probe.id, "health": self.state.health(&probe.id) }));
        let alarms = self.state.open_alarms().into_iter().map(|alarm| {
            json!({ "level": alarm.level, "since": alarm.since.rfc3339(), "text": alarm.text })
        });
        let hosts = plan.hosts.keys().map(|host| {
            let record = self.state.host(host);
            let clock = record.and_then(|it| it.clock);
            json!({
                "host": host,
                "key": record.and_then(|it| it.key.as_ref()),
                "other_key": record.and_then(|it| it.other_key.as_ref()),
                "clock_ahead": clock.map(|it| it.millis),
                "clock_within": clock.map(|it| it.within),
            })
        });
        json!({
            "schema": "golive.status/1",
            "session": found.id, "path": found.dir,
            "runbook": genesis.runbook, "title": genesis.title,
            "kind": kind_word(genesis.kind), "environment": genesis.environment,
            "state": stage_words(self.state).to_lowercase(),
            "closed": self.state.is_closed(),
            "hold": self.state.hold().map(|hold| json!({
                "since": hold.since.rfc3339(), "why": hold.why, "by": hold.by.name(),
            })),
            "driver": self.state.driver(),
            "driven_by": self.holder.as_ref().map(|it| json!({
                "driver": it.driver, "machine": it.machine, "pid": it.pid,
                "since": it.since.rfc3339(),
            })),
            "at": self.now.rfc3339(),
            "steps_over": over, "steps_all": all,
            "edited": self.state.edited_steps().map(|(step, _)| step).collect::<Vec<_>>(),
            "replans": self.state.replans().len(),
            "steps": steps.collect::<Vec<_>>(),
            "ready": self.state.ready().map(|step| &step.id).collect::<Vec<_>>(),
            "soaking": self.soaking().map(|(step, until, next)| json!({
                "step": step, "until": until.rfc3339(),
                "next_comparison": next.map(Timestamp::rfc3339),
            })).collect::<Vec<_>>(),
            "undecided": self.state.undecided().collect::<Vec<_>>(),
            "health": health.collect::<Vec<_>>(),
            "alarms": alarms.collect::<Vec<_>>(),
            "hosts": hosts.collect::<Vec<_>>(),
            "forecast_end": self.under_way().then(|| self.times.end.rfc3339()),
            "margin": self.margin().filter(|_| self.under_way()),
            "rag": self.times.rag.map(Rag::word).filter(|_| self.under_way()),
            "counted": self.times.pace.words(),
            "planned_end": self.times.planned_end.rfc3339(),
            "window": self.state.window().map(|window| json!({
                "opens": window.opens.rfc3339(), "closes": window.closes.rfc3339(),
                "warn": window.warn, "protect": window.protect,
            })),
            "critical_path": self.critical_path(),
            "backout_now": self.times.backout.takes,
            "backout_now_ends": self.times.backout.ends.rfc3339(),
            "backout_worst": self.times.backout.worst,
            "backout_worst_ends": self.times.backout.worst_ends.rfc3339(),
            "latest_safe": self.times.backout.latest_safe.map(Timestamp::rfc3339),
            "past_point_of_no_return": self.way_back.past,
            "objectives": self.objectives_json(),
            "rollback_ready": self.under_way().then(|| self.readiness_json()),
        })
    }
}
