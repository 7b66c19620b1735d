//! The shape of a runbook file: its tables, read into the model piece by piece.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::de::DeTable;
use toml::value::Datetime;

use crate::base::{
    Millis, ProbeId, RoleId, RunbookId, SafeText, SecretName, Timestamp, VarName, Zone,
};

use super::code::Code;
use super::model::{
    Inventory, InventorySource, Objectives, Phase, Role, Rollback, Runbook, Stage, Strategy, Window,
};
use super::problem::{Place, SourceFile};
use super::reader::{At, Item, Kind, Reading, Scope, Table, whole};
use super::shape_back;
use super::shape_channel;
use super::shape_each::{self, Series};
use super::shape_hosts::{self, RawInventory};
use super::shape_objective;
use super::shape_probe;
use super::shape_secret;
use super::shape_source;
use super::shape_step::{Role as StepRole, Targets};
use super::shape_use::{self, Link, Snippets};
use super::shape_vars;
use super::suggest;
use super::template::Quoting;

/// A runbook as far as it can be known without its inventory.
pub(super) struct Draft {
    pub(super) runbook: Runbook,
    /// The `on` of every step, in the order of [`Draft::steps`].
    pub(super) targets: Vec<Targets>,
    /// Files that steps run, as written.
    pub(super) scripts: Vec<At<String>>,
    /// The inventory file, as written.
    pub(super) inventory_file: Option<At<String>>,
    /// The hosts written in the runbook itself.
    pub(super) inline: RawInventory,
    /// The environment written in the runbook itself.
    pub(super) environment: Option<At<SafeText>>,
    /// Where the variables are written.
    pub(super) vars: BTreeMap<VarName, At<()>>,
    /// Where the secrets are written.
    pub(super) secrets: BTreeMap<SecretName, At<()>>,
    /// What on this machine itself probes may ask.
    pub(super) allow: Vec<At<String>>,
    /// The steps with `for_each`.
    pub(super) series: Series,
}

/// What the reading of steps has to know and to collect.
#[derive(Default)]
pub(super) struct Context<'t> {
    /// Steps that are written once and used in several places.
    pub(super) snippets: Snippets<'t>,
    /// The uses of snippets that lead to what is being read, outermost first.
    pub(super) using: Vec<Link>,
    /// Where the variables are written.
    pub(super) vars: BTreeMap<VarName, Place>,
    /// The probes, for `healthy = ["*"]`.
    pub(super) probes: Vec<ProbeId>,
    pub(super) targets: Vec<Targets>,
    pub(super) scripts: Vec<At<String>>,
    pub(super) series: Series,
    /// Counts steps without a usable name.
    pub(super) nameless: usize,
}

