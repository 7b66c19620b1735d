//! What can be said on golive's own machine: the runbook, its window, its values, and where the
//! record will be.

use std::collections::BTreeMap;
use std::path::Path;

use crate::base::{Millis, SecretName, Timestamp};
use crate::cli::args::PreflightArgs;
use crate::cli::plan::Facts;
use crate::cli::secrets::Stand;
use crate::cli::sign::Sign;
use crate::engine::RunKind;
use crate::exec::preflight::{Area, Finding, Level};
use crate::exec::ssh::Pool;
use crate::plan::{Plan, initial};
use crate::runbook::{Checked, Severity, size};
use crate::session::{Inputs, Store, may_run, place_doubts};

/// With less than this a night's record may not fit.
const STATE_BYTES_MIN: u64 = 256 << 20;
/// With less than this somebody should look before.
const STATE_BYTES_FEW: u64 = 2 << 30;

fn say(what: &'static str, level: Level, words: &str) -> Finding {
    Finding::new(Area::Here, what, what, level, words)
}

/// What `golive check` says; with errors it does not come to a preflight.
pub(super) fn runbook(checked: &Checked, args: &PreflightArgs) -> Finding {
    let is_warning = |severity| severity == Severity::Warning;
    let warnings = checked.problems.iter().filter(|it| is_warning(it.severity())).count();
    let file = args.file.display();
    match warnings {
        0 => say("runbook", Level::Ok, &format!("{file} has no problem")),
        1 => say("runbook", Level::Warning, &format!("{file} has a warning"))
            .fix(&format!("golive check {file}")),
        count => say("runbook", Level::Warning, &format!("{file} has {count} warnings"))
            .fix(&format!("golive check {file}")),
    }
}

/// When it may be, and whether the plan fits.
pub(super) fn window(plan: &Plan, now: Timestamp) -> Vec<Finding> {
    let mut facts = Facts::new(plan);
    let (Some(window), Some(words)) = (&plan.window, facts.window()) else {
        return vec![say("window", Level::Ok, "none: nothing says when it has to be over")];
    };
    let mut found = vec![if now > window.closes {
        let ago = now.since(window.closes);
        say("window", Level::Failed, &format!("it closed {ago} ago: {words}"))
            .fix("write the window of this night into the runbook")
    } else if now >= window.opens {
        let left = window.closes.since(now);
        // What has gone by of it is gone for the plan as well.
        facts = Facts { times: initial(plan, now), began: now, ..facts };
        say("window", Level::Ok, &format!("open, {left} left: {words}"))
    } else {
        let until = window.opens.since(now);
        say("window", Level::Ok, &format!("opens in {until}: {words}"))
    }];
    if let Some(margin) = facts.margin() {
        let over = Millis::new(margin.unsigned_abs());
        let takes = facts.takes();
        found.push(if margin < 0 {
            let words = format!("as planned it takes {takes}, {over} too long");
            say("plan", Level::Failed, &words).fix("shorten the plan, or widen the window")
        } else if over < window.warn {
            let words = format!("as planned it takes {takes} and leaves only {over}");
            say("plan", Level::Warning, &words).fix("shorten the plan, or widen the window")
        } else {
            let words = format!("as planned it takes {takes} and leaves {over}");
            say("plan", Level::Ok, &words)
        });
    }
    found
}

/// Which runs these hosts are for.
pub(super) fn environment(plan: &Plan) -> Finding {
    let name = plan.environment.as_ref();
    let live = may_run(RunKind::Live, name);
    match (live, name) {
        (Ok(()), Some(name)) => say("environment", Level::Ok, &format!("{name}: for live runs")),
        (Err(_), Some(name)) => {
            say("environment", Level::Ok, &format!("{name}: for rehearsals, not for live runs"))
        }
        (_, None) => {
            let words = "the inventory names none: a live run will ask for it";
            say("environment", Level::Warning, words)
                .fix("`environment = \"production\"` in the inventory, or --environment")
        }
    }
}

/// What is given when a run starts.
pub(super) fn variables(plan: &Plan, inputs: &Inputs) -> Vec<Finding> {
    let one = |name: &crate::base::VarName| {
        if inputs.vars.contains_key(name) {
            say("variables", Level::Ok, &format!("{name} is given"))
        } else {
            let words = format!("{name} is asked for when a run starts");
            say("variables", Level::Warning, &words)
                .fix(&format!("have it ready, or give --var {name}=…"))
        }
    };
    plan.asked.keys().map(one).collect()
}

