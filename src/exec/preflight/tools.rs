//! The programs that a command names, seen from outside: a careful reader's guess, for questions
//! to hosts. What cannot be told for certain is left out.

use std::collections::{BTreeMap, BTreeSet};

/// Words of the shell itself behind which a command stands.
const OPENING: [&str; 9] = ["if", "then", "else", "elif", "while", "until", "do", "!", "{"];
/// Words of the shell itself behind which none does.
const CLOSING: [&str; 7] = ["fi", "done", "esac", "}", "for", "select", "function"];
/// Commands that some shells have of their own: no host is asked for them.
const SHELLS_OWN: [&str; 13] = [
    "shopt",
    "declare",
    "mapfile",
    "readarray",
    "pushd",
    "popd",
    "let",
    "local",
    "typeset",
    "builtin",
    "disown",
    "setopt",
    "coproc",
];
/// Commands of the shell itself behind which words may mean anything.
const CHANGING: [&str; 3] = [".", "source", "eval"];
/// Programs that run what stands behind them.
const LEADING: [&str; 9] =
    ["sudo", "env", "exec", "command", "nohup", "nice", "setsid", "time", "timeout"];
/// Options of those that take a word.
const WITH_WORD: [&str; 10] = ["-u", "-g", "-h", "-n", "-k", "-s", "-C", "-p", "-D", "-a"];
/// Programs that may bring others.
const BRINGING: [&str; 21] = [
    "apt", "apt-get", "yum", "dnf", "apk", "zypper", "pacman", "snap", "dpkg", "rpm", "pip",
    "pip3", "npm", "gem", "cargo", "go", "make", "install", "tar", "unzip", "rsync",
];

/// Whether this program may bring another.
pub(super) fn may_bring(tool: &str) -> bool {
    BRINGING.contains(&tool)
}

/// Whether a program is looked for where a host's own shell would look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sought {
    /// Where it is missing, the command cannot run.
    There,
    /// The command says first where programs are, or what words mean: nobody can say from outside.
    Elsewhere,
}

/// The programs that a POSIX shell would look for to run the command of a step with this `shell`
/// (none: `sh`), its own words among them. `elsewhere`: the step has a `PATH` of its own.
pub(super) fn named(
    command: &str,
    shell: Option<&str>,
    elsewhere: bool,
) -> BTreeMap<String, Sought> {
    let program = shell.and_then(|shell| shell.split_whitespace().next()).unwrap_or("sh");
    let name = program.rsplit('/').next().unwrap_or(program);
    let mut reader = Reader {
        words: words(command).into_iter().peekable(),
        times: matches!(name, "bash" | "ksh" | "zsh"),
        elsewhere,
        found: BTreeMap::new(),
        own: BTreeSet::new(),
    };
    reader.read();
    let Reader { mut found, own, .. } = reader;
    found.retain(|name, _| !own.contains(name));
    found
}

/// A word of a command, or what parts commands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    /// As written; none if it is not plain, so that it means something else when it runs.
    Plain(Option<String>),
    /// A variable of this name is given a value, whatever it is.
    Assigned(String),
    /// The `(` of a list of values for the variable before it.
    Array,
    /// The next word is a command.
    Next,
    /// The next word is a command whose output stands in the command around it.
    Within,
    /// A single `(`: a list in a shell of its own, or the head of a function.
    Open,
    /// A single `)`.
    Close,
    /// `;;`
    CaseEnd,
    /// The next word is a file.
    Redirect,
}

/// What is open around a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Around {
    /// Commands in a shell of their own, or the head of a function.
    List,
    /// Commands whose output stands in the command around them.
    Within,
    /// Values, and whether a command may stand behind them.
    Values(bool),
    /// `[[ … ]]`, in which no word is a command.
    Test,
}

impl Around {
    /// Whether words in it may be commands.
    const fn takes_commands(self) -> bool {
        match self {
            Self::List | Self::Within => true,
            Self::Values(_) | Self::Test => false,
        }
    }
}

