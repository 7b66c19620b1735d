//! A line of the journal as bytes. Pure.
//!
//! `{"v":1,"seq":1,"at":"…","wall":"…","mono":…,"boot":"…","facts":[…],"prev":"…","seal":"…"}`
//!
//! `prev` is the SHA-256 of the line before, without its line end; for the first line that of
//! `golive-journal/1`, a line end, and the session's name. `seal` is the SHA-256 of the line's
//! own bytes before `,"seal":`. Every character that is not printable ASCII is written as
//! `\uXXXX`, so that showing the file acts on no terminal.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::base::{Digest, Millis, SafeText, SessionId, Timestamp};
use crate::engine::{Event, Fact};

use super::entry::{Entry, Stamp};

/// The version of the format. A field that readers must not ignore asks for a new one.
pub const VERSION: u64 = 1;

/// A longer line is refused: a journal stays small enough to read whole.
pub const LINE_BYTES_MAX: usize = 16 << 20;

const SEAL_OPENS: &[u8] = b",\"seal\":\"";
const SEAL_CLOSES: &[u8] = b"\"}";

/// A line that was read, and how it hangs in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sealed {
    /// What it says.
    pub entry: Entry,
    /// The digest of the line before, as it claims.
    pub prev: Digest,
    /// Its seal.
    pub seal: Digest,
    /// The digest of its own bytes.
    pub digest: Digest,
}

/// What is wrong with one line, looked at alone.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(super) enum Fault {
    /// Not the shape of a line at all.
    #[error("this is not a line of a journal: it was changed, or put there")]
    Frame,
    /// The seal is not the one of its bytes.
    #[error("the line was changed: its seal is not that of its bytes{}", version_note(*.version))]
    Seal {
        /// The version it claims, if it is not ours.
        version: Option<u64>,
    },
    /// A version of the format that this program does not know.
    #[error("it has format golive-journal/{0}; this golive reads golive-journal/1")]
    Version(u64),
    /// An event that this program does not know.
    #[error("it has the event `{0}`, which this golive does not know")]
    UnknownEvent(SafeText),
    /// Sealed, and still not understood.
    #[error("its seal holds, but it cannot be understood: {0}")]
    Shape(SafeText),
    /// Longer than a line may be.
    #[error("it is longer than {LINE_BYTES_MAX} bytes")]
    TooLong,
}

fn version_note(version: Option<u64>) -> String {
    version.map_or_else(String::new, |v| format!("; or it has another format: it says version {v}"))
}

/// What the first line names as the digest of the line before it.
pub(super) fn genesis(session: &SessionId) -> Digest {
    Digest::of(format!("golive-journal/{VERSION}\n{session}").as_bytes())
}

#[derive(Serialize)]
struct Body<'a> {
    v: u64,
    seq: u64,
    at: String,
    wall: String,
    mono: Millis,
    boot: &'a str,
    facts: &'a [Fact],
    prev: Digest,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(rename = "v")]
    _version: u64,
    seq: u64,
    at: String,
    wall: String,
    mono: Millis,
    boot: String,
    facts: Vec<Value>,
    prev: Digest,
    seal: Digest,
}

#[derive(Deserialize)]
struct Version {
    v: u64,
}

/// The bytes of a line, without its line end.
pub(super) fn encode(
    seq: u64,
    stamp: &Stamp,
    facts: &[Fact],
    prev: Digest,
) -> Result<Vec<u8>, serde_json::Error> {
    let body = Body {
        v: VERSION,
        seq,
        at: stamp.at.rfc3339(),
        wall: stamp.wall.rfc3339(),
        mono: stamp.mono,
        boot: &stamp.boot,
        facts,
        prev,
    };
    let mut line = ascii(&serde_json::to_string(&body)?).into_bytes();
    line.pop();
    let seal = Digest::of(&line).to_string();
    line.extend_from_slice(SEAL_OPENS);
    line.extend_from_slice(seal.as_bytes());
    line.extend_from_slice(SEAL_CLOSES);
    Ok(line)
}

/// Reads a line, without its line end, and checks its own seal.
pub(super) fn decode(line: &[u8]) -> Result<Sealed, Fault> {
    let (body, claimed) = frame(line).ok_or_else(|| foreign(line).unwrap_or(Fault::Frame))?;
    let seal = Digest::of(body);
    if claimed != seal.to_string().as_bytes() {
        let version = version(line).filter(|v| *v != VERSION);
        return Err(Fault::Seal { version });
    }
    foreign(line).map_or(Ok(()), Err)?;
    let raw: Raw = serde_json::from_slice(line).map_err(|error| shape(&error))?;
    let facts = raw.facts.into_iter().map(fact).collect::<Result<_, _>>()?;
    let time = |text: &str| text.parse::<Timestamp>().map_err(|error| shape(&error));
    let entry = Entry {
        seq: raw.seq,
        at: time(&raw.at)?,
        wall: time(&raw.wall)?,
        mono: raw.mono,
        boot: raw.boot,
        facts,
    };
    if raw.seal != seal {
        return Err(Fault::Shape(SafeText::new("two seals")));
    }
    Ok(Sealed { entry, prev: raw.prev, seal, digest: Digest::of(line) })
}

