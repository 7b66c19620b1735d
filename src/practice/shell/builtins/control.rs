//! Built-ins that run other commands, and those that end them.

use std::time::Duration;

use super::super::files::absolute;
use super::super::run::{Ended, Shell, Unwind};
use super::exists;
use crate::practice::host::Signal;

pub(super) async fn call(shell: &mut Shell, name: &str, args: &[String]) -> Ended {
    match name {
        "eval" => Box::pin(shell.source(&args.join(" "))).await,
        "." | "source" => {
            let path = absolute(&shell.folder, args.first().map_or("", String::as_str));
            match shell.host.files.read(&path) {
                Ok(bytes) => Box::pin(shell.source(&String::from_utf8_lossy(&bytes))).await,
                Err(error) => shell.complain(name, &error.to_string(), 2).await,
            }
        }
        "exec" if args.is_empty() => Ok(0),
        "exec" => {
            let status = shell.call(args).await?;
            Err(Unwind::Exit(status))
        }
        "command" | "type" | "which" => command(shell, name, args).await,
        "env" => env(shell, args).await,
        "sudo" => sudo(shell, args).await,
        "sh" | "bash" | "dash" => sh(shell, args).await,
        "nohup" | "setsid" | "nice" | "ionice" | "stdbuf" | "time" => {
            let rest: Vec<String> =
                args.iter().skip_while(|arg| arg.starts_with('-')).cloned().collect();
            shell.call(&rest).await
        }
        "timeout" => timeout(shell, args).await,
        "kill" => kill(shell, args).await,
        "pgrep" | "ps" => ps(shell, args).await,
        _ => Ok(127),
    }
}

async fn command(shell: &mut Shell, name: &str, args: &[String]) -> Ended {
    let asks = name != "command" || args.first().is_some_and(|arg| arg == "-v" || arg == "-V");
    if !asks {
        return shell.call(args).await;
    }
    let mut status = 0;
    let names: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    for name in names {
        if exists(shell, name) || shell.functions.contains_key(name) {
            shell.say(&format!("/usr/bin/{name}\n")).await?;
        } else {
            status = 1;
        }
    }
    Ok(status)
}

async fn env(shell: &mut Shell, args: &[String]) -> Ended {
    let mut inner = shell.clone();
    let mut rest = args;
    while let Some((first, more)) = rest.split_first() {
        match first.split_once('=') {
            Some((name, value)) if !first.starts_with('-') => inner.export(name, value.to_owned()),
            None if !first.starts_with('-') => break,
            Some(_) | None => {}
        }
        rest = more;
    }
    if !rest.is_empty() {
        return inner.call(rest).await;
    }
    let mut text = String::new();
    for (name, var) in inner.vars.iter().filter(|(_, var)| var.exported) {
        text.extend([name, "=", &var.value, "\n"]);
    }
    shell.say(&text).await?;
    Ok(0)
}

async fn sudo(shell: &mut Shell, args: &[String]) -> Ended {
    let mut user = "root";
    let mut args = args.iter().peekable();
    while let Some(flag) = args.next_if(|arg| arg.starts_with('-') || arg.contains('=')) {
        match flag.as_str() {
            "-u" => user = args.next().map_or("root", String::as_str),
            "--" => break,
            _ => {}
        }
    }
    let rest: Vec<String> = args.cloned().collect();
    let outer = std::mem::replace(&mut shell.user, user.to_owned());
    let ended = if rest.is_empty() { Ok(0) } else { shell.call(&rest).await };
    shell.user = outer;
    ended
}

async fn sh(shell: &mut Shell, args: &[String]) -> Ended {
    let mut rest = args.iter();
    let mut options = String::new();
    while let Some(arg) = rest.next() {
        if arg == "-s" {
            break;
        }
        let Some(letters) = arg.strip_prefix('-') else {
            let path = absolute(&shell.folder, arg);
            let arguments = rest.cloned().collect();
            return match shell.host.files.read(&path) {
                Ok(bytes) => shell.child(&String::from_utf8_lossy(&bytes), arguments).await,
                Err(error) => shell.complain("sh", &format!("{arg}: {error}"), 127).await,
            };
        };
        options.extend(letters.chars().filter(|c| matches!(c, 'e' | 'u' | 'x')));
        if letters.contains('c') {
            let script = rest.next().cloned().unwrap_or_default();
            let arguments = rest.skip(1).cloned().collect();
            return shell.child(&with_options(&options, &script), arguments).await;
        }
    }
    let mut script = Vec::new();
    while let Some(bytes) = shell.input.chunk().await {
        script.extend_from_slice(&bytes);
        if script.len() > 1 << 20 {
            return shell.complain("sh", "the script is longer than 1 MiB", 2).await;
        }
    }
    let script = String::from_utf8_lossy(&script).into_owned();
    shell.child(&with_options(&options, &script), rest.cloned().collect()).await
}

