//! A runbook file in, a checked runbook or every problem at once out.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use crate::base::{SafeText, VarName};

use super::ansible;
use super::check as semantics;
use super::code::Code;
use super::include;
use super::lint;
use super::model::{Inventory, InventorySource, Runbook};
use super::problem::{Problem, SourceFile};
use super::reader::{At, Places, Reading};
use super::shape::{self, Draft};
use super::shape_hosts::{self, RawInventory};

/// A bigger file is no runbook.
pub(super) const FILE_BYTES_MAX: usize = 1024 * 1024;
/// Deeper nesting is a mistake.
const NESTING_MAX: usize = 32;

/// What the command line adds to a runbook.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// An inventory file that replaces the runbook's own hosts.
    pub inventory: Option<String>,
    /// Values that replace those of `[vars]`.
    pub vars: BTreeMap<VarName, String>,
}

/// A runbook after all checks.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// The runbook, if there is no error.
    pub runbook: Option<Runbook>,
    /// The hosts and groups that it runs on.
    pub inventory: Inventory,
    /// The text of every script, by the path as written.
    pub scripts: BTreeMap<String, String>,
    /// Every text that was read, by name: the runbook, its inventory, its scripts.
    pub sources: BTreeMap<String, SourceFile>,
    /// Everything that is wrong or doubtful, in the order of the files.
    pub problems: Vec<Problem>,
    /// Where the parts of the runbook are written.
    pub places: Places,
}

impl Checked {
    /// Only what keeps the runbook from being used.
    pub fn errors(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| problem.is_error())
    }

    /// Only what its author should think about.
    pub fn warnings(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| !problem.is_error())
    }
}

/// Checks a runbook. `read` gives the text of a file that the runbook names, by its path as
/// written, or says why it cannot.
pub fn check(
    main: &SourceFile,
    read: &mut dyn FnMut(&str) -> Result<SourceFile, String>,
) -> Checked {
    check_with(main, &Options::default(), read)
}

/// The same with what the command line adds.
pub fn check_with(
    main: &SourceFile,
    options: &Options,
    read: &mut dyn FnMut(&str) -> Result<SourceFile, String>,
) -> Checked {
    let mut reading = Reading::new(main);
    let mut checked = Checked::default();
    checked.sources.insert(main.name.clone(), main.clone());
    let (included, mut problems) = include::gather(main, read);
    let mut documents = Vec::new();
    for source in &included {
        checked.sources.insert(source.name.clone(), source.clone());
        let mut reading = Reading::new(source);
        documents.extend(parse(&mut reading).map(|document| (source, document)));
        problems.append(&mut reading.problems);
    }
    let document = parse(&mut reading);
    let broken = !reading.problems.is_empty() || problems.iter().any(|it| it.code == Code::Syntax);
    let documents: Vec<_> =
        documents.iter().map(|(source, document)| (*source, document.get_ref())).collect();
    let draft =
        document.map(|document| shape::runbook(&mut reading, document.get_ref(), &documents));
    let told = reading.problems.len();
    reading.problems.append(&mut problems);
    reading.problems.rotate_left(told);
    if let Some(mut draft) = draft.filter(|_| !broken) {
        let mut joined = Joined { reading, checked, known_hosts: true };
        joined.inventory(&mut draft, options, read);
        joined.scripts(&draft, read);
        joined.certificates(&mut draft, read);
        semantics::check(&mut joined, &mut draft, &options.vars);
        lint::lint(&mut joined, &draft);
        joined.finish(draft)
    } else {
        // After a syntax error only what is plainly there is told; the rest would be guesswork.
        let plain =
            [Code::Syntax, Code::Limit, Code::UnknownKey, Code::NotSupported, Code::WrongType];
        let syntax = reading.problems.iter().filter(|problem| problem.code == Code::Syntax);
        let from = syntax.map(|problem| problem.at.place.start).min().unwrap_or(usize::MAX);
        reading.problems.retain(|problem| {
            // Behind it a key may have been taken for one of another table.
            let plainly_there = problem.code == Code::Syntax || problem.at.place.start < from;
            plainly_there && plain.contains(&problem.code)
        });
        checked.problems = sorted(reading.problems, &main.name);
        checked.places = reading.places;
        checked
    }
}

/// What comes before the path of an inventory of Ansible's.
pub const ANSIBLE: &str = "ansible:";

/// Checks a file that holds an inventory and nothing else.
pub fn check_inventory(source: &SourceFile) -> (Inventory, Vec<Problem>) {
    let mut reading = Reading::new(source);
    let raw = read_inventory(&mut reading);
    let mut problems = reading.problems;
    let inventory = shape_hosts::resolve(&raw.unwrap_or_default(), &mut problems);
    (inventory, sorted(problems, &source.name))
}

fn read_inventory(reading: &mut Reading<'_>) -> Option<RawInventory> {
    if ansible::is_json(&reading.source.text) {
        return ansible::file(reading);
    }
    let document = parse(reading)?;
    Some(shape_hosts::file(reading, document.get_ref()))
}

