//! What a command looks like from outside: does it destroy, prompt, or never end? These are
//! guesses for warnings; nothing is allowed or refused because of them.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is a constant and was tested")
}

/// Where a command word can stand: at the start, after an operator, after `sudo`.
macro_rules! command {
    ($words:literal) => {
        concat!(
            r"(?m)(?:^|[;&|(`]|\bsudo(?:\s+-\S+)*\s|\bthen\s|\bdo\s)\s*(?P<what>(?:",
            $words,
            r"))(?:\s|;|$)"
        )
    };
}

static DESTRUCTIVE: LazyLock<[Regex; 3]> = LazyLock::new(|| {
    [
        regex(r"(?P<what>\brm\s+(?:-\S+\s+)*(?:-[a-zA-Z]*[rR]|--recursive)[a-zA-Z]*)(?:\s|$)"),
        regex(
            r"(?i)\b(?P<what>(?:drop\s+(?:table|database|schema|index|view|user|keyspace))|truncate\s+table)\b",
        ),
        regex(
            r"(?:^|[;&|(\s])(?P<what>mkfs(?:\.\w+)?|wipefs|shred|blkdiscard|lvremove|vgremove|zfs\s+destroy|zpool\s+destroy|dd\s[^\n;|&]*\bof=|kubectl\s+delete|terraform\s+destroy|dropdb)(?:\s|\S|$)",
        ),
    ]
});

/// The part of a command that destroys something.
pub fn destroys(command: &str) -> Option<Range<usize>> {
    DESTRUCTIVE.iter().find_map(|pattern| what(pattern, command))
}

fn what(pattern: &Regex, command: &str) -> Option<Range<usize>> {
    // Most commands have nothing of it, and that is found out much faster.
    let found = pattern.is_match(command).then(|| pattern.captures(command)).flatten()?;
    found.name("what").map(|found| found.range())
}

static SUDO: LazyLock<Regex> = LazyLock::new(|| {
    regex(r"(?:^|[;&|(\s`])(?P<what>sudo)(?P<options>(?:\s+(?:-[ugh]\s+\S+|-\S+))*)(?:\s|$)")
});

/// A `sudo` that would ask for a password, which nobody could type.
pub(super) fn prompts(command: &str) -> Option<Range<usize>> {
    if !command.contains("sudo") {
        return None;
    }
    SUDO.captures_iter(command).find_map(|found| {
        let silent = found.name("options")?.as_str().split_whitespace().any(|option| {
            option == "--non-interactive"
                || option.starts_with('-') && !option.starts_with("--") && option.contains('n')
        });
        found.name("what").map(|what| what.range()).filter(|_| !silent)
    })
}

static ENDLESS: LazyLock<[Regex; 3]> = LazyLock::new(|| {
    [
        regex(
            r"\b(?P<what>(?:tail|journalctl|kubectl\s+logs|docker\s+logs)\s(?:[^;|&\n]*\s)?(?:-[a-zA-Z]*[fF]|--follow)\b[^;|&\n]*)",
        ),
        regex(command!(r"watch|top|htop|tcpdump|vmstat\s+\d+|sleep\s+infinity|yes")),
        regex(r"(?:^|[;&|(\s])(?P<what>ping)\s(?:[^;|&\n]*)"),
    ]
});

/// The part of a command that does not end by itself.
pub(super) fn never_ends(command: &str) -> Option<Range<usize>> {
    let bounded = |text: &str| {
        let words: Vec<_> = text.split_whitespace().collect();
        words.iter().any(|word| {
            matches!(*word, "timeout" | "-c" | "-b" | "-bn1" | "--batch")
                || word.starts_with("-c") && word.len() > 2
        })
    };
    let line_of = |at: usize| {
        let start = command.get(..at)?.rfind(['\n', ';']).map_or(0, |at| at + 1);
        let rest = command.get(start..)?;
        Some(rest.split(['\n', ';']).next().unwrap_or(rest))
    };
    ENDLESS
        .iter()
        .filter_map(|pattern| what(pattern, command))
        .find(|found| !line_of(found.start).is_some_and(bounded))
}

