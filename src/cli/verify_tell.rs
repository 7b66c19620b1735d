//! What `golive verify` found, told: for people, and as JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::engine::RunKind;
use crate::journal::{Holder, SignedWord, Signer, Standing, Verdict, What};

use super::exit::Exit;
use super::screen::{Ink, Screen};
use super::verify::{Findings, Pinned, good_lines};

/// The roles of the runbook by the fingerprints of their keys.
type Roles = BTreeMap<String, Vec<String>>;

/// For people: what is proven line by line, and in the last line what it comes to.
pub(super) fn tell(screen: Screen, all: &Findings, driven: Option<&Holder>) -> String {
    let Findings { found, verdict, pinned, kind, .. } = all;
    let kind = kind.map_or_else(String::new, |kind| format!(" ({})", kind.word()));
    let mut lines = vec![format!("session    {}{kind}", found.id)];
    lines.push(format!("chain      {}/{} lines", good_lines(verdict), verdict.lines));
    lines.push(format!("head       {}", verdict.head));
    lines.push(format!("closed     {}", if verdict.sealed { "yes" } else { "no" }));
    lines.extend(signatures(verdict, &all.roles));
    lines.extend(voices(verdict, &all.roles));
    lines.push(format!("sealed     {}", seal(verdict)));
    lines.extend(witnesses(verdict));
    lines.push(format!("outputs    {} as recorded, {} bytes", verdict.transcripts, verdict.bytes));
    lines.extend(verdict.shells.iter().map(|shell| format!("shell      {shell}")));
    if !verdict.redacted.is_empty() {
        let counts = verdict.redacted.iter().map(|(name, count)| format!("{name} {count}"));
        let counts = counts.collect::<Vec<_>>().join(", ");
        lines.push(format!("redacted   secrets taken out before writing: {counts}"));
    }
    for one in &verdict.unreadable {
        lines.push(screen.ink(Ink::Red, &format!("unreadable {one}")));
    }
    if !verdict.unproven.is_empty() {
        let names = verdict.unproven.join(", ");
        lines
            .push(format!("           {} without a recorded end: {names}", verdict.unproven.len()));
    }
    lines.push(match pinned {
        Pinned::Same(plan) => format!("pinned     the texts of plan {}", plan.short()),
        Pinned::Wrong(why) => screen.ink(Ink::Red, &format!("pinned     {why}")),
        Pinned::Unreadable(why) => screen.ink(Ink::Red, &format!("unreadable {why}")),
        Pinned::Unknown => "pinned     not comparable: no first line to compare with".to_owned(),
    });
    lines.extend(clocks(verdict));
    lines.extend(
        verdict.gaps.iter().map(|gap| screen.ink(Ink::Yellow, &format!("gap        {gap}"))),
    );
    if verdict.findings.iter().any(|finding| finding.what == What::Torn) {
        lines.push("torn       a crash left an unfinished line; nothing of it was done".to_owned());
    }
    for finding in &verdict.findings {
        lines.push(screen.ink(Ink::Yellow, &format!("finding    {finding}")));
    }
    if let Some(holder) = driven {
        lines.push(format!("           {} drives it at this moment", holder.driver));
    }
    let (ink, last) = conclusion(all);
    lines.extend([screen.ink(ink, &last), String::new()]);
    lines.join("\n")
}

#[expect(clippy::wildcard_enum_match_arm, reason = "it ends in no other way")]
fn conclusion(all: &Findings) -> (Ink, String) {
    let verdict = &all.verdict;
    let text = match all.exit {
        Exit::Contradicted => return (Ink::Red, "THE RECORD IS CONTRADICTED.".to_owned()),
        Exit::Failed => {
            return (
                Ink::Red,
                "NOT VERIFIED: a file of the record cannot be read. Copy the session's folder to a disk \
                 that is well, or repair this one, and verify it there: `golive verify DIR`."
                    .to_owned(),
            );
        }
        Exit::Usage => {
            "Another golive wrote this record: it is neither confirmed nor contradicted. Verify it with that one."
        }
        Exit::Unreachable => {
            "The record is as it was written, as far as this machine can tell; a witness was not heard."
        }
        Exit::Unsealed if !verdict.sealed => {
            "The record is as it was written, and not closed: more may follow, or its end is missing."
        }
        Exit::Unsealed if !verdict.evidence.signers.is_empty() => {
            "The record is as it was written, and not fully signed by somebody who is known here."
        }
        Exit::Unsealed if all.kind == Some(RunKind::Drill) => {
            "The record is as it was written, as far as it proves itself; a drill need not be signed."
        }
        Exit::Unsealed => {
            "The record is as it was written, as far as it proves itself: nobody signed it."
        }
        _ => return (Ink::Green, good(all)),
    };
    (Ink::Yellow, text.to_owned())
}

