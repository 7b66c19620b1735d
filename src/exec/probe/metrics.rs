//! Pages of metrics, as exporters serve them: the text formats of Prometheus and `OpenMetrics`. Pure.
//!
//! Strict: one line that is none makes the page none. What was cut off or garbled on the way is not
//! searched for a number.

use std::collections::BTreeMap;

/// What is asked for.
pub(super) const ACCEPT: &str =
    "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";

/// Longer lines are not read.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// Whether a page of this type is `OpenMetrics`, which says where it ends.
pub(super) fn is_open(kind: &str) -> bool {
    kind.trim_start().starts_with("application/openmetrics-text")
}

/// The value of the one sample of `name` with `labels`; it may have others.
///
/// # Errors
/// There is not exactly one, or the page is none.
pub(super) fn value(
    page: &[u8],
    name: &str,
    labels: &BTreeMap<String, String>,
    open: bool,
) -> Result<f64, String> {
    let page = std::str::from_utf8(page).map_err(|_| "the page is no UTF-8 text".to_owned())?;
    let (mut found, mut count, mut of_name, mut ended) = (None, 0_usize, 0_usize, false);
    for (number, line) in page.split('\n').enumerate() {
        let bad = |why: &str| format!("line {} of the page is no metric: {why}", number + 1);
        if line.len() > LINE_BYTES_MAX {
            return Err(bad("it is too long"));
        }
        if ended && !line.is_empty() {
            return Err(bad("it stands behind the end"));
        }
        if let Some(comment) = line.strip_prefix('#') {
            ended = open && comment.trim() == "EOF";
            continue;
        }
        if line.trim().is_empty() {
            continue;
        }
        let sample = sample(line).map_err(bad)?;
        if sample.name != name {
            continue;
        }
        of_name += 1;
        let has = |(label, value): (&String, &String)| {
            sample.labels.iter().any(|(own, is)| own == label && is == value)
        };
        if labels.iter().all(has) {
            count += 1;
            found = Some(sample.value);
        }
    }
    if open && !ended {
        return Err("the page was cut: it has no `# EOF`".to_owned());
    }
    match (found, count) {
        (Some(value), 1) => Ok(value),
        (Some(_), many) => Err(format!("{many} samples of {name} match: give more labels")),
        (None, _) if of_name == 0 => Err(format!("the page has no {name}")),
        (None, _) => Err(format!("none of {of_name} samples of {name} has these labels")),
    }
}

/// A number as it stands in these formats, and in answers of Prometheus.
pub(super) fn number(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "+Inf" | "Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        _ => {
            let plain = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
            text.chars().all(plain).then(|| text.parse().ok()).flatten()
        }
    }
}

struct Sample<'p> {
    name: &'p str,
    labels: Vec<(&'p str, String)>,
    value: f64,
}

fn sample(line: &str) -> Result<Sample<'_>, &'static str> {
    let (name, rest) = name(line, true).ok_or("it does not begin with a name")?;
    let mut rest = rest.trim_start_matches([' ', '\t']);
    let mut labels = Vec::new();
    if let Some(inside) = rest.strip_prefix('{') {
        (labels, rest) = self::labels(inside)?;
    }
    // An exemplar is of no interest, but a line may have one.
    let (rest, exemplar) = match rest.split_once(" # ") {
        Some((rest, exemplar)) => (rest, Some(exemplar)),
        None => (rest, None),
    };
    if exemplar.is_some_and(|exemplar| !exemplar.starts_with('{')) {
        return Err("what follows `#` is no exemplar");
    }
    let mut words = rest.split([' ', '\t']).filter(|word| !word.is_empty());
    let value = words.next().and_then(number).ok_or("its value is no number")?;
    if let Some(time) = words.next()
        && !number(time).is_some_and(f64::is_finite)
    {
        return Err("its time is no number");
    }
    if words.next().is_some() {
        return Err("it goes on behind its time");
    }
    Ok(Sample { name, labels, value })
}

