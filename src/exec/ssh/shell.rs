//! The shell text around a step: how it is handed over, where it begins, how it is stopped.
//!
//! The exec request is one fixed line, harmless in any login shell. The step's text and its
//! variables follow on standard input, so that `ps` on the host shows neither; what is left of
//! standard input is the step's own. `read` takes exactly one line and not a byte more: POSIX
//! wants it so, and dash, bash, busybox, mksh, ksh93, zsh, yash and posh do it. All of these,
//! tcsh and fish were tried as login shells. A shell asks the system for each byte of that line
//! by itself, so whatever is the same for every step is in the request and not on the line.
//!
//! Before the step begins, the shell says so on standard error, with the number of its process
//! group and the birth of its leader. That line tells a step that began from a forced command
//! that answered in its place, and it is what stopping goes by.

use std::fmt::Write as _;

/// What is executed on a host; the rest comes over standard input.
///
/// It finds its process group (`gl_p`) and the birth of this shell (`gl_s`). sshd makes each
/// session its own process group; where a server does not, `setsid` does, and the same text
/// (`gl_x`) is run once more (`gl_y`). Group 0: not ours alone, never signalled as a whole.
pub(super) const BOOTSTRAP: &str = "exec sh -c 'eval \"$1\"' sh 'gl_x=$1;gl_y=${2-};\
    gl_t=;[ -r /proc/$$/stat ]&&IFS= read -r gl_t </proc/$$/stat;\
    set -- $gl_t;gl_p=${5-};gl_s=${22-};\
    [ \"$gl_p\" ]||{ set -- $(ps -o pgid= -p $$ 2>/dev/null);gl_p=${1-};};\
    [ \"$gl_p\" = $$ ]||{ \
    [ \"$gl_y\" ]||{ command -v setsid >/dev/null 2>&1&&exec setsid sh -c \"$gl_x\" sh \"$gl_x\" 1;};\
    gl_p=0;};\
    set --;IFS= read -r gl_l;eval \"$gl_l\"'";

/// Shell text that takes one line of standard input and runs it.
pub(in crate::exec) const TAKE_LINE: &str = "IFS= read -r gl_l;eval \"$gl_l\"";

/// The word that the line of a start mark begins with.
const MARK: &str = "golive-start";

/// Bytes of standard error that are held back in search of the start mark. Login scripts that
/// print more than this are not read past.
const MARK_WITHIN: usize = 64 * 1024;

/// A process group on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its number.
    pub id: u32,
    /// When its leader was born, in clock ticks since the host's boot; tells a group from a
    /// later one of the same number. `None` where the host does not say (no `/proc`).
    pub born: Option<u64>,
}

/// What the start mark says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begun {
    /// The step has begun, in a process group of its own.
    Alone(Group),
    /// The step has begun, in a group that others live in too: it cannot be signalled.
    Shared,
}

impl Begun {
    pub(super) fn group(self) -> Option<Group> {
        match self {
            Self::Alone(group) => Some(group),
            Self::Shared => None,
        }
    }
}

/// `text` as one shell word.
fn quoted(text: &str) -> String {
    // A line end cannot be read by `read -r`: it is spliced in from a variable.
    format!("'{}'", text.replace('\'', "'\\''").replace('\n', "'\"$gl_n\"'"))
}

/// Whether `name` may name a variable of the environment.
fn is_name(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit())
}

/// What goes to standard input before the step's own: one line, or two when the step runs as
/// another user (`become_`: words that make a command do so, `sudo -n`).
///
/// # Errors
/// Says what cannot be sent.
pub(super) fn preamble(
    nonce: &str,
    line: &str,
    env: &[(String, String)],
    become_: Option<&str>,
) -> Result<String, String> {
    let step = step_line(line, env)?;
    let mut text = format!("echo \"{MARK} {nonce} $gl_p $gl_s\" >&2;");
    if let Some(words) = become_ {
        text.push_str(&becoming(words)?);
    }
    text.push_str(&step);
    Ok(text)
}

/// The line that takes a step's line to another user.
///
/// # Errors
/// Says what cannot be sent.
pub(in crate::exec) fn becoming(words: &str) -> Result<String, String> {
    if words.contains(['\0', '\n']) {
        return Err("the words for becoming another user are not one line".to_owned());
    }
    // Handed on the same way: another user's process list shows no more than ours.
    Ok(format!("exec {words} sh -c '{TAKE_LINE}'\n"))
}