/// No more than is proven.
fn good(all: &Findings) -> String {
    let evidence = &all.verdict.evidence;
    let mut limits = Vec::new();
    if !all.vouching {
        limits.push("nobody vouches here for the key that signed it (--allowed-signers)");
    }
    if evidence.witnesses.is_empty() {
        limits.push(
            "only a witness shows whether who has that key wrote it anew (--witness ssh:HOST)",
        );
    }
    if limits.is_empty() {
        return "The record is as it was written.".to_owned();
    }
    format!("The record is as it was written; {}.", limits.join("; "))
}

fn seal(verdict: &Verdict) -> String {
    let evidence = &verdict.evidence;
    if verdict.is_sealed() {
        return "yes: it is closed, and the last checkpoint covers every byte".to_owned();
    }
    match (evidence.checkpoints, verdict.sealed) {
        (0, _) => "no: there is no checkpoint".to_owned(),
        (_, false) => "no: the session is not closed".to_owned(),
        (_, true) => format!("no: the last checkpoint ends at line {}", evidence.covered),
    }
}

fn signatures(verdict: &Verdict, roles: &Roles) -> Vec<String> {
    let evidence = &verdict.evidence;
    let mut lines = Vec::new();
    if evidence.signers.is_empty() {
        let why = match (evidence.announced.first(), evidence.checkpoints) {
            (Some(key), 0) => format!(
                "no: the record names {key} as its signer, and no checkpoint is there: they were \
                 deleted, or golive was killed in its first moment"
            ),
            (Some(key), _) => {
                format!("no: the record names {key} as its signer, and it did not sign")
            }
            (None, _) => {
                "no: compare the head with one that somebody else has noted (--witness head:…)"
                    .to_owned()
            }
        };
        lines.push(format!("signed     {why}"));
    } else {
        lines.push(format!("signed     up to line {}", evidence.signed));
        let by = evidence.signers.iter().map(|signer| format!("           {}", by(signer, roles)));
        lines.extend(by);
        let tail = verdict.lines.saturating_sub(evidence.signed);
        if tail > 0 {
            lines.push(format!("           the last {tail} lines are not signed"));
        }
    }
    if evidence.unsigned > 0 && !evidence.signers.is_empty() {
        let (unsigned, all) = (evidence.unsigned, evidence.checkpoints);
        lines.push(format!("           {unsigned} of {all} checkpoints have no signature"));
    }
    lines
}

/// What people signed at another terminal.
fn voices(verdict: &Verdict, roles: &Roles) -> Vec<String> {
    let line = |word: &SignedWord| {
        let SignedWord { line, step, says, voice, key } = word;
        let of_role = match roles.get(key.as_str()) {
            Some(names) => format!("of the runbook's role {}", names.join(", ")),
            None if roles.is_empty() => String::new(),
            None => "OF NO ROLE OF THE RUNBOOK".to_owned(),
        };
        format!(
            "{} for {}: {says}, {step} (line {line}), signed with {key} {of_role}",
            voice.person, voice.role
        )
    };
    let lines = verdict.voices.iter().enumerate().map(|(at, word)| {
        let head = if at == 0 { "voices     " } else { "           " };
        format!("{head}{}", line(word)).trim_end().to_owned()
    });
    lines.collect()
}

/// The roles that the runbook gives the key, or the one that certified it.
fn roles_of<'a>(signer: &Signer, roles: &'a Roles) -> &'a [String] {
    let key = signer.certified_by.as_ref().unwrap_or(&signer.fingerprint);
    roles.get(key).map_or(&[], Vec::as_slice)
}

fn by(signer: &Signer, roles: &Roles) -> String {
    let Signer { fingerprint, kind, certified_by, count, lines, standing } = signer;
    let certified = certified_by.as_ref();
    let certified = certified
        .map_or_else(String::new, |by| format!("a key of this session, certified by {by}"));
    let standing = match standing {
        Standing::NotAsked if certified_by.is_some() => String::new(),
        Standing::NotAsked => "nobody vouches for it here".to_owned(),
        Standing::Vouched(who) => format!("of {}", who.join(", ")),
        Standing::Expired(who) => format!(
            "of {} then, and no longer today: only a witness shows that it was signed then",
            who.join(", ")
        ),
        Standing::Stranger => "NOBODY'S KEY of those who are allowed".to_owned(),
    };
    let role = match roles_of(signer, roles) {
        [] if roles.is_empty() => String::new(),
        [] => "of no role of the runbook".to_owned(),
        names => format!("of the runbook's role {}", names.join(", ")),
    };
    let words: Vec<_> =
        [certified, role, standing].into_iter().filter(|it| !it.is_empty()).collect();
    format!(
        "{count} checkpoints up to line {lines} by key {kind} {fingerprint}, {}",
        words.join(", ")
    )
}

