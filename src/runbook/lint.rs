//! What is allowed and still deserves a thought.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::base::HostId;

use super::code::Code;
use super::lint_http;
use super::load::Joined;
use super::model::{
    Action, Class, Each, Extract, Phase, Probe, Reconcile, Runbook, Source, Step, UndoSource,
    UndoStage, authority,
};
use super::problem::{Place, Problem, part_of_string};
use super::reader::{At, Kind, Places, Reading};
use super::shape::Draft;
use super::shell;
use super::template::{self, Quoting};

/// More of the steps being critical makes people stop reading.
const CRITICAL_PERCENT_MAX: usize = 10;

/// Notes everything doubtful.
pub(super) fn lint(joined: &mut Joined<'_>, draft: &Draft) {
    let lints = Lints { joined, draft, runbook: &draft.runbook };
    let mut found = Vec::new();
    for step in draft.steps() {
        lints.step(step, &mut found);
    }
    lints.way_back(&mut found);
    lints.parts(&mut found);
    lints.unused(&mut found);
    lints.unused_secrets(&mut found);
    lints.unused_allow(&mut found);
    lints.same_for_each(&mut found);
    lints.commands(&mut found);
    lints.whole(&mut found);
    joined.reading.problems.extend(found);
}

struct Lints<'a> {
    joined: &'a Joined<'a>,
    draft: &'a Draft,
    runbook: &'a Runbook,
}

fn warning(code: Code, place: Place, message: &str, help: &str) -> Problem {
    Problem::new(code, place, message).help(help)
}