struct Reader<I: Iterator<Item = Word>> {
    words: std::iter::Peekable<I>,
    /// Whether `time` is a word of the shell.
    times: bool,
    /// Whether something before may have changed what names mean.
    elsewhere: bool,
    found: BTreeMap<String, Sought>,
    /// Functions of the command itself.
    own: BTreeSet<String>,
}

impl<I: Iterator<Item = Word>> Reader<I> {
    fn read(&mut self) {
        let mut is_command = true;
        let mut cases = 0_u32;
        let mut open: Vec<Around> = Vec::new();
        while let Some(word) = self.words.next() {
            let commands = open.last().is_none_or(|around| around.takes_commands());
            let word = match word {
                Word::Next => {
                    is_command = commands;
                    continue;
                }
                Word::Open if !commands => {
                    open.push(Around::Values(false)); // Of a pattern.
                    continue;
                }
                Word::Array => {
                    open.push(Around::Values(is_command));
                    is_command = false;
                    continue;
                }
                Word::Open | Word::Within => {
                    open.push(if word == Word::Within { Around::Within } else { Around::List });
                    is_command = true;
                    continue;
                }
                Word::Close => {
                    is_command = match open.last() {
                        Some(Around::Test) => continue,
                        Some(Around::Values(before)) => *before,
                        Some(Around::Within) => false,
                        Some(Around::List) | None => true,
                    };
                    open.pop();
                    continue;
                }
                Word::Assigned(name) => {
                    self.elsewhere |= name == "PATH";
                    continue;
                }
                Word::CaseEnd if !commands => continue,
                Word::CaseEnd => {
                    self.pattern();
                    is_command = true;
                    continue;
                }
                Word::Redirect => {
                    self.words.next_if(|next| matches!(next, Word::Plain(_)));
                    continue;
                }
                Word::Plain(Some(word)) if word == "]]" && !commands => {
                    // Brackets of a pattern that have no partner end with it.
                    let test = open.iter().rposition(|around| *around == Around::Test);
                    open.truncate(test.unwrap_or(open.len()));
                    is_command = false;
                    continue;
                }
                Word::Plain(_) if !is_command => continue,
                Word::Plain(None) => {
                    is_command = false;
                    continue;
                }
                Word::Plain(Some(word)) => word,
            };
            if CHANGING.contains(&word.as_str()) {
                self.elsewhere = true;
                is_command = false;
            } else if SHELLS_OWN.contains(&word.as_str()) {
                is_command = false;
            } else if self.words.peek() == Some(&Word::Open) {
                self.own.insert(word); // The head of a function.
            } else if word == "case" {
                cases += 1;
                self.case();
            } else if word == "esac" && cases > 0 {
                cases -= 1;
                is_command = false;
            } else if CLOSING.contains(&word.as_str()) {
                is_command = false;
            } else if word == "[[" {
                open.push(Around::Test);
                is_command = false;
            } else if word == "time" && self.times {
                self.words.next_if_eq(&Word::Plain(Some("-p".to_owned())));
            } else if !OPENING.contains(&word.as_str()) {
                is_command = LEADING.contains(&word.as_str()) && self.options(word == "timeout");
                self.names(word);
            }
        }
    }

    /// Takes a word that stands where a command does.
    fn names(&mut self, word: String) {
        if is_name(&word) {
            // A whole path means the same wherever programs are looked for.
            let elsewhere = self.elsewhere && !word.contains('/');
            let sought = if elsewhere { Sought::Elsewhere } else { Sought::There };
            self.found.entry(word).or_insert(sought);
        }
    }

    /// Passes over the head of a case and its first patterns.
    fn case(&mut self) {
        for next in self.words.by_ref() {
            if next == Word::Plain(Some("in".to_owned())) {
                break;
            }
        }
        self.pattern();
    }

    /// Passes over the patterns of a case, up to their `)`; nothing where the case is over.
    fn pattern(&mut self) {
        while self.words.next_if_eq(&Word::Next).is_some() {}
        if self.words.peek() == Some(&Word::Plain(Some("esac".to_owned()))) {
            return;
        }
        self.words.next_if_eq(&Word::Open);
        for word in self.words.by_ref() {
            if word == Word::Close {
                return;
            }
        }
    }

