//! Settings of one host, as OpenSSH sees them: asked of `ssh -G`, never parsed here.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::error::{SshError, words};
use super::host::ConfigSource;

/// `ssh -G` answers in milliseconds; a `Match exec` may take longer.
const SSH_G_MAX: Duration = Duration::from_secs(15);

/// How a jump host or a host is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Query {
    /// For messages.
    pub(super) host: String,
    pub(super) address: String,
    pub(super) port: Option<u16>,
    pub(super) user: Option<String>,
}

/// The way to a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Proxy {
    Direct,
    /// `ProxyJump`: hops in order.
    Jump(Vec<String>),
    /// `ProxyCommand`, tokens expanded.
    Command(String),
}

/// Which address families may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Any,
    V4,
    V6,
}

/// What OpenSSH would do for a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) hostname: String,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) identities: Vec<PathBuf>,
    pub(super) certificates: Vec<PathBuf>,
    pub(super) identities_only: bool,
    /// The agent's socket.
    pub(super) agent: Option<PathBuf>,
    pub(super) proxy: Proxy,
    pub(super) known_hosts: Vec<PathBuf>,
    pub(super) host_key_alias: Option<String>,
    pub(super) family: Family,
    pub(super) connect: Option<Duration>,
    pub(super) public_key: bool,
}

/// How `ssh -v` begins to name a file that it reads.
pub(super) const READING: &str = "debug1: Reading configuration data ";

/// What was found out about a host.
#[derive(Debug)]
pub(super) enum Answer {
    /// What `ssh -v -G` printed, on both its outputs.
    Printed(String),
    /// Known without asking.
    Known(Box<Settings>),
}

impl Answer {
    /// The settings that it says.
    pub(super) fn read(self, query: &Query) -> Result<Settings, SshError> {
        let refuse = |why: String| SshError::Config { host: query.host.clone(), why };
        match self {
            Self::Printed(text) => parse(&text, query, &Surroundings::here()).map_err(refuse),
            Self::Known(settings) => Ok(*settings),
        }
    }
}

/// Asks for the settings of `query`.
pub(super) async fn ask(source: &ConfigSource, query: &Query) -> Result<Answer, SshError> {
    if query.address.is_empty() || query.address.starts_with('-') {
        let why = format!("`{}` is not an address: correct `address`", words(&query.address));
        return Err(SshError::Config { host: query.host.clone(), why });
    }
    let known = |settings: Settings| Answer::Known(Box::new(settings));
    let file = match source {
        ConfigSource::None => return bare(query, false).map(known),
        ConfigSource::System => None,
        ConfigSource::File(path) => Some(path),
    };
    let mut ssh = Command::new("ssh");
    if let Some(path) = file {
        ssh.arg("-F").arg(path);
    }
    ssh.args(["-v", "-G"]);
    if let Some(port) = query.port {
        ssh.arg("-p").arg(port.to_string());
    }
    if let Some(user) = &query.user {
        ssh.arg("-l").arg(user);
    }
    ssh.arg("--").arg(&query.address).stdin(Stdio::null()).kill_on_drop(true);
    let refuse = |why: String| SshError::Config { host: query.host.clone(), why };
    let output = match timeout(SSH_G_MAX, ssh.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {
            return without_ssh(query, file.map(PathBuf::as_path)).map(known);
        }
        Ok(Err(error)) => return Err(refuse(format!("cannot run `ssh -G`: {error}"))),
        Err(_) => {
            return Err(refuse(format!(
                "`ssh -G {}` did not answer in {} s: look for a slow `Match exec` in the SSH configuration",
                words(&query.address),
                SSH_G_MAX.as_secs()
            )));
        }
    };
    let told = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let talk = |line: &&str| !line.starts_with("debug1: ") && !line.starts_with("OpenSSH_");
        let told: Vec<&str> = told.lines().filter(talk).collect();
        let why = words(&told.join("\n"));
        return Err(refuse(format!("`ssh -G` refuses the SSH configuration: {why}")));
    }
    // Its talk has no line that begins like an option's.
    let files = told.lines().filter(|line| line.starts_with(READING));
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    files.for_each(|line| text.extend(["\n", line]));
    Ok(Answer::Printed(text))
}

/// Without the `ssh` program a configuration file could only be misread.
fn without_ssh(query: &Query, file: Option<&Path>) -> Result<Settings, SshError> {
    let user_file = home().join(".ssh/config");
    let present = file.map(Path::to_path_buf).or_else(|| user_file.exists().then_some(user_file));
    match present {
        None => bare(query, true),
        Some(path) => Err(SshError::Config {
            host: query.host.clone(),
            why: format!(
                "{} needs the `ssh` program to be read exactly: install OpenSSH's client (Debian: openssh-client)",
                path.display()
            ),
        }),
    }
}

