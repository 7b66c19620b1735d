//! Built-ins that change the shell itself.

use super::super::files::absolute;
use super::super::run::{Ended, Shell, Unwind};

pub(super) async fn call(shell: &mut Shell, name: &str, args: &[String]) -> Ended {
    let number = args.first().and_then(|arg| arg.parse::<u32>().ok());
    let status = |number: Option<u32>, default: u8| {
        number.map_or(default, |it| u8::try_from(it % 256).unwrap_or(default))
    };
    match name {
        "exit" => Err(Unwind::Exit(status(number, shell.status))),
        "return" => Err(Unwind::Return(status(number, shell.status))),
        "break" => Err(Unwind::Break(number.unwrap_or(1))),
        "continue" => Err(Unwind::Continue(number.unwrap_or(1))),
        "cd" => cd(shell, args).await,
        "pwd" => {
            shell.say(&format!("{}\n", shell.folder)).await?;
            Ok(0)
        }
        "export" | "readonly" | "local" => {
            for arg in args.iter().filter(|arg| !arg.starts_with('-')) {
                match arg.split_once('=') {
                    Some((name, value)) => shell.set(name, value.to_owned()),
                    None => shell.set(arg, shell.get(arg).unwrap_or_default()),
                }
                let plain = arg.split('=').next().unwrap_or_default();
                if let Some(var) = shell.vars.get_mut(plain) {
                    var.exported |= name == "export";
                }
            }
            Ok(0)
        }
        "unset" => {
            for name in args.iter().filter(|arg| !arg.starts_with('-')) {
                shell.vars.remove(name);
                shell.functions.remove(name);
            }
            Ok(0)
        }
        "set" => set(shell, args).await,
        "shift" => {
            let count = usize::try_from(number.unwrap_or(1)).unwrap_or(usize::MAX);
            if count > shell.arguments.len() {
                return shell.complain("shift", "more than there are arguments", 1).await;
            }
            shell.arguments.drain(..count);
            Ok(0)
        }
        "read" => read(shell, args).await,
        "trap" => {
            // Only `trap '' TERM` has an effect: the command then outlives a polite stop.
            if let Some((action, signals)) = args.split_first()
                && signals.iter().any(|it| matches!(it.as_str(), "TERM" | "15" | "SIGTERM"))
            {
                shell.process.ignore_term(action.is_empty());
            }
            Ok(0)
        }
        _ => Ok(127),
    }
}

async fn cd(shell: &mut Shell, args: &[String]) -> Ended {
    let to = args.iter().find(|arg| *arg != "--").map_or("/home/deploy", String::as_str);
    let path = absolute(&shell.folder, to);
    if !shell.host.files.is_folder(&path) {
        return shell.complain("cd", &format!("can't cd to {to}"), 2).await;
    }
    shell.folder = path;
    Ok(0)
}

async fn set(shell: &mut Shell, args: &[String]) -> Ended {
    let mut args = args.iter().peekable();
    while let Some(arg) = args.next() {
        let on = match arg.chars().next() {
            Some('-') => true,
            Some('+') => false,
            _ => {
                shell.arguments = std::iter::once(arg).chain(args).cloned().collect();
                return Ok(0);
            }
        };
        if arg == "--" {
            shell.arguments = args.cloned().collect();
            return Ok(0);
        }
        for letter in arg.chars().skip(1) {
            match letter {
                'e' => shell.options.errexit = on,
                'u' => shell.options.nounset = on,
                'x' => shell.options.xtrace = on,
                'f' | 'm' | 'a' | 'b' | 'h' | 'v' => {}
                'o' => match args.next().map_or("", String::as_str) {
                    "errexit" => shell.options.errexit = on,
                    "nounset" => shell.options.nounset = on,
                    "xtrace" => shell.options.xtrace = on,
                    "pipefail" => shell.options.pipefail = on,
                    _ => {}
                },
                other => {
                    return shell.complain("set", &format!("illegal option -{other}"), 2).await;
                }
            }
        }
    }
    Ok(0)
}

async fn read(shell: &mut Shell, args: &[String]) -> Ended {
    let raw = args.iter().any(|arg| arg == "-r");
    let names: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let Some(line) = shell.input.line().await else {
        for name in &names {
            shell.set(name, String::new());
        }
        return Ok(1);
    };
    let whole = line.last() == Some(&b'\n');
    let mut text = String::from_utf8_lossy(&line).into_owned();
    if whole {
        text.pop();
    }
    if !raw {
        text = text.replace('\\', "");
    }
    let trims = shell.vars.get("IFS").is_none_or(|var| !var.value.is_empty());
    let blanks: &[char] = if trims { &[' ', '\t'] } else { &[] };
    let mut rest = text.trim_matches(blanks);
    for (index, name) in names.iter().enumerate() {
        if index + 1 == names.len() {
            shell.set(name, rest.to_owned());
            break;
        }
        let (value, more) = rest.split_once(blanks).unwrap_or((rest, ""));
        shell.set(name, value.to_owned());
        rest = more.trim_start_matches(blanks);
    }
    Ok(u8::from(!whole))
}
