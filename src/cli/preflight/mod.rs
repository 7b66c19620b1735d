//! `golive preflight`: everything that can be proved before the night, without changing anything.

mod here;
mod json;
mod text;

use std::sync::Arc;

use crate::base::Timestamp;
use crate::exec::preflight::{Area, Finding, Level, Preflight};
use crate::session::Store;

use super::args::PreflightArgs;
use super::exit::Exit;
use super::ground::Ground;
use super::input;
use super::message::Failure;
use super::run::{asker, on_runtime};
use super::screen::Screen;
use super::secrets;

/// All that was found, in the order of the plan.
#[derive(Debug)]
struct Report {
    findings: Vec<Finding>,
    at: Timestamp,
}

impl Report {
    fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.level == level).count()
    }

    /// Nothing has to be put right.
    fn passed(&self) -> bool {
        self.count(Level::Failed) == 0
    }
}

/// Runs the command.
pub(super) fn run(screen: Screen, store: &Store, args: &PreflightArgs) -> Result<Exit, Failure> {
    let (inputs, plan) = input::load(screen, &args.file, &args.extra)?;
    let checked = inputs.check();
    let (values, stands, wrong) = secrets::look(screen, &plan, &inputs);
    let mut findings = vec![here::runbook(&checked, args)];
    findings.extend(here::window(&plan, now()));
    findings.push(here::environment(&plan));
    findings.extend(here::variables(&plan, &inputs));
    findings.extend(here::secrets(&stands, &wrong));
    findings.extend(here::state(store));
    on_runtime(async {
        let ground = Ground::real(plan, values, asker());
        let (plan, pool) = (Arc::clone(&ground.plan), ground.pool.clone());
        let secrets = ground.secrets.clone();
        findings.push(here::signing(&args.sign, &pool, &plan).await);
        let (hosts, probes) = (plan.hosts.len(), plan.probes.len());
        screen.say(&format!("looking at {hosts} hosts and {probes} probes; nothing is changed"));
        let preflight = Preflight {
            plan: Arc::clone(&plan),
            pool,
            secrets: secrets.clone(),
            notify: args.notify_test,
            now,
        };
        let mut found = preflight.begin().map_err(|error| {
            let message = format!("the machine's certificates cannot be read: {error}");
            Failure::new(Exit::Failed, message)
        })?;
        while let Some(finding) = found.recv().await {
            findings.push(finding);
        }
        ground.leave().await;
        // What one task found stays in its order, and so does what was looked at on this machine.
        findings.sort_by_cached_key(|finding| {
            let place = (finding.area != Area::Here).then(|| finding.place.clone());
            (finding.area, place)
        });
        // What was looked at on this machine may have words of a program too.
        let findings = findings.into_iter().map(|finding| finding.clean(&secrets)).collect();
        let report = Report { findings, at: now() };
        if args.json {
            screen.data(&format!("{:#}\n", json::json(&plan, &report)))?;
        } else {
            screen.text(&text::text(screen, &plan, &report))?;
        }
        Ok(if report.passed() { Exit::Done } else { Exit::MustFix })
    })
}

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let millis = since.map_or(0, |since| since.as_millis());
    Timestamp::from_unix_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}