/// The document with all its syntax errors noted; none if it is too big to look at.
fn parse<'s>(reading: &mut Reading<'s>) -> Option<serde_spanned::Spanned<DeTable<'s>>> {
    let text = reading.source.text.as_str();
    if text.len() > FILE_BYTES_MAX {
        let message = format!("the file has {} bytes; the limit is {FILE_BYTES_MAX}", text.len());
        reading.complain(Code::Limit, &(0..0), &message, "", "move long commands into scripts");
        return None;
    }
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        let message = format!("this is not TOML: {}", error.message());
        reading.complain(
            Code::Syntax,
            &span,
            &message,
            "here",
            "see https://toml.io for the syntax",
        );
    }
    if let Some(span) = document.get_ref().values().find_map(|value| too_deep(value, NESTING_MAX)) {
        let message = format!("nested deeper than {NESTING_MAX} levels");
        reading.complain(
            Code::Limit,
            &span,
            &message,
            "too deep",
            "nothing in a runbook is that deep",
        );
        return None;
    }
    Some(document)
}

fn too_deep(
    value: &serde_spanned::Spanned<DeValue<'_>>,
    left: usize,
) -> Option<std::ops::Range<usize>> {
    if left == 0 {
        return Some(value.span());
    }
    match value.get_ref() {
        DeValue::Array(array) => array.iter().find_map(|value| too_deep(value, left - 1)),
        DeValue::Table(table) => table.values().find_map(|value| too_deep(value, left - 1)),
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => None,
    }
}

/// Orders problems file by file, the runbook `main` first, from the top down, each once.
pub fn sort_problems(problems: &mut Vec<Problem>, main: &str) {
    problems.sort_by(|a, b| {
        let rank = |problem: &Problem| problem.at.place.source != main;
        rank(a).cmp(&rank(b)).then_with(|| a.order().cmp(&b.order()))
    });
    problems.dedup();
}

fn sorted(mut problems: Vec<Problem>, main: &str) -> Vec<Problem> {
    sort_problems(&mut problems, main);
    problems
}

/// A runbook with everything that belongs to it, while it is checked.
pub(super) struct Joined<'s> {
    pub(super) reading: Reading<'s>,
    pub(super) checked: Checked,
    /// Whether the hosts are known; if not, nothing is said about names of hosts.
    pub(super) known_hosts: bool,
}

