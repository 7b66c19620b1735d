//! Problems of runbooks for people: the line itself, what is wrong with it, and the way out.

use std::collections::BTreeMap;
use std::fmt;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource};

use crate::base::{SafeText, cells};
use crate::runbook::{Problem, Severity, SourceFile, line_col};

use super::screen::Screen;

/// A longer line is not drawn whole.
const LINE_BYTES_DRAWN: usize = 2_000;
/// Of a line that is not drawn whole, so many characters before and after the place are.
const BESIDE: usize = 60;

/// So many problems are shown with their lines: nobody reads more before mending some.
const DRAWN_MAX: usize = 100;

/// Every text that a problem can point into, by name.
pub(super) type Sources = BTreeMap<String, SourceFile>;

/// A problem with the text that it points into.
struct Told<'a> {
    problem: &'a Problem,
    source: NamedSource<String>,
    others: Vec<Elsewhere>,
}

/// A remark at a place in another file.
#[derive(Debug)]
struct Elsewhere {
    text: String,
    span: std::ops::Range<usize>,
    source: NamedSource<String>,
}

impl fmt::Debug for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem.message)
    }
}

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Told<'_> {}
impl std::error::Error for Elsewhere {}

impl Diagnostic for Told<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(format!("{} {}", self.problem.code, self.problem.code.name())))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.problem.severity() {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.problem.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        if self.source.inner().is_empty() {
            return None; // A file that cannot be read has no line to show.
        }
        let main = &self.problem.at;
        let here = |label: &&crate::runbook::Label| label.place.source == main.place.source;
        let labels = std::iter::once(main).chain(self.problem.also.iter().filter(here));
        Some(Box::new(labels.map(|label| {
            let text = Some(label.text.clone()).filter(|text| !text.is_empty());
            LabeledSpan::new_with_span(text, label.place.span())
        })))
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        let others = self.others.iter().map(|other| other as &dyn Diagnostic);
        (!self.others.is_empty()).then(|| Box::new(others) as Box<dyn Iterator<Item = _>>)
    }
}

impl Diagnostic for Elsewhere {
    fn severity(&self) -> Option<miette::Severity> {
        Some(miette::Severity::Advice)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = LabeledSpan::new_with_span(Some(self.text.clone()), self.span.clone());
        Some(Box::new(std::iter::once(label)))
    }
}

/// All problems: the first with their lines, what follows many of them with a line each.
pub(super) fn report_all(
    screen: Screen,
    problems: &[&Problem],
    sources: &Sources,
    color: bool,
) -> Vec<String> {
    let one = |(nth, problem): (usize, &&Problem)| {
        if nth < DRAWN_MAX {
            report(screen, problem, sources, color)
        } else {
            one_line(problem, sources) + "\n"
        }
    };
    problems.iter().enumerate().map(one).collect()
}

/// One problem, with its lines.
fn report(screen: Screen, problem: &Problem, sources: &Sources, color: bool) -> String {
    if is_wide(problem, sources) {
        return beside(problem, sources);
    }
    let theme = match (screen.ascii, color) {
        (true, true) => GraphicalTheme::ascii(),
        (true, false) => GraphicalTheme {
            characters: GraphicalTheme::ascii().characters,
            ..GraphicalTheme::none()
        },
        (false, true) => GraphicalTheme::unicode(),
        (false, false) => GraphicalTheme::unicode_nocolor(),
    };
    let source = |name: &str| {
        let text = sources.get(name).map_or("", |source| source.text.as_str());
        NamedSource::new(SafeText::new(name).as_str(), safe_source(text))
    };
    let main = &problem.at.place.source;
    let elsewhere = problem.also.iter().filter(|label| label.place.source != *main);
    let others = elsewhere.map(|label| Elsewhere {
        text: if label.text.is_empty() { "see here".to_owned() } else { label.text.clone() },
        span: label.place.span(),
        source: source(&label.place.source),
    });
    let told = Told { problem, source: source(main), others: others.collect() };
    let mut text = String::new();
    let handler =
        GraphicalReportHandler::new_themed(theme).with_width(screen.width).with_links(false);
    if handler.render_report(&mut text, &told).is_err() {
        text = format!("{}\n", one_line(problem, sources));
    }
    text
}

/// One problem on one line: `file:line:col: error G014 undefined-variable: …`.
pub(super) fn one_line(problem: &Problem, sources: &Sources) -> String {
    let place = &problem.at.place;
    let text = sources.get(&place.source).map_or("", |source| source.text.as_str());
    let (line, column) = line_col(text, place.start);
    let (word, name) = (problem.severity().word(), problem.code.name());
    let (file, code) = (SafeText::new(&place.source), problem.code);
    format!("{file}:{line}:{column}: {word} {code} {name}: {}", problem.message)
}

