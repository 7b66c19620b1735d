//! Notices as each kind of channel takes them. Pure.

use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::base::SessionId;
use crate::engine::RunKind;
use crate::runbook::NoticeEvent;

use super::desk::Notice;

/// More lines than these are counted, not told.
const LINES_MAX: usize = 20;
/// A longer summary is refused by pagers.
const SUMMARY_CHARS_MAX: usize = 1000;

/// One notice, as a line.
fn line(notice: &Notice) -> String {
    let Notice { text, mark } = notice;
    let again = if mark.again { " (sent again: golive was restarted)" } else { "" };
    format!("{text}{again}")
}

/// All of them, a line each.
pub(super) fn text(notices: &[Arc<Notice>]) -> String {
    let mut lines: Vec<_> = notices.iter().take(LINES_MAX).map(|notice| line(notice)).collect();
    if notices.len() > LINES_MAX {
        lines.push(format!("+ {} more", notices.len() - LINES_MAX));
    }
    lines.join("\n")
}

/// Their numbers: what makes one told twice known as the same.
pub(super) fn numbers(notices: &[Arc<Notice>]) -> String {
    let session = notices.first().and_then(|notice| notice.mark.session.as_ref());
    let session = session.map_or("", |session| session.as_str());
    let numbers: Vec<_> = notices.iter().map(|notice| notice.mark.number.to_string()).collect();
    format!("{session}/{}", numbers.join(","))
}

/// For Slack, which takes three characters for its own.
pub(super) fn slack(notices: &[Arc<Notice>]) -> String {
    let text = text(notices).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    json!({ "text": text }).to_string()
}

/// For Teams: an adaptive card.
pub(super) fn teams(notices: &[Arc<Notice>]) -> String {
    let text = text(notices);
    let block = |line: &str| json!({ "type": "TextBlock", "text": line, "wrap": true });
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": text.lines().map(block).collect::<Vec<_>>(),
    });
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "content": card,
        }],
    })
    .to_string()
}

/// For any address.
pub(super) fn webhook(notices: &[Arc<Notice>]) -> String {
    let one = |notice: &Arc<Notice>| {
        let Notice { text, mark } = &**notice;
        json!({
            "number": mark.number,
            "at": mark.at.rfc3339(),
            "moment": mark.moment.map(moment),
            "text": text.as_str(),
            "alarm": mark.signal.as_ref().map(|signal| signal.alarm.as_str()),
            "over": mark.signal.as_ref().map(|signal| signal.over),
            "again": mark.again,
        })
    };
    let first = notices.first().map(|notice| &notice.mark);
    json!({
        "schema": "golive.notice/1",
        "session": first.and_then(|mark| mark.session.as_ref()).map(SessionId::as_str),
        "kind": first.map(|mark| kind(mark.kind)),
        "notices": notices.iter().map(one).collect::<Vec<_>>(),
    })
    .to_string()
}

/// The signature of a body: `v1=` and the HMAC-SHA256 of the time, a dot and the body, in
/// hexadecimal. The time is in the signature, so that an old message is not taken for a new one.
pub(super) fn signature(key: &str, time: &str, body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes());
    let mut mac = mac.expect("HMAC takes keys of every length");
    for part in [time, ".", body] {
        mac.update(part.as_bytes());
    }
    let bytes = mac.finalize().into_bytes();
    bytes.iter().fold("v1=".to_owned(), |mut signature, byte| {
        for half in [byte >> 4, byte & 15] {
            signature.extend(char::from_digit(u32::from(half), 16));
        }
        signature
    })
}

/// For a pager: one event for each alarm, the last word of each.
pub(super) fn pagerduty(notices: &[Arc<Notice>], key: &str) -> Vec<String> {
    let mut events: Vec<(String, Value)> = Vec::new();
    for notice in notices {
        let Notice { text, mark } = &**notice;
        let session = mark.session.as_ref().map_or("", |session| session.as_str());
        let alarm = match &mark.signal {
            Some(signal) => signal.alarm.as_str().to_owned(),
            None => format!("notice {}", mark.number),
        };
        let dedup: String = format!("{session}/{alarm}").chars().take(255).collect();
        let over = mark.signal.as_ref().is_some_and(|signal| signal.over);
        let severity = match (mark.kind, mark.moment) {
            (RunKind::Rehearsal | RunKind::Drill, _) | (RunKind::Live, None) => "info",
            (RunKind::Live, Some(NoticeEvent::Failed)) => "error",
            (RunKind::Live, Some(_)) => "critical",
        };
        let summary: String = text.as_str().chars().take(SUMMARY_CHARS_MAX).collect();
        let mut event = json!({
            "routing_key": key,
            "event_action": if over { "resolve" } else { "trigger" },
            "dedup_key": dedup,
        });
        if !over && let Some(event) = event.as_object_mut() {
            let payload = json!({
                "summary": summary,
                "source": session,
                "severity": severity,
                "timestamp": mark.at.rfc3339(),
            });
            event.insert("payload".to_owned(), payload);
        }
        events.retain(|(other, _)| *other != dedup);
        events.push((dedup, event));
    }
    events.into_iter().map(|(_, event)| event.to_string()).collect()
}