/// The session's name, if this is how a journal begins.
pub(super) fn session_of(entry: &Entry) -> Option<&SessionId> {
    match entry.facts.first().map(|fact| &fact.event) {
        Some(Event::SessionOpened(genesis)) => Some(&genesis.session),
        Some(_) | None => None,
    }
}

fn frame(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = line.strip_suffix(SEAL_CLOSES)?;
    let (rest, claimed) = rest.split_at_checked(rest.len().checked_sub(64)?)?;
    let body = rest.strip_suffix(SEAL_OPENS)?;
    body.starts_with(b"{\"v\":").then_some((body, claimed))
}

fn version(line: &[u8]) -> Option<u64> {
    serde_json::from_slice(line).ok().map(|Version { v }| v)
}

fn foreign(line: &[u8]) -> Option<Fault> {
    version(line).filter(|v| *v != VERSION).map(Fault::Version)
}

fn shape(error: &dyn std::error::Error) -> Fault {
    let text: String = error.to_string().chars().take(200).collect();
    Fault::Shape(SafeText::new(&text))
}

fn fact(value: Value) -> Result<Fact, Fault> {
    let name = value.get("ev").and_then(Value::as_str).map(str::to_owned);
    Fact::deserialize(value).map_err(|error| {
        let unknown = name.filter(|name| {
            error.to_string().starts_with(&format!("unknown variant `{name}`, expected one of"))
        });
        unknown.map_or_else(
            || shape(&error),
            |name| Fault::UnknownEvent(SafeText::new(&name.chars().take(80).collect::<String>())),
        )
    })
}

/// `json` with every character that is not printable ASCII as `\uXXXX`: the same JSON, and it acts
/// on no terminal. Such characters stand in strings only.
pub fn ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if matches!(c, ' '..='~') {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            let escape = format!("\\u{unit:04x}");
            out.push_str(&escape);
        }
    }
    out
}

#[cfg(test)]
pub(super) mod tests {
    use crate::base::{Digest, SafeText, SessionId};
    use crate::engine::{Actor, Event, Fact, Genesis, RunKind};

    use super::super::entry::Stamp;
    use super::{Fault, SEAL_OPENS, decode, encode};

    pub(in super::super) fn genesis(session: &str) -> Genesis {
        Genesis {
            session: session.parse().unwrap(),
            kind: RunKind::Drill,
            version: "0.1.0".into(),
            runbook: "shop".parse().unwrap(),
            title: "Shop".into(),
            plan: Digest::of(b"plan"),
            driver: "li".into(),
            machine: "bastion".into(),
            environment: None,
            overridden: None,
            signer: None,
        }
    }

    fn line(text: &str) -> Vec<u8> {
        let event = Event::Noted { step: None, text: text.to_owned() };
        let fact = Fact { by: Actor::Operator("li".into()), event };
        encode(7, &Stamp::default(), &[fact], Digest::of(b"")).unwrap()
    }

    fn reseal(line: &[u8], from: &str, to: &str) -> Vec<u8> {
        let text = std::str::from_utf8(line).unwrap().replace(from, to);
        let (body, _) = text.split_once(std::str::from_utf8(SEAL_OPENS).unwrap()).unwrap();
        format!("{body},\"seal\":\"{}\"}}", Digest::of(body.as_bytes())).into_bytes()
    }

    #[test]
    fn a_line_acts_on_no_terminal() {
        let text = "\u{1b}[2J\u{7f}\u{9b}\u{202e}生产😀\n";
        let line = line(text);
        assert!(line.iter().all(|byte| matches!(byte, b' '..=b'~')));
        let event = decode(&line).unwrap().entry.facts.remove(0).event;
        assert_eq!(event, Event::Noted { step: None, text: text.to_owned() });
    }

    #[test]
    fn what_is_not_known_is_named() {
        let line = line("x");
        let version = decode(&reseal(&line, "{\"v\":1,", "{\"v\":2,"));
        assert_eq!(version, Err(Fault::Version(2)));
        let event = decode(&reseal(&line, "\"noted\"", "\"sung\""));
        assert_eq!(event, Err(Fault::UnknownEvent(SafeText::new("sung"))));
        let field = decode(&reseal(&line, "\"seq\":7", "\"seq\":7,\"more\":1"));
        assert!(matches!(field, Err(Fault::Shape(_))), "{field:?}");
    }

    #[test]
    fn every_changed_byte_shows() {
        let line = line("all is well");
        for at in 0..line.len() {
            let mut changed = line.clone();
            changed[at] ^= 1;
            assert!(decode(&changed).is_err(), "{at}");
        }
        assert!(decode(&line[1..]).is_err() && decode(b"").is_err());
    }

    #[test]
    fn the_genesis_is_what_sha256sum_says() {
        let session: SessionId = "night".parse().unwrap();
        assert_eq!(super::genesis(&session), Digest::of(b"golive-journal/1\nnight"));
    }
}