/// OpenSSH's defaults for what the runbook leaves open.
fn bare(query: &Query, default_keys: bool) -> Result<Settings, SshError> {
    let user = query.user.clone().or_else(|| {
        ["USER", "LOGNAME"].iter().find_map(|name| env::var(name).ok().filter(|u| !u.is_empty()))
    });
    let Some(user) =
        user.or_else(|| rustix::process::getuid().is_root().then(|| "root".to_owned()))
    else {
        let why = "no `user` is given and $USER is not set: set `user`".to_owned();
        return Err(SshError::Config { host: query.host.clone(), why });
    };
    let ssh = home().join(".ssh");
    let names = ["id_rsa", "id_ecdsa", "id_ed25519"];
    let identities =
        if default_keys { names.iter().map(|name| ssh.join(name)).collect() } else { Vec::new() };
    let mut known_hosts = vec![ssh.join("known_hosts"), ssh.join("known_hosts2")];
    known_hosts.push(PathBuf::from("/etc/ssh/ssh_known_hosts"));
    Ok(Settings {
        hostname: query.address.to_ascii_lowercase(),
        port: query.port.unwrap_or(22),
        user,
        identities,
        certificates: Vec::new(),
        identities_only: false,
        agent: env::var_os("SSH_AUTH_SOCK").filter(|s| !s.is_empty()).map(PathBuf::from),
        proxy: Proxy::Direct,
        known_hosts,
        host_key_alias: None,
        family: Family::Any,
        connect: None,
        public_key: true,
    })
}

/// The home directory; `/` when there is none.
pub(super) fn home() -> PathBuf {
    etcetera::home_dir().unwrap_or_else(|_| PathBuf::from("/"))
}

/// What tokens and defaults draw upon beside the answer of `ssh -G`.
#[derive(Clone, Debug)]
struct Surroundings {
    home: PathBuf,
    uid: u32,
    local_user: String,
    local_host: String,
    env: fn(&str) -> Option<String>,
}

impl Surroundings {
    fn here() -> Self {
        let env = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            home: home(),
            uid: rustix::process::getuid().as_raw(),
            local_user: env("USER").or_else(|| env("LOGNAME")).unwrap_or_default(),
            local_host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            env,
        }
    }
}

/// Reads what `ssh -G` printed.
fn parse(text: &str, query: &Query, around: &Surroundings) -> Result<Settings, String> {
    let mut values: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in text.lines() {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        values.entry(key).or_default().push(value);
    }
    let one = |key: &str| values.get(key).and_then(|v| v.first().copied());
    let many = |key: &str| values.get(key).map(Vec::as_slice).unwrap_or_default();
    let set = |key: &str| one(key).filter(|value| !value.is_empty() && *value != "none");
    if let Some(value) = set("knownhostscommand") {
        return Err(unsupported(
            "KnownHostsCommand",
            value,
            "name the keys in a UserKnownHostsFile",
        ));
    }
    if let Some(value) = set("revokedhostkeys") {
        return Err(unsupported("RevokedHostKeys", value, "use `@revoked` lines in known_hosts"));
    }
    let hostname = one("hostname").ok_or("`ssh -G` names no hostname")?.to_owned();
    let port = one("port").and_then(|p| p.parse().ok()).ok_or("`ssh -G` names no port")?;
    let user = one("user").ok_or("`ssh -G` names no user")?.to_owned();
    let host_key_alias = set("hostkeyalias").map(str::to_owned);
    let tokens = Tokens {
        around,
        query,
        hostname: &hostname,
        port,
        user: &user,
        alias: host_key_alias.as_deref(),
    };
    let paths = |key: &str| -> Result<Vec<PathBuf>, String> {
        many(key).iter().filter(|v| **v != "none").map(|v| tokens.path(key, v)).collect()
    };
    let lists = |key: &str| -> Result<Vec<PathBuf>, String> {
        let words = many(key).iter().flat_map(|v| v.split_whitespace());
        words.filter(|v| *v != "none").map(|v| tokens.path(key, v)).collect()
    };
    let mut known_hosts = lists("userknownhostsfile")?;
    // OpenSSH takes the home from the account; who sets $HOME means the files there too.
    let own = around.home.join(".ssh/known_hosts");
    if !known_hosts.contains(&own)
        && known_hosts.iter().any(|file| file.ends_with(".ssh/known_hosts"))
    {
        known_hosts.push(own);
    }
    known_hosts.extend(lists("globalknownhostsfile")?);
    let proxy = match (set("proxyjump"), set("proxycommand")) {
        (Some(hops), _) => Proxy::Jump(hops.split(',').map(|hop| hop.trim().to_owned()).collect()),
        (None, Some(value)) if one("proxyusefdpass") == Some("yes") => {
            return Err(unsupported(
                "ProxyUseFdpass",
                value,
                "use ProxyJump or a plain ProxyCommand",
            ));
        }
        (None, Some(command)) => Proxy::Command(tokens.expand("proxycommand", command)?),
        (None, None) => Proxy::Direct,
    };
    let agent = match one("identityagent") {
        Some("none") => None,
        None | Some("" | "SSH_AUTH_SOCK") => (around.env)("SSH_AUTH_SOCK").map(PathBuf::from),
        Some(value) => match value.strip_prefix('$').filter(|v| !v.starts_with('{')) {
            Some(name) => (around.env)(name).map(PathBuf::from),
            None => Some(tokens.path("identityagent", value)?),
        },
    };
    Ok(Settings {
        identities: paths("identityfile")?,
        certificates: paths("certificatefile")?,
        identities_only: one("identitiesonly") == Some("yes"),
        agent,
        proxy,
        known_hosts,
        family: match one("addressfamily") {
            Some("inet") => Family::V4,
            Some("inet6") => Family::V6,
            Some(_) | None => Family::Any,
        },
        connect: set("connecttimeout").and_then(|s| s.parse().ok()).map(Duration::from_secs),
        public_key: !matches!(one("pubkeyauthentication"), Some("no" | "false")),
        host_key_alias,
        hostname,
        port,
        user,
    })
}