/// The line that sets the step's variables and runs it, for a shell that runs [`TAKE_LINE`].
///
/// # Errors
/// Says what cannot be sent.
pub(in crate::exec) fn step_line(line: &str, env: &[(String, String)]) -> Result<String, String> {
    if line.contains('\0') {
        return Err("it contains a NUL byte".to_owned());
    }
    let mut text = String::new();
    let newline = line.contains('\n') || env.iter().any(|(_, value)| value.contains('\n'));
    if newline {
        text.push_str("gl_n=$(printf '\\nx');gl_n=${gl_n%x};");
    }
    write!(text, "gl_c={};", quoted(line)).ok();
    for (name, value) in env {
        if !is_name(name) {
            return Err(format!("`{}` cannot name a variable", super::error::words(name)));
        }
        if value.contains('\0') {
            return Err(format!("the value of ${name} contains a NUL byte"));
        }
        write!(text, "{name}={};export {name};", quoted(value)).ok();
    }
    text.push_str("eval \"unset gl_l gl_t gl_p gl_s gl_n gl_c gl_x gl_y;$gl_c\"\n");
    Ok(text)
}

/// Finds the start mark in standard error and takes it out.
#[derive(Debug)]
pub(super) struct MarkFinder {
    line: String,
    held: Vec<u8>,
    done: bool,
}

impl MarkFinder {
    pub(super) fn new(nonce: &str) -> Self {
        Self { line: format!("{MARK} {nonce} "), held: Vec::new(), done: false }
    }

    /// Takes bytes; gives back those to pass on, and what the mark says once it is found.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> (Vec<u8>, Option<Begun>) {
        if self.done {
            return (bytes.to_vec(), None);
        }
        self.held.extend_from_slice(bytes);
        let mark = self.line.as_bytes();
        if let Some(at) = self.held.windows(mark.len()).position(|window| window == mark) {
            let tail = self.held.split_off(at);
            if let Some(end) = tail.iter().position(|&b| b == b'\n') {
                let (line, after) = tail.split_at(end);
                let numbers = line.get(mark.len()..).unwrap_or_default();
                let begun = parse_group(&String::from_utf8_lossy(numbers));
                let begun = begun.map_or(Begun::Shared, Begun::Alone);
                let mut pass = std::mem::take(&mut self.held);
                pass.extend(after.iter().skip(1));
                self.done = true;
                return (pass, Some(begun));
            }
            self.held.extend(tail);
        }
        if self.held.len() > MARK_WITHIN {
            return (self.rest(), None);
        }
        (Vec::new(), None)
    }

    /// Whether bytes pass through unheld.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    /// What is still held back; from now on everything passes.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        self.done = true;
        std::mem::take(&mut self.held)
    }
}

fn parse_group(numbers: &str) -> Option<Group> {
    let mut numbers = numbers.split_whitespace();
    let id = numbers.next()?.parse().ok().filter(|&id| id > 1)?;
    Some(Group { id, born: numbers.next().and_then(|born| born.parse().ok()) })
}

/// The line that signals a group (if `signal`) and lists who lives in it, on standard output:
/// `recycled`, or `p PID STATE NAME` for each process, then `end`.
///
/// Its only variable parts are numbers, the name of a signal, and `become_`, the words that
/// make a command run as another user.
pub(super) fn control(group: Group, signal: Option<&str>, become_: Option<&str>) -> String {
    let Group { id, born } = group;
    let mut text = String::from("LC_ALL=C;export LC_ALL;");
    if let Some(born) = born {
        // The number may have gone to a stranger since; then our group is gone.
        write!(
            text,
            "s=;[ -r /proc/{id}/stat ]&&read -r s </proc/{id}/stat;s=${{s##*\") \"}};set -- $s;case \"${{20-}}\" in \"\"|{born});;*)echo recycled;echo end;exit;;esac;"
        )
        .ok();
    }
    if let Some(signal) = signal {
        // Never `kill -SIG -PGID`: some shells take that for every process there is.
        write!(text, "kill -s {signal} -- -{id} 2>/dev/null;").ok();
        if let Some(words) = become_ {
            // By a shell, as the step itself was begun: a program called kill takes the number of
            // a small group for that of a signal, and sudo may allow no other program.
            write!(
                text,
                "echo \"kill -s {signal} -- -{id}\"|{words} sh -c '{TAKE_LINE}' >/dev/null 2>&1;"
            )
            .ok();
        }
    }
    // Zombies are listed with their state and do not count. Without ps, /proc is read by hand.
    write!(
        text,
        "if l=$(ps -A -o pid= -o pgid= -o stat= -o comm= 2>/dev/null);then echo \"$l\"|while read -r a b c d;do [ \"$b\" = {id} ]&&echo \"p $a $c $d\";done;\
         else for f in /proc/[0-9]*/stat;do l=;read -r l <\"$f\"||continue;a=${{l%% *}};n=${{l#*\"(\"}};n=${{n%\") \"*}};set -- ${{l##*\") \"}};[ \"$3\" = {id} ]&&echo \"p $a $1 $n\";done 2>/dev/null;fi;"
    )
    .ok();
    // A group of another user's processes may be hidden from both.
    write!(
        text,
        "case $(kill -s 0 -- -{id} 2>&1) in *ermitted*) echo \"p {id} ? of-another-user\";;esac;echo end"
    )
    .ok();
    format!("exec sh -c {}", quoted(&text))
}

