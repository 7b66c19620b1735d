//! Runs what was read: the shell's state and its control flow.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};

use super::ast::{Chain, Command, Kind, Link, List, Pipeline, Redirect, Word};
use super::glob;
use super::io::{Broken, Input, Output};
use super::parse::parse;
use crate::practice::host::{Host, Process};

/// Commands that one script may run; an endless loop ends here.
const COMMANDS_MAX: u32 = 2_000_000;

/// Calls within calls.
const DEPTH_MAX: u32 = 40;

/// After so many commands, others get a turn.
const TURN: u32 = 64;

/// Stages of a pipeline.
const PIPE_BYTES: usize = 64 << 10;

/// Why a command list ends before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::practice) enum Unwind {
    Exit(u8),
    Return(u8),
    Break(u32),
    Continue(u32),
    /// A command could not write.
    Broken(Broken),
}

impl From<Broken> for Unwind {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

pub(in crate::practice) type Ended = Result<u8, Unwind>;

/// `set -euxo pipefail`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Options {
    pub(super) errexit: bool,
    pub(super) nounset: bool,
    pub(super) xtrace: bool,
    pub(super) pipefail: bool,
}

/// A shell on a practice host. A clone is a subshell.
#[derive(Clone)]
pub(in crate::practice) struct Shell {
    pub(in crate::practice) host: Arc<Host>,
    pub(in crate::practice) process: Arc<Process>,
    pub(in crate::practice) input: Input,
    pub(in crate::practice) out: Output,
    pub(in crate::practice) err: Output,
    pub(super) vars: BTreeMap<String, Var>,
    pub(super) functions: BTreeMap<String, Arc<Command>>,
    pub(super) arguments: Vec<String>,
    pub(super) folder: String,
    pub(super) user: String,
    pub(super) status: u8,
    /// The status of the last `$(…)` of the current command.
    pub(super) substituted: Option<u8>,
    pub(super) options: Options,
    /// Inside a condition, where a failure is no failure.
    condition: bool,
    depth: u32,
    spent: Arc<AtomicU32>,
}

/// A variable.
#[derive(Clone, Debug, Default)]
pub(super) struct Var {
    pub(super) value: String,
    pub(super) exported: bool,
}

impl Shell {
    /// A login shell of `user` on `host`.
    pub(in crate::practice) fn new(
        host: Arc<Host>,
        process: Arc<Process>,
        user: &str,
        (input, out, err): (Input, Output, Output),
    ) -> Self {
        let mut shell = Self {
            host,
            process,
            input,
            out,
            err,
            vars: BTreeMap::new(),
            functions: BTreeMap::new(),
            arguments: Vec::new(),
            folder: "/home/deploy".to_owned(),
            user: user.chars().take(64).collect(),
            status: 0,
            substituted: None,
            options: Options::default(),
            condition: false,
            depth: 0,
            spent: Arc::default(),
        };
        for (name, value) in [
            ("HOME", "/home/deploy".to_owned()),
            ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
            ("SHELL", "/bin/sh".to_owned()),
            ("USER", shell.user.clone()),
            ("LANG", "C.UTF-8".to_owned()),
        ] {
            shell.export(name, value);
        }
        shell
    }

    /// Runs `script` to its end and returns its exit status.
    pub(in crate::practice) async fn run(mut self, script: &str) -> u8 {
        match self.source(script).await {
            Ok(status) | Err(Unwind::Exit(status) | Unwind::Return(status)) => status,
            Err(Unwind::Break(_) | Unwind::Continue(_)) => self.status,
            Err(Unwind::Broken(_)) => 141,
        }
    }

    /// Reads and runs `script` in this shell.
    pub(super) async fn source(&mut self, script: &str) -> Ended {
        match parse(script) {
            Ok(list) => self.list(&list).await,
            Err(error) => {
                let text = format!("sh: {}: {}\n", error.line, error.message);
                self.err.write(text.as_bytes()).await?;
                Ok(2)
            }
        }
    }

    /// Says what is wrong and ends the script.
    pub(super) async fn refuse<T>(&self, problem: &str) -> Result<T, Unwind> {
        self.err.write(format!("sh: {problem}\n").as_bytes()).await?;
        Err(Unwind::Exit(2))
    }

