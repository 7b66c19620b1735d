//! Answers given in advance, for gates and for work in a person's hands.

use crate::base::{Millis, RoleId, SafeText, StepId};
use crate::engine::{Choice, Criterion};

/// What a person has said in advance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Answer {
    /// GO; with a reason also where a criterion does not hold.
    Go(Option<SafeText>),
    /// NO-GO, and why.
    NoGo(SafeText),
    /// A manual step is done; the words of the sign-off.
    Done(SafeText),
    /// What somebody of a role said.
    Of(Word),
}

/// The word of somebody of a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Word {
    /// The role.
    pub role: RoleId,
    /// Who; none is the only one of the role.
    pub person: Option<SafeText>,
    /// GO or NO-GO at a gate; none agrees that a step starts.
    pub choice: Option<Choice>,
    /// In their words.
    pub words: SafeText,
}

/// A criterion that is waived in advance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Waive {
    /// The gate.
    pub step: StepId,
    /// The criterion.
    pub criterion: Criterion,
    /// For how long.
    pub lasts: Millis,
    /// Why.
    pub reason: SafeText,
}

/// Reads `ID=go`, `ID=go:"reason"`, `ID=no-go:"reason"`, `ID=done:"words"`, and with
/// `ID@ROLE` or `ID@ROLE/PERSON` in front what somebody of a role says: `go`, `no-go:"why"`, or
/// `agree`. Quotes around the words may be left out.
pub(in crate::cli) fn answer(text: &str) -> Result<(StepId, Answer), String> {
    let (subject, said) = text.split_once('=').ok_or("write it as ID=ANSWER")?;
    let (step, of) = match subject.split_once('@') {
        Some((step, of)) => (step, Some(of)),
        None => (subject, None),
    };
    let step: StepId = step.parse().map_err(|error| format!("{error}"))?;
    let (word, words) = said.split_once(':').unwrap_or((said, ""));
    let words = bare(words);
    let said_why = !words.as_str().is_empty();
    if word == "no-go" && !said_why {
        return Err(format!("a NO-GO needs a reason: {subject}=no-go:\"why\""));
    }
    if let Some(of) = of {
        let (role, person) = match of.split_once('/') {
            Some((role, person)) => (role, Some(SafeText::new(person.trim()))),
            None => (of, None),
        };
        let role = role.parse().map_err(|error| format!("{error}"))?;
        let choice = match word {
            "go" => Some(Choice::Go),
            "no-go" => Some(Choice::NoGo),
            "agree" => None,
            _ => return Err("a role says `go`, `no-go` or `agree`".to_owned()),
        };
        return Ok((step, Answer::Of(Word { role, person, choice, words })));
    }
    let answer = match (word, said_why) {
        ("go", _) => Answer::Go(said_why.then_some(words)),
        ("no-go", _) => Answer::NoGo(words),
        ("done", true) => Answer::Done(words),
        ("done", false) => {
            return Err(format!("a sign-off needs words: {step}=done:\"what was done and seen\""));
        }
        _ => return Err("the answer is `go`, `no-go` or `done`".to_owned()),
    };
    Ok((step, answer))
}

/// Reads `GATE:CRITERION=30m:"reason"`; the criterion is a probe, `margin` or `rollback_ready`.
pub(in crate::cli) fn waive(text: &str) -> Result<Waive, String> {
    let how = "write it as GATE:CRITERION=30m:\"reason\"";
    let (subject, said) = text.split_once('=').ok_or(how)?;
    let (step, criterion) = subject.split_once(':').ok_or(how)?;
    let (lasts, reason) = said.split_once(':').ok_or(how)?;
    let criterion = match criterion {
        "margin" => Criterion::Margin,
        "rollback_ready" => Criterion::RollbackReady,
        probe => Criterion::Probe(probe.parse().map_err(|error| format!("{error}"))?),
    };
    let reason = bare(reason);
    if reason.as_str().is_empty() {
        return Err(format!("a waiver needs a reason: {how}"));
    }
    Ok(Waive {
        step: step.parse().map_err(|error| format!("{error}"))?,
        criterion,
        lasts: lasts.parse().map_err(|error| format!("{error}"))?,
        reason,
    })
}

/// Words without the quotes around them.
fn bare(words: &str) -> SafeText {
    let words = words.trim();
    let bare = words.strip_prefix('"').and_then(|it| it.strip_suffix('"')).unwrap_or(words);
    SafeText::new(bare.trim())
}

#[cfg(test)]
mod tests {
    use super::{Answer, Word, answer, waive};
    use crate::engine::{Choice, Criterion};

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

    #[test]
    fn the_words_of_roles_and_waivers_read() {
        let word = |person: Option<&str>, choice, words: &str| {
            let person = person.map(Into::into);
            Answer::Of(Word { role: "dba".parse().unwrap(), person, choice, words: words.into() })
        };
        let read = |text| answer(text).unwrap().1;
        assert_eq!(read("g@dba=go"), word(None, Some(Choice::Go), ""));
        let ana = word(Some("Ana Souza"), Some(Choice::NoGo), "lag");
        assert_eq!(read("g@dba/Ana Souza=no-go:\"lag\""), ana);
        assert_eq!(read("s.1@dba=agree:yes"), word(None, None, "yes"));
        for bad in ["g@=go", "g@dba=done:x", "g@dba=no-go", "g@dba"] {
            assert!(answer(bad).is_err(), "{bad}");
        }
        let waived = waive("g:p99=30m:\"the vendor: asked\"").unwrap();
        assert_eq!(waived.criterion, Criterion::Probe("p99".parse().unwrap()));
        assert_eq!((waived.lasts.as_secs(), waived.reason.as_str()), (1800, "the vendor: asked"));
        assert_eq!(waive("g:margin=1h:why").unwrap().criterion, Criterion::Margin);
        for bad in ["g", "g:p99", "g:p99=30m", "g:p99=30m:", "g:p99=long:why", "g=30m:why"] {
            assert!(waive(bad).is_err(), "{bad}");
        }
    }
}