static CHANGES: LazyLock<[Regex; 4]> = LazyLock::new(|| {
    [
        regex(command!(
            r"rm|mv|cp|tee|chmod|chown|mkdir|rmdir|touch|ln|kill|pkill|killall|reboot|shutdown|halt|poweroff|mount|umount|useradd|userdel|rsync|scp|install|truncate|crontab"
        )),
        regex(command!(
            r"(?:systemctl|service|rc-service)\s[^;|&\n]*\b(?:start|stop|restart|reload|enable|disable|mask)|(?:kubectl|oc)\s+(?:apply|delete|scale|rollout|patch|edit|set|drain|cordon|create)|(?:docker|podman)\s+(?:run|rm|stop|start|kill|restart)|(?:apt|apt-get|yum|dnf|apk)\s+(?:install|remove|upgrade|add|del)|sed\s[^;|&\n]*-i\S*|curl\s[^;|&\n]*-X\s*(?:POST|PUT|DELETE|PATCH)|git\s+(?:push|reset|clean)"
        )),
        regex(
            r"(?i)\b(?P<what>insert\s+into|update\s+\w+\s+set|delete\s+from|drop\s+\w+|alter\s+\w+|create\s+(?:table|index|database|user))\b",
        ),
        regex(r"(?:^|[^0-9&>=<$-])(?P<what>>{1,2}\s*[^&\s>]\S*)"),
    ]
});

/// The part of a command that changes something, although the author says it only reads.
pub(super) fn changes(command: &str) -> Option<Range<usize>> {
    let [verbs, tools, sql, redirect] = &*CHANGES;
    let bare = without_quoted(command);
    let harmless = |range: &Range<usize>| {
        let target = bare.get(range.clone()).unwrap_or("").trim_start_matches(['>', ' ']);
        ["/dev/null", "/dev/stderr", "/dev/stdout"].iter().any(|safe| target.starts_with(safe))
    };
    let found = redirect.captures_iter(&bare).filter_map(|found| found.name("what"));
    let redirected = found.map(|found| found.range()).find(|range| !harmless(range));
    [verbs, tools]
        .into_iter()
        .find_map(|pattern| what(pattern, &bare))
        .or_else(|| what(sql, command))
        .or(redirected)
        .or_else(|| destroys(command))
}

/// The command with everything inside quotes blanked, byte for byte.
fn without_quoted(command: &str) -> String {
    let mut quote = None;
    let mut bare = String::with_capacity(command.len());
    for c in command.chars() {
        let inside = quote.is_some();
        quote = match quote {
            None if c == '"' || c == '\'' => Some(c),
            Some(open) if open == c => None,
            other => other,
        };
        if inside {
            bare.extend(std::iter::repeat_n('_', c.len_utf8()));
        } else {
            bare.push(c);
        }
    }
    bare
}

static SECRETS: LazyLock<[Regex; 3]> = LazyLock::new(|| {
    [
        regex(
            r#"(?i)(?:password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key|credentials?)\s*[=:]\s*["']?(?P<what>[^\s"'`$<>{}(),;]{6,})"#,
        ),
        regex(
            r"(?P<what>AKIA[0-9A-Z]{16}|-----BEGIN [A-Z ]*PRIVATE KEY-----|gh[pousr]_[A-Za-z0-9]{20,}|glpat-[A-Za-z0-9_-]{20,}|xox[abprs]-[A-Za-z0-9-]{10,}|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*)",
        ),
        regex(r"(?i)(?:://[^\s/:@{}$]+:(?P<what>[^\s/@{}$]+)@)"),
    ]
});

