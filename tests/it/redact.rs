//! The redactor: no form of a secret passes, wherever output is cut, and nothing else changes.

use std::fmt::Write as _;
use std::sync::Arc;

use golive::base::SecretName;
use golive::exec::{Needles, Redactor, redaction_mark};
use proptest::prelude::*;

/// Trials of each property; `GOLIVE_TESTS=long` asks for all of them.
fn trials() -> u32 {
    if std::env::var("GOLIVE_TESTS").is_ok_and(|which| which == "long") { 2_000 } else { 60 }
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: trials(), failure_persistence: None, ..ProptestConfig::default() }
}

fn name() -> SecretName {
    "db".parse().unwrap()
}

fn needles(values: &[&[u8]]) -> Option<Arc<Needles>> {
    let names: Vec<SecretName> =
        (0..values.len()).map(|number| format!("s{number}").parse().unwrap()).collect();
    Needles::new(names.iter().zip(values.iter().copied())).ok().map(Arc::new)
}

/// What comes out of a redactor that gets `bytes` in pieces of these lengths, again and again.
fn redacted(needles: &Arc<Needles>, bytes: &[u8], cuts: &[usize]) -> (Vec<u8>, Redactor) {
    let mut redactor = Redactor::new(needles);
    let (mut out, mut rest, mut cuts) = (Vec::new(), bytes, cuts.iter().cycle());
    while !rest.is_empty() {
        let (piece, more) = rest.split_at((*cuts.next().unwrap()).clamp(1, rest.len()));
        out.extend_from_slice(&redactor.feed(piece));
        rest = more;
    }
    out.extend(redactor.finish());
    (out, redactor)
}

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

/// Bytes that a variable of a shell can hold, with many that have to be escaped somewhere.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        4 => b'a'..=b'z',
        2 => prop::sample::select(b" '\"\\$`!%+/&<>=\n\t\r\x1b\x7f".to_vec()),
        1 => 1..=255_u8,
    ];
    let text = "[a-zA-Z0-9é✓😀 '\"\\\\/]{6,40}".prop_map(String::into_bytes);
    prop_oneof![proptest::collection::vec(byte, 6..60), text]
        .prop_filter("blanks only", |value| !value.iter().all(u8::is_ascii_whitespace))
}

/// An encoder that knows nothing of ours: what programs do with a value.
fn encodings(value: &[u8]) -> Vec<Vec<u8>> {
    let text = String::from_utf8(value.to_vec()).ok();
    let mut all = vec![value.to_vec()];
    for before in 0..3 {
        for end in [&b""[..], b"x", b"\n"] {
            all.push(base64(&[&b"abc"[..before], value, end].concat()).into_bytes());
        }
    }
    all.push(
        all[1]
            .iter()
            .map(|c| {
                if *c == b'+' {
                    b'-'
                } else if *c == b'/' {
                    b'_'
                } else {
                    *c
                }
            })
            .collect(),
    );
    all.push(percent(value, "-_.~"));
    all.push(percent(value, "-_.!~*'()"));
    all.push(value.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect());
    if let Some(text) = text {
        let json = serde_json::to_string(&text).unwrap();
        all.push(json.clone().into_bytes());
        all.push(golive::journal::ascii(&json).into_bytes());
        all.push(shlex::try_quote(&text).unwrap().into_owned().into_bytes());
    }
    all.push(String::from_utf8_lossy(value).replace('\'', "'\\''").into_bytes());
    all
}

fn percent(value: &[u8], kept: &str) -> Vec<u8> {
    let mut text = String::new();
    for byte in value {
        let c = char::from(*byte);
        if c.is_ascii_alphanumeric() || (c.is_ascii() && kept.contains(c)) {
            text.push(c);
        } else {
            write!(text, "%{byte:02X}").unwrap();
        }
    }
    text.into_bytes()
}

fn base64(bytes: &[u8]) -> String {
    let letters: Vec<char> =
        ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['+', '/']).collect();
    let bits: Vec<u8> = bytes.iter().flat_map(|b| (0..8).rev().map(move |i| b >> i & 1)).collect();
    let mut text: String = bits
        .chunks(6)
        .map(|six| {
            let six = six.iter().chain(&[0; 6]).take(6);
            letters[usize::from(six.fold(0, |number, bit| number << 1 | bit))]
        })
        .collect();
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