/// A process that outlived a stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survivor {
    /// Its number.
    pub pid: u32,
    /// Its state, as `ps` writes it.
    pub state: String,
    /// Its program.
    pub name: String,
}

/// Reads what [`control`] printed; `None` when it did not come to its end.
pub(super) fn living(output: &str) -> Option<Vec<Survivor>> {
    let mut living = Vec::new();
    let mut ended = false;
    for line in output.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("p") => {
                let pid = words.next()?.parse().ok()?;
                let state = words.next().unwrap_or("?").to_owned();
                let name = super::error::words(words.next().unwrap_or("?"));
                if !state.starts_with(['Z', 'X']) {
                    living.push(Survivor { pid, state, name });
                }
            }
            Some("end") => ended = true,
            Some(_) | None => (),
        }
    }
    ended.then_some(living)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::symlink;
    use std::os::unix::process::CommandExt as _;
    use std::path::Path;
    use std::process::{Command, Output, Stdio};

    use super::{BOOTSTRAP, Begun, Group, MarkFinder, TAKE_LINE, control, living, preamble};

    #[test]
    fn the_bootstrap_holds_nothing_that_a_login_shell_could_take_for_its_own() {
        let words: Vec<&str> = BOOTSTRAP.split('\'').collect();
        let [exec, first, name, second, end] = words[..] else { panic!("{words:?}") };
        assert_eq!((exec, name, end), ("exec sh -c ", " sh ", ""));
        for word in [first, second] {
            assert!(!word.contains(['\\', '!', '\n', '%', '#', '`']), "{word}");
        }
    }

    #[test]
    fn a_preamble_is_one_line_whatever_the_step_holds() {
        let env = [("A".to_owned(), "x\ny'z".to_owned())];
        let text = preamble("n", "echo 1\necho \"it's\"\n", &env, None).unwrap();
        assert_eq!(text.matches('\n').count(), 1);
        assert!(text.ends_with('\n'));
    }

    #[test]
    fn the_bootstrap_takes_a_line() {
        assert!(BOOTSTRAP.ends_with(&format!(";{TAKE_LINE}'")));
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        let env = |name: &str, value: &str| [(name.to_owned(), value.to_owned())];
        preamble("n", "a\0b", &[], None).unwrap_err();
        preamble("n", "a", &env("A", "\0"), None).unwrap_err();
        for name in ["", "1A", "A-B", "A;rm", "Ä"] {
            assert!(preamble("n", "a", &env(name, "x"), None).is_err(), "{name}");
        }
    }

    #[test]
    fn the_mark_is_found_in_pieces_and_taken_out() {
        let whole = b"motd\ngolive-start abc 123 456\nfirst words\n";
        for cut in 0..whole.len() {
            let mut finder = MarkFinder::new("abc");
            let (mut passed, one) = finder.feed(&whole[..cut]);
            let (more, two) = finder.feed(&whole[cut..]);
            passed.extend(more);
            assert_eq!(one.or(two), Some(Begun::Alone(Group { id: 123, born: Some(456) })));
            assert_eq!(passed, b"motd\nfirst words\n");
        }
    }

    #[test]
    fn a_mark_of_another_run_is_not_ours() {
        let mut finder = MarkFinder::new("abc");
        let (passed, group) = finder.feed(b"golive-start xyz 123 456\n");
        assert_eq!((passed.len(), group), (0, None));
        assert_eq!(finder.rest(), b"golive-start xyz 123 456\n");
    }

    #[test]
    fn a_shared_group_is_no_group() {
        let mut finder = MarkFinder::new("a");
        assert_eq!(finder.feed(b"golive-start a 0 5\n").1, Some(Begun::Shared));
    }

    #[test]
    fn zombies_do_not_live() {
        let output = "p 7 Z sleep\np 8 S+ my prog\nend\n";
        let living = living(output).unwrap();
        assert_eq!(living.len(), 1);
        assert_eq!(living[0].pid, 8);
        assert_eq!(super::living("p 8 S x\n"), None);
    }

    #[test]
    fn a_group_is_signalled_behind_two_dashes_only() {
        let line = control(Group { id: 4711, born: Some(1) }, Some("TERM"), Some("sudo -n"));
        let negative: Vec<_> = line.match_indices("-4711").map(|(at, _)| at).collect();
        assert!(!negative.is_empty());
        for at in negative {
            assert!(line.as_bytes()[..at].ends_with(b"-- "), "{line}");
        }
    }

    #[test]
    fn another_users_shell_is_handed_the_signal_as_a_line() {
        let dir = tempfile::tempdir().unwrap();
        let words = dir.path().join("as-other");
        let log = dir.path().join("log");
        // It may run nothing but what began the step, and is not the user of the step's processes.
        let text = format!(
            "#!/bin/sh\n[ \"$*\" = 'sh -c {TAKE_LINE}' ]||exit 1\nread -r l;echo \"$l\" >>{log}\n\
             echo \"$l\" >{pipe}\n",
            log = log.display(),
            pipe = dir.path().join("pipe").display()
        );
        std::fs::write(&words, text).unwrap();
        let line = |group: u32, signal| {
            let group = Group { id: group, born: None };
            control(group, Some(signal), Some(words.to_str().unwrap()))
        };
        // Small numbers: the second process of a namespace leads the group. Its user's shell takes
        // the line at the other end of a pipe.
        let script = format!(
            "cd {dir};chmod 755 . as-other;mkfifo pipe;chmod 666 pipe;>log;chmod 666 log;\
             setsid sh -c 'echo $$ >group;exec sleep 100'& j=$!;\
             until [ -s group ];do sleep 0.01;done;read -r g <group;echo \"group $g\";\
             while read -r l <pipe;do eval \"$l\";done& \
             p='';[ $(id -u) = 0 ]&&command -v setpriv >/dev/null&&p='setpriv --reuid=65534 --clear-groups';\
             $p sh -c \"$(sed \"s/4711/$g/g\" <line)\";wait $j;echo \"ended $?\"",
            dir = dir.path().display()
        );
        std::fs::write(dir.path().join("line"), line(4711, "TERM")).unwrap();
        let mut command = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            command.arg("-Ur");
        }
        let output = command
            .args(["-pf", "--mount-proc", "--kill-child", "bash", "-c", &script])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let group = said.lines().find_map(|it| it.strip_prefix("group ")).unwrap();
        assert!(group.parse::<u32>().unwrap() < 65, "{said}");
        let took = std::fs::read_to_string(log).unwrap();
        assert_eq!(took, format!("kill -s TERM -- -{group}\n"), "{output:?}");
        assert!(said.ends_with("ended 143\n"), "{output:?}");
    }

    /// Runs the bootstrap with `sh` being `shell`; `None` if there is no such shell.
    fn bootstrap(shell: &str, own_group: bool, input: &str) -> Option<(u32, Output)> {
        let path = std::env::var("PATH").unwrap();
        let program = path.split(':').map(|dir| Path::new(dir).join(shell)).find(|p| p.exists())?;
        let dir = tempfile::tempdir().unwrap();
        symlink(program, dir.path().join("sh")).unwrap();
        let mut command = Command::new(dir.path().join("sh"));
        command
            .args(["-c", BOOTSTRAP])
            .env("PATH", format!("{}:{path}", dir.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if own_group {
            command.process_group(0);
        }
        let mut child = command.spawn().unwrap();
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes()).unwrap();
        }
        Some((child.id(), child.wait_with_output().unwrap()))
    }

    #[test]
    fn every_shell_takes_the_step_and_leaves_it_its_input() {
        let env = [("GL_X".to_owned(), "v1\nit's $x".to_owned())];
        let line = "echo \"[$GL_X]\"\ncat\nexit 6";
        let mut tried = 0;
        for shell in ["dash", "bash", "busybox", "mksh", "ksh93", "zsh", "yash", "posh"] {
            for (own_group, become_) in [(true, None), (false, None), (true, Some("env A=1"))] {
                let mut input = preamble("abc", line, &env, become_).unwrap();
                input.push_str("rest\nof input");
                let Some((pid, output)) = bootstrap(shell, own_group, &input) else { continue };
                tried += 1;
                assert_eq!(output.stdout, b"[v1\nit's $x]\nrest\nof input", "{shell}");
                assert_eq!(output.status.code(), Some(6), "{shell}");
                let (pass, begun) = MarkFinder::new("abc").feed(&output.stderr);
                assert_eq!(pass, b"", "{shell}");
                // Not a group's leader by itself, it was made one without a change of number.
                assert_eq!(
                    begun.and_then(Begun::group).map(|group| group.id),
                    Some(pid),
                    "{shell}"
                );
            }
        }
        assert!(tried >= 3, "no shell was found");
    }
}