    /// Passes over options; whether a command may stand behind them.
    fn options(&mut self, with_number: bool) -> bool {
        while let Some(Word::Plain(next)) = self.words.peek().cloned() {
            let Some(next) = next else { return false };
            if !next.starts_with('-') {
                break;
            }
            self.words.next();
            // `sudo -n` asks nothing, `nice -n 5` does: a number says which.
            let number = |word: &Word| matches!(word, Word::Plain(Some(text)) if text.parse::<i32>().is_ok());
            if next == "-n" {
                self.words.next_if(number);
            } else if WITH_WORD.contains(&next.as_str()) {
                self.words.next_if(|word| matches!(word, Word::Plain(_)));
            } else if next == "-v" || next == "-V" {
                return false; // `command -v` only asks.
            }
        }
        if with_number {
            self.words.next_if(|word| matches!(word, Word::Plain(_)));
        }
        true
    }
}

/// A program's name, or its whole path. Others count from a folder that is not known here.
fn is_name(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._+-/".contains(c);
    let whole = !word.contains('/') || word.starts_with('/');
    whole
        && word.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '/')
        && word.chars().all(plain)
}

/// The variable that a word gives a value, if it does.
fn assigned(word: &str) -> Option<&str> {
    let (name, _) = word.split_once('=')?;
    let name = name.strip_suffix('+').unwrap_or(name);
    let name = name.split('[').next().unwrap_or(name);
    let letters = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (letters && name.starts_with(|c: char| !c.is_ascii_digit())).then_some(name)
}

/// The words of a command; what stands in a here-document is none of them.
fn words(command: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut ends: Vec<String> = Vec::new();
    let mut lines = command.lines();
    while let Some(line) = lines.next() {
        let mut line = line.to_owned();
        // A quote that is open at the end of a line goes on in the next one, and so does a `\`.
        while is_open(&line) {
            let Some(next) = lines.next() else { return words };
            line.push('\n');
            line.push_str(next);
        }
        one_line(&line, &mut words, &mut ends);
        words.push(Word::Next);
        for end in ends.drain(..) {
            for body in lines.by_ref() {
                if body.trim_start_matches('\t') == end {
                    break;
                }
            }
        }
    }
    words
}

/// Whether a quote is open at the end, or the line goes on.
fn is_open(line: &str) -> bool {
    let (mut quote, mut before) = (None, ' ');
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None | Some('"'), '\\') => {
                if chars.next().is_none() {
                    return true;
                }
            }
            (None, '#') if before.is_whitespace() || before == ';' => {
                // A comment ends with its line; the next one is read anew.
                if chars.by_ref().all(|c| c != '\n') {
                    return false;
                }
            }
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (_, _) => {}
        }
        before = c;
    }
    quote.is_some()
}

