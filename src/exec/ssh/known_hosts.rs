//! Judges a host key by `known_hosts` files, as OpenSSH does: a pure function over their text.
//!
//! Plain names, `[host]:port`, hashed names, wildcards, negation, tabs, several files,
//! `@revoked` and `@cert-authority` with validated host certificates. A key that is not the
//! recorded one is *changed*, whatever the algorithms of the two.
//!
//! # Deliberately absent
//!
//! Trust on first use: an unknown key is refused, always. No file is read here.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use russh::keys::ssh_encoding::base64::{Base64, Encoding as _};
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Algorithm, Certificate, HashAlg, PublicKey};
use sha1::Sha1;

/// The port whose hosts are recorded by their bare name.
const PORT_DEFAULT: u16 = 22;

/// One file of known hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownHostsFile {
    /// Its path, for messages.
    pub path: String,
    /// Its text. Bytes that are not UTF-8 can only stand in comments; replace them.
    pub text: String,
}

/// The name that a host is recorded under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedName {
    /// Lower case.
    host: String,
    /// `None` with `HostKeyAlias`: an alias stands for itself.
    port: Option<u16>,
}

impl RecordedName {
    /// A host name or address, and the port that was asked for.
    pub fn new(host: &str, port: u16) -> Self {
        Self { host: host.to_ascii_lowercase(), port: Some(port) }
    }

    /// A `HostKeyAlias`.
    pub fn alias(alias: &str) -> Self {
        Self { host: alias.to_owned(), port: None }
    }

    /// As it is written in a file.
    pub fn written(&self) -> String {
        match self.port {
            None | Some(PORT_DEFAULT) => self.host.clone(),
            Some(port) => format!("[{}]:{port}", self.host),
        }
    }
}

/// A public key in words: its algorithm and its SHA-256 fingerprint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostKey {
    /// `ssh-ed25519`, …
    pub algorithm: String,
    /// `SHA256:…`
    pub fingerprint: String,
}

impl HostKey {
    pub(super) fn of(key: &PublicKey) -> Self {
        Self {
            algorithm: key.algorithm().to_string(),
            fingerprint: key.fingerprint(HashAlg::Sha256).to_string(),
        }
    }
}

impl fmt::Display for HostKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.algorithm, self.fingerprint)
    }
}

/// A line that names the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// In which file.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
    /// The key that it holds.
    pub key: HostKey,
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}:{})", self.key, self.file, self.line)
    }
}

/// The judgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Recorded, or certified by a recorded authority.
    Known(Record),
    /// No line speaks of this host.
    Unknown,
    /// Lines speak of this host, none holds this key.
    Changed(Vec<Record>),
    /// A line revokes the key, or the authority that certified it.
    Revoked(Record),
}

