//! The shape of `[[channel]]`: where notices go, and which.

use std::collections::BTreeSet;

use crate::base::{ChannelId, SecretName};

use super::code::Code;
use super::model::{Channel, Email, MailTls, NoticeEvent, Reach, Way, authority, reach_of};
use super::reader::{Item, Kind, Reading, Scope, Table};
use super::secret::Given;
use super::shape::{own_name, template_item};
use super::shape_secret::{SOURCES, given, source_of};
use super::shape_source::ca;
use super::template::Quoting;

const WAYS: [&str; 6] = ["command", "slack", "teams", "webhook", "pagerduty", "email"];

const EVENTS: &[(&str, NoticeEvent)] = &[
    ("start", NoticeEvent::Start),
    ("phase", NoticeEvent::Phase),
    ("gate", NoticeEvent::Gate),
    ("failed", NoticeEvent::Failed),
    ("alarm", NoticeEvent::Alarm),
    ("rollback", NoticeEvent::Rollback),
    ("end", NoticeEvent::End),
];

/// Reads one channel.
pub(super) fn channel(reading: &mut Reading<'_>, item: &Item<'_>) -> Option<Channel> {
    let mut table = Table::open(reading, item, "a channel", "channel")?;
    let id: Option<ChannelId> = own_name(reading, &mut table, Kind::Channel);
    let named: Vec<_> = WAYS.into_iter().filter(|key| table.has(key)).collect();
    if named.len() != 1 {
        let message = match named.as_slice() {
            [] => "a channel without a way to anybody".to_owned(),
            several => format!("a channel with {}", several.join(" and ")),
        };
        let help =
            "write exactly one of `command`, `slack`, `teams`, `webhook`, `pagerduty` and `email`";
        reading.complain(Code::OneAction, &item.span(), &message, "one of them is needed", help);
    }
    let name = id.clone().unwrap_or_else(|| "unnamed".parse().expect("it is a name"));
    let way = match named.first() {
        Some(&"command") => table
            .take(reading, "command")
            .and_then(|item| template_item(reading, &item, &Scope::Vars, Quoting::Shell))
            .map(Way::Command),
        Some(&"slack") => value(reading, &mut table, &name, "slack").map(Way::Slack),
        Some(&"teams") => value(reading, &mut table, &name, "teams").map(Way::Teams),
        Some(&"webhook") => webhook(reading, &mut table, &name),
        Some(&"pagerduty") => pagerduty(reading, &mut table, &name),
        Some(_) => table
            .take(reading, "email")
            .and_then(|item| email(reading, &item, &name))
            .map(Way::Email),
        None => None,
    };
    for key in WAYS {
        table.take(reading, key);
    }
    let ca = match named.first() {
        Some(&"command") | None => None,
        Some(_) => ca(reading, &mut table),
    };
    let events = table.take(reading, "events").map(|item| {
        let items = reading.list(&item, "words");
        let events: BTreeSet<_> =
            items.iter().filter_map(|item| reading.word(item, EVENTS)).collect();
        if way.as_ref().is_some_and(Way::keeps_alarms) {
            needs_somebody(reading, &item, &events);
        }
        events
    });
    let drills = table.take(reading, "drills").and_then(|item| reading.flag(&item));
    table.finish(reading);
    Some(Channel {
        id: id?,
        way: way?,
        ca,
        events: events.unwrap_or_default(),
        drills: drills.unwrap_or(false),
    })
}

/// A pager wakes somebody up: only for what is raised and then resolved.
fn needs_somebody(reading: &mut Reading<'_>, item: &Item<'_>, events: &BTreeSet<NoticeEvent>) {
    let wakes = |event: &NoticeEvent| {
        matches!(event, NoticeEvent::Failed | NoticeEvent::Alarm | NoticeEvent::Rollback)
    };
    if !events.iter().all(wakes) {
        let message = "a pager is told of what needs somebody";
        let help = "write \"failed\", \"alarm\" and \"rollback\" only; the rest belongs into a channel that people read";
        reading.complain(Code::Contradiction, &item.span(), message, "", help);
    }
}

/// A value that is as good as a password: a secret by name, or a source of one.
fn value(
    reading: &mut Reading<'_>,
    table: &mut Table<'_>,
    channel: &ChannelId,
    key: &'static str,
) -> Option<SecretName> {
    let item = table.take(reading, key)?;
    let help = "write { env = \"VAR\" }, { file = \"path\" }, { command = \"pass show x\" }, { prompt = \"Question\" } or { secret = \"name\" }";
    if !item.is_table() {
        let message = format!("`{key}` of channel `{channel}` would stand in the runbook");
        let label = "as good as a password, and read by many";
        reading.complain(Code::WrongType, &item.span(), &message, label, help);
        return None;
    }
    if Table::has_in(&item, "secret") {
        return match given(reading, &item)? {
            Given::Secret(name) => Some(name),
            Given::Text(_) => None,
        };
    }
    if !SOURCES.iter().any(|source| Table::has_in(&item, source)) {
        let message = format!("`{key}` of channel `{channel}` has no source");
        reading.complain(Code::BadValue, &item.span(), &message, "", help);
        return None;
    }
    // No secret of a runbook can have this name: theirs are names of variables.
    let name: SecretName = format!("{channel}-{key}").parse().ok().or_else(|| {
        let message = format!("the name of channel `{channel}` is too long for its `{key}`");
        reading.complain(Code::Limit, &item.span(), &message, "", "give it a shorter `id`");
        None
    })?;
    let source = source_of(reading, &name, &item)?;
    reading.own_secrets.insert(name.clone(), source);
    Some(name)
}