impl<'a> Lints<'a> {
    fn places(&self) -> &'a Places {
        &self.joined.reading.places
    }

    /// The command or script of a step, and the key it is written under.
    fn command(&self, step: &'a Step) -> Option<(&'static str, &'a str)> {
        match &step.action {
            Action::Run(command) => Some(("run", command)),
            Action::Local(command) => Some(("local", command)),
            Action::Script(path) => {
                self.joined.checked.scripts.get(path).map(|text| ("script", text.as_str()))
            }
            Action::Builtin(_)
            | Action::Manual(_)
            | Action::Gate(_)
            | Action::Soak(_)
            | Action::Notify(_) => None,
        }
    }

    /// The place of a part of a step's command; for a script the place of its path.
    fn part(&self, step: &Step, key: &str, command: &str, range: &Range<usize>) -> Place {
        let whole = self.places().step(&step.id, key);
        if key == "script" { whole } else { within(&self.joined.reading, &whole, command, range) }
    }

    fn step(&self, step: &'a Step, found: &mut Vec<Problem>) {
        let id = &step.id;
        let at = |key: &str| self.places().step(id, key);
        let soaks = matches!(step.action, Action::Soak(_));
        if step.estimate.is_none() && !soaks {
            let message = format!("step `{id}` has no estimate");
            let help = "add `estimate = \"2m\"`: forecast and latest safe rollback stand on it";
            found.push(warning(Code::NoEstimate, at("id"), &message, help));
        }
        let works = step.is_command() || matches!(step.action, Action::Builtin(_));
        if step.timeout.is_none() && works {
            let message = format!("step `{id}` has no timeout");
            let help = "add `timeout = \"10m\"`: a hanging command is noticed by then";
            found.push(warning(Code::NoTimeout, at("id"), &message, help));
        }
        if step.reboot && step.is_remote() && step.verify.is_none() {
            let message = format!("after its reboot nothing looks at the hosts of step `{id}`");
            let help = "add `verify = { run = \"systemctl is-system-running --wait\" }`";
            found.push(warning(Code::RebootUnverified, at("reboot"), &message, help));
        }
        if let Action::Gate(gate) = &step.action
            && step.owner.is_none()
            && gate.poll.is_empty()
        {
            let message = format!("gate `{id}` has nobody who decides");
            let help = "add `owner = \"lead\"`, a role of [roles], or a `poll` of roles";
            found.push(warning(Code::NoDecider, at("gate"), &message, help));
        }
        if let Some(when) = &step.when
            && template::expression_variables(when).is_ok_and(|names| names.is_empty())
            && template::holds(when, &std::collections::BTreeMap::new()) == Ok(false)
        {
            let message = format!("step `{id}` never runs: its `when` never holds");
            let help = "let it depend on a variable, or remove the step";
            found.push(warning(Code::Unreachable, at("when"), &message, help));
        }
        lint_http::requests(self.joined, &self.runbook.allow, step, found);
        self.what_it_does(step, found);
    }

    fn what_it_does(&self, step: &'a Step, found: &mut Vec<Problem>) {
        for (key, reconcile) in step.reconciles() {
            self.both_only_read(step, key, reconcile, found);
        }
        let Some((key, command)) = self.command(step) else { return };
        let own = self.runbook.own_rollback_steps().any(|other| other.id == step.id);
        let floor = if own { step.rollback_floor().0 } else { step.floor().0 };
        let class = step.class.map_or(floor, |class| class.max(floor));
        if class < Class::Critical
            && let Some(range) = shell::destroys(command)
        {
            let what = command.get(range.clone()).unwrap_or("");
            let message =
                format!("step `{}` destroys something (`{what}`) and is not critical", step.id);
            let place = self.part(step, key, command, &range);
            let help = "add `class = \"critical\"`: it asks for two digits";
            found.push(warning(Code::Destructive, place, &message, help));
        }
        if step.read_only
            && let Some(range) = shell::changes(command)
        {
            let what = command.get(range.clone()).unwrap_or("").trim();
            let message = format!("step `{}` says it only reads, and yet `{what}`", step.id);
            let place = self.part(step, key, command, &range);
            let help = "remove `read_only` and write an undo, or make the command read only";
            found.push(warning(Code::ReadOnlyDoubt, place, &message, help));
        }
    }

    /// The two commands of a reconciliation may look as if they changed something.
    fn both_only_read(
        &self,
        step: &Step,
        key: &str,
        reconcile: &Reconcile<String>,
        found: &mut Vec<Problem>,
    ) {
        for (name, side) in reconcile.sides() {
            let command = side.run.as_str();
            let Some(range) = shell::destroys(command).or_else(|| shell::changes(command)) else {
                continue;
            };
            let what = command.get(range).unwrap_or("").trim();
            let message =
                format!("the {name} side of step `{}` is only to read, and yet `{what}`", step.id);
            let place = self.places().step(&step.id, key);
            let help = "let it print what is compared, and do the rest in a step of its own";
            found.push(warning(Code::ReadOnlyDoubt, place, &message, help));
        }
    }

    /// Undo, verification of the undo, and the end of a rollback.
    fn way_back(&self, found: &mut Vec<Problem>) {
        let steps: Vec<_> = self.runbook.forward().collect();
        let end = steps.iter().position(|step| step.point_of_no_return);
        for step in steps.iter().take(end.unwrap_or(steps.len())) {
            let changes = step.may_change() && !step.read_only;
            if changes && matches!(step.undo, UndoSource::None) {
                let message = format!("step `{}` changes something and has no undo", step.id);
                let place = self.places().step(&step.id, "id");
                let help = "add `undo = { run = \"…\" }`, or `irreversible = \"why\"`, or `read_only = true`";
                found.push(warning(Code::NoUndo, place, &message, help));
            }
        }
        let after = &self.runbook.rollback.after;
        let looks = |step: &Step| step.stage == Some(UndoStage::Verify) || step.verify.is_some();
        let verified = after.iter().any(looks);
        for step in &steps {
            self.ready(step, found);
            if let UndoSource::Undo(undo) = &step.undo
                && undo.verify.is_none()
                && !verified
            {
                let message = format!("the undo of step `{}` is never verified", step.id);
                let place = self.places().step(&step.id, "undo");
                let help =
                    "add `verify` to the undo, or a [[rollback.after]] step of stage \"verify\"";
                found.push(warning(Code::UndoUnverified, place, &message, help));
            }
        }
        if steps.iter().all(|step| step.floor().0 == Class::Check) {
            return;
        }
        let tells = |step: &Step| {
            step.stage == Some(UndoStage::Notify) || matches!(step.action, Action::Notify(_))
        };
        let place = self.places().key("runbook file", "rollback");
        let place = place.unwrap_or_else(|| self.places().of("runbook", "id"));
        for (done, what, stage) in [
            (
                after.iter().any(|step| step.stage == Some(UndoStage::Verify)),
                "verifies the old system",
                "verify",
            ),
            (after.iter().any(tells), "tells anyone", "notify"),
        ] {
            if !done {
                let message = format!("after a rollback nothing {what}");
                let help = format!("add a [[rollback.after]] step with `stage = \"{stage}\"`");
                found.push(warning(Code::RollbackUnfinished, place.clone(), &message, &help));
            }
        }
    }

    /// Data that a critical step's undo brings back, and nobody looks whether it is there.
    fn ready(&self, step: &Step, found: &mut Vec<Problem>) {
        let UndoSource::Undo(undo) = &step.undo else { return };
        let class = step.class.map_or(step.floor().0, |class| class.max(step.floor().0));
        let by_a_person = matches!(undo.action, Action::Manual(_));
        if class == Class::Critical
            && undo.stage == Some(UndoStage::RestoreData)
            && undo.ready.is_none()
            && !by_a_person
        {
            let message =
                format!("nothing looks whether what the undo of step `{}` needs is there", step.id);
            let place = self.places().step(&step.id, "undo");
            let help =
                "add `ready = { run = \"sha256sum -c /backup/orders.dump.sha256\" }` to the undo";
            found.push(warning(Code::UndoUnready, place, &message, help));
        }
    }

    fn parts(&self, found: &mut Vec<Problem>) {
        for probe in &self.runbook.probes {
            let tells = match &probe.source {
                Source::Tcp { .. } => true,
                Source::Prometheus { .. } | Source::Metrics { .. } => false,
                Source::Http { value, .. } | Source::Run { value, .. } => *value == Extract::Status,
            };
            if probe.degraded.is_none() && probe.failed.is_none() && !tells {
                let message =
                    format!("probe `{}` measures a value and judges it by nothing", probe.id);
                let place = self.places().of(&format!("probe {}", probe.id), "id");
                let help =
                    "add `degraded = \"> 250\"` or `failed = \"> 800\"`, or `value = \"status\"`";
                found.push(warning(Code::NoThreshold, place, &message, help));
            }
            self.asked(probe, found);
            self.unit_of_exit_code(probe, found);
        }
        for (id, role) in &self.runbook.roles {
            if role.people.is_empty() {
                let message = format!("role `{id}` has nobody in it");
                let place = self.places().of(&format!("role {id}"), "people");
                let help = "add `people = [\"Name\"]`";
                found.push(warning(Code::EmptyRole, place, &message, help));
            }
        }
        for Phase { id, steps, .. } in &self.runbook.phases {
            if steps.is_empty() {
                let message = format!("phase `{id}` has no step");
                let place = self.places().of(&format!("phase {id}"), "id");
                found.push(warning(Code::EmptyPhase, place, &message, "add steps, or remove it"));
            }
        }
        for (id, host) in &self.joined.checked.inventory.hosts {
            if shell::prompts(&host.r#become).is_some() {
                let place = self.places().of(&format!("host {id}"), "become");
                found.push(sudo(place));
            }
        }
    }

    /// The exit code of a command is counted in nothing: what it prints was meant.
    fn unit_of_exit_code(&self, probe: &Probe, found: &mut Vec<Problem>) {
        let Source::Run { value: Extract::Status, .. } = &probe.source else { return };
        if !probe.unit.as_str().is_empty() {
            let message = format!(
                "probe `{}` takes the exit code of its command as its value, in `{}`",
                probe.id, probe.unit
            );
            let place = self.places().of(&format!("probe {}", probe.id), "source");
            let help = "add `value = 'regex:(\\d+)'` to the source: it takes what the command \
                        prints; or remove `unit`";
            found.push(warning(Code::UnitOfExitCode, place, &message, help));
        }
    }

    /// Secrets that go over the network for everybody to read, and addresses of golive's own
    /// machine.
    fn asked(&self, probe: &Probe, found: &mut Vec<Problem>) {
        let place = || self.places().of(&format!("probe {}", probe.id), "source");
        let (address, secret) = match (&probe.source, probe.source.asked()) {
            (_, Some((url, ask))) => (url, Some(ask)),
            (Source::Tcp { address }, None) => (address, None),
            (_, None) => return,
        };
        found.extend(secret.and_then(|ask| lint_http::in_the_open(address, ask, &place())));
        found.extend(lint_http::not_asked(address, &probe.allow, &place()));
    }

    /// What `[probes]` allows and nothing asks.
    fn unused_allow(&self, found: &mut Vec<Problem>) {
        for entry in &self.draft.allow {
            let is_it = |address: &str| {
                let (host, port) = authority(address);
                let (own, only) = authority(&entry.value);
                address.contains("{{") || host == own && (only.is_none() || port == only)
            };
            let asks = |probe: &Probe| match (&probe.source, probe.source.asked()) {
                (_, Some((url, _))) => is_it(url),
                (Source::Tcp { address }, None) => is_it(address),
                (_, None) => false,
            };
            let requests = || self.draft.steps().flat_map(Step::http);
            if !self.runbook.probes.iter().any(asks) && !requests().any(|(_, it)| is_it(&it.url)) {
                let message = format!("no probe asks `{}`, and no step", entry.value);
                let help = "remove it: what is not needed is not to be allowed";
                found.push(warning(Code::Unused, entry.place.clone(), &message, help));
            }
        }
    }

    fn unused(&self, found: &mut Vec<Problem>) {
        let used = |kind: Kind, name: &str| {
            self.joined.reading.used.iter().any(|(of, used)| *of == kind && used.value == name)
        };
        let mut add = |owner: &str, key: &str, message: &str, help: &str| {
            found.push(warning(Code::Unused, self.places().of(owner, key), message, help));
        };
        // An inventory file is shared by many runbooks; hosts of the runbook's own are not.
        let inline = self.draft.inventory_file.is_none();
        let touched = self.touched_hosts();
        for id in self.draft.inline.hosts.keys().filter(|_| inline) {
            if !touched.contains(id.as_str()) {
                let message = format!("host `{id}` is never used");
                add(&format!("host {id}"), "", &message, "remove it, or name it in an `on`");
            }
        }
        for probe in &self.runbook.probes {
            if !used(Kind::Probe, probe.id.as_str()) {
                let message = format!("no gate, soak or verification asks probe `{}`", probe.id);
                let help = "name it in a gate (`healthy`), a soak or a `verify`, or remove it";
                add(&format!("probe {}", probe.id), "id", &message, help);
            }
        }
        for channel in &self.runbook.channels {
            if channel.events.is_empty() && !used(Kind::Channel, channel.id.as_str()) {
                let message = format!("channel `{}` is never told anything", channel.id);
                let help = "give it `events`, or name it in a `notify`";
                add(&format!("channel {}", channel.id), "id", &message, help);
            }
        }
        for (name, at) in &self.draft.vars {
            if !self.uses_variable(name.as_str()) {
                let message = format!("variable `{name}` is never used");
                found.push(warning(Code::Unused, at.place.clone(), &message, "remove it"));
            }
        }
    }

    /// Secrets that no step is given: they are asked for, and kept out of the record, for nothing.
    fn unused_secrets(&self, found: &mut Vec<Problem>) {
        let used = &self.joined.reading.used;
        for (name, at) in &self.draft.secrets {
            let is_used = |(kind, used): &(Kind, _)| {
                let At { value, .. }: &At<String> = used;
                *kind == Kind::Secret && value == name.as_str()
            };
            if !used.iter().any(is_used) {
                let message = format!("secret `{name}` is never used");
                let help = format!(
                    "give it to a step: `env = {{ X = {{ secret = \"{name}\" }} }}`, or remove it"
                );
                found.push(warning(Code::Unused, at.place.clone(), &message, &help));
            }
        }
    }

    /// A `for_each` whose value no step of it uses.
    fn same_for_each(&self, found: &mut Vec<Problem>) {
        for step in self.draft.steps() {
            let Some(each @ Each { number: 1, name, .. }) = &step.each else { continue };
            let env = format!("GL_{}", name.as_str().to_uppercase());
            let in_templates = self.joined.reading.templates.iter().any(|used| {
                let text = used.text.value.as_str();
                used.each.as_ref() == Some(each)
                    && match used.quoting {
                        Some(_) => !template::uses(text, name.as_str()).is_empty(),
                        None => !template::expression_uses(text, name.as_str()).is_empty(),
                    }
            });
            let command = self.command(step).is_some_and(|(_, command)| command.contains(&env));
            if !in_templates && !command {
                let message = format!("variable `{name}` is never used: all its steps do the same");
                let place = self.places().step(&step.id, "for_each");
                let help = format!("write `{{{{ {name} }}}}` where the steps differ");
                found.push(warning(Code::Unused, place, &message, &help));
            }
        }
    }

    /// Every host that a step, an undo, a probe or another host's `jump` names.
    fn touched_hosts(&self) -> BTreeSet<&str> {
        let mut touched = BTreeSet::new();
        for step in self.draft.steps() {
            touched.extend(step.on.iter().map(HostId::as_str));
            if let UndoSource::Undo(undo) = &step.undo {
                touched.extend(undo.on.iter().flatten().map(HostId::as_str));
            }
        }
        let used = self.joined.reading.used.iter().filter(|(kind, _)| *kind == Kind::Host);
        touched.extend(used.map(|(_, name)| name.value.as_str()));
        let hosts = self.draft.inline.hosts.values();
        touched.extend(hosts.flat_map(|host| host.jump.iter().map(String::as_str)));
        touched
    }

    fn uses_variable(&self, name: &str) -> bool {
        let env = format!("GL_{}", name.to_uppercase());
        let in_templates = self.joined.reading.templates.iter().any(|used| {
            let text = used.text.value.as_str();
            let uses = match used.quoting {
                Some(_) => template::uses(text, name),
                None => template::expression_uses(text, name),
            };
            !uses.is_empty() || text.contains(&env)
        });
        in_templates || self.joined.checked.scripts.values().any(|text| text.contains(&env))
    }

    /// Every shell text, wherever it stands, and every text of the sources.
    fn commands(&self, found: &mut Vec<Problem>) {
        let reading = &self.joined.reading;
        for used in reading.templates.iter().filter(|used| used.quoting == Some(Quoting::Shell)) {
            let command = used.text.value.as_str();
            let place = |range: &Range<usize>| within(reading, &used.text.place, command, range);
            found.extend(shell::prompts(command).map(|range| sudo(place(&range))));
            found.extend(shell::never_ends(command).map(|range| endless(place(&range))));
            for range in template::raw_uses(command) {
                let message = "a value enters this command unquoted";
                let help = "remove `| raw`, unless the value is meant to be more than one word";
                found.push(warning(Code::RawValue, place(&range), message, help));
            }
        }
        for path in &self.draft.scripts {
            let Some(text) = self.joined.checked.scripts.get(&path.value) else { continue };
            found.extend(shell::prompts(text).map(|_| sudo(path.place.clone())));
            found.extend(shell::never_ends(text).map(|_| endless(path.place.clone())));
        }
        for source in self.joined.checked.sources.values() {
            for range in shell::secrets(&source.text) {
                let message = "this looks like a secret";
                let help = "a runbook is read by many: declare it under [secrets], and give it with `env` or `stdin`";
                found.push(warning(Code::SecretLiteral, source.place(&range), message, help));
            }
        }
    }

    fn whole(&self, found: &mut Vec<Problem>) {
        let classes: Vec<_> = self
            .runbook
            .forward()
            .map(|step| step.class.map_or(step.floor().0, |class| class.max(step.floor().0)))
            .collect();
        let critical = classes.iter().filter(|class| **class == Class::Critical).count();
        let place = || self.places().of("runbook", "id");
        if critical > 1 && critical * 100 > classes.len() * CRITICAL_PERCENT_MAX {
            let message = format!(
                "{critical} of {} steps are critical, more than {CRITICAL_PERCENT_MAX} %: people stop reading",
                classes.len()
            );
            let help = "give steps an undo, so that only what cannot be undone is critical";
            found.push(warning(Code::TooManyCritical, place(), &message, help));
        }
        let environment = self.joined.checked.inventory.environment.as_ref();
        let live = environment.is_none_or(|word| word.as_str() == "production");
        let changes = classes.iter().any(|class| *class > Class::Check);
        let written = self.places().key("runbook file", "window").is_some();
        if live && changes && !written {
            let message = "a runbook that changes production has no change window";
            let help = "add [window] with `opens`, `closes` and `zone`";
            found.push(warning(Code::NoWindow, place(), message, help));
        }
    }
}

fn sudo(place: Place) -> Problem {
    let message = "this `sudo` may ask for a password, and nobody can type one";
    warning(Code::SudoPrompts, place, message, "write `sudo -n`, or use `become = true`")
}

fn endless(place: Place) -> Problem {
    let message = "this command does not end by itself";
    let help = "bound it: `timeout 60 …`, `tail -n 100`, `ping -c 3`; or watch with a probe";
    warning(Code::NeverEnds, place, message, help)
}

/// The place of a part of the text that is written at `whole`.
fn within(reading: &Reading<'_>, whole: &Place, text: &str, range: &Range<usize>) -> Place {
    if whole.source != reading.source.name {
        return whole.clone(); // In an included file: the whole text will do.
    }
    let written = reading.source.text.get(whole.span()).unwrap_or("");
    reading.source.place(&part_of_string(written, whole.start, text, range))
}