impl Joined<'_> {
    pub(super) fn push(&mut self, problem: Problem) {
        self.reading.problems.push(problem);
    }

    /// Takes the hosts from where they come from: the command line, a file, or the runbook.
    fn inventory(
        &mut self,
        draft: &mut Draft,
        options: &Options,
        read: &mut dyn FnMut(&str) -> Result<SourceFile, String>,
    ) {
        let inline = shape_hosts::resolve(&draft.inline, &mut self.reading.problems);
        let written = draft.inventory_file.clone();
        if let Some(file) = &written
            && !draft.inline.is_empty()
        {
            let message = "hosts both in the runbook and in a file of their own";
            let problem = Problem::new(Code::Contradiction, file.place.clone(), message);
            let help = "remove `inventory`, or move [hosts] and [groups] into the file";
            self.push(problem.label("the file").help(help));
        }
        let replaced = options.inventory.clone().map(|path| {
            let place = self.reading.source.place(&(0..0));
            At { value: path, place }
        });
        let Some(file) = replaced.or(written) else {
            let environment = draft.environment.as_ref().map(|text| text.value.clone());
            self.checked.inventory = Inventory { environment, ..inline };
            return;
        };
        self.known_hosts = false;
        let is_ansible = file.value.starts_with(ANSIBLE);
        match read(&file.value) {
            Ok(source) if !is_ansible && ansible::is_json(&source.text) => {
                let message = format!("the inventory `{}` is JSON, not TOML", file.value);
                let problem = Problem::new(Code::Syntax, file.place.clone(), &message);
                let help =
                    format!("if it is what `ansible-inventory` prints: {ANSIBLE}{}", file.value);
                self.push(problem.help(&help));
            }
            Ok(source) => {
                let inventory = self.inventory_file(&source);
                self.known_hosts = inventory.is_some();
                self.checked.inventory = inventory.unwrap_or_default();
                self.checked.sources.insert(source.name.clone(), source);
            }
            Err(reason) => {
                let message = format!("the inventory `{}` cannot be read: {reason}", file.value);
                let problem = Problem::new(Code::UnreadableFile, file.place.clone(), &message);
                self.push(problem.help(match (is_ansible, options.inventory.is_some()) {
                    (true, _) => {
                        "`ansible-inventory --list -i PATH > hosts.json` makes a file that golive \
                         reads without Ansible: ansible:hosts.json"
                    }
                    (false, true) => "the path counts from the folder you are in",
                    (false, false) => "the path counts from the folder of the runbook",
                }));
            }
        }
        self.environment(draft, options.inventory.is_some());
        draft.runbook.inventory = InventorySource::File(file.value);
    }

    fn environment(&mut self, draft: &Draft, replaced: bool) {
        let file: Option<&SafeText> = self.checked.inventory.environment.as_ref();
        match (&draft.environment, file) {
            (Some(own), None) => {
                self.checked.inventory.environment = Some(own.value.clone());
            }
            (Some(own), Some(file)) if own.value != *file && !replaced => {
                let message =
                    format!("the runbook says `{}`, its inventory says `{file}`", own.value);
                let problem = Problem::new(Code::Contradiction, own.place.clone(), &message);
                self.push(problem.help("let the inventory say it: it knows what its hosts are"));
            }
            (Some(_) | None, _) => {}
        }
    }

    fn inventory_file(&mut self, source: &SourceFile) -> Option<Inventory> {
        let mut reading = Reading::new(source);
        let raw = read_inventory(&mut reading);
        let mut problems = reading.problems;
        let syntax = problems.iter().any(|problem| problem.code == Code::Syntax);
        let inventory = raw.map(|raw| shape_hosts::resolve(&raw, &mut problems));
        self.reading.problems.extend(problems);
        self.reading.places.extend(reading.places);
        inventory.filter(|_| !syntax)
    }

    fn scripts(&mut self, draft: &Draft, read: &mut dyn FnMut(&str) -> Result<SourceFile, String>) {
        for path in &draft.scripts {
            if self.checked.scripts.contains_key(&path.value) {
                continue;
            }
            let problem = |code, message: &str| Problem::new(code, path.place.clone(), message);
            match read(&path.value) {
                Ok(source) if source.text.len() > FILE_BYTES_MAX => {
                    let message = format!("the script `{}` is longer than 1 MiB", path.value);
                    self.push(problem(Code::Limit, &message).help("copy it to the hosts before"));
                }
                Ok(source) => {
                    self.checked.scripts.insert(path.value.clone(), source.text.clone());
                    self.checked.sources.insert(source.name.clone(), source);
                }
                Err(reason) => {
                    let message = format!("the script `{}` cannot be read: {reason}", path.value);
                    let help = "the path counts from the folder of the runbook";
                    self.push(problem(Code::UnreadableFile, &message).help(help));
                }
            }
        }
    }

    /// Puts the certificates of authorities where they are used.
    fn certificates(
        &mut self,
        draft: &mut Draft,
        read: &mut dyn FnMut(&str) -> Result<SourceFile, String>,
    ) {
        let mut known: BTreeMap<String, String> = BTreeMap::new();
        for path in std::mem::take(&mut self.reading.certificates) {
            if known.contains_key(&path.value) {
                continue;
            }
            let problem = |code, message: &str| Problem::new(code, path.place.clone(), message);
            match read(&path.value) {
                Ok(source) => {
                    let message = if source.text.len() > FILE_BYTES_MAX {
                        Some(format!("the file `{}` is longer than 1 MiB", path.value))
                    } else if source.text.contains("PRIVATE KEY") {
                        Some(format!(
                            "`{}` holds a private key, and the record keeps it",
                            path.value
                        ))
                    } else if !source.text.contains("-----BEGIN CERTIFICATE-----") {
                        Some(format!("`{}` holds no certificate", path.value))
                    } else {
                        None
                    };
                    if let Some(message) = message {
                        let help =
                            "give the certificates of the authority as PEM, and nothing else";
                        self.push(problem(Code::BadValue, &message).help(help));
                    }
                    known.insert(path.value.clone(), source.text.clone());
                    self.checked.sources.insert(source.name.clone(), source);
                }
                Err(reason) => {
                    let message = format!("the file `{}` cannot be read: {reason}", path.value);
                    let help = "the path counts from the folder of the runbook";
                    self.push(problem(Code::UnreadableFile, &message).help(help));
                }
            }
        }
        let runbook = &mut draft.runbook;
        let asked = runbook.probes.iter_mut().filter_map(|probe| probe.source.asked_mut());
        let phases = runbook.phases.iter_mut().flat_map(|phase| &mut phase.steps);
        let back = runbook.rollback.before.iter_mut().chain(&mut runbook.rollback.after);
        let playbooks = runbook.playbooks.iter_mut().flat_map(|playbook| &mut playbook.steps);
        let steps = phases.chain(back).chain(playbooks).flat_map(super::model::Step::http_mut);
        let asks = asked.map(|(_, ask)| ask).chain(steps.map(|http| &mut http.ask));
        let channels = runbook.channels.iter_mut().filter_map(|channel| channel.ca.as_mut());
        for ca in asks.filter_map(|ask| ask.ca.as_mut()).chain(channels) {
            ca.pem = known.get(&ca.file).cloned().unwrap_or_default();
        }
    }

    fn finish(self, mut draft: Draft) -> Checked {
        let Self { reading, mut checked, .. } = self;
        let mut problems = reading.problems;
        for problem in &mut problems {
            draft.series.say(problem);
        }
        checked.problems = sorted(problems, &reading.source.name);
        checked.places = reading.places;
        if let InventorySource::Inline(inventory) = &mut draft.runbook.inventory {
            inventory.clone_from(&checked.inventory);
        }
        let failed = checked.errors().next().is_some();
        checked.runbook = (!failed).then_some(draft.runbook);
        checked
    }
}