fn webhook(reading: &mut Reading<'_>, table: &mut Table<'_>, id: &ChannelId) -> Option<Way> {
    let url = value(reading, table, id, "webhook");
    let sign = value(reading, table, id, "sign");
    Some(Way::Webhook { url: url?, sign })
}

/// Where events of `PagerDuty` go, if nothing else is said.
const PAGERDUTY: &str = "https://events.pagerduty.com";

fn pagerduty(reading: &mut Reading<'_>, table: &mut Table<'_>, id: &ChannelId) -> Option<Way> {
    let key = value(reading, table, id, "pagerduty");
    let server = match table.take(reading, "server") {
        None => PAGERDUTY.to_owned(),
        Some(item) => {
            let server = reading.filled(&item)?.value;
            let local = reach_of(&server) == Reach::Loopback;
            if !(server.starts_with("https://") || local && server.starts_with("http://")) {
                let help = "for example \"https://events.eu.pagerduty.com\"";
                let message = "this is not an HTTPS address";
                reading.complain(Code::BadValue, &item.span(), message, "", help);
                return None;
            }
            server
        }
    };
    Some(Way::Pagerduty { key: key?, server })
}

const TLS: &[(&str, MailTls)] =
    &[("starttls", MailTls::Starttls), ("implicit", MailTls::Implicit), ("none", MailTls::None)];

fn email(reading: &mut Reading<'_>, item: &Item<'_>, id: &ChannelId) -> Option<Email> {
    let mut table = Table::open(reading, item, "an e-mail channel", &format!("email of {id}"))?;
    let smtp = table.need(reading, "smtp").and_then(|item| server(reading, &item));
    let tls = table.take(reading, "tls").map(|item| (item, reading.word(&item, TLS)));
    let user = table.take(reading, "user").and_then(|item| reading.filled(&item));
    let password = value(reading, &mut table, id, "password");
    let from = table.need(reading, "from").and_then(|item| mailbox(reading, &item));
    let to = table.need(reading, "to").map(|item| {
        let items = if item.is_text() { vec![item] } else { reading.list(&item, "addresses") };
        let to: Vec<_> = items.iter().filter_map(|item| mailbox(reading, item)).collect();
        if items.is_empty() {
            let help = "add an address: `to = [\"bridge@example.com\"]`";
            reading.complain(Code::BadValue, &item.span(), "nobody reads this mail", "", help);
        }
        to
    });
    let span = table.span();
    table.finish(reading);
    if user.is_some() != password.is_some() {
        let help = "write both, `user` and `password = { secret = \"…\" }`, or neither";
        let message = "an account is a name and a password";
        reading.complain(Code::Contradiction, &span, message, "one of them is missing", help);
    }
    let smtp = smtp?;
    let by_port = if smtp.ends_with(":465") { MailTls::Implicit } else { MailTls::Starttls };
    let chosen = match tls {
        None => by_port,
        Some((item, chosen)) => {
            let chosen = chosen?;
            if chosen == MailTls::None && reach_of(&smtp) != Reach::Loopback {
                let message = format!("mail to {smtp} would go for everybody to read");
                let help = "write tls = \"starttls\" or \"implicit\"; \"none\" is for a server on this machine";
                reading.complain(Code::Contradiction, &item.span(), &message, "", help);
            }
            chosen
        }
    };
    Some(Email {
        smtp,
        tls: chosen,
        user: user.map(|user| user.value),
        password,
        from: from?,
        to: to.filter(|to| !to.is_empty())?,
    })
}

fn server(reading: &mut Reading<'_>, item: &Item<'_>) -> Option<String> {
    let text = reading.filled(item)?.value;
    let help = "for example \"mail.example.com:587\"";
    let (host, port) = authority(&text);
    if host.is_empty() || port.is_none_or(|port| port == 0) || text.contains("://") {
        let message = "this is not the address of a mail server";
        reading.complain(Code::BadValue, &item.span(), message, "no host:port", help);
        return None;
    }
    if let Reach::Never(why) = reach_of(&text) {
        let message = format!("`{host}` is never asked: {why}");
        reading.complain(Code::BadValue, &item.span(), &message, "refused", help);
        return None;
    }
    Some(text)
}

/// `name@host`, or `Somebody <name@host>`.
fn mailbox(reading: &mut Reading<'_>, item: &Item<'_>) -> Option<String> {
    let text = reading.filled(item)?.value;
    let inside = match text.split_once('<') {
        Some((_, rest)) => rest.strip_suffix('>').unwrap_or(""),
        None => text.as_str(),
    };
    let plain = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_graphic() && !"@<>(),;:\"".contains(c))
    };
    let good = inside.rsplit_once('@').is_some_and(|(name, host)| plain(name) && plain(host));
    if !good || text.chars().any(char::is_control) {
        let message = format!("`{text}` is no mail address");
        let help = "for example \"Night Desk <night@example.com>\"";
        reading.complain(Code::BadValue, &item.span(), &message, "", help);
        return None;
    }
    Some(text)
}