/// The parts of a text that look like secrets.
pub(super) fn secrets(text: &str) -> Vec<Range<usize>> {
    let path =
        |found: &str| found.starts_with(['/', '~', '.', '*']) || found.starts_with("SHA256:");
    let found = SECRETS.iter().flat_map(|pattern| pattern.captures_iter(text));
    let found = found.filter_map(|found| found.name("what"));
    let mut ranges: Vec<_> =
        found.filter(|found| !path(found.as_str())).map(|found| found.range()).collect();
    ranges.sort_by_key(|range| range.start);
    ranges.dedup_by(|next, before| next.start < before.end);
    ranges
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::{changes, destroys, never_ends, prompts, secrets};

    fn table(look: fn(&str) -> Option<Range<usize>>, yes: &[&str], no: &[&str]) {
        for command in yes {
            let range = look(command);
            assert!(range.is_some_and(|range| command.get(range).is_some()), "{command}");
        }
        for command in no {
            assert_eq!(look(command), None, "{command}");
        }
    }

    #[test]
    fn destruction_is_seen() {
        table(
            destroys,
            &[
                "rm -rf /srv/old",
                "rm -f -r x",
                "cd x && rm --recursive y",
                "psql -c 'drop table x'",
                "mysql -e 'TRUNCATE TABLE x'",
                "mkfs.ext4 /dev/sdb",
                "dd if=/dev/zero of=/dev/sdb",
                "sudo -n wipefs -a x",
                "kubectl delete ns old",
            ],
            &["rm x", "echo firm -rf", "grep drop log", "systemctl stop a", "format x"],
        );
    }

    #[test]
    fn prompts_are_seen() {
        table(
            prompts,
            &["sudo systemctl stop a", "x; sudo -u postgres psql", "a && sudo -E b"],
            &[
                "sudo -n systemctl stop a",
                "sudo -u postgres -n psql",
                "sudo --non-interactive x",
                "echo pseudo x",
                "sudo -nE x",
            ],
        );
    }

    #[test]
    fn endless_commands_are_seen() {
        table(
            never_ends,
            &[
                "tail -f /var/log/x",
                "tail -n 5 -F x",
                "journalctl -u a -f",
                "watch df",
                "ping host",
                "a | top",
                "sleep infinity",
            ],
            &[
                "tail -n 50 x",
                "timeout 5 tail -f x",
                "ping -c 3 host",
                "stop",
                "top -b -n 1",
                "watchdog",
                "cat ping.txt",
            ],
        );
    }

    #[test]
    fn changes_are_seen() {
        table(
            changes,
            &[
                "systemctl restart a",
                "rm x",
                "echo a > /etc/x",
                "cat a >> b",
                "sudo -n cp a b",
                "psql -c \"update t set a = 1\"",
                "sed -i s/a/b/ x",
                "kubectl apply -f x",
                "curl -X POST http://x",
                "test -f x && touch y",
            ],
            &[
                "systemctl status a",
                "cat x 2>&1",
                "ls > /dev/null",
                "psql -c 'select a from t where b > 5'",
                "grep rm x",
                "curl -fsS x",
                "test \"$a\" -gt 5 2>/dev/null",
                "kubectl get pods",
                "df -h",
            ],
        );
    }

    #[test]
    fn secrets_are_seen() {
        for text in [
            "mysql --password=hunter22",
            "db_password = \"hunter22\"",
            "TOKEN: abcdef123",
            "AKIAABCDEFGHIJKLMNOP",
            "postgres://app:hunter2@db/x",
            "-----BEGIN OPENSSH PRIVATE KEY-----",
        ] {
            assert_eq!(secrets(text).len(), 1, "{text}");
        }
        for text in [
            "password = \"{{ pw }}\"",
            "PASSWORD=$DB_PASSWORD",
            "password_file = \"/run/x\"",
            "token = \"/run/secrets/x\"",
            "hostkey = \"SHA256:abc\"",
            "http://host/a:b",
            "secret = \"\"",
            "user@host:22",
        ] {
            assert_eq!(secrets(text).len(), 0, "{text}");
        }
    }
}