    /// What the parameter holds.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        match name {
            "?" => Some(self.status.to_string()),
            "$" => Some(self.process.id.to_string()),
            "#" => Some(self.arguments.len().to_string()),
            "@" | "*" => Some(self.arguments.join(" ")),
            "0" => Some("sh".to_owned()),
            "-" | "!" => Some(String::new()),
            "PWD" => Some(self.folder.clone()),
            "HOSTNAME" => Some(self.host.name.clone()),
            "RANDOM" => Some(self.host.shared.world(|world| world.roll(32_768)).to_string()),
            name => match name.parse::<usize>() {
                Ok(number) => self.arguments.get(number.checked_sub(1)?).cloned(),
                Err(_) => self.vars.get(name).map(|var| var.value.clone()),
            },
        }
    }

    /// Gives a variable its value.
    pub(super) fn set(&mut self, name: &str, value: String) {
        self.vars.entry(name.to_owned()).or_default().value = value;
    }

    /// Gives a variable its value and hands it on to commands.
    pub(in crate::practice) fn export(&mut self, name: &str, value: String) {
        self.vars.insert(name.to_owned(), Var { value, exported: true });
    }

    async fn spend(&self) -> Result<(), Unwind> {
        let spent = self.spent.fetch_add(1, Ordering::Relaxed);
        if spent >= COMMANDS_MAX {
            return self.refuse("stopped: the script ran two million commands").await;
        }
        if spent.is_multiple_of(TURN) {
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    pub(super) fn list<'a>(&'a mut self, list: &'a List) -> BoxFuture<'a, Ended> {
        async move {
            self.depth += 1;
            if self.depth > DEPTH_MAX {
                return self.refuse("calls are nested too deeply").await;
            }
            let mut status = 0;
            for chain in &list.0 {
                status = self.chain(chain).await?;
                self.status = status;
            }
            self.depth -= 1;
            Ok(status)
        }
        .boxed()
    }

    /// Runs `list` where a failure is an answer.
    async fn test(&mut self, list: &List) -> Ended {
        let outer = std::mem::replace(&mut self.condition, true);
        let status = self.list(list).await;
        self.condition = outer;
        status
    }

    async fn chain(&mut self, chain: &Chain) -> Ended {
        let outer = self.condition;
        let last = chain.rest.len();
        self.condition = outer || last > 0;
        let mut status = self.pipeline(&chain.first).await?;
        let mut fatal = last == 0 && !chain.first.negated;
        for (index, (link, pipeline)) in chain.rest.iter().enumerate() {
            self.status = status;
            if (*link == Link::And) != (status == 0) {
                continue;
            }
            let is_last = index + 1 == last;
            self.condition = outer || !is_last;
            status = self.pipeline(pipeline).await?;
            fatal = is_last && !pipeline.negated;
        }
        self.condition = outer;
        self.status = status;
        if status != 0 && fatal && self.options.errexit && !outer {
            return Err(Unwind::Exit(status));
        }
        Ok(status)
    }

    async fn pipeline(&mut self, pipeline: &Pipeline) -> Ended {
        let outer = self.condition;
        self.condition |= pipeline.negated;
        let status = match pipeline.stages.as_slice() {
            [only] => self.command(only).await?,
            stages => self.stages(stages).await,
        };
        self.condition = outer;
        Ok(if pipeline.negated { u8::from(status == 0) } else { status })
    }

    /// Runs all stages at once, each in its own subshell.
    async fn stages(&self, stages: &[Command]) -> u8 {
        let mut running = Vec::new();
        let mut input = self.input.clone();
        for (index, stage) in stages.iter().enumerate() {
            let mut shell = self.clone();
            shell.input = input;
            input = Input::empty();
            if index + 1 < stages.len() {
                let (near, far) = tokio::io::duplex(PIPE_BYTES);
                shell.out = Output::stream(near);
                input = Input::stream(far);
            }
            running.push(async move { shell.subshell_of(stage).await });
        }
        let statuses = join_all(running).await;
        let failed = statuses.iter().rev().find(|status| **status != 0).copied();
        let last = statuses.last().copied().unwrap_or(0);
        if self.options.pipefail { failed.unwrap_or(0) } else { last }
    }

    async fn subshell_of(mut self, command: &Command) -> u8 {
        let ended = self.command(command).await;
        self.settle(ended)
    }

    /// The status with which a subshell ends.
    const fn settle(&self, ended: Ended) -> u8 {
        match ended {
            Ok(status) | Err(Unwind::Exit(status) | Unwind::Return(status)) => status,
            Err(Unwind::Break(_) | Unwind::Continue(_)) => self.status,
            Err(Unwind::Broken(_)) => 141,
        }
    }

    /// Runs `list` in a subshell and keeps what it prints.
    pub(super) async fn capture(&self, list: &List) -> Result<(u8, Vec<u8>), Unwind> {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let mut shell = self.clone();
        shell.out = Output::Capture(Arc::clone(&kept));
        let ended = shell.list(list).await;
        if ended == Err(Unwind::Exit(TOO_MUCH)) {
            return Err(Unwind::Exit(2)); // It has said so.
        }
        let bytes = std::mem::take(&mut *kept.lock().unwrap_or_else(PoisonError::into_inner));
        Ok((shell.settle(ended), bytes))
    }

    async fn command(&mut self, command: &Command) -> Ended {
        if let Kind::Simple { assigns, words } = &command.kind {
            return self.simple(assigns, words, &command.redirects).await;
        }
        let streams = (self.input.clone(), self.out.clone(), self.err.clone());
        let opened = self.redirect(&command.redirects).await?;
        let ended = if opened { self.compound(&command.kind).await } else { Ok(1) };
        (self.input, self.out, self.err) = streams;
        ended
    }

    async fn compound(&mut self, kind: &Kind) -> Ended {
        match kind {
            Kind::Simple { .. } => Ok(0),
            Kind::Group(list) => self.list(list).await,
            Kind::Subshell(list) => {
                let mut shell = self.clone();
                let ended = shell.list(list).await;
                Ok(shell.settle(ended))
            }
            Kind::Function { name, body } => {
                self.functions.insert(name.clone(), Arc::clone(body));
                Ok(0)
            }
            Kind::If { arms, otherwise } => {
                for (test, body) in arms {
                    if self.test(test).await? == 0 {
                        return self.list(body).await;
                    }
                }
                match otherwise {
                    Some(body) => self.list(body).await,
                    None => Ok(0),
                }
            }
            Kind::For { name, words, body } => {
                let values = match words {
                    Some(words) => self.fields(words).await?,
                    None => self.arguments.clone(),
                };
                let mut status = 0;
                for value in values {
                    self.set(name, value);
                    if !self.turn(body, &mut status).await? {
                        break;
                    }
                }
                Ok(status)
            }
            Kind::While { until, test, body } => {
                let mut status = 0;
                while (self.test(test).await? == 0) != *until {
                    if !self.turn(body, &mut status).await? {
                        break;
                    }
                }
                Ok(status)
            }
            Kind::Case { word, arms } => {
                let text = self.text(word).await?;
                for (patterns, body) in arms {
                    for pattern in patterns {
                        let pattern = self.pattern(pattern).await?;
                        if glob::matches(&pattern, &text) {
                            return self.list(body).await;
                        }
                    }
                }
                Ok(0)
            }
        }
    }

    /// One turn of a loop; false if the loop is to end.
    async fn turn(&mut self, body: &List, status: &mut u8) -> Result<bool, Unwind> {
        self.spend().await?;
        let depth = self.depth;
        match self.list(body).await {
            Ok(ended) => *status = ended,
            Err(unwind) => {
                self.depth = depth;
                *status = 0;
                match unwind {
                    Unwind::Break(0 | 1) => return Ok(false),
                    Unwind::Break(more) => return Err(Unwind::Break(more - 1)),
                    Unwind::Continue(0 | 1) => {}
                    Unwind::Continue(more) => return Err(Unwind::Continue(more - 1)),
                    other @ (Unwind::Exit(_) | Unwind::Return(_) | Unwind::Broken(_)) => {
                        return Err(other);
                    }
                }
            }
        }
        Ok(true)
    }

    async fn simple(
        &mut self,
        assigns: &[(String, Word)],
        words: &[Word],
        redirects: &[Redirect],
    ) -> Ended {
        self.spend().await?;
        self.substituted = None;
        let words = self.fields(words).await?;
        let mut values = Vec::new();
        for (name, word) in assigns {
            values.push((name.clone(), self.text(word).await?));
        }
        if self.options.xtrace && !words.is_empty() {
            self.err.write(format!("+ {}\n", words.join(" ")).as_bytes()).await?;
        }
        let streams = (self.input.clone(), self.out.clone(), self.err.clone());
        if !self.redirect(redirects).await? {
            (self.input, self.out, self.err) = streams;
            return Ok(1);
        }
        if words.is_empty() {
            for (name, value) in values {
                self.set(&name, value);
            }
            (self.input, self.out, self.err) = streams;
            return Ok(self.substituted.unwrap_or(0));
        }
        let outer: Vec<_> =
            values.iter().map(|(name, _)| (name.clone(), self.vars.get(name).cloned())).collect();
        for (name, value) in values {
            self.export(&name, value);
        }
        let ended = self.call(&words).await;
        let ended = self.unbroken(words.first().map_or("", String::as_str), ended).await;
        let keeps = words.len() == 1 && words.first().is_some_and(|word| word == "exec");
        if !keeps {
            (self.input, self.out, self.err) = streams;
        }
        for (name, var) in outer {
            match var {
                Some(var) => self.vars.insert(name, var),
                None => self.vars.remove(&name),
            };
        }
        ended
    }

    /// What it means that `command` could not write.
    async fn unbroken(&self, command: &str, ended: Ended) -> Ended {
        match ended {
            Err(Unwind::Broken(Broken::Unread)) => Err(Unwind::Exit(141)),
            Err(Unwind::Broken(Broken::Disk(error))) => {
                let text = format!("{command}: write error: {error}\n");
                self.err.write(text.as_bytes()).await.ok();
                Ok(1)
            }
            Err(Unwind::Broken(Broken::TooMuch)) => {
                self.err.write(b"sh: $(...) holds more than 1 MiB\n").await.ok();
                Err(Unwind::Exit(TOO_MUCH))
            }
            other => other,
        }
    }

    /// Runs a function, a built-in or a tool of the practice fleet.
    pub(super) fn call<'a>(&'a mut self, words: &'a [String]) -> BoxFuture<'a, Ended> {
        async move {
            let name = words.first().map_or("", String::as_str);
            if let Some(body) = self.functions.get(name).cloned() {
                let inner = words.iter().skip(1).cloned().collect();
                let outer = std::mem::replace(&mut self.arguments, inner);
                let depth = self.depth;
                self.depth += 1;
                let ended = if self.depth > DEPTH_MAX {
                    self.refuse("calls are nested too deeply").await
                } else {
                    self.command(&body).await
                };
                self.depth = depth;
                self.arguments = outer;
                return match ended {
                    Err(Unwind::Return(status)) => Ok(status),
                    other => other,
                };
            }
            super::builtins::call(self, words).await
        }
        .boxed()
    }

    /// Runs `script` in a shell of its own, as `sh -c` does.
    pub(super) async fn child(&self, script: &str, arguments: Vec<String>) -> Ended {
        let mut shell = self.clone();
        shell.arguments = arguments;
        shell.options = Options::default();
        shell.condition = false;
        shell.vars.retain(|_, var| var.exported);
        shell.depth += 1;
        if shell.depth > DEPTH_MAX {
            return self.refuse("calls are nested too deeply").await;
        }
        let ended = Box::pin(shell.source(script)).await;
        Ok(shell.settle(ended))
    }
}

/// The status that tells a `$(…)` that its own limit ended it.
const TOO_MUCH: u8 = 253;

impl Shell {
    /// A login shell: reads lines from its input and runs each as it comes.
    pub(in crate::practice) async fn interact(mut self) -> u8 {
        let prompt = format!("{}@{} (practice) $ ", self.user, self.host.name);
        let mut script = String::new();
        loop {
            let shown = if script.is_empty() { prompt.as_str() } else { "> " };
            if self.out.write(shown.as_bytes()).await.is_err() {
                return 141;
            }
            let Some(line) = self.input.line().await else { return self.status };
            script.push_str(&String::from_utf8_lossy(&line));
            if parse(&script).is_err_and(|error| error.unfinished) && script.len() < 1 << 20 {
                continue;
            }
            match self.source(&std::mem::take(&mut script)).await {
                Ok(status) => self.status = status,
                Err(Unwind::Exit(status)) => return status,
                Err(_) => {}
            }
        }
    }
}
