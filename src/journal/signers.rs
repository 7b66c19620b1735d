//! Who vouches for a key: the `allowed_signers` file of `ssh-keygen -Y verify`.
//!
//! `PRINCIPALS [OPTIONS] KEYTYPE KEY [COMMENT]`, as ssh-keygen(1) describes it. A line that is not
//! understood makes the whole file unusable: what it should have allowed, or not, is not known.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::base::Timestamp;

use super::checkpoint::NAMESPACE;
use super::sshsig::Key;

/// The people who may sign, and with which keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedSigners(Vec<Allowed>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Allowed {
    principals: Vec<String>,
    authority: bool,
    namespaces: Option<String>,
    after: Option<Timestamp>,
    before: Option<Timestamp>,
    key: Option<Key>,
}

/// How a key stands with those who are allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nobody was asked.
    NotAsked,
    /// It is the key of these people, at the time of the signature and today.
    Vouched(Vec<String>),
    /// It was the key of these people when the record says that it was signed, and is not today.
    Expired(Vec<String>),
    /// It was nobody's key then, for this purpose.
    Stranger,
}

impl AllowedSigners {
    /// Reads the file's text.
    ///
    /// # Errors
    /// The first line that is not understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let lines = (1..).zip(text.lines()).map(|(number, line)| (number, line.trim()));
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let allowed = lines
            .map(|(number, line)| line_of(line).map_err(|why| format!("line {number}: {why}")));
        allowed.collect::<Result<_, _>>().map(Self)
    }

    /// How `key` stands that signed at `then`, looked at `now`; with `identity`, only its lines
    /// count.
    pub fn standing(
        &self,
        key: &Key,
        then: Timestamp,
        now: Timestamp,
        identity: Option<&str>,
    ) -> Standing {
        let named = |allowed: &&Allowed| {
            !allowed.authority
                && allowed.key.as_ref().is_some_and(|own| own.is(key))
                && allowed.namespaces.as_deref().is_none_or(|list| list_matches(list, NAMESPACE))
                && identity.is_none_or(|who| list_matches(&allowed.principals.join(","), who))
        };
        let own: Vec<&Allowed> = self.0.iter().filter(named).collect();
        let at = |time: Timestamp| {
            let valid = own.iter().filter(move |allowed| {
                allowed.after.is_none_or(|after| time >= after)
                    && allowed.before.is_none_or(|before| time <= before)
            });
            let mut people: Vec<String> =
                valid.flat_map(|allowed| allowed.principals.iter().cloned()).collect();
            people.sort();
            people.dedup();
            people
        };
        match (at(then), at(now)) {
            (then, _) if then.is_empty() => Standing::Stranger,
            (then, now) if now.is_empty() => Standing::Expired(then),
            (_, now) => Standing::Vouched(now),
        }
    }
}

fn line_of(line: &str) -> Result<Allowed, String> {
    let (principals, rest) = word(line)?;
    let principals = principals.trim_matches('"');
    let mut allowed = Allowed {
        principals: principals.split(',').map(str::to_owned).collect(),
        authority: false,
        namespaces: None,
        after: None,
        before: None,
        key: None,
    };
    let is_key = |text: &str| {
        let kind = text.split_whitespace().next().unwrap_or_default();
        kind.starts_with("ssh-") || kind.starts_with("ecdsa-") || kind.starts_with("sk-")
    };
    let mut rest = rest;
    if !is_key(rest) {
        let (options, behind) = word(rest)?;
        for option in split_options(options) {
            allowed.option(option)?;
        }
        rest = behind;
    }
    if !is_key(rest) {
        return Err("no key is there".to_owned());
    }
    allowed.key = Key::parse(rest);
    if allowed.key.is_none() && !rest.starts_with("ssh-dss") {
        return Err("its key cannot be read".to_owned());
    }
    Ok(allowed)
}

impl Allowed {
    fn option(&mut self, option: &str) -> Result<(), String> {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        let inner = || inner.ok_or_else(|| format!("`{name}` needs a value in double quotes"));
        match name.to_ascii_lowercase().as_str() {
            "cert-authority" => self.authority = true,
            "namespaces" => self.namespaces = Some(inner()?.to_owned()),
            "valid-after" => self.after = Some(time(inner()?)?),
            "valid-before" => self.before = Some(time(inner()?)?),
            other => return Err(format!("`{}` is no option", other.escape_default())),
        }
        Ok(())
    }
}

/// The first word, in which blanks may stand between double quotes, and what follows.
fn word(text: &str) -> Result<(&str, &str), String> {
    let mut quoted = false;
    let end = text.char_indices().find(|(_, c)| {
        quoted ^= *c == '"';
        !quoted && matches!(c, ' ' | '\t')
    });
    if quoted && end.is_none() {
        return Err("a double quote is not closed".to_owned());
    }
    let (head, rest) = text.split_at(end.map_or(text.len(), |(at, _)| at));
    if head.is_empty() { Err("nothing is there".to_owned()) } else { Ok((head, rest.trim_start())) }
}

fn split_options(text: &str) -> Vec<&str> {
    let mut quoted = false;
    text.split(move |c| {
        quoted ^= c == '"';
        !quoted && c == ','
    })
    .filter(|option| !option.is_empty())
    .collect()
}