fn one_line(line: &str, words: &mut Vec<Word>, ends: &mut Vec<String>) {
    let mut chars = line.chars().peekable();
    let (mut word, mut plain, mut any) = (String::new(), true, false);
    let mut tick = false;
    let flush = |word: &mut String, plain: &mut bool, any: &mut bool, words: &mut Vec<Word>| {
        if std::mem::take(any) {
            let text = std::mem::take(word);
            words.push(match assigned(&text) {
                Some(name) => Word::Assigned(name.to_owned()),
                None => Word::Plain(plain.then_some(text)),
            });
        }
        word.clear();
        *plain = true;
    };
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                if let Some(next) = chars.next().filter(|next| *next != '\n') {
                    word.push(next);
                    any = true;
                }
            }
            '\'' | '"' => {
                any = true;
                plain &= quoted(c, &mut chars, &mut word);
            }
            '#' if !any => {
                if chars.by_ref().find(|c| *c == '\n').is_some() {
                    words.push(Word::Next);
                }
            }
            '$' if chars.peek() == Some(&'(') => {
                chars.next();
                flush(&mut word, &mut plain, &mut any, words);
                // `$((…))` counts, and runs nothing.
                if chars.peek() == Some(&'(') {
                    skip_count(&mut chars);
                    (plain, any) = (false, true);
                } else {
                    words.push(Word::Within);
                }
            }
            '$' | '*' | '?' | '~' | '‹' | '›' => (plain, any) = (false, true),
            '`' => {
                flush(&mut word, &mut plain, &mut any, words);
                words.push(if tick { Word::Close } else { Word::Within });
                tick = !tick;
            }
            '(' if !any && chars.peek() == Some(&'(') => skip_count(&mut chars),
            '(' if word.ends_with('=') && assigned(&word).is_some() => {
                flush(&mut word, &mut plain, &mut any, words);
                words.push(Word::Array);
            }
            '(' | ')' => {
                flush(&mut word, &mut plain, &mut any, words);
                words.push(if c == '(' { Word::Open } else { Word::Close });
            }
            ';' | '&' | '|' | '\n' => {
                // `2>&1` and `&>file` part nothing.
                let turned = words.last() == Some(&Word::Redirect) && !any;
                if c == '&' && (turned || chars.peek() == Some(&'>')) {
                    continue;
                }
                flush(&mut word, &mut plain, &mut any, words);
                let twice = chars.next_if_eq(&c).is_some();
                words.push(if c == ';' && twice { Word::CaseEnd } else { Word::Next });
            }
            '<' | '>' => {
                if any && word.chars().all(|c| c.is_ascii_digit()) {
                    (any, plain) = (false, true); // The number of a stream.
                    word.clear();
                }
                flush(&mut word, &mut plain, &mut any, words);
                if c == '<' && chars.next_if_eq(&'<').is_some() && chars.peek() != Some(&'<') {
                    chars.next_if_eq(&'-');
                    ends.push(here(&mut chars));
                } else {
                    while chars.next_if(|c| "<>|".contains(*c)).is_some() {}
                    words.push(Word::Redirect);
                }
            }
            c if c.is_whitespace() => flush(&mut word, &mut plain, &mut any, words),
            c => {
                word.push(c);
                any = true;
            }
        }
    }
    flush(&mut word, &mut plain, &mut any, words);
}

/// Reads to the quote that ends it; whether what stands in it is what it means.
fn quoted(
    quote: char,
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    word: &mut String,
) -> bool {
    let mut plain = true;
    while let Some(inside) = chars.next().filter(|inside| *inside != quote) {
        plain &= quote == '\'' || !"$`".contains(inside);
        if inside == '\\' && quote == '"' {
            chars.next();
        }
        word.push(inside);
    }
    plain
}