fn with_options(options: &str, script: &str) -> String {
    if options.is_empty() { script.to_owned() } else { format!("set -{options}\n{script}") }
}

async fn timeout(shell: &mut Shell, args: &[String]) -> Ended {
    let flags = args.iter().take_while(|arg| arg.starts_with('-')).count();
    let args = args.get(flags..).unwrap_or_default();
    let Some((first, rest)) = args.split_first() else {
        return shell.complain("timeout", "a time expected", 125).await;
    };
    let Some(span) = super::print::span(first) else {
        return shell.complain("timeout", "a time expected", 125).await;
    };
    let span: Duration = shell.host.shared.real(span);
    match tokio::time::timeout(span, shell.call(rest)).await {
        Ok(ended) => ended,
        Err(_) => Ok(124),
    }
}

/// Lists the commands of this practice host; `-o` chooses columns, `-p` one of them.
async fn ps(shell: &mut Shell, args: &[String]) -> Ended {
    let args = super::Args::read(args, "op");
    let columns: Vec<&str> = args
        .switches
        .iter()
        .filter(|(letter, _)| *letter == 'o')
        .flat_map(|(_, names)| names.split(','))
        .collect();
    let columns = if columns.is_empty() { vec!["pid", "args"] } else { columns };
    let mut text = String::new();
    if columns.iter().any(|column| !column.ends_with('=')) {
        let names: Vec<String> = columns.iter().map(|it| it.to_uppercase()).collect();
        text.extend([format!("{}\n", names.join(" "))]);
    }
    let only = args.value('p').map(|id| id.trim().parse::<u32>().unwrap_or(0));
    let mut any = false;
    for (id, command) in shell.host.processes.running() {
        if only.is_some_and(|only| only != id) {
            continue;
        }
        any = true;
        let cells = columns.iter().map(|column| match column.trim_end_matches('=') {
            "pid" | "pgid" | "sid" => id.to_string(),
            "ppid" => "1".to_owned(),
            "stat" | "state" => "S".to_owned(),
            "user" => "deploy".to_owned(),
            "args" | "cmd" | "command" => command.clone(),
            _ => "sh".to_owned(),
        });
        text.extend([format!("{}\n", cells.collect::<Vec<_>>().join(" "))]);
    }
    shell.say(&text).await?;
    Ok(u8::from(!any))
}

/// Ends commands of this practice host. It knows no others.
async fn kill(shell: &mut Shell, args: &[String]) -> Ended {
    let mut signal = "TERM".to_owned();
    let mut targets = Vec::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--" => targets.extend(args.by_ref()),
            "-s" | "-n" => signal = args.next().cloned().unwrap_or_default(),
            "-l" => {
                shell.say("HUP INT QUIT KILL TERM\n").await?;
                return Ok(0);
            }
            it if targets.is_empty() && it.starts_with('-') && it.len() > 1 && it != "-1" => {
                signal = it.trim_start_matches('-').to_owned();
            }
            _ => targets.push(arg),
        }
    }
    let Some(signal) = Signal::named(&signal) else {
        return shell.complain("kill", &format!("{signal}: unknown signal"), 2).await;
    };
    if targets.is_empty() {
        return shell.complain("kill", "which process?", 2).await;
    }
    let mut status = 0;
    for target in targets {
        let id = target.trim_start_matches('-').parse::<u32>().unwrap_or(0);
        if !shell.host.processes.signal(id, signal) {
            status = shell.complain("kill", &format!("({target}) - No such process"), 1).await?;
        }
    }
    Ok(status)
}