/// Reads the whole document.
pub(super) fn runbook<'t>(
    reading: &mut Reading<'_>,
    document: &'t DeTable<'t>,
    included: &[(&'t SourceFile, &'t DeTable<'t>)],
) -> Draft {
    let mut top = Table::document(document, reading.source.text.len());
    version(reading, &mut top);
    let mut runbook = empty(reading.source);
    let environment = heading(reading, &mut top, &mut runbook);
    runbook.window = top.take(reading, "window").and_then(|item| window(reading, &item));
    let objectives = top.take(reading, "objectives");
    runbook.roles = roles(reading, &mut top);
    let vars = vars(reading, &mut top, &mut runbook.vars);
    let mut vars = vars;
    shape_vars::asked(reading, &mut top, &mut runbook.asked, &mut vars);
    let secrets = shape_secret::secrets(reading, &mut top, &mut runbook.secrets);
    let inventory_file = top.take(reading, "inventory").and_then(|item| reading.filled(&item));
    let inline = shape_hosts::inventory(reading, &mut top);
    let allow = shape_source::allow(reading, &mut top);
    runbook.allow = allow.iter().map(|entry| entry.value.clone()).collect();
    runbook.probes = tables(reading, &mut top, "probe", shape_probe::probe);
    for probe in &mut runbook.probes {
        probe.allow.clone_from(&runbook.allow);
    }
    runbook.channels = tables(reading, &mut top, "channel", shape_channel::channel);
    if let Some(item) = top.take(reading, "include") {
        reading.texts(&item);
    }
    let mut snippets = Snippets::new();
    for file in included {
        shape_use::file(reading, *file, &mut snippets);
    }
    let source = reading.source;
    shape_use::snippets(reading, &mut top, source, &mut snippets);
    let mut context = Context {
        snippets,
        vars: vars.iter().map(|(name, at)| (name.clone(), at.place.clone())).collect(),
        probes: runbook.probes.iter().map(|probe| probe.id.clone()).collect(),
        ..Context::default()
    };
    let phases = top.need(reading, "phase").map(|item| reading.list(&item, "[[phase]] tables"));
    for item in phases.unwrap_or_default() {
        runbook.phases.extend(phase(reading, &mut context, &item));
    }
    if let Some(item) = top.take(reading, "rollback") {
        runbook.rollback = shape_back::rollback(reading, &mut context, &item).unwrap_or_default();
    }
    runbook.playbooks = shape_back::playbooks(reading, &mut context, &mut top);
    top.finish(reading);
    runbook.secrets.append(&mut reading.own_secrets);
    shape_use::unused(reading, &context.snippets);
    let Context { targets, scripts, series, .. } = context;
    series.in_needs(&mut runbook);
    if let Some(item) = objectives {
        runbook.objectives = shape_objective::objectives(reading, &item, &runbook, &series);
    }
    Draft {
        runbook,
        targets,
        scripts,
        inventory_file,
        inline,
        environment,
        vars,
        secrets,
        allow,
        series,
    }
}

impl Draft {
    /// Every step: forward, before and after a rollback, and those of playbooks.
    pub(super) fn steps(&self) -> impl Iterator<Item = &super::model::Step> {
        self.runbook.steps()
    }
}

fn empty(source: &SourceFile) -> Runbook {
    Runbook {
        id: "unnamed".parse().expect("it is a name"),
        title: SafeText::new(&source.name),
        strategy: Strategy::Direct,
        owner: None,
        change: None,
        summary: String::new(),
        window: None,
        objectives: Objectives::default(),
        roles: BTreeMap::new(),
        vars: BTreeMap::new(),
        asked: BTreeMap::new(),
        secrets: BTreeMap::new(),
        probes: Vec::new(),
        phases: Vec::new(),
        rollback: Rollback::default(),
        playbooks: Vec::new(),
        channels: Vec::new(),
        inventory: InventorySource::Inline(Inventory::default()),
        allow: Vec::new(),
    }
}

fn version(reading: &mut Reading<'_>, top: &mut Table<'_>) {
    let Some(item) = top.take(reading, "golive") else {
        let help = "write `golive = 1` on the first line";
        let message = "the runbook does not say which format it is in";
        reading.complain(
            Code::FormatVersion,
            &top.span(),
            message,
            "`golive = 1` is missing",
            help,
        );
        return;
    };
    let number = item.raw().as_integer().and_then(whole);
    if number != Some(1) {
        let help = "write `golive = 1`";
        let message = "this version of golive reads format 1 only";
        reading.complain(Code::FormatVersion, &item.span(), message, "not 1", help);
    }
}

fn heading(
    reading: &mut Reading<'_>,
    top: &mut Table<'_>,
    runbook: &mut Runbook,
) -> Option<At<SafeText>> {
    let item = top.need(reading, "runbook")?;
    let mut table = Table::open(reading, &item, "the [runbook] table", "runbook")?;
    if let Some(id) = table.need(reading, "id").and_then(|item| reading.filled(&item))
        && let Some(id) = reading.name::<RunbookId>(&id)
    {
        runbook.title = SafeText::new(id.as_str());
        runbook.id = id;
    }
    if let Some(title) = template(reading, &mut table, "title", &Scope::Vars, Quoting::Plain) {
        runbook.title = SafeText::new(&title);
    }
    if let Some(item) = table.take(reading, "strategy") {
        runbook.strategy = reading.word(&item, STRATEGIES).unwrap_or(Strategy::Direct);
    }
    runbook.owner = table.take(reading, "owner").and_then(|item| reading.safe_text(&item));
    runbook.change = table.take(reading, "change").and_then(|item| reading.safe_text(&item));
    let summary = template(reading, &mut table, "summary", &Scope::Vars, Quoting::Plain);
    runbook.summary = summary.unwrap_or_default();
    let environment = table.take(reading, "environment").and_then(|item| {
        let text = reading.filled(&item)?;
        Some(At { value: SafeText::new(&text.value), place: text.place })
    });
    table.finish(reading);
    environment
}

const STRATEGIES: &[(&str, Strategy)] = &[
    ("direct", Strategy::Direct),
    ("parallel", Strategy::Parallel),
    ("phased", Strategy::Phased),
    ("canary", Strategy::Canary),
    ("blue-green", Strategy::BlueGreen),
    ("failover", Strategy::Failover),
];

/// The text of `key`, noted as a template.
pub(super) fn template(
    reading: &mut Reading<'_>,
    table: &mut Table<'_>,
    key: &'static str,
    scope: &Scope,
    quoting: Quoting,
) -> Option<String> {
    let item = table.take(reading, key)?;
    template_item(reading, &item, scope, quoting)
}

/// The same for an item at hand.
pub(super) fn template_item(
    reading: &mut Reading<'_>,
    item: &Item<'_>,
    scope: &Scope,
    quoting: Quoting,
) -> Option<String> {
    let text = reading.filled(item)?;
    let value = text.value.clone();
    reading.uses_template(text, scope, Some(quoting));
    Some(value)
}

fn window(reading: &mut Reading<'_>, item: &Item<'_>) -> Option<Window> {
    let mut table = Table::open(reading, item, "the [window] table", "window")?;
    let zone_item = table.take(reading, "zone");
    let zone = zone_item.and_then(|item| zone(reading, &item));
    let known = zone.is_some() || zone_item.is_none();
    let opens = table.need(reading, "opens").map(|item| (item.span(), item));
    let closes = table.need(reading, "closes").map(|item| (item.span(), item));
    let mut instant = |of: &Option<(Range<usize>, Item<'_>)>| {
        of.as_ref().filter(|_| known).and_then(|(_, item)| instant(reading, item, zone.as_ref()))
    };
    let (from, to) = (instant(&opens), instant(&closes));
    let warn = table.take(reading, "warn").and_then(|item| reading.duration(&item));
    let protect = table.take(reading, "protect").and_then(|item| reading.duration(&item));
    table.finish(reading);
    let (from, to) = (from?, to?);
    if to <= from {
        let (closes, opens) = (closes?.0, opens?.0);
        let opens = reading.source.place(&opens);
        let problem = reading.problem(Code::BadTime, &closes, "the window closes before it opens");
        *problem = problem
            .clone()
            .label("closes here")
            .also(opens, "opens here")
            .help("swap them, or check the date");
        return None;
    }
    Some(Window {
        opens: from,
        closes: to,
        zone: zone.unwrap_or(Zone::UTC),
        warn: warn.unwrap_or(Millis::from_secs(30 * 60)),
        protect: protect.unwrap_or(Millis::ZERO),
    })
}

fn zone(reading: &mut Reading<'_>, item: &Item<'_>) -> Option<Zone> {
    let text = reading.filled(item)?;
    let zone = Zone::named(&text.value);
    if zone.is_none() {
        let message = format!("there is no time zone `{}`", text.value);
        let names = ["UTC", "Asia/Shanghai", "Europe/Berlin", "Europe/London", "America/New_York"];
        let help = match suggest::nearest(&text.value, names) {
            Some(name) => format!("did you mean `{name}`?"),
            None => "use an IANA name like `Asia/Shanghai` or `UTC`".to_owned(),
        };
        reading.complain(Code::BadTime, &item.span(), &message, "unknown zone", &help);
    }
    zone
}

fn instant(reading: &mut Reading<'_>, item: &Item<'_>, zone: Option<&Zone>) -> Option<Timestamp> {
    let Some(written) = item.raw().as_datetime() else {
        reading.wrong_type(item, "a date with a time like 2026-11-29T01:00:00");
        return None;
    };
    let Datetime { date: Some(_), time: Some(_), offset } = written else {
        reading.wrong_type(item, "a date with a time like 2026-11-29T01:00:00");
        return None;
    };
    if offset.is_some() {
        return written.to_string().parse().ok();
    }
    let Some(zone) = zone else {
        let help = "add `zone = \"Asia/Shanghai\"` (your site's) to [window]";
        let message = format!("`{}` is a local time, and the window names no zone", item.key);
        reading.complain(Code::BadTime, &item.span(), &message, "local to where?", help);
        return None;
    };
    let civil = written.to_string().parse().ok()?;
    match zone.instants(civil).as_slice() {
        [one] => Some(*one),
        [] => {
            let message =
                format!("{written} does not exist in {}: the clocks jump over it", zone.name());
            let help = match zone.jump_over(civil) {
                Some((from, to)) => format!(
                    "they go from {} to {}: choose a time before the one or from the other on",
                    from.strftime("%H:%M"),
                    to.strftime("%H:%M")
                ),
                None => "choose a time before or after the jump".to_owned(),
            };
            reading.complain(Code::BadTime, &item.span(), &message, "skipped", &help);
            None
        }
        several => {
            let offsets: Vec<_> =
                several.iter().map(|at| format!("{written}{}", zone.format(*at, "%:z"))).collect();
            let message = format!("{written} happens twice in {}: the clocks go back", zone.name());
            let help = format!("write which one you mean: {}", offsets.join(" or "));
            reading.complain(Code::BadTime, &item.span(), &message, "ambiguous", &help);
            None
        }
    }
}

fn roles(reading: &mut Reading<'_>, top: &mut Table<'_>) -> BTreeMap<RoleId, Role> {
    let Some(item) = top.take(reading, "roles") else { return BTreeMap::new() };
    let mut roles = BTreeMap::new();
    for item in reading.entries(&item, "roles") {
        let Some(id) = key_name::<RoleId>(reading, Kind::Role, &item) else { continue };
        let owner = format!("role {id}");
        let Some(mut table) = Table::open(reading, &item, "a role", &owner) else { continue };
        let people = table.take(reading, "people").map(|item| reading.texts(&item));
        let people = people.into_iter().flatten().map(|text| SafeText::new(&text.value)).collect();
        let contact = table.take(reading, "contact").and_then(|item| reading.safe_text(&item));
        let keys = table.take(reading, "keys").map(|item| reading.texts(&item));
        let mut print = |text: At<String>| shape_hosts::fingerprint(reading, &text, "a key");
        let keys = keys.into_iter().flatten().filter_map(&mut print).collect();
        table.finish(reading);
        roles.insert(id, Role { people, contact, keys });
    }
    roles
}

/// The key of `item` as the name of a thing of this kind, which it defines.
pub(super) fn key_name<T: std::str::FromStr<Err = crate::base::InvalidId>>(
    reading: &mut Reading<'_>,
    kind: Kind,
    item: &Item<'_>,
) -> Option<T> {
    let (start, end) = item.key_span;
    let text = reading.at(item.key.to_owned(), &(start..end));
    let name = reading.name(&text)?;
    reading.defined.push((kind, text));
    Some(name)
}

fn vars(
    reading: &mut Reading<'_>,
    top: &mut Table<'_>,
    vars: &mut BTreeMap<VarName, String>,
) -> BTreeMap<VarName, At<()>> {
    let mut places = BTreeMap::new();
    let Some(item) = top.take(reading, "vars") else { return places };
    for item in reading.entries(&item, "variables") {
        let span = item.key_span.0..item.key_span.1;
        let Some(name) = variable_name(reading, item.key, &span) else { continue };
        let value = reading.value(&item);
        places.insert(name.clone(), reading.at((), &span));
        vars.insert(name, value.unwrap_or_default());
    }
    places
}

/// A name that can stand in a template and in the environment.
pub(super) fn variable_name(
    reading: &mut Reading<'_>,
    text: &str,
    span: &Range<usize>,
) -> Option<VarName> {
    let mut chars = text.chars();
    let starts_well = chars.next().is_some_and(|c| c.is_ascii_alphabetic());
    if starts_well && chars.all(|c| c.is_ascii_alphanumeric() || c == '_') {
        let text = reading.at(text.to_owned(), span);
        return reading.name(&text);
    }
    let fixed: String =
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let message = format!("`{text}` cannot be the name of a variable: use letters, digits and `_`");
    reading.complain(
        Code::BadName,
        span,
        &message,
        "not a name",
        &format!("for example `{fixed}`"),
    );
    None
}

/// Reads every table of the array `key`.
fn tables<T>(
    reading: &mut Reading<'_>,
    top: &mut Table<'_>,
    key: &'static str,
    read: fn(&mut Reading<'_>, &Item<'_>) -> Option<T>,
) -> Vec<T> {
    let Some(item) = top.take(reading, key) else { return Vec::new() };
    let items = reading.list(&item, &format!("[[{key}]] tables"));
    items.iter().filter_map(|item| read(reading, item)).collect()
}

/// The `id` of a table, which defines a thing of this kind.
pub(super) fn own_name<T: std::str::FromStr<Err = crate::base::InvalidId>>(
    reading: &mut Reading<'_>,
    table: &mut Table<'_>,
    kind: Kind,
) -> Option<T> {
    let item = table.need(reading, "id")?;
    let text = reading.filled(&item)?;
    let name = reading.name(&text)?;
    table.name_owner(reading, &format!("{} {}", kind.word(), text.value));
    table.take(reading, "id");
    reading.defined.push((kind, text));
    Some(name)
}

const STAGES: &[(&str, Stage)] = &[
    ("assess", Stage::Assess),
    ("prepare", Stage::Prepare),
    ("migrate", Stage::Migrate),
    ("deploy", Stage::Deploy),
    ("train", Stage::Train),
    ("transition", Stage::Transition),
    ("monitor", Stage::Monitor),
    ("improve", Stage::Improve),
];

fn phase(reading: &mut Reading<'_>, context: &mut Context<'_>, item: &Item<'_>) -> Option<Phase> {
    let mut table = Table::open(reading, item, "a phase", "phase")?;
    let id: Option<crate::base::PhaseId> = own_name(reading, &mut table, Kind::Phase);
    let id = id.unwrap_or_else(|| "unnamed".parse().expect("it is a name"));
    let title = template(reading, &mut table, "title", &Scope::Vars, Quoting::Plain);
    let title = SafeText::new(title.as_deref().unwrap_or(id.as_str()));
    let stage = table.take(reading, "stage").and_then(|item| reading.word(&item, STAGES));
    let steps =
        table.take(reading, "step").map(|item| reading.list(&item, "[[phase.step]] tables"));
    let steps = steps.unwrap_or_default();
    let steps = steps
        .iter()
        .flat_map(|item| shape_each::steps(reading, context, item, StepRole::Forward))
        .collect();
    table.finish(reading);
    Some(Phase { id, title, stage, steps })
}