/// `YYYYMMDD[HHMM[SS]][Z]`; local time without the `Z`.
fn time(text: &str) -> Result<Timestamp, String> {
    let wrong = || format!("`{}` is no time: YYYYMMDD[HHMM[SS]][Z]", text.escape_default());
    let (digits, zone) = match text.strip_suffix(['Z', 'z']) {
        Some(digits) => (digits, TimeZone::UTC),
        None => (text, TimeZone::system()),
    };
    if !matches!(digits.len(), 8 | 12 | 14) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let number = |from: usize, to: usize| {
        digits.get(from..to).map_or(Some(0), |part| part.parse::<i8>().ok()).ok_or_else(wrong)
    };
    let year = digits.get(..4).and_then(|year| year.parse().ok()).ok_or_else(wrong)?;
    let (hour, minute, second) = (number(8, 10)?, number(10, 12)?, number(12, 14)?);
    let civil = DateTime::new(year, number(4, 6)?, number(6, 8)?, hour, minute, second, 0);
    let civil = civil.map_err(|_| wrong())?;
    let zoned = zone.to_ambiguous_zoned_datetime(civil).compatible().map_err(|_| wrong())?;
    let millis = u64::try_from(zoned.timestamp().as_millisecond()).map_err(|_| wrong())?;
    Ok(Timestamp::from_unix_millis(millis))
}

/// OpenSSH's pattern lists: `*`, `?`, and `!` before a pattern that must not match.
fn list_matches(list: &str, text: &str) -> bool {
    let mut found = false;
    for pattern in list.split(',') {
        match pattern.strip_prefix('!') {
            Some(pattern) if matches(pattern.as_bytes(), text.as_bytes()) => return false,
            Some(_) => {}
            None => found |= matches(pattern.as_bytes(), text.as_bytes()),
        }
    }
    found
}

/// Without recursion into every star: only the last one is gone back to.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t, mut star) = (0, 0, None);
    while let Some(byte) = text.get(t) {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(wanted) if *wanted == b'?' || wanted == byte => {
                p += 1;
                t += 1;
            }
            Some(_) | None => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                p = at + 1;
                t = from + 1;
            }
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::{AllowedSigners, Key, Standing, list_matches, time};
    use crate::base::Timestamp;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL3EEHPmRkxCxO4MI9nDkOTQ9qSOqBXuMDbW3pI7nYAt";

    fn at(text: &str) -> Timestamp {
        time(text).unwrap()
    }

    #[test]
    fn options_are_honoured_as_ssh_keygen_does() {
        let key = Key::parse(KEY).unwrap();
        let standing = |options: &str, then: &str, now: &str, who: Option<&str>| {
            let line = format!("alice@ops,bob@ops {options} {KEY} a comment\n");
            AllowedSigners::parse(&line).unwrap().standing(&key, at(then), at(now), who)
        };
        let (day, later) = ("20260110Z", "20260120Z");
        let both = vec!["alice@ops".to_owned(), "bob@ops".to_owned()];
        assert_eq!(standing("", day, later, None), Standing::Vouched(both.clone()));
        assert_eq!(standing("", day, later, Some("bob@ops")), Standing::Vouched(both.clone()));
        assert_eq!(standing("", day, later, Some("eve@ops")), Standing::Stranger);
        let options = "namespaces=\"git,golive-*\"";
        assert_eq!(standing(options, day, later, None), Standing::Vouched(both.clone()));
        assert_eq!(standing("namespaces=\"git\"", day, later, None), Standing::Stranger);
        assert_eq!(standing("cert-authority", day, later, None), Standing::Stranger);
        let options = "valid-after=\"20260101Z\",valid-before=\"20260115Z\"";
        assert_eq!(standing(options, day, later, None), Standing::Expired(both));
        assert_eq!(standing(options, "20251231Z", day, None), Standing::Stranger);
        assert_eq!(standing(options, later, later, None), Standing::Stranger);
    }

    #[test]
    fn what_is_not_understood_allows_nobody() {
        for bad in [
            "alice",
            "alice ssh-ed25519 AAAA",
            &format!("a wide-open {KEY}"),
            &format!("a valid-after=\"1\" {KEY}"),
            &format!("\"a {KEY}"),
        ] {
            assert!(AllowedSigners::parse(bad).is_err(), "{bad}");
        }
        let good = format!("# people\n\n\"a b,c\" {KEY}\n");
        assert_eq!(AllowedSigners::parse(&good).unwrap().0.len(), 1);
    }

    #[test]
    fn patterns_are_those_of_openssh() {
        for (list, text, fits) in [
            ("*@ops", "a@ops", true),
            ("?@ops", "ab@ops", false),
            ("*,!eve@*", "eve@ops", false),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("", "a", false),
        ] {
            assert_eq!(list_matches(list, text), fits, "{list} {text}");
        }
    }

    #[test]
    fn times_are_those_of_ssh_keygen() {
        assert_eq!(at("20260102Z").rfc3339(), "2026-01-02T00:00:00.000Z");
        assert_eq!(at("202601020304Z").rfc3339(), "2026-01-02T03:04:00.000Z");
        assert_eq!(at("20260102030405Z").rfc3339(), "2026-01-02T03:04:05.000Z");
        assert!(
            ["2026", "20261301Z", "2026010203Z", "x0260102"].iter().all(|bad| time(bad).is_err())
        );
    }
}