/// A name at the start of `text`, and the rest.
fn name(text: &str, colon: bool) -> Option<(&str, &str)> {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_' || colon && c == ':';
    let end = text.find(|c: char| !part(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let good = name.starts_with(|c: char| !c.is_ascii_digit());
    good.then_some((name, rest))
}

type Labels<'p> = Vec<(&'p str, String)>;

/// Labels up to the closing brace, and what is behind it.
fn labels(mut rest: &str) -> Result<(Labels<'_>, &str), &'static str> {
    let blank = [' ', '\t'];
    let mut labels: Labels<'_> = Vec::new();
    loop {
        rest = rest.trim_start_matches(blank);
        if let Some(behind) = rest.strip_prefix('}') {
            return Ok((labels, behind));
        }
        let (label, behind) = name(rest, false).ok_or("a label has no name")?;
        let behind = behind.trim_start_matches(blank).strip_prefix('=');
        let behind = behind.ok_or("a label has no `=`")?.trim_start_matches(blank);
        let behind = behind.strip_prefix('"').ok_or("the value of a label is not quoted")?;
        let (value, behind) = quoted(behind)?;
        if labels.iter().any(|(other, _)| *other == label) {
            return Err("a label stands there twice");
        }
        labels.push((label, value));
        rest = behind.trim_start_matches(blank);
        match rest.strip_prefix(',') {
            Some(behind) => rest = behind,
            None if rest.starts_with('}') => {}
            None => return Err("the labels do not end"),
        }
    }
}

/// A text up to its closing quote, and what is behind it.
fn quoted(text: &str) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let mut chars = text.chars();
    loop {
        match chars.next().ok_or("the value of a label does not end")? {
            '"' => return Ok((value, chars.as_str())),
            '\\' => value.push(match chars.next() {
                Some('n') => '\n',
                Some(c @ ('\\' | '"')) => c,
                Some(_) | None => return Err("the value of a label has an unknown escape"),
            }),
            c => value.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::{is_open, number, sample, value};

    const PAGE: &str = r#"# HELP node_load1 1m load average.
# TYPE node_load1 gauge
node_load1 0.42
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{method="post",code="400",} 3 1395066363000
# A comment between.
path{p="C:\\DIR\\FILE.TXT",e="Cannot find \"file\"\n"} 1.458255915e9
no_time_no_help 12.47
something_weird{problem="division by zero"} +Inf -3982045
spaced { a = "1" , b="}" }   7	5
gone NaN
"#;

    fn labels(of: &[(&str, &str)]) -> BTreeMap<String, String> {
        of.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn of(name: &str, with: &[(&str, &str)]) -> Result<f64, String> {
        value(PAGE.as_bytes(), name, &labels(with), false)
    }

    #[test]
    fn the_one_sample_that_is_meant_is_found() {
        assert_eq!(of("node_load1", &[]), Ok(0.42));
        assert_eq!(of("http_requests_total", &[("code", "400")]), Ok(3.0));
        assert_eq!(of("path", &[("e", "Cannot find \"file\"\n")]), Ok(1.458_255_915e9));
        assert_eq!(of("something_weird", &[]), Ok(f64::INFINITY));
        assert_eq!(of("spaced", &[("b", "}")]), Ok(7.0));
        assert!(of("gone", &[]).unwrap().is_nan());
        let why = |name, with: &[(&str, &str)]| of(name, with).unwrap_err();
        assert_eq!(why("nothing", &[]), "the page has no nothing");
        assert!(why("http_requests_total", &[]).starts_with("2 samples of"));
        assert!(why("node_load1", &[("a", "b")]).contains("has these labels"));
    }

    #[test]
    fn a_page_that_is_cut_or_garbled_is_none() {
        let none = BTreeMap::new();
        let page = |text: &str, open| value(text.as_bytes(), "a", &none, open);
        assert_eq!(page("a 1 # {trace=\"x\"} 0.5\n# EOF\n", true), Ok(1.0));
        assert!(page("a 1\n", true).unwrap_err().contains("# EOF"));
        assert!(page("a 1\n# EOF\nb 1\n", true).unwrap_err().contains("behind the end"));
        for bad in [
            "<html>",
            "a",
            "a b",
            "a 1 2 3",
            "a 1 x",
            "a{b=\"c\" 1",
            "a{b=c} 1",
            "a{b=\"c} 1",
            "a{b=\"\\x\"} 1",
            "a{b=\"1\",b=\"2\"} 1",
            "a{b=\"1\" c=\"2\"} 1",
            "a 0x10",
            "a inf",
            "a 1 # x",
            "1a 1",
            "a 1\r",
        ] {
            let why = page(&format!("b 1\n{bad}\n"), false).unwrap_err();
            assert!(why.starts_with("line 2 of the page is no metric"), "{bad}: {why}");
        }
        assert!(value(b"\xff", "a", &none, false).unwrap_err().contains("UTF-8"));
        let long = format!("a{{b=\"{}\"}} 1", "x".repeat(70_000));
        assert!(page(&long, false).unwrap_err().contains("too long"));
        assert!(is_open("application/openmetrics-text; version=1.0.0; charset=utf-8"));
        assert!(!is_open("text/plain; version=0.0.4"));
        assert_eq!((number("1e3"), number("infinity"), number("")), (Some(1000.0), None, None));
    }

    proptest! {
        #[test]
        fn no_page_is_too_much(text in "\\PC*", bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let none = BTreeMap::new();
            for open in [true, false] {
                value(text.as_bytes(), "a", &none, open).ok();
                value(&bytes, "a", &none, open).ok();
            }
            sample(&text).map(|sample| sample.value).ok();
            let shaped = format!("a{{b=\"{text}\"}} 1");
            sample(&shaped).map(|sample| sample.value).ok();
        }

        #[test]
        fn what_an_exporter_writes_is_read(
            samples in proptest::collection::btree_map(
                ("[a-z_:][a-z0-9_:]{0,6}", "[^\r]{0,12}"), -1e12..1e12_f64, 1..8,
            )
        ) {
            let mut page = String::new();
            for ((name, label), number) in &samples {
                let label = label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
                writeln!(page, "{name}{{l=\"{label}\",other=\"x\"}} {number}").unwrap();
            }
            for ((name, label), number) in &samples {
                let with = labels(&[("l", label)]);
                prop_assert_eq!(value(page.as_bytes(), name, &with, false), Ok(*number));
            }
        }
    }
}
