//! What is doubtful about a step's requests over HTTP.

use super::code::Code;
use super::load::Joined;
use super::model::{
    Action, Ask, Class, Http, Reach, Step, UndoSource, allowed, authority, reach_of,
};
use super::problem::{Place, Problem};

fn warning(code: Code, place: Place, message: &str, help: &str) -> Problem {
    Problem::new(code, place, message).help(help)
}

/// Notes what is doubtful about the requests of `step`.
pub(super) fn requests(
    joined: &Joined<'_>,
    allow: &[String],
    step: &Step,
    found: &mut Vec<Problem>,
) {
    let places = &joined.reading.places;
    for (key, http) in step.http() {
        found.extend(in_the_open(&http.url, &http.ask, &places.step(&step.id, key)));
        found.extend(in_the_body(http, &places.step(&step.id, key)));
        found.extend(not_asked(&http.url, allow, &places.step(&step.id, key)));
    }
    let Action::Builtin(builtin) = &step.action else { return };
    let Some(http) = builtin.http() else { return };
    let method = &http.method;
    if step.read_only && !http.only_asks() {
        let message = format!("step `{}` says it only reads, and yet it sends {method}", step.id);
        let help = "remove `read_only` and write an undo, or ask with GET";
        found.push(warning(Code::ChangeReads, places.step(&step.id, "http"), &message, help));
    }
    let says = if !matches!(step.undo, UndoSource::None) {
        Some("and has an undo")
    } else if step.point_of_no_return {
        Some("and is the point of no return")
    } else {
        step.class.filter(|class| *class > Class::Check).map(|_| "and is more than a check")
    };
    if let Some(says) = says.filter(|_| http.only_asks()) {
        let message = format!("step `{}` only asks, with {method}, {says}", step.id);
        let help = "send what changes something with POST, PUT, PATCH or DELETE; \
                    else the step is a check and has nothing to undo";
        found.push(warning(Code::AskingChanges, places.step(&step.id, "http"), &message, help));
    }
}

/// A secret that goes over the network for everybody to read.
pub(super) fn in_the_open(address: &str, ask: &Ask, place: &Place) -> Option<Problem> {
    open(address, ask.secrets().next()?, place)
}

fn in_the_body(http: &Http<String>, place: &Place) -> Option<Problem> {
    if http.ask.secrets().next().is_some() {
        return None; // Told already.
    }
    open(&http.url, http.secrets().next()?, place)
}

fn open(address: &str, secret: &crate::base::SecretName, place: &Place) -> Option<Problem> {
    if !address.starts_with("http://") || reach_of(address) == Reach::Loopback {
        return None;
    }
    let (host, _) = authority(address);
    let message = format!("secret `{secret}` would go to {host} for everybody to read");
    let help = "write https://, and `ca = \"file.pem\"` for an authority of your own";
    Some(warning(Code::SecretInTheOpen, place.clone(), &message, help))
}

/// An address of golive's own machine that nobody allowed.
pub(super) fn not_asked(address: &str, allow: &[String], place: &Place) -> Option<Problem> {
    let (host, port) = authority(address);
    let web = if address.starts_with("https://") { 443 } else { 80 };
    let port = port.unwrap_or(web);
    if reach_of(address) != Reach::Loopback || allowed(allow, &host, port) {
        return None;
    }
    let message = format!("`{host}` is the machine that golive runs on: it is not asked");
    let help = format!(
        "name the service by its address in the network, or allow it: [probes] allow = [\"{host}:{port}\"]"
    );
    Some(Problem::new(Code::NoEffect, place.clone(), &message).help(&help))
}