/// What a host showed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Offered<'a> {
    /// A plain key.
    Key(&'a PublicKey),
    /// A certificate for its key.
    Certificate(&'a Certificate),
}

/// Judges a plain key given as `algorithm base64`, as it stands in a `.pub` file.
///
/// # Errors
/// When `key` is not a public key.
pub fn judge_line(
    files: &[KnownHostsFile],
    name: &RecordedName,
    key: &str,
) -> Result<Verdict, String> {
    let key = PublicKey::from_openssh(key).map_err(|error| error.to_string())?;
    Ok(judge(files, name, Offered::Key(&key), 0))
}

/// Judges what a host showed. `now`: seconds since 1970, for certificates.
pub(super) fn judge(
    files: &[KnownHostsFile],
    name: &RecordedName,
    offered: Offered<'_>,
    now: u64,
) -> Verdict {
    let verdict = judge_as(files, &name.written(), &name.host, offered, now);
    let bare = name.port.is_some_and(|port| port != PORT_DEFAULT);
    if verdict == Verdict::Unknown && bare {
        // OpenSSH accepts a line without a port for a host on another one; it never takes such
        // a line for a proof that the key has changed.
        let again = judge_as(files, &name.host, &name.host, offered, now);
        if matches!(again, Verdict::Known(_) | Verdict::Revoked(_)) {
            return again;
        }
    }
    verdict
}

fn judge_as(
    files: &[KnownHostsFile],
    written: &str,
    principal: &str,
    offered: Offered<'_>,
    now: u64,
) -> Verdict {
    let entries = entries(files, written);
    let key = match offered {
        Offered::Key(key) => key.clone(),
        Offered::Certificate(certificate) => PublicKey::new(certificate.public_key().clone(), ""),
    };
    let authority = match offered {
        Offered::Key(_) => None,
        Offered::Certificate(certificate) => {
            Some(PublicKey::new(certificate.signature_key().clone(), ""))
        }
    };
    let revoking = entries.iter().filter(|entry| entry.marker == Marker::Revoked).find(|entry| {
        same(&entry.key, &key) || authority.as_ref().is_some_and(|a| same(&entry.key, a))
    });
    if let Some(entry) = revoking {
        return Verdict::Revoked(entry.record());
    }
    if let (Offered::Certificate(certificate), Some(authority)) = (offered, &authority) {
        let trusted = entries
            .iter()
            .find(|entry| entry.marker == Marker::Authority && same(&entry.key, authority));
        if let Some(entry) = trusted
            && certifies(certificate, authority, principal, now)
        {
            return Verdict::Known(entry.record());
        }
        // As OpenSSH: no valid certificate, so the key in it is judged like any other.
    }
    let plain: Vec<&Entry> = entries.iter().filter(|e| e.marker == Marker::None).collect();
    match plain.iter().find(|entry| same(&entry.key, &key)) {
        Some(entry) => Verdict::Known(entry.record()),
        None if plain.is_empty() => Verdict::Unknown,
        None => Verdict::Changed(plain.iter().map(|entry| entry.record()).collect()),
    }
}

/// Whether `certificate`, signed by `authority` (which the caller trusts), stands for the host
/// `principal` at `now`.
fn certifies(certificate: &Certificate, authority: &PublicKey, principal: &str, now: u64) -> bool {
    let fingerprint = authority.fingerprint(HashAlg::Sha256);
    let modern = !matches!(
        certificate.signature().algorithm(),
        Algorithm::Rsa { hash: None } | Algorithm::Dsa
    );
    let principals = certificate.valid_principals();
    modern
        && certificate.cert_type() == CertType::Host
        && certificate.critical_options().is_empty()
        && certificate.validate_at(now, [&fingerprint]).is_ok()
        && (principals.is_empty() || principals.iter().any(|p| p == principal))
}

/// What the files lead us to expect of a host, to ask it for the right kind of key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Expected {
    /// Algorithms of recorded keys, in the order of the lines.
    pub(super) algorithms: Vec<Algorithm>,
    /// Whether some authority may certify the host.
    pub(super) certificates: bool,
}

/// What is recorded for `name`; with a pin, only lines that hold the pinned key count.
pub(super) fn expected(
    files: &[KnownHostsFile],
    name: &RecordedName,
    pin: Option<&str>,
) -> Expected {
    let mut found = entries(files, &name.written());
    if found.is_empty() {
        found = entries(files, &name.host);
    }
    let mut expected = Expected::default();
    for entry in found {
        match entry.marker {
            Marker::None => {
                let algorithm = entry.key.algorithm();
                let counts = pin.is_none_or(|pin| HostKey::of(&entry.key).fingerprint == pin);
                if counts && !expected.algorithms.contains(&algorithm) {
                    expected.algorithms.push(algorithm);
                }
            }
            Marker::Authority => expected.certificates |= pin.is_none(),
            Marker::Revoked => (),
        }
    }
    expected
}

/// The line that would record `key` under `name`.
pub(super) fn line_for(name: &RecordedName, key: &PublicKey) -> String {
    let mut bare = key.clone();
    bare.set_comment("");
    format!("{} {}", name.written(), bare.to_openssh().unwrap_or_default())
}