/// Whether the values of secrets can be had; none is shown.
pub(super) fn secrets(stands: &BTreeMap<SecretName, Stand>, wrong: &[String]) -> Vec<Finding> {
    let one = |(name, stand): (&SecretName, &Stand)| match stand {
        Stand::There => say("secrets", Level::Ok, &format!("{name} is there")),
        Stand::Asked => {
            let words = format!("{name} is asked for when a run starts; nobody was asked now");
            say("secrets", Level::Unknown, &words).fix("have it ready")
        }
        Stand::Wrong(why) => say("secrets", Level::Failed, &format!("{name}: {why}"))
            .fix("make it available where golive runs"),
    };
    let others = wrong.iter().map(|why| say("secrets", Level::Failed, why));
    stands.iter().map(one).chain(others).collect()
}

/// Whether a record can be kept.
pub(super) fn state(store: &Store) -> Vec<Finding> {
    if let Err(error) = store.prepare() {
        let fix = "make it writable for yourself alone, or choose another with --state-dir";
        return vec![say("state", Level::Failed, &error.to_string()).fix(fix)];
    }
    let dir = store.sessions_dir();
    let mut found = vec![room(&dir)];
    found.extend(place_doubts(&dir).map(|doubts| say("state", Level::Warning, &doubts)));
    found
}

fn room(dir: &Path) -> Finding {
    let free = match rustix::fs::statvfs(dir) {
        Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize),
        Err(error) => {
            let words = format!("how much room {} has: {error}", dir.display());
            return say("state", Level::Unknown, &words);
        }
    };
    let words = format!("{} is writable, {} free", dir.display(), size(free));
    let fix = "make room there, or choose another folder with --state-dir";
    if free < STATE_BYTES_MIN {
        say("state", Level::Failed, &words).fix(fix)
    } else if free < STATE_BYTES_FEW {
        say("state", Level::Warning, &words).fix(fix)
    } else {
        say("state", Level::Ok, &words)
    }
}

/// Whether a key is at hand that signs the record.
pub(super) async fn signing(sign: &Sign, pool: &Pool, plan: &Plan) -> Finding {
    match sign.find(pool, plan).await {
        Ok(Ok(key)) => {
            let touch = if key.needs_touch() { "; it wants to be touched" } else { "" };
            say("signing", Level::Ok, &format!("the record is signed with {}{touch}", key.label()))
        }
        Ok(Err(why)) => {
            say("signing", Level::Warning, &format!("the record would not be signed: {why}"))
        }
        Err(why) => say("signing", Level::Failed, &format!("the record cannot be signed: {why}"))
            .fix("name another key with --sign-key, or go on without: --no-sign"),
    }
}

#[cfg(test)]
mod tests {
    use super::{secrets, window};
    use crate::base::Timestamp;
    use crate::cli::secrets::Stand;
    use crate::exec::preflight::Level;

    #[test]
    fn secrets_are_told_by_name_alone() {
        let stands = [
            ("token".parse().unwrap(), Stand::There),
            ("typed".parse().unwrap(), Stand::Asked),
            ("away".parse().unwrap(), Stand::Wrong("the variable X is not set".to_owned())),
        ];
        let found = secrets(&stands.into_iter().collect(), &["it stands in the open".to_owned()]);
        let levels: Vec<_> = found.iter().map(|finding| finding.level).collect();
        assert_eq!(levels, [Level::Failed, Level::Ok, Level::Unknown, Level::Failed]);
        assert!(found.iter().all(|finding| finding.place.as_str() == "secrets"));
    }

    #[test]
    fn a_plan_counts_from_now_once_the_window_is_open() {
        let options = crate::runbook::Options::default();
        let path = std::path::Path::new("tests/it/runbooks/shop.toml");
        let (inputs, checked) = crate::session::Inputs::read(path, &options).unwrap();
        let plan = inputs.plan(&checked).unwrap();
        let bounds = plan.window.clone().unwrap();
        let level = |now| {
            let found = window(&plan, now);
            let plan = found.iter().find(|finding| finding.place.as_str() == "plan").unwrap();
            (plan.level, plan.words.as_str().to_owned())
        };
        let before = level(Timestamp::default());
        assert_eq!(level(bounds.opens), before, "as it opens nothing is lost");
        let late = Timestamp::from_unix_millis(bounds.closes.as_unix_millis() - 60_000);
        let (late, words) = level(late);
        assert!(late == Level::Failed && words.contains("too long"), "{words}");
        assert_ne!(before.0, Level::Failed, "{}", before.1);
    }

    #[test]
    fn a_plan_without_a_window_fits() {
        let options = crate::runbook::Options::default();
        let path = std::path::Path::new("tests/it/runbooks/small.toml");
        let (inputs, checked) = crate::session::Inputs::read(path, &options).unwrap();
        let plan = inputs.plan(&checked).unwrap();
        let found = window(&plan, Timestamp::default());
        assert!(found.iter().all(|finding| finding.level == Level::Ok), "{found:?}");
    }
}