/// Every text that means the value when the encoding is undone: what must not be left.
fn readable(value: &[u8], out: &[u8]) -> bool {
    let json = String::from_utf8_lossy(value).into_owned();
    let json = serde_json::to_string(&json).unwrap().into_bytes();
    let json = json[1..json.len() - 1].to_vec();
    let base = base64(value).into_bytes();
    let base = &base[..value.len() * 8 / 6];
    let hex: Vec<u8> = value.iter().flat_map(|b| format!("{b:02x}").into_bytes()).collect();
    [value, &json, &percent(value, "-_.~"), base, &hex].iter().any(|form| holds(out, form))
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_form_of_a_secret_passes(
        value in value(),
        which in any::<prop::sample::Index>(),
        before in "[ -~\n]{0,80}",
        after in "[ -~\n]{0,80}",
        cuts in proptest::collection::vec(1..40_usize, 1..6),
        twice in any::<bool>(),
    ) {
        let Some(needles) = needles(&[&value]) else { return Ok(()) };
        let all = encodings(&value);
        let form = which.get(&all);
        let once = [before.as_bytes(), form, after.as_bytes()].concat();
        let text = if twice { [&once[..], form].concat() } else { once };
        let (out, redactor) = redacted(&needles, &text, &cuts);
        prop_assert!(!readable(&value, &out), "{:?}", String::from_utf8_lossy(&out));
        // The form is gone, but for what it shares with its surroundings.
        prop_assert!(!holds(&out, form) || form.len() < 6, "{:?}", String::from_utf8_lossy(&out));
        prop_assert!(redactor.counts().values().sum::<u64>() >= 1);
        prop_assert_eq!(redactor.held(), 0);
        // Where output is cut makes no difference.
        let (whole, _) = redacted(&needles, &text, &[text.len().max(1)]);
        prop_assert_eq!(out, whole);
    }

    #[test]
    fn wrapped_base64_is_found(
        value in "[a-zA-Z0-9]{40,120}",
        before in "[a-z]{0,60}",
        width in prop::sample::select(vec![60_usize, 64, 76]),
        cuts in proptest::collection::vec(1..40_usize, 1..6),
    ) {
        let needles = needles(&[value.as_bytes()]).unwrap();
        let text = base64(format!("{before}{value} and more").as_bytes());
        let lines: Vec<_> = text.as_bytes().chunks(width).collect();
        let (out, _) = redacted(&needles, &lines.join(&b'\n'), &cuts);
        let kept: Vec<u8> = out.into_iter().filter(|byte| *byte != b'\n').collect();
        // At most the first characters, on a line of their own, and two that mix with the rest.
        let base = base64(value.as_bytes());
        for at in (0..base.len().saturating_sub(24)).filter(|_| before.len() % 3 == 0) {
            prop_assert!(!holds(&kept, &base.as_bytes()[at..at + 16]), "{at}");
        }
    }

    #[test]
    fn what_is_no_secret_passes_byte_for_byte(
        text in proptest::collection::vec(any::<u8>(), 0..400),
        values in proptest::collection::vec("[0-9a-f]{32}", 1..4),
        cuts in proptest::collection::vec(1..40_usize, 1..6),
    ) {
        let values: Vec<&[u8]> = values.iter().map(String::as_bytes).collect();
        let needles = needles(&values).unwrap();
        let (out, redactor) = redacted(&needles, &text, &cuts);
        prop_assert_eq!(out, text);
        prop_assert!(redactor.counts().is_empty());
    }

    #[test]
    fn only_beginnings_of_secrets_are_held_back(
        value in "[a-z]{6,20}",
        text in "[a-z\n]{0,200}",
    ) {
        let needles = needles(&[value.as_bytes()]).unwrap();
        let mut redactor = Redactor::new(&needles);
        for byte in text.bytes() {
            redactor.feed(&[byte]);
            // The longest is the hexadecimal form; ordinary text begins little of anything.
            prop_assert!(redactor.held() < value.len().max(8) * 2);
        }
        let before = redactor.held();
        redactor.feed(b"\n%\n");
        prop_assert!(redactor.held() <= 8, "{before}");
    }

    #[test]
    fn secrets_that_overlap_leave_no_end(
        one in "[ab]{6,12}",
        two in "[ab]{6,12}",
        text in "[abc]{0,200}",
        cuts in proptest::collection::vec(1..9_usize, 1..4),
    ) {
        let needles = needles(&[one.as_bytes(), two.as_bytes()]).unwrap();
        let (out, _) = redacted(&needles, text.as_bytes(), &cuts);
        prop_assert!(!holds(&out, one.as_bytes()) && !holds(&out, two.as_bytes()));
        // Each byte of the text is in the output, or is covered by a secret.
        let mut kept = vec![true; text.len()];
        for secret in [&one, &two] {
            for at in 0..text.len().saturating_sub(secret.len() - 1) {
                if text.as_bytes()[at..].starts_with(secret.as_bytes()) {
                    kept[at..at + secret.len()].fill(false);
                }
            }
        }
        let expected: String =
            text.chars().zip(&kept).filter(|(_, kept)| **kept).map(|(c, _)| c).collect();
        let mut shown = String::from_utf8(out).unwrap();
        for number in 0..2 {
            shown = shown.replace(&format!("‹redacted:s{number}›"), "");
        }
        prop_assert_eq!(shown, expected);
    }
}