fn same(one: &PublicKey, other: &PublicKey) -> bool {
    one.key_data() == other.key_data()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Marker {
    None,
    Authority,
    Revoked,
}

#[derive(Clone, Debug)]
struct Entry {
    file: String,
    line: usize,
    marker: Marker,
    key: PublicKey,
}

impl Entry {
    fn record(&self) -> Record {
        Record { file: self.file.clone(), line: self.line, key: HostKey::of(&self.key) }
    }
}

/// The lines of all files that name `host`, which is in its written form.
fn entries(files: &[KnownHostsFile], host: &str) -> Vec<Entry> {
    let mut found = Vec::new();
    for file in files {
        for (index, line) in file.text.split('\n').enumerate() {
            if let Some((marker, key)) = parse_line(line, host) {
                let file = file.path.clone();
                found.push(Entry { file, line: index.saturating_add(1), marker, key });
            }
        }
    }
    found
}

/// The marker and key of `line` if it is well formed and names `host`. Lines that OpenSSH
/// cannot read, it skips; so do we.
fn parse_line(line: &str, host: &str) -> Option<(Marker, PublicKey)> {
    let blank = |c: char| matches!(c, ' ' | '\t' | '\r');
    let mut rest = line.trim_start_matches(blank);
    if rest.is_empty() || rest.starts_with('#') {
        return None;
    }
    let mut marker = Marker::None;
    if rest.starts_with('@') {
        let (word, tail) = rest.split_once(blank)?;
        marker = match word {
            "@cert-authority" => Marker::Authority,
            "@revoked" => Marker::Revoked,
            _ => return None,
        };
        rest = tail.trim_start_matches(blank);
    }
    let (names, tail) = rest.split_once(blank)?;
    if !names_match(names, host) {
        return None;
    }
    let mut words = tail.split(blank).filter(|word| !word.is_empty());
    let (algorithm, base64) = (words.next()?, words.next()?);
    let key = PublicKey::from_openssh(&format!("{algorithm} {base64}")).ok()?;
    Some((marker, key))
}

fn names_match(names: &str, host: &str) -> bool {
    if let Some(hashed) = names.strip_prefix("|1|") {
        return hash_matches(hashed, host).unwrap_or(false);
    }
    let mut positive = false;
    for pattern in names.split(',') {
        let (negated, pattern) = match pattern.strip_prefix('!') {
            Some(pattern) => (true, pattern),
            None => (false, pattern),
        };
        if wildcard(&pattern.to_ascii_lowercase(), host) {
            if negated {
                return false;
            }
            positive = true;
        }
    }
    positive
}

/// Whether `salt|hash` is the HMAC-SHA1 of `host`.
fn hash_matches(hashed: &str, host: &str) -> Option<bool> {
    let (salt, hash) = hashed.split_once('|')?;
    let salt = Base64::decode_vec(salt).ok()?;
    let hash = Base64::decode_vec(hash).ok()?;
    let mut mac = Hmac::<Sha1>::new_from_slice(&salt).ok()?;
    mac.update(host.as_bytes());
    Some(mac.verify_slice(&hash).is_ok())
}

/// `*` stands for any run of characters, `?` for one.
fn wildcard(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0_usize, 0_usize);
    // Where to go on after a `*`: the pattern behind it, and the text that it has not eaten.
    let mut star: Option<(usize, usize)> = None;
    while let Some(&c) = text.get(t) {
        match pattern.get(p) {
            Some(b'*') => {
                p = p.saturating_add(1);
                star = Some((p, t));
            }
            Some(&want) if want == b'?' || want == c => {
                p = p.saturating_add(1);
                t = t.saturating_add(1);
            }
            Some(_) | None => {
                let Some((after, eaten)) = star else { return false };
                star = Some((after, eaten.saturating_add(1)));
                p = after;
                t = eaten.saturating_add(1);
            }
        }
    }
    pattern.iter().skip(p).all(|&c| c == b'*')
}

#[cfg(test)]
mod tests {
    use super::{KnownHostsFile, RecordedName, Verdict, judge_line, wildcard};

    const ED: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";
    const ED2: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK2pr+Bfus1hvPof4Wb/plZCzSbqadHH0u+/f4ODtKnE";
    const EC: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBMxBTpMIGvo7CnordO7wP0QQRqpBwUjOLl4eMhfucfE1sjTYyK5wmTl1UqoSDS1PtRVTBdl+0+9pquFb46U7fwg=";