/// The subject of a mail.
pub(super) fn subject(notices: &[Arc<Notice>]) -> String {
    let first = notices.first().map_or_else(String::new, |notice| line(notice));
    let more = notices.len().saturating_sub(1);
    let first: String = first.chars().take(150).collect();
    if more == 0 { first } else { format!("{first} (+ {more} more)") }
}

const fn kind(kind: RunKind) -> &'static str {
    match kind {
        RunKind::Live => "live",
        RunKind::Rehearsal => "rehearsal",
        RunKind::Drill => "drill",
    }
}

const fn moment(moment: NoticeEvent) -> &'static str {
    match moment {
        NoticeEvent::Start => "start",
        NoticeEvent::Phase => "phase",
        NoticeEvent::Gate => "gate",
        NoticeEvent::Failed => "failed",
        NoticeEvent::Alarm => "alarm",
        NoticeEvent::Rollback => "rollback",
        NoticeEvent::End => "end",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{numbers, pagerduty, signature, slack, subject, teams, text, webhook};
    use crate::base::{SafeText, Timestamp};
    use crate::engine::{Mark, RunKind, Signal};
    use crate::exec::notify::Notice;
    use crate::runbook::NoticeEvent;

    fn notice(number: u64, text: &str, signal: Option<(&str, bool)>) -> Arc<Notice> {
        let signal = signal.map(|(alarm, over)| Signal { alarm: alarm.into(), over });
        let mark = Mark {
            number,
            session: Some("s-1".parse().unwrap()),
            kind: RunKind::Live,
            at: Timestamp::from_unix_millis(1_700_000_000_000),
            moment: Some(NoticeEvent::Failed),
            signal,
            again: false,
        };
        Arc::new(Notice { text: SafeText::new(text), mark })
    }

    #[test]
    fn a_burst_is_folded_and_counted() {
        let many: Vec<_> = (0..25).map(|it| notice(it, &format!("n{it}"), None)).collect();
        let told = text(&many);
        assert_eq!(told.lines().count(), 21);
        assert!(told.starts_with("n0\nn1\n") && told.ends_with("\n+ 5 more"));
        assert_eq!(subject(&many), "n0 (+ 24 more)");
        assert_eq!(numbers(&many[..3]), "s-1/0,1,2");
    }

    #[test]
    fn what_is_told_twice_says_so() {
        let Notice { text: own, mark } = Arc::into_inner(notice(1, "x", None)).unwrap();
        let again = Arc::new(Notice { text: own, mark: Mark { again: true, ..mark } });
        assert_eq!(text(&[again]), "x (sent again: golive was restarted)");
    }

    #[test]
    fn each_kind_of_channel_gets_its_own_form() {
        let one = [notice(7, "a <b> & c", Some(("step a", false)))];
        assert_eq!(slack(&one), r#"{"text":"a &lt;b&gt; &amp; c"}"#);
        let card: serde_json::Value = serde_json::from_str(&teams(&one)).unwrap();
        assert_eq!(card["attachments"][0]["content"]["body"][0]["text"], "a <b> & c");
        let hook: serde_json::Value = serde_json::from_str(&webhook(&one)).unwrap();
        assert_eq!(hook["schema"], "golive.notice/1");
        assert_eq!((&hook["session"], &hook["kind"]), (&"s-1".into(), &"live".into()));
        let notice = &hook["notices"][0];
        assert_eq!(notice["at"], "2023-11-14T22:13:20.000Z");
        assert_eq!((&notice["moment"], &notice["number"]), (&"failed".into(), &7.into()));
    }

    #[test]
    fn the_signature_is_that_of_the_time_and_the_body() {
        // printf '1700000000.{}' | openssl dgst -sha256 -hmac key
        let expected = "v1=9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae";
        assert_eq!(signature("key", "1700000000", "{}"), expected);
        assert_ne!(signature("key", "1700000001", "{}"), expected);
        assert_ne!(signature("kez", "1700000000", "{}"), expected);
    }

    #[test]
    fn a_pager_gets_the_last_word_of_each_alarm() {
        let told = [
            notice(1, "a failed", Some(("step a", false))),
            notice(2, "b failed", Some(("step b", false))),
            notice(3, "a is over", Some(("step a", true))),
        ];
        let events: Vec<serde_json::Value> = pagerduty(&told, "routing")
            .iter()
            .map(|event| serde_json::from_str(event).unwrap())
            .collect();
        assert_eq!(events.len(), 2);
        assert_eq!(events[0]["dedup_key"], "s-1/step b");
        assert_eq!(events[0]["event_action"], "trigger");
        assert_eq!(events[0]["payload"]["severity"], "error");
        assert_eq!(events[0]["payload"]["summary"], "b failed");
        assert_eq!(events[1]["dedup_key"], "s-1/step a");
        assert_eq!(events[1]["event_action"], "resolve");
        assert!(events[1].get("payload").is_none());
    }
}