fn unsupported(option: &str, value: &str, instead: &str) -> String {
    format!("`{option} {}` of the SSH configuration is not supported: {instead}", words(value))
}

/// The `%` tokens and `${VARIABLES}` of `ssh_config`.
struct Tokens<'a> {
    around: &'a Surroundings,
    query: &'a Query,
    hostname: &'a str,
    port: u16,
    user: &'a str,
    alias: Option<&'a str>,
}

impl Tokens<'_> {
    fn path(&self, key: &str, value: &str) -> Result<PathBuf, String> {
        let value = self.expand(key, value)?;
        Ok(expand_home(&value, &self.around.home))
    }

    fn variable(&self, name: &str, key: &str, value: &str) -> Result<String, String> {
        (self.around.env)(name).ok_or_else(|| {
            format!("`{key} {}`: ${name} is not set in the environment", words(value))
        })
    }

    fn expand(&self, key: &str, value: &str) -> Result<String, String> {
        let mut out = String::new();
        let mut chars = value.chars().peekable();
        while let Some(c) = chars.next() {
            if c == '$' && chars.peek() == Some(&'{') && key != "proxycommand" {
                let name: String = chars.by_ref().skip(1).take_while(|&c| c != '}').collect();
                out.push_str(&self.variable(&name, key, value)?);
                continue;
            }
            if c != '%' {
                out.push(c);
                continue;
            }
            match chars.next() {
                Some('%') => out.push('%'),
                Some('h') => out.push_str(self.hostname),
                Some('n') => out.push_str(&self.query.address),
                Some('p') => out.push_str(&self.port.to_string()),
                Some('r') => out.push_str(self.user),
                Some('k') => out.push_str(self.alias.unwrap_or(&self.query.address)),
                Some('d') => out.push_str(&self.around.home.to_string_lossy()),
                Some('i') => out.push_str(&self.around.uid.to_string()),
                Some('u') => out.push_str(&self.around.local_user),
                Some('l') => out.push_str(&self.around.local_host),
                Some('L') => {
                    out.push_str(self.around.local_host.split('.').next().unwrap_or_default());
                }
                Some(_) | None => {
                    return Err(format!(
                        "`{key} {}` of the SSH configuration has a token that is not supported: spell it out",
                        words(value)
                    ));
                }
            }
        }
        Ok(out)
    }
}

/// `~` and `~/x`.
pub(super) fn expand_home(path: &str, home: &Path) -> PathBuf {
    match path.strip_prefix('~') {
        Some("") => home.to_path_buf(),
        Some(rest) => match rest.strip_prefix('/') {
            Some(rest) => home.join(rest),
            None => PathBuf::from(path),
        },
        None => PathBuf::from(path),
    }
}

