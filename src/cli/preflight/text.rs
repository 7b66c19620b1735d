//! A preflight for people: what is well in one line a place, what is not in full.

use crate::base::{SafeText, cells};
use crate::cli::screen::{Ink, Screen};
use crate::exec::preflight::{Area, Finding, Level};
use crate::plan::Plan;

use super::Report;

/// Columns of the word before a line.
const WORD: usize = 7;
/// Names of places are cut no further, and line up up to here.
const PLACE: usize = 16;

/// All of it, and the judgement last: it is what is left on screen.
pub(super) fn text(screen: Screen, plan: &Plan, report: &Report) -> String {
    let heading = format!("Preflight of {} · plan {}", plan.title, plan.digest.short());
    let mut lines = vec![screen.ink(Ink::Bold, &heading)];
    let areas = [
        (Area::Here, "This machine"),
        (Area::Host, "Hosts"),
        (Area::Probe, "Probes"),
        (Area::Channel, "Channels"),
    ];
    for (area, title) in areas {
        let found: Vec<_> = report.findings.iter().filter(|it| it.area == area).collect();
        if found.is_empty() {
            continue;
        }
        lines.push(String::new());
        lines.push(screen.ink(Ink::Bold, title));
        for place in found.chunk_by(|a, b| a.place == b.place) {
            lines.extend(self::place(screen, area, place));
        }
    }
    lines.push(String::new());
    lines.push(judgement(screen, report));
    let mut text = lines.join("\n");
    text.push('\n');
    text
}

/// The lines of one place: where all is well on a host, one says so.
fn place(screen: Screen, area: Area, found: &[&Finding]) -> Vec<String> {
    let well: Vec<_> = found.iter().filter(|finding| finding.level == Level::Ok).collect();
    let is_host = area == Area::Host && screen.verbose == 0;
    let mut lines = Vec::new();
    if is_host && let Some(first) = well.first() {
        let words: Vec<_> = well.iter().map(|finding| finding.words.as_str()).collect();
        lines.extend(line(screen, first, &words.join("; ")));
    }
    for finding in found.iter().filter(|finding| !is_host || finding.level != Level::Ok) {
        lines.extend(line(screen, finding, finding.words.as_str()));
        if let Some(fix) = &finding.fix {
            let indent = indent(&finding.place);
            for (number, part) in wrap(fix.as_str(), screen.width, indent + 5).iter().enumerate() {
                let head = if number == 0 { "fix: " } else { "     " };
                let text = screen.ink(Ink::Cyan, &format!("{head}{part}"));
                lines.push(format!("{}{text}", " ".repeat(indent)));
            }
        }
    }
    lines
}

fn line(screen: Screen, finding: &Finding, words: &str) -> Vec<String> {
    let ink = match finding.level {
        Level::Ok => Ink::Green,
        Level::Warning | Level::Unknown => Ink::Yellow,
        Level::Failed => Ink::Red,
    };
    let word = finding.level.word();
    let (word, gap) = (screen.ink(ink, word), " ".repeat(WORD.saturating_sub(cells(word))));
    let place = &finding.place;
    let pad = " ".repeat(PLACE.saturating_sub(cells(place.as_str())));
    let indent = indent(place);
    let parts = wrap(words, screen.width, indent);
    let line = |(number, part): (usize, &String)| {
        if number == 0 {
            format!("  {word}{gap}  {place}{pad}  {part}")
        } else {
            format!("{}{part}", " ".repeat(indent))
        }
    };
    parts.iter().enumerate().map(line).collect()
}

/// Columns before the words of a line.
fn indent(place: &SafeText) -> usize {
    2 + WORD + 2 + PLACE.max(cells(place.as_str())) + 2
}

/// `text` in lines that fit behind `indent` columns; a word that is too long stays whole, so that
/// it can be copied.
fn wrap(text: &str, width: usize, indent: usize) -> Vec<String> {
    let room = width.saturating_sub(indent).max(20);
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(last) = lines.last_mut() else { break };
        if last.is_empty() {
            last.push_str(word);
        } else if cells(last) + 1 + cells(word) <= room {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

fn judgement(screen: Screen, report: &Report) -> String {
    let levels = [Level::Failed, Level::Unknown, Level::Warning, Level::Ok];
    let counts = levels.into_iter().filter_map(|level| {
        let count = report.count(level);
        let more = if level == Level::Warning && count > 1 { "s" } else { "" };
        (count > 0).then(|| format!("{count} {}{more}", level.word()))
    });
    let counts = counts.collect::<Vec<_>>().join(", ");
    let (ink, words) = if !report.passed() {
        (Ink::Red, "NOT READY: what FAILED has to be put right before the night")
    } else if report.count(Level::Unknown) > 0 {
        (Ink::Yellow, "nothing failed, and what is unknown is not proved")
    } else {
        (Ink::Green, "ready, as far as it can be proved")
    };
    format!("{counts}: {}", screen.ink(ink, words))
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn long_words_stay_whole() {
        assert_eq!(wrap("a bb ccc", 26, 6), ["a bb ccc"]);
        let key = "SHA256:0123456789012345678901234567890123456789012";
        assert_eq!(wrap(&format!("key {key} x"), 26, 6), ["key", key, "x"]);
    }
}
