//! Answers given in advance, for gates and for work in a person's hands.

use crate::base::{SafeText, StepId};

/// What a person has said in advance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Answer {
    /// GO; with a reason also where a criterion does not hold.
    Go(Option<SafeText>),
    /// NO-GO, and why.
    NoGo(SafeText),
    /// A manual step is done; the words of the sign-off.
    Done(SafeText),
}

/// Reads `ID=go`, `ID=go:"reason"`, `ID=no-go:"reason"` or `ID=done:"words"`; quotes around the
/// words may be left out.
pub(in crate::cli) fn answer(text: &str) -> Result<(StepId, Answer), String> {
    let (step, said) = text.split_once('=').ok_or("write it as ID=ANSWER")?;
    let step: StepId = step.parse().map_err(|error| format!("{error}"))?;
    let (word, words) = said.split_once(':').unwrap_or((said, ""));
    let words = words.trim();
    let bare = words.strip_prefix('"').and_then(|it| it.strip_suffix('"')).unwrap_or(words);
    let words = SafeText::new(bare.trim());
    let said_why = !words.as_str().is_empty();
    let answer = match (word, said_why) {
        ("go", _) => Answer::Go(said_why.then_some(words)),
        ("no-go", true) => Answer::NoGo(words),
        ("no-go", false) => return Err(format!("a NO-GO needs a reason: {step}=no-go:\"why\"")),
        ("done", true) => Answer::Done(words),
        ("done", false) => {
            return Err(format!("a sign-off needs words: {step}=done:\"what was done and seen\""));
        }
        _ => return Err("the answer is `go`, `no-go` or `done`".to_owned()),
    };
    Ok((step, answer))
}

#[cfg(test)]
mod tests {
    use super::{Answer, answer};

    #[test]
    fn answers_read() {
        let id = |name: &str| name.parse().unwrap();
        assert_eq!(answer("g=go"), Ok((id("g"), Answer::Go(None))));
        let why = Some("all green: 4/4".into());
        assert_eq!(answer("g=go:\"all green: 4/4\""), Ok((id("g"), Answer::Go(why))));
        assert_eq!(answer("g=no-go:p99"), Ok((id("g"), Answer::NoGo("p99".into()))));
        assert_eq!(answer("m=done:seen"), Ok((id("m"), Answer::Done("seen".into()))));
        for bad in ["g", "g=", "g=maybe", "g=no-go", "m=done", "m=done:\"\"", "-=go"] {
            assert!(answer(bad).is_err(), "{bad}");
        }
    }
}