/// Whether a line that would be shown is too wide to be drawn with marks under it.
fn is_wide(problem: &Problem, sources: &Sources) -> bool {
    let labels = std::iter::once(&problem.at).chain(&problem.also);
    labels.map(|label| &label.place).any(|place| {
        let text = sources.get(&place.source).map_or("", |source| source.text.as_str());
        let (from, _) = line_col(text, place.start);
        let (to, _) = line_col(text, place.end);
        let shown = text.split('\n').skip(from.saturating_sub(2)).take(to + 3 - from.min(to));
        shown.into_iter().any(|line| line.len() > LINE_BYTES_DRAWN)
    })
}

/// The problem with what stands right beside its place, for lines that nobody can draw.
fn beside(problem: &Problem, sources: &Sources) -> String {
    let place = &problem.at.place;
    let text = sources.get(&place.source).map_or("", |source| source.text.as_str());
    let start = text.floor_char_boundary(place.start);
    let (before, after) = text.split_at(start);
    let line = before.rsplit('\n').next().unwrap_or_default();
    let skipped = line.chars().count().saturating_sub(BESIDE);
    let before: String = line.chars().skip(skipped).collect();
    let after: String = after.chars().take_while(|c| *c != '\n').take(BESIDE).collect();
    let (before, after) = (safe_source(&before), safe_source(&after));
    let mark = " ".repeat(cells(&before));
    let mut said = format!("{}\n  {before}{after}\n  {mark}^ here\n", one_line(problem, sources));
    if let Some(help) = &problem.help {
        said.extend(["  help: ", help, "\n"]);
    }
    said
}

/// `text` with as many bytes, and none that acts on a terminal.
fn safe_source(text: &str) -> String {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\t')) {
        return text.to_owned(); // Most are; and a file may have thousands of problems.
    }
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        let mut buffer = [0; 4];
        let kept = matches!(c, '\n' | '\t')
            || SafeText::new(c.encode_utf8(&mut buffer)).as_str().starts_with(c);
        match c.len_utf8() {
            _ if kept => safe.push(c),
            1 => safe.push(if c == '\r' { ' ' } else { '?' }),
            2 => safe.push('·'),
            3 => safe.push('\u{fffd}'),
            _ => safe.push_str("··"),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::{Screen, Sources, one_line, report, safe_source};
    use crate::runbook::{Code, Problem, SourceFile};

    fn sources() -> Sources {
        let shop = SourceFile::new("shop.toml", "a = 1\non = \"web9\"\n");
        let hosts = SourceFile::new("hosts.toml", "[hosts.web1]\n");
        [shop, hosts].into_iter().map(|source| (source.name.clone(), source)).collect()
    }

    #[test]
    fn a_problem_shows_its_line_and_its_way_out() {
        let sources = sources();
        let place = sources["shop.toml"].place(&(11..17));
        let problem = Problem::new(Code::UnknownName, place, "there is no host `web9`")
            .label("not in the inventory")
            .also(sources["hosts.toml"].place(&(0..12)), "the hosts are here")
            .help("did you mean `web1`?");
        let line = "shop.toml:2:6: error G015 unknown-name: there is no host `web9`";
        assert_eq!(one_line(&problem, &sources), line);
        insta::assert_snapshot!(report(Screen::plain(), &problem, &sources, false));
    }

    #[test]
    fn a_line_of_any_width_is_told() {
        let text = format!("a = 1\nb = {}x\u{1b}[2J\n", "[".repeat(200_000));
        let wide = SourceFile::new("wide.toml", &text);
        let place = wide.place(&(200_009..200_011));
        let sources = [(wide.name.clone(), wide)].into();
        let problem = Problem::new(Code::UnknownName, place, "no").help("leave it out");
        let told = report(Screen::plain(), &problem, &sources, false);
        assert!(told.starts_with("wide.toml:2:200004: error G015 unknown-name: no\n"), "{told}");
        assert!(told.contains("[x?[2J\n") && told.ends_with("^ here\n  help: leave it out\n"));
        assert!(told.len() < 400, "{told}");
    }

    #[test]
    fn the_text_of_a_file_cannot_act() {
        let text = "a\u{1b}[2Jb\u{9b}c\u{202e}d\u{e0041}\te生\n";
        let safe = safe_source(text);
        assert_eq!(safe, "a?[2Jb·c\u{fffd}d··\te生\n");
        assert_eq!(safe.len(), text.len());
    }
}
