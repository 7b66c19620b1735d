//! Settings of many hosts: one answer of `ssh -G` serves several where it provably can.
//!
//! A start of `ssh` costs as much as a handshake, and a run opens all its hosts at once. `ssh -v`
//! names every file that it reads. If none of them holds anything but options that are the same
//! for every host (`Host *`, no `Match`, no `HostName`, no jumps, no tokens), the answer for one
//! host is the answer for the next with the name exchanged. The files are never interpreted: a
//! word that is not on the lists below means that every host is asked for by itself.
//!
//! An answer is shared for a moment only, by hosts that are opened together, so that a changed
//! file counts at the next connection.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::config::{self, Answer, Query, Settings};
use super::error::SshError;
use super::host::ConfigSource;

/// How long an answer serves other hosts.
const FRESH: Duration = Duration::from_secs(2);

/// `ssh` cuts longer paths when it names them.
const PATH_BYTES_MAX: usize = 199;

/// Options that decide nothing that is read here, whatever they say.
const UNREAD: [&str; 30] = [
    "addkeystoagent",
    "batchmode",
    "checkhostip",
    "ciphers",
    "compression",
    "connectionattempts",
    "controlmaster",
    "controlpath",
    "controlpersist",
    "forwardagent",
    "forwardx11",
    "forwardx11timeout",
    "forwardx11trusted",
    "gssapiauthentication",
    "gssapidelegatecredentials",
    "hashknownhosts",
    "hostkeyalgorithms",
    "kexalgorithms",
    "loglevel",
    "macs",
    "passwordauthentication",
    "preferredauthentications",
    "sendenv",
    "serveralivecountmax",
    "serveraliveinterval",
    "setenv",
    "stricthostkeychecking",
    "tcpkeepalive",
    "updatehostkeys",
    "visualhostkey",
];

/// Options that are read here and are the same for every host unless they hold a token.
const PLAIN: [&str; 10] = [
    "addressfamily",
    "connecttimeout",
    "globalknownhostsfile",
    "identitiesonly",
    "identityagent",
    "identityfile",
    "port",
    "pubkeyauthentication",
    "user",
    "userknownhostsfile",
];

/// What was asked besides the address.
type Kind = (Option<u16>, Option<String>);

/// The latest answers, for hosts that are asked for at the same time.
#[derive(Debug, Default)]
pub(super) struct Lookups(Mutex<BTreeMap<Kind, Arc<tokio::sync::Mutex<Option<Known>>>>>);

#[derive(Debug)]
struct Known {
    asked: Instant,
    /// The answer without the host's name; `None`: the files may tell hosts apart.
    shared: Option<String>,
}

impl Lookups {
    /// The settings of `query`, as `ssh -G` says.
    pub(super) async fn settings(
        &self,
        source: &ConfigSource,
        query: &Query,
    ) -> Result<Settings, SshError> {
        if *source == ConfigSource::None || !is_plain(&query.address) {
            return config::ask(source, query).await?.read(query);
        }
        let kind = (query.port, query.user.clone());
        let known = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(kind).or_default())
        };
        let mut known = known.lock().await;
        match &*known {
            Some(Known { asked, shared }) if asked.elapsed() < FRESH => match shared {
                Some(shared) => return Answer::Printed(named(shared, &query.address)).read(query),
                None => drop(known),
            },
            Some(_) | None => {
                let asked = Instant::now();
                *known = None; // What was known is too old, whatever comes of the asking.
                let answer = config::ask(source, query).await?;
                let shared = match &answer {
                    Answer::Printed(text) => nameless(text, &query.address),
                    Answer::Known(_) => None,
                };
                *known = Some(Known { asked, shared });
                return answer.read(query);
            }
        }
        config::ask(source, query).await?.read(query)
    }
}

/// Whether `ssh` takes `address` for a name or a number of a host and nothing more.
fn is_plain(address: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
    address.starts_with(|c: char| c.is_ascii_alphanumeric() || c == ':')
        && address.chars().all(plain)
}

/// The answer for another host.
fn named(shared: &str, address: &str) -> String {
    format!("hostname {}\n{shared}", address.to_ascii_lowercase())
}