fn witnesses(verdict: &Verdict) -> Vec<String> {
    let evidence = &verdict.evidence;
    if evidence.witnesses.is_empty() {
        return vec!["witnessed  by nobody who was asked (--witness ssh:HOST)".to_owned()];
    }
    let mut lines = vec![format!("witnessed  up to line {}", evidence.witnessed)];
    lines.extend(evidence.witnesses.iter().map(|witness| {
        format!(
            "           up to line {} by {}, {} of it",
            witness.lines, witness.by, witness.count
        )
    }));
    lines
}

fn clocks(verdict: &Verdict) -> Vec<String> {
    let strange: Vec<&String> = verdict.jumps.iter().chain(&verdict.evidence.anomalies).collect();
    let more = strange.len().saturating_sub(5);
    let mut lines: Vec<String> =
        strange.iter().take(5).map(|it| format!("clock      {it}")).collect();
    if more > 0 {
        lines.push(format!("           and {more} more"));
    }
    if lines.is_empty() {
        lines.push("clock      no jump".to_owned());
    }
    lines
}

/// As JSON.
pub(super) fn document(all: &Findings) -> String {
    let Findings { found, verdict, pinned, exit, .. } = all;
    let evidence = &verdict.evidence;
    let findings = verdict.findings.iter().map(|finding| {
        json!({
            "line": finding.line,
            "what": format!("{:?}", finding.what).to_lowercase(),
            "text": finding.text,
        })
    });
    let (same, why) = match pinned {
        Pinned::Same(_) => (Some(true), None),
        Pinned::Wrong(why) => (Some(false), Some(why)),
        Pinned::Unreadable(why) => (None, Some(why)),
        Pinned::Unknown => (None, None),
    };
    let witnesses = evidence.witnesses.iter();
    let witnesses =
        witnesses.map(|it| json!({ "by": it.by, "count": it.count, "lines": it.lines }));
    let document = json!({
        "schema": "golive.verify/1",
        "session": found.id,
        "kind": all.kind,
        "intact": (*exit != Exit::Usage).then_some(*exit != Exit::Contradicted),
        "closed": verdict.sealed,
        "sealed": verdict.is_sealed(),
        "signed": verdict.is_signed(),
        "signed_lines": evidence.signed,
        "unsigned_lines": verdict.lines.saturating_sub(evidence.signed),
        "checkpoints": evidence.checkpoints, "unsigned_checkpoints": evidence.unsigned,
        "covered_lines": evidence.covered,
        "announced": evidence.announced,
        "signers": evidence.signers.iter().map(|it| signer(it, &all.roles)).collect::<Vec<_>>(),
        "voices": verdict.voices.iter().map(|it| voice(it, &all.roles)).collect::<Vec<_>>(),
        "witnessed_lines": evidence.witnessed,
        "witnesses": witnesses.collect::<Vec<_>>(),
        "clock_jumps": verdict.jumps, "gaps": verdict.gaps, "anomalies": evidence.anomalies,
        "lines": verdict.lines, "good_lines": good_lines(verdict), "head": verdict.head,
        "outputs": verdict.transcripts, "bytes": verdict.bytes, "unproven": verdict.unproven,
        "shells": verdict.shells,
        "unreadable": verdict.unreadable,
        "redacted": verdict.redacted,
        "pinned": same, "pinned_problem": why,
        "findings": findings.collect::<Vec<_>>(),
    });
    format!("{document:#}\n")
}

fn voice(word: &SignedWord, roles: &Roles) -> Value {
    let SignedWord { line, step, says, voice, key } = word;
    json!({
        "line": line, "step": step, "says": says, "role": voice.role, "person": voice.person,
        "key": key, "roles": roles.get(key.as_str()).map(Vec::as_slice).unwrap_or_default(),
    })
}

fn signer(signer: &Signer, roles: &Roles) -> Value {
    let (standing, people) = match &signer.standing {
        Standing::NotAsked => ("not-asked", Vec::new()),
        Standing::Vouched(people) => ("vouched", people.clone()),
        Standing::Expired(people) => ("expired", people.clone()),
        Standing::Stranger => ("stranger", Vec::new()),
    };
    json!({
        "key": signer.fingerprint, "kind": signer.kind, "certified_by": signer.certified_by,
        "checkpoints": signer.count, "lines": signer.lines,
        "standing": standing, "principals": people, "roles": roles_of(signer, roles),
    })
}