/// The word that ends a here-document.
fn here(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> String {
    while chars.next_if(|c| *c == ' ').is_some() {}
    let mut end = String::new();
    while let Some(c) = chars.next_if(|c| !c.is_whitespace() && !";|&<>".contains(*c)) {
        if !"'\"\\".contains(c) {
            end.push(c);
        }
    }
    end
}

fn skip_count(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    let mut depth = 1_u32;
    for c in chars.by_ref() {
        match c {
            '(' => depth += 1,
            ')' if depth == 1 => return,
            ')' => depth -= 1,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::{Sought, may_bring};

    fn sought(command: &str, shell: Option<&str>) -> BTreeMap<String, Sought> {
        super::named(command, shell, false)
    }

    fn named(command: &str) -> BTreeSet<String> {
        sought(command, None).into_keys().collect()
    }

    fn joined(found: &BTreeSet<String>) -> String {
        found.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn programs_are_seen_where_a_shell_would_look_for_them() {
        for (command, tools) in [
            ("systemctl stop shop", "systemctl"),
            ("sudo -n -u postgres psql -Atc 'select 1; drop x'", "psql sudo"),
            ("A=1 B=$x env C=2 pg_dump db > /srv/out.sql 2>&1", "env pg_dump"),
            ("cd /srv && tar xf a.tar | grep -v x || exit 1", "cd exit grep tar"),
            ("if test -f x; then rm x; else touch y; fi", "rm test touch"),
            ("for f in a b c; do gzip \"$f\"; done", "gzip"),
            ("case $1 in start|stop) svc a ;; *) logger no ;; esac; sync", "logger svc sync"),
            ("say() { printf '%s' \"$1\"; }\nsay hello", "printf"),
            ("cat <<'EOF' > /etc/x\npsql is not run\nEOF\nsync", "cat sync"),
            ("x=$(curl -fsS http://a | jq .b); echo $((1 + 2))", "curl echo jq"),
            (
                "timeout 5 nc -z a 80; nice -n 5 nohup /opt/shop/bin/load",
                "/opt/shop/bin/load nc nice nohup timeout",
            ),
            (
                "kill $(pidof shop) `pgrep old` other; echo $((1 + 2)) next; last",
                "echo kill last pgrep pidof",
            ),
            ("run &> /dev/null; cat <<< \"$x\"\nls; source x", "cat ls run"),
            ("./relative.sh; $TOOL x; ~/bin/y; {{x}}", ""),
            ("# rm all\necho 'a\nb' # psql\nls", "echo ls"),
            ("command -v psql >/dev/null", "command"),
            ("while read -r a; do b \\\n  c; done < list", "b read"),
            ("echo ‹captured: tool› && ‹captured: tool› x", "echo"),
        ] {
            assert_eq!(joined(&named(command)), tools, "{command}");
        }
    }

    #[test]
    fn what_bash_takes_for_values_and_tests_is_no_command() {
        for (command, tools) in [
            ("hosts=(web1 web2); ping web1", "ping"),
            ("declare -a x=(a b); ls", "ls"),
            ("x+=(a\n  b # c\n  d); x[1]=$y ls", "ls"),
            ("x=(a\n  $(date) b\n); ls", "date ls"),
            ("[[ $r =~ ^(web|db)$ ]] && ls || exit 1", "exit ls"),
            ("if [[ $r =~ ^(a|(b|c))$ && -n $(pidof x) ]]; then ls; fi", "ls pidof"),
            ("[[ $r =~ [(] ]]; [[ $r =~ [)] || a < b ]]; (ls)", "ls"),
            ("((i++)); for ((i = 0; i < 3; i++)); do ls; done", "ls"),
            ("time -p ls; time { sync; }", "ls sync"),
        ] {
            let found = sought(command, Some("/bin/bash -e")).into_keys().collect();
            assert_eq!(joined(&found), tools, "{command}");
        }
        assert_eq!(joined(&named("time ls")), "ls time", "a program, or a word of `sh`");
    }

    #[test]
    fn where_a_command_changes_what_names_mean_nobody_can_say_from_outside() {
        let elsewhere = |command: &str| {
            let found = sought(command, None).into_iter();
            let found = found.filter(|(_, sought)| *sought == Sought::Elsewhere);
            joined(&found.map(|(name, _)| name).collect())
        };
        assert_eq!(elsewhere("ls; . /opt/env.sh; shopctl go; ls"), "shopctl");
        assert_eq!(elsewhere("source env.sh && shopctl go"), "shopctl");
        assert_eq!(elsewhere("PATH=/opt/shop/bin:$PATH shopctl go"), "shopctl");
        assert_eq!(elsewhere("export PATH=\"$PATH:/opt/x\"\nshopctl go"), "shopctl");
        assert_eq!(elsewhere(". /opt/env.sh; /opt/shop/bin/shopctl go"), "");
        assert_eq!(elsewhere("A=1 shopctl go"), "");
        assert_eq!(super::named("shopctl", None, true)["shopctl"], Sought::Elsewhere);
    }

    #[test]
    fn whatever_is_written_is_read_to_its_end() {
        let pieces =
            ["'", "\"", "\\", "$((", ")", "(", "case", " in", ";;", "<<", "#", "\n", "a", "`"];
        for first in pieces {
            for second in pieces {
                for third in pieces {
                    named(&format!("{first}{second} {third}{first}"));
                }
            }
        }
    }

    #[test]
    fn what_may_bring_a_program_is_known() {
        let brings = |command| named(command).iter().any(|tool| may_bring(tool));
        assert!(brings("sudo -n apt-get install -y pgbackrest"));
        assert!(!brings("systemctl restart shop"));
    }
}