/// The answer without the names of the host that was asked for, if it holds for every host.
fn nameless(answer: &str, address: &str) -> Option<String> {
    let hostname = format!("hostname {}", address.to_ascii_lowercase());
    let mut files = answer.lines().filter_map(|line| line.strip_prefix(config::READING)).peekable();
    // No file named at all: `ssh` may have changed its words, so nothing is known.
    files.peek()?;
    let same = |path: &str| {
        path.len() < PATH_BYTES_MAX
            && std::fs::read_to_string(path).is_ok_and(|text| text.lines().all(is_same_for_all))
    };
    if !files.all(|path| same(path.trim())) || !answer.lines().any(|line| line == hostname) {
        return None;
    }
    let names = |line: &&str| !line.starts_with("hostname ") && !line.starts_with("host ");
    Some(answer.lines().filter(names).fold(String::new(), |text, line| text + line + "\n"))
}

/// Whether a line of a configuration file means the same for every host.
fn is_same_for_all(line: &str) -> bool {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return true;
    }
    let (word, value) =
        line.split_once(|c: char| c.is_ascii_whitespace() || c == '=').unwrap_or((line, ""));
    let value = value.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '=');
    let word = word.to_ascii_lowercase();
    match word.as_str() {
        "host" => value == "*",
        "match" => value.eq_ignore_ascii_case("all"),
        // The files that it leads to are named and looked at like this one.
        "include" => !value.contains('%'),
        word if PLAIN.contains(&word) => !value.contains(['%', '$']),
        word => UNREAD.contains(&word),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::super::config::{Query, ask};
    use super::super::host::ConfigSource;
    use super::{Lookups, is_plain, is_same_for_all};

    fn query(address: &str) -> Query {
        Query {
            host: "h".to_owned(),
            address: address.to_owned(),
            port: Some(2222),
            user: Some("op".to_owned()),
        }
    }

    const HOSTS: [&str; 5] = ["web1", "WEB2.example.org", "10.0.0.7", "127.0.1.44", "fd00::1"];

    /// Asks for [`HOSTS`] together and one by one; gives back whether one answer was shared.
    async fn is_shared(dir: &Path, text: &str) -> bool {
        let file = dir.join("config");
        fs::write(&file, text).unwrap();
        let source = ConfigSource::File(file);
        let lookups = Lookups::default();
        for host in HOSTS {
            let query = query(host);
            let one = ask(&source, &query).await.unwrap().read(&query).unwrap();
            assert_eq!(lookups.settings(&source, &query).await.unwrap(), one, "{host}: {text}");
        }
        let all = lookups.0.lock().unwrap();
        let known = all.values().next().unwrap().try_lock().unwrap();
        known.as_ref().unwrap().shared.is_some()
    }

    #[tokio::test]
    async fn a_shared_answer_is_the_one_that_ssh_gives() {
        let dir = tempfile::tempdir().unwrap();
        let more = dir.path().join("more.d");
        fs::create_dir(&more).unwrap();
        fs::write(more.join("a.conf"), "ConnectTimeout=7\n").unwrap();
        let include = format!("Include {}/*.conf\n", more.display());
        for same in [
            "",
            "# nothing\n",
            "User other\nPort 99\nIdentityFile ~/.ssh/one\nIdentityFile /k/two\n",
            "Host *\n  IdentitiesOnly yes\n  ControlPath ~/.ssh/%r@%h\n\tUserKnownHostsFile = /k /l\n",
            "Match all\nAddressFamily inet\nPubkeyAuthentication no\n",
            include.as_str(),
        ] {
            assert!(is_shared(dir.path(), same).await, "{same}");
        }
        fs::write(more.join("b.conf"), "Host web*\n  User web\n").unwrap();
        for apart in [
            include.as_str(),
            "Host web1\n  Port 1\n",
            "Host * !web1\n  Port 1\n",
            "Match host web1\n  User x\n",
            "Match exec \"test %h = web1\"\n  User x\n",
            "HostName %h.example.org\n",
            "IdentityFile ~/.ssh/%h\n",
            "ProxyJump bastion\n",
            "HostKeyAlias all\n",
        ] {
            assert!(!is_shared(dir.path(), apart).await, "{apart}");
        }
    }

    #[test]
    fn words_that_are_not_known_are_not_trusted() {
        for line in ["\"Host\" web1", "Host web1", "Host *.x", "Host", "Tag a", "Match", "x"] {
            assert!(!is_same_for_all(line), "{line}");
        }
        for line in ["host=*", "HOST *", " \tMatch\tALL ", "SendEnv LC_*"] {
            assert!(is_same_for_all(line), "{line}");
        }
        for address in ["op@web1", "ssh://web1", "-oX", "", "a b", "a%b", "ä"] {
            assert!(!is_plain(address), "{address}");
        }
    }
}