#[test]
fn without_secrets_nothing_is_copied_and_nothing_waits() {
    let mut redactor = Redactor::new(&Arc::default());
    let bytes = b"anything";
    let passed = redactor.feed(bytes);
    assert!(matches!(passed, std::borrow::Cow::Borrowed(same) if std::ptr::eq(same, bytes)));
    assert_eq!((redactor.held(), redactor.finish()), (0, Vec::new()));
}

#[test]
fn a_value_of_several_lines_is_found_whole_and_line_by_line() {
    let key = "-----BEGIN KEY-----\nb3BlbnNzaC1r\nZXktdjEAAAAA\n-----END KEY-----";
    let needles = Arc::new(Needles::new([(&name(), key.as_bytes())]).unwrap());
    let mark = redaction_mark(&name());
    let text = format!("a {key} b\nline ZXktdjEAAAAA of it\n");
    let (out, redactor) = redacted(&needles, text.as_bytes(), &[7]);
    assert_eq!(String::from_utf8(out).unwrap(), format!("a {mark} b\nline {mark} of it\n"));
    assert_eq!(redactor.counts()[&name()], 2);
}

#[test]
fn the_first_half_of_a_secret_waits_for_the_second() {
    let needles = Arc::new(Needles::new([(&name(), &b"hunter2000"[..])]).unwrap());
    let mut redactor = Redactor::new(&needles);
    assert_eq!(&*redactor.feed(b"the word is hunter"), b"the word is ");
    assert_eq!(redactor.held(), 6);
    assert_eq!(&*redactor.feed(b""), b"");
    assert_eq!(String::from_utf8_lossy(&redactor.feed(b"2000 and hun")), "‹redacted:db› and ");
    assert_eq!(&*redactor.feed(b"dred"), b"hundre");
    assert_eq!(redactor.finish(), b"d");
}

#[test]
fn values_that_cannot_be_kept_out_are_refused_with_a_reason() {
    let why = |value: &[u8]| {
        let refused = Needles::new([(&name(), value)]).unwrap_err();
        refused[0].1.to_string()
    };
    for (value, reason) in [
        (&b""[..], "is empty"),
        (b" \n ", "is empty"),
        (b"short", "has 5 bytes: at least 6"),
        (b"null\0byte", "NUL"),
        (b"redacted", "own mark"),
        ("bytes of ‹".as_bytes(), "own mark"),
        ("x".repeat(16 * 1024 + 1).as_bytes(), "the limit is 16384"),
    ] {
        assert!(why(value).contains(reason), "{}", why(value));
    }
}

#[test]
fn a_long_value_costs_no_more_than_it_must() {
    let value: Vec<u8> =
        (0..16 * 1024_u32).map(|n| b'!' + u8::try_from(n * n % 89).unwrap()).collect();
    let needles = Arc::new(Needles::new([(&name(), value.as_slice())]).unwrap());
    let text = [&b"x\n".repeat(50_000)[..], &value, b"\nend\n"].concat();
    let (out, redactor) = redacted(&needles, &text, &[32 * 1024, 1000]);
    assert!(out.ends_with("x\n‹redacted:db›\nend\n".as_bytes()));
    assert_eq!(redactor.counts()[&name()], 1);
}