/// Splits a hop, `[user@]host[:port]` or `ssh://…`, as `ProxyJump` takes it.
pub(super) fn parse_hop(hop: &str) -> Query {
    let rest = hop.strip_prefix("ssh://").unwrap_or(hop).trim_end_matches('/');
    let (user, rest) = match rest.rsplit_once('@') {
        Some((user, rest)) => (Some(user.to_owned()), rest),
        None => (None, rest),
    };
    let bracketed = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let (address, port) = match bracketed {
        Some((address, tail)) => (address, tail.strip_prefix(':')),
        None => match rest.split_once(':') {
            Some((address, port)) if !port.contains(':') => (address, Some(port)),
            Some(_) | None => (rest, None),
        },
    };
    Query {
        host: hop.to_owned(),
        address: address.to_owned(),
        port: port.and_then(|port| port.parse().ok()),
        user,
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use super::{Proxy, Query, Surroundings, expand_home, parse, parse_hop};

    fn query() -> Query {
        Query { host: "web1".to_owned(), address: "web1".to_owned(), port: None, user: None }
    }

    fn around() -> Surroundings {
        Surroundings {
            home: PathBuf::from("/home/op"),
            uid: 1000,
            local_user: "op".to_owned(),
            local_host: "desk.example".to_owned(),
            env: |name| (name == "KEYS").then(|| "/keys".to_owned()),
        }
    }

    const BASE: &str = "host web1\nuser deploy\nhostname 10.0.0.11\nport 2222\n";

    #[test]
    fn an_answer_is_read() {
        let text = format!(
            "{BASE}identityfile ~/.ssh/id_%r\nidentityfile ${{KEYS}}/%h\ncertificatefile /c/%%x\n\
             identitiesonly yes\nuserknownhostsfile ~/.ssh/known_hosts /etc/kh\n\
             globalknownhostsfile /etc/ssh/ssh_known_hosts\nproxyjump a,op@b:23\nhostkeyalias web\n\
             connecttimeout 7\nidentityagent /run/agent-%i\n"
        );
        let settings = parse(&text, &query(), &around()).unwrap();
        assert_eq!((settings.hostname.as_str(), settings.port), ("10.0.0.11", 2222));
        assert_eq!(settings.user, "deploy");
        let identities = ["/home/op/.ssh/id_deploy", "/keys/10.0.0.11"].map(PathBuf::from);
        assert_eq!(settings.identities, identities);
        assert_eq!(settings.certificates, [PathBuf::from("/c/%x")]);
        assert!(settings.identities_only);
        let files = ["/home/op/.ssh/known_hosts", "/etc/kh", "/etc/ssh/ssh_known_hosts"];
        assert_eq!(settings.known_hosts, files.map(PathBuf::from));
        assert_eq!(settings.proxy, Proxy::Jump(vec!["a".to_owned(), "op@b:23".to_owned()]));
        assert_eq!(settings.host_key_alias.as_deref(), Some("web"));
        assert_eq!(settings.connect, Some(Duration::from_secs(7)));
        assert_eq!(settings.agent, Some(PathBuf::from("/run/agent-1000")));
    }

    #[test]
    fn none_means_none() {
        let text = format!(
            "{BASE}proxyjump none\nproxycommand none\nidentityagent none\nuserknownhostsfile none\n\
             connecttimeout none\nknownhostscommand none\n"
        );
        let settings = parse(&text, &query(), &around()).unwrap();
        assert_eq!(settings.proxy, Proxy::Direct);
        assert_eq!(settings.agent, None);
        assert!(settings.known_hosts.is_empty());
        assert_eq!(settings.connect, None);
    }

    #[test]
    fn a_proxy_command_gets_its_tokens() {
        let text = format!("{BASE}proxycommand nc %h %p # %n as %r\n");
        let settings = parse(&text, &query(), &around()).unwrap();
        let command = "nc 10.0.0.11 2222 # web1 as deploy".to_owned();
        assert_eq!(settings.proxy, Proxy::Command(command));
    }

    #[test]
    fn what_cannot_be_followed_is_refused_by_name() {
        for line in ["knownhostscommand /bin/x %H", "revokedhostkeys /k", "identityfile ~/%C"] {
            let error = parse(&format!("{BASE}{line}\n"), &query(), &around()).unwrap_err();
            let option = line.split(' ').next().unwrap();
            assert!(error.to_lowercase().contains(option), "{error}");
        }
    }

    #[test]
    fn hops() {
        let hop = parse_hop("op@[fe80::1]:2022");
        assert_eq!(
            (hop.user.as_deref(), hop.address.as_str(), hop.port),
            (Some("op"), "fe80::1", Some(2022))
        );
        let hop = parse_hop("ssh://bastion:22/");
        assert_eq!((hop.user, hop.address.as_str(), hop.port), (None, "bastion", Some(22)));
        let hop = parse_hop("fe80::1");
        assert_eq!((hop.address.as_str(), hop.port), ("fe80::1", None));
    }

    #[test]
    fn homes() {
        let home = Path::new("/h");
        assert_eq!(expand_home("~/x", home), PathBuf::from("/h/x"));
        assert_eq!(expand_home("~", home), PathBuf::from("/h"));
        assert_eq!(expand_home("/~/x", home), PathBuf::from("/~/x"));
    }
}
