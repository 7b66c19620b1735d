//! The commands that every practice host knows.

use futures_util::FutureExt as _;

use super::run::{Ended, Shell};

mod control;
mod disk;
mod print;
mod sift;
mod state;
mod test;
mod text;

/// Runs the command that `words` name.
pub(super) async fn call(shell: &mut Shell, words: &[String]) -> Ended {
    let Some((name, args)) = words.split_first() else { return Ok(0) };
    let plain = name.rsplit('/').next().unwrap_or(name);
    if let Some(ended) = crate::practice::tools::strike(shell, words).boxed().await? {
        return Ok(ended);
    }
    match plain {
        ":" | "true" | "umask" | "sync" | "wait" | "ulimit" => Ok(0),
        "false" => Ok(1),
        "[" | "[[" | "test" => test::test(shell, plain, args).boxed().await,
        "cd" | "pwd" | "export" | "readonly" | "local" | "unset" | "set" | "shift" | "read"
        | "trap" | "exit" | "return" | "break" | "continue" => {
            state::call(shell, plain, args).boxed().await
        }
        "eval" | "exec" | "command" | "type" | "which" | "sudo" | "env" | "sh" | "bash"
        | "dash" | "nohup" | "setsid" | "nice" | "ionice" | "stdbuf" | "time" | "timeout" | "."
        | "source" | "kill" | "pgrep" | "ps" => control::call(shell, plain, args).boxed().await,
        "echo" | "printf" | "sleep" | "hostname" | "whoami" | "id" | "uname" | "date"
        | "uptime" | "nproc" | "logger" | "basename" | "dirname" | "free" | "df" => {
            print::call(shell, plain, args).boxed().await
        }
        "cat" | "head" | "tail" | "wc" | "seq" | "tee" | "flood" | "yes" | "sha256sum"
        | "base64" => text::call(shell, plain, args).boxed().await,
        "grep" | "egrep" | "fgrep" | "sort" | "uniq" | "cut" | "tr" => {
            sift::call(shell, plain, args).boxed().await
        }
        "ls" | "mkdir" | "rmdir" | "rm" | "touch" | "mv" | "cp" | "chmod" | "chown" | "ln"
        | "mktemp" | "stat" => disk::call(shell, plain, args).boxed().await,
        _ => {
            if let Some(ended) = crate::practice::tools::call(shell, plain, args).boxed().await {
                return ended;
            }
            shell.complain("sh", &format!("{name}: not found on the practice fleet"), 127).await
        }
    }
}

/// Every name that [`call`] knows without the tools of the world.
const NAMES: &str = " : true umask sync wait ulimit false [ [[ test cd pwd export readonly local \
    unset set shift read trap exit return break continue eval exec command type which sudo env sh \
    bash dash nohup setsid nice ionice stdbuf time timeout . source kill pgrep ps echo printf \
    sleep hostname whoami id uname date uptime nproc logger basename dirname free df cat head \
    tail wc seq tee flood yes sha256sum base64 grep egrep fgrep sort uniq cut tr ls mkdir rmdir \
    rm touch mv cp chmod chown ln mktemp stat ";

/// Whether a command of this name exists on the host.
fn exists(shell: &Shell, name: &str) -> bool {
    let plain = name.rsplit('/').next().unwrap_or(name);
    let listed = !plain.contains(' ') && NAMES.contains(&format!(" {plain} "));
    listed || crate::practice::tools::knows(&shell.host, plain)
}

impl Shell {
    /// Prints `text`.
    pub(in crate::practice) async fn say(&self, text: &str) -> Result<(), super::run::Unwind> {
        Ok(self.out.write(text.as_bytes()).await?)
    }

    /// Prints `problem` as `name`'s complaint, and fails with `status`.
    pub(in crate::practice) async fn complain(
        &self,
        name: &str,
        problem: &str,
        status: u8,
    ) -> Ended {
        self.err.write(format!("{name}: {problem}\n").as_bytes()).await?;
        Ok(status)
    }
}

/// Arguments, parted into single-letter switches and the rest. Letters in `valued` take a value,
/// joined to them or as the next argument.
struct Args<'a> {
    switches: Vec<(char, &'a str)>,
    rest: Vec<&'a str>,
}

impl<'a> Args<'a> {
    fn read(args: &'a [String], valued: &str) -> Self {
        let mut read = Self { switches: Vec::new(), rest: Vec::new() };
        let mut args = args.iter().map(String::as_str);
        while let Some(arg) = args.next() {
            if arg == "--" {
                read.rest.extend(args);
                break;
            }
            let Some(letters) = arg.strip_prefix('-').filter(|it| !it.is_empty()) else {
                read.rest.push(arg);
                continue;
            };
            for (at, letter) in letters.char_indices() {
                if !valued.contains(letter) {
                    read.switches.push((letter, ""));
                    continue;
                }
                let joined = arg.get(1 + at + letter.len_utf8()..).unwrap_or_default();
                let value =
                    if joined.is_empty() { args.next().unwrap_or_default() } else { joined };
                read.switches.push((letter, value));
                break;
            }
        }
        read
    }

    fn has(&self, letter: char) -> bool {
        self.switches.iter().any(|(it, _)| *it == letter)
    }

    fn value(&self, letter: char) -> Option<&'a str> {
        self.switches.iter().rev().find(|(it, _)| *it == letter).map(|(_, value)| *value)
    }
}
