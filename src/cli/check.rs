//! `golive check`: every problem of every file at once.

use std::io::Read as _;
use std::path::Path;

use serde_json::{Value, json};

use crate::base::SafeText;
use crate::runbook::{
    Code, Label, Options, Problem, Severity, SourceFile, ansible_masked, check_inventory, line_col,
};
use crate::session::{Inputs, InputsError};

use super::args::{CheckArgs, CheckFormat, Deny};
use super::exit::Exit;
use super::input;
use super::message::Failure;
use super::problems::{Sources, report_all};
use super::screen::{Ink, Screen};

/// So much of a file is looked at to tell what it is; the loader takes less.
const LOOKED_AT: u64 = 8 << 20;

/// What is wrong with a set of files.
#[derive(Debug, Default)]
struct Found {
    files: Vec<String>,
    problems: Vec<Problem>,
    sources: Sources,
}

impl Found {
    fn count(&self, severity: Severity) -> usize {
        self.problems.iter().filter(|problem| problem.severity() == severity).count()
    }

    /// Takes what is wrong with one more file; the same problem of the same place only once, as
    /// two runbooks can share an inventory.
    fn add(&mut self, problems: Vec<Problem>, sources: Sources) {
        self.sources.extend(sources);
        for problem in problems {
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
        }
    }

    fn file(&mut self, path: &Path, options: &Options) {
        let name = path.display().to_string();
        self.files.push(name.clone());
        let mut text = String::new();
        let file = std::fs::File::open(path).map(|file| file.take(LOOKED_AT));
        file.and_then(|mut file| file.read_to_string(&mut text)).ok(); // Told below.
        if is_inventory(&text) {
            // What Ansible prints is full of things that are nobody's business; TOML is golive's own.
            let foreign = text.trim_start().starts_with('{');
            let shown = if foreign { ansible_masked(&text) } else { text };
            let source = SourceFile::new(&name, &shown);
            let (_, problems) = check_inventory(&source);
            self.add(problems, Sources::from([(name, source)]));
            return;
        }
        let (inputs, checked) = match Inputs::read(path, options) {
            Ok(read) => read,
            Err(error) => {
                let source = SourceFile::new(&name, "");
                let message = error.to_string();
                let problem = Problem::new(Code::UnreadableFile, source.place(&(0..0)), &message)
                    .help("give the path of a runbook or inventory that you may read");
                return self.add(vec![problem], Sources::from([(name, source)]));
            }
        };
        let mut problems = checked.problems.clone();
        if checked.runbook.is_some()
            && let Err(InputsError::Plan(why)) = inputs.plan(&checked)
        {
            let source = SourceFile::new(&name, &text);
            let place = source.place(&(0..0));
            problems
                .extend(why.lines().map(|why| Problem::new(Code::BadTemplate, place.clone(), why)));
        }
        self.add(problems, checked.sources);
    }
}

/// Whether a file holds an inventory and no runbook, by the keys at its top.
fn is_inventory(text: &str) -> bool {
    if text.trim_start().starts_with('{') {
        return true; // What `ansible-inventory` has printed.
    }
    let (mut hosts, mut runbook) = (false, false);
    for line in text.lines() {
        let line = line.trim_start();
        let key = line.trim_start_matches('[').trim_start();
        let key = key.split(['.', ']', '=', ' ', '\t']).next().unwrap_or_default();
        let table = line.starts_with('[');
        hosts |= table && matches!(key, "hosts" | "groups");
        runbook |= table && matches!(key, "runbook" | "phase" | "vars" | "probe" | "rollback");
        runbook |= key == "golive" && line.contains('=');
    }
    hosts && !runbook
}

