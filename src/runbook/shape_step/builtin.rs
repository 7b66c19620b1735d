//! The actions that golive does itself.

use super::super::code::Code;
use super::super::model::{Builtin, Download, Http, Upload};
use super::super::reader::{Item, Reading, Scope, Table};
use super::super::shape::template_item;
use super::super::shape_secret::given;
use super::super::shape_source;
use super::super::template::Quoting;
use super::reconcile::reconcile;
use super::{noted, pattern};

/// The keys of these actions.
pub(super) const BUILTINS: [&str; 4] = ["upload", "download", "http", "reconcile"];

/// A sha256 in a runbook is this long.
const DIGEST_CHARS: usize = 64;

pub(super) fn builtin(
    reading: &mut Reading<'_>,
    kind: &str,
    item: &Item<'_>,
    scope: &Scope,
) -> Option<Builtin<String>> {
    match kind {
        "upload" => upload(reading, item, scope).map(Builtin::Upload),
        "http" => http(reading, item, scope).map(Builtin::Http),
        "reconcile" => reconcile(reading, item, scope).map(Builtin::Reconcile),
        _ => download(reading, item, scope).map(Builtin::Download),
    }
}

fn upload(reading: &mut Reading<'_>, item: &Item<'_>, scope: &Scope) -> Option<Upload<String>> {
    let mut table = Table::open(reading, item, "an upload", "upload")?;
    let from = needed(reading, &mut table, "from", scope);
    let to = needed(reading, &mut table, "to", scope);
    let to = to.filter(|to| on_host(reading, item, to));
    let mode = table.take(reading, "mode").and_then(|item| mode(reading, &item));
    let sha256 = table.take(reading, "sha256").and_then(|item| digest(reading, &item, scope));
    table.finish(reading);
    Some(Upload { from: from?, to: to?, mode, sha256, folder: String::new(), content: None })
}

fn download(reading: &mut Reading<'_>, item: &Item<'_>, scope: &Scope) -> Option<Download<String>> {
    let mut table = Table::open(reading, item, "a download", "download")?;
    let from = needed(reading, &mut table, "from", scope);
    let from = from.filter(|from| on_host(reading, item, from));
    let to = table.take(reading, "to").and_then(|item| {
        let text = reading.filled(&item)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if text.value.chars().all(plain) && !text.value.starts_with('.') {
            return Some(text.value);
        }
        let message = format!("`{}` cannot be the name of a piece of evidence", text.value);
        let help = "a name, not a path: letters, digits, `.`, `_` and `-`, no `.` in front";
        reading.complain(Code::BadName, &item.span(), &message, "not a name", help);
        None
    });
    table.finish(reading);
    Some(Download { from: from?, to })
}

/// Methods that are sent.
const METHODS: &[(&str, &str)] = &[
    ("GET", "GET"),
    ("HEAD", "HEAD"),
    ("OPTIONS", "OPTIONS"),
    ("POST", "POST"),
    ("PUT", "PUT"),
    ("PATCH", "PATCH"),
    ("DELETE", "DELETE"),
];

/// A request that is made again and again until its answer is right: its address alone, or all
/// of it. Its method only asks.
pub(super) fn look(
    reading: &mut Reading<'_>,
    item: &Item<'_>,
    scope: &Scope,
) -> Option<Http<String>> {
    if item.is_text() {
        let url = shape_source::url_of(reading, item, scope, ADDRESS)?;
        let (method, ask) = ("GET".to_owned(), super::super::model::Ask::default());
        return Some(Http {
            method,
            url,
            ask,
            body: None,
            expect_status: Vec::new(),
            expect_body: None,
            idempotent: false,
            allow: Vec::new(),
        });
    }
    let http = http(reading, item, scope)?;
    if http.only_asks() {
        return Some(http);
    }
    let message = format!("a verification asks again and again, and {} changes", http.method);
    let help = "ask with GET, HEAD or OPTIONS; what changes something is a step of its own";
    reading.complain(Code::Contradiction, &item.span(), &message, "", help);
    None
}

const ADDRESS: &str = "for example \"https://shop.example/drain\"";

fn http(reading: &mut Reading<'_>, item: &Item<'_>, scope: &Scope) -> Option<Http<String>> {
    let mut table = Table::open(reading, item, "a request", "http")?;
    let method = table.take(reading, "method").and_then(|item| reading.word(&item, METHODS));
    if !table.has("url") {
        table.need(reading, "url");
    }
    let url = shape_source::url_in(reading, &mut table, "url", scope, ADDRESS);
    let ask = shape_source::ask(reading, &mut table);
    let body = table.take(reading, "body").and_then(|item| given(reading, &item));
    let body = body.map(|body| noted(reading, body, scope));
    let status = table.take(reading, "expect_status").map(|item| {
        let items = if item.raw().is_array() { reading.list(&item, "numbers") } else { vec![item] };
        let numbers = items.iter().filter_map(|item| reading.integer(item, 100..600));
        numbers.filter_map(|number| u16::try_from(number).ok()).collect::<Vec<_>>()
    });
    let expect_body = pattern(reading, &mut table, "expect_body");
    table.finish(reading);
    Some(Http {
        method: method.unwrap_or("GET").to_owned(),
        url: url?,
        ask,
        body,
        expect_status: status.unwrap_or_default(),
        expect_body,
        idempotent: false,
        allow: Vec::new(),
    })
}

fn needed(
    reading: &mut Reading<'_>,
    table: &mut Table<'_>,
    key: &'static str,
    scope: &Scope,
) -> Option<String> {
    let item = table.need(reading, key)?;
    reading.filled(&item)?;
    template_item(reading, &item, scope, Quoting::Plain)
}

/// A path on a host: nobody expands it there.
fn on_host(reading: &mut Reading<'_>, item: &Item<'_>, path: &str) -> bool {
    let help = if path.starts_with('~') {
        "a path without `/` in front counts from the home folder: `app` for `~/app`"
    } else if path.chars().any(char::is_control) {
        "write it without line breaks and other control characters"
    } else if path.split('/').any(|part| part == "..") {
        "write the whole path, without `..`"
    } else {
        return true;
    };
    let message = format!("`{}` is taken as it is on the hosts", path.escape_debug());
    reading.complain(Code::BadValue, &item.span(), &message, "this path", help);
    false
}

/// Permission bits, as `chmod` takes them.
fn mode(reading: &mut Reading<'_>, item: &Item<'_>) -> Option<u32> {
    let help = "write it as `chmod` takes it: mode = \"0644\"";
    if !item.is_text() {
        reading.wrong_type(item, "a string, as \"0644\"");
        return None;
    }
    let text = reading.filled(item)?.value;
    let octal = text.len() == 3 || (text.len() == 4 && text.starts_with('0'));
    let mode = u32::from_str_radix(&text, 8).ok().filter(|_| octal);
    if mode.is_none() {
        let message = format!("`{text}` are no permission bits");
        reading.complain(Code::BadValue, &item.span(), &message, "not a mode", help);
    }
    mode
}

fn digest(reading: &mut Reading<'_>, item: &Item<'_>, scope: &Scope) -> Option<String> {
    let text = template_item(reading, item, scope, Quoting::Plain)?;
    let hex = text.len() == DIGEST_CHARS && text.chars().all(|c| c.is_ascii_hexdigit());
    if hex {
        return Some(text.to_lowercase());
    }
    if text.contains("{{") {
        return Some(text);
    }
    let message = format!("`{text}` is no SHA-256 digest");
    let help = "write the 64 hex digits that `sha256sum` prints";
    reading.complain(Code::BadValue, &item.span(), &message, "not a digest", help);
    None
}