    fn judge(text: &str, host: &str, port: u16, key: &str) -> &'static str {
        let files = [KnownHostsFile { path: "f".to_owned(), text: text.to_owned() }];
        match judge_line(&files, &RecordedName::new(host, port), key).unwrap() {
            Verdict::Known(_) => "known",
            Verdict::Unknown => "unknown",
            Verdict::Changed(_) => "changed",
            Verdict::Revoked(_) => "revoked",
        }
    }

    #[test]
    fn the_cases_that_libraries_get_wrong() {
        let cases = [
            ("plain", format!("h {ED}\n"), "h", 22, "known"),
            ("a port", format!("[h]:2222 {ED}\n"), "h", 2222, "known"),
            ("a port is not another port", format!("[h]:2222 {ED}\n"), "h", 22, "unknown"),
            ("changed", format!("h {ED2}\n"), "h", 22, "changed"),
            ("changed, another algorithm", format!("h {EC}\n"), "h", 22, "changed"),
            ("unknown", format!("other {ED}\n"), "h", 22, "unknown"),
            ("an empty file", String::new(), "h", 22, "unknown"),
            (
                "revoked before the plain line",
                format!("@revoked * {ED}\nh {ED}\n"),
                "h",
                22,
                "revoked",
            ),
            // OpenSSH overlooks this line; a revocation is better heeded.
            ("a tab behind the marker", format!("@revoked\t* {ED}\nh {ED}\n"), "h", 22, "revoked"),
            (
                "revoked after the plain line",
                format!("h {ED}\n@revoked * {ED}\n"),
                "h",
                22,
                "revoked",
            ),
            ("another key revoked", format!("@revoked * {ED2}\nh {ED}\n"), "h", 22, "known"),
            ("a wildcard", format!("*.example {ED}\n"), "a.example", 22, "known"),
            ("negation", format!("*.example,!a.example {ED}\n"), "a.example", 22, "unknown"),
            (
                "negation of another",
                format!("*.example,!b.example {ED}\n"),
                "a.example",
                22,
                "known",
            ),
            ("a host without its port", format!("h {ED}\n"), "h", 2222, "known"),
            ("a wrong line without the port", format!("h {ED2}\n"), "h", 2222, "unknown"),
            ("tabs", format!("h\t{}\n", ED.replace(' ', "\t")), "h", 22, "known"),
            ("a garbled line before", format!("h ssh-ed25519 AAAA\nh {ED}\n"), "h", 22, "known"),
            ("an unknown marker", format!("@nonsense h {ED}\n"), "h", 22, "unknown"),
            ("two keys of one type", format!("h {ED2}\nh {ED}\n"), "h", 22, "known"),
            ("comments and blanks", format!("# c\n\n  h {ED} a comment\r\n"), "h", 22, "known"),
            ("several names", format!("a,h,10.0.0.1 {ED}\n"), "10.0.0.1", 22, "known"),
            ("letters' case", format!("HOST.example {ED}\n"), "Host.Example", 22, "known"),
            ("an authority is no key", format!("@cert-authority h {ED}\n"), "h", 22, "unknown"),
            (
                "a type that lies",
                format!("h {}\n", ED.replace("ssh-ed25519", "ssh-rsa")),
                "h",
                22,
                "unknown",
            ),
        ];
        for (what, text, host, port, verdict) in cases {
            assert_eq!(judge(&text, host, port, ED), verdict, "{what}");
        }
    }

    #[test]
    fn a_changed_key_tells_the_line() {
        let files = [
            KnownHostsFile { path: "a".to_owned(), text: "# first\n".to_owned() },
            KnownHostsFile { path: "b".to_owned(), text: format!("# c\n\nh {ED2}\n") },
        ];
        let verdict = judge_line(&files, &RecordedName::new("h", 22), ED).unwrap();
        let Verdict::Changed(records) = verdict else { panic!("{verdict:?}") };
        assert_eq!((records[0].file.as_str(), records[0].line), ("b", 3));
    }

    #[test]
    fn wildcards() {
        for (pattern, text, yes) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abb", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("**a", "bba", true),
            ("*a*b*", "xxaxxbxx", true),
            ("", "a", false),
        ] {
            assert_eq!(wildcard(pattern, text), yes, "{pattern} {text}");
        }
    }
}