/// Runs the command.
pub(super) fn run(screen: Screen, args: &CheckArgs) -> Result<Exit, Failure> {
    if let Some(code) = args.explain {
        let (name, word) = (code.name(), code.severity().word());
        return screen
            .text(&format!("{code} {name} ({word})\n\n{}\n", code.explain()))
            .map(|()| Exit::Done);
    }
    let options = input::options(&args.extra);
    let mut found = Found::default();
    for path in &args.files {
        found.file(path, &options);
    }
    let format = if args.json { CheckFormat::Json } else { args.format };
    match format {
        CheckFormat::Human => screen.text(&human(screen, &found))?,
        CheckFormat::Json => screen.data(&pretty(&as_json(&found)))?,
        CheckFormat::Github => screen.data(&github(&found))?,
        CheckFormat::Sarif => screen.data(&pretty(&sarif(&found)))?,
    }
    let (errors, warnings) = (found.count(Severity::Error), found.count(Severity::Warning));
    let denied = args.deny == Some(Deny::Warnings) && warnings > 0;
    if format == CheckFormat::Human {
        screen.say(&summary(screen, &found, denied));
    }
    Ok(if errors > 0 || denied { Exit::Invalid } else { Exit::Done })
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn human(screen: Screen, found: &Found) -> String {
    report_all(screen, &found.problems.iter().collect::<Vec<_>>(), &found.sources, screen.color)
        .join("\n")
}

fn summary(screen: Screen, found: &Found, denied: bool) -> String {
    let (errors, warnings) = (found.count(Severity::Error), found.count(Severity::Warning));
    let files = match found.files.as_slice() {
        [one] => SafeText::new(one).to_string(),
        many => format!("{} files", many.len()),
    };
    if errors + warnings == 0 {
        return format!("{files}: {}", screen.error_ink(Ink::Green, "nothing to complain about"));
    }
    let plural = |count: usize, word: &str| match count {
        1 => format!("1 {word}"),
        _ => format!("{count} {word}s"),
    };
    let ink = if errors > 0 || denied { Ink::Red } else { Ink::Yellow };
    let counts = format!("{}, {}", plural(errors, "error"), plural(warnings, "warning"));
    let mut text = format!("{files}: {}", screen.error_ink(ink, &counts));
    if denied && errors == 0 {
        text.push_str(" (--deny warnings)");
    }
    let first = found.problems.iter().find(|problem| problem.is_error());
    if let Some(first) = first.or(found.problems.first()) {
        text.extend([format!("\n`golive check --explain {}` says more", first.code)]);
    }
    text
}

/// Line and column, from 1, of both ends of a label.
fn ends(label: &Label, sources: &Sources) -> [usize; 4] {
    let text = sources.get(&label.place.source).map_or("", |source| source.text.as_str());
    let (line, column) = line_col(text, label.place.start);
    let (end_line, end_column) = line_col(text, label.place.end);
    [line, column, end_line, end_column]
}

fn label_json(label: &Label, sources: &Sources) -> Value {
    let [line, column, end_line, end_column] = ends(label, sources);
    json!({
        "file": label.place.source, "line": line, "column": column,
        "end_line": end_line, "end_column": end_column, "text": label.text,
    })
}

fn as_json(found: &Found) -> Value {
    let problems = found.problems.iter().map(|problem| {
        let [line, column, end_line, end_column] = ends(&problem.at, &found.sources);
        let file = &problem.at.place.source;
        let text = found.sources.get(file).map_or("", |source| source.text.as_str());
        let also = problem.also.iter().map(|label| label_json(label, &found.sources));
        json!({
            "code": problem.code.to_string(),
            "name": problem.code.name(),
            "severity": problem.severity().word(),
            "message": problem.message,
            "file": file, "line": line, "column": column,
            "end_line": end_line, "end_column": end_column,
            "source": text.lines().nth(line - 1).unwrap_or_default(),
            "label": problem.at.text,
            "also": also.collect::<Vec<_>>(),
            "help": problem.help,
        })
    });
    json!({
        "schema": "golive.check/1",
        "files": found.files,
        "errors": found.count(Severity::Error),
        "warnings": found.count(Severity::Warning),
        "problems": problems.collect::<Vec<_>>(),
    })
}

/// Annotations as GitHub's workflow commands.
fn github(found: &Found) -> String {
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    let one = |problem: &Problem| {
        let [line, column, end_line, end_column] = ends(&problem.at, &found.sources);
        let (code, name) = (problem.code, problem.code.name());
        let mut message = problem.message.clone();
        if let Some(help) = &problem.help {
            message.extend([format!("\nhelp: {help}")]);
        }
        // GitHub takes columns only where both ends are on one line.
        let columns = if line == end_line {
            format!(",col={column},endColumn={end_column}")
        } else {
            String::new()
        };
        format!(
            "::{} file={},line={line},endLine={end_line}{columns},title={code} {name}::{}\n",
            problem.severity().word(),
            property(&problem.at.place.source),
            data(&message),
        )
    };
    found.problems.iter().map(one).collect()
}

/// SARIF 2.1.0, for code scanning.
fn sarif(found: &Found) -> Value {
    let location = |label: &Label| {
        let [line, column, end_line, end_column] = ends(label, &found.sources);
        json!({
            "physicalLocation": {
                "artifactLocation": { "uri": label.place.source },
                "region": {
                    "startLine": line, "startColumn": column,
                    "endLine": end_line, "endColumn": end_column,
                },
            },
            "message": { "text": label.text },
        })
    };
    let rules = Code::ALL.iter().map(|code| {
        json!({
            "id": code.to_string(),
            "name": code.name(),
            "shortDescription": { "text": code.name() },
            "fullDescription": { "text": code.explain() },
            "defaultConfiguration": { "level": code.severity().word() },
        })
    });
    let results = found.problems.iter().map(|problem| {
        let mut text = problem.message.clone();
        if let Some(help) = &problem.help {
            text.extend([format!(" ({help})")]);
        }
        json!({
            "ruleId": problem.code.to_string(),
            "level": problem.severity().word(),
            "message": { "text": text },
            "locations": [location(&problem.at)],
            "relatedLocations": problem.also.iter().map(location).collect::<Vec<_>>(),
        })
    });
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "golive", "version": env!("CARGO_PKG_VERSION"),
                "rules": rules.collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": results.collect::<Vec<_>>(),
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::{Found, as_json, github, is_inventory, sarif};
    use crate::runbook::{Code, Problem, SourceFile};

    fn found() -> Found {
        let source = SourceFile::new("a,b.toml", "golive = 1\ntimout = 5\n");
        let problem = Problem::new(Code::UnknownKey, source.place(&(11..17)), "100 % unknown")
            .label("here")
            .help("did you mean `timeout`?");
        let mut found = Found::default();
        found.add(vec![problem.clone()], [(source.name.clone(), source)].into());
        found.add(vec![problem], super::Sources::new());
        found
    }

    #[test]
    fn annotations_are_escaped_and_told_once() {
        let line = "::error file=a%2Cb.toml,line=2,endLine=2,col=1,endColumn=7,\
                    title=G002 unknown-key::100 %25 unknown%0Ahelp: did you mean `timeout`?\n";
        assert_eq!(github(&found()), line);
    }

    #[test]
    fn documents_say_what_where_and_how() {
        let json = as_json(&found());
        assert_eq!(json["schema"], "golive.check/1");
        assert_eq!(json["problems"][0]["source"], "timout = 5");
        assert_eq!(json["problems"][0]["line"], 2);
        let sarif = sarif(&found());
        let region = &sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"];
        assert_eq!(region["startColumn"], 1);
        let rules = sarif["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
        assert_eq!(rules.len(), Code::ALL.len());
    }

    #[test]
    fn an_inventory_is_known_by_its_keys() {
        assert!(is_inventory("environment = \"staging\"\n[hosts.web1]\n"));
        assert!(is_inventory("[hosts]\nweb1 = {}\n"));
        assert!(is_inventory("{\"_meta\": {\"hostvars\": {}}}"));
        assert!(!is_inventory("golive = 1\n[hosts.web1]\n"));
        assert!(!is_inventory("[hosts.web1]\n[[phase]]\n"));
        assert!(!is_inventory("this is not TOML"));
    }
}
