//! Built-ins that work on the host's files, all of them in memory.

use super::super::files::{FileError, absolute};
use super::super::run::{Ended, Shell};
use super::Args;

pub(super) async fn call(shell: &mut Shell, name: &str, args: &[String]) -> Ended {
    let valued = if matches!(name, "stat") { "cf" } else { "m" };
    let args = Args::read(args, valued);
    match name {
        "ls" => return ls(shell, &args).await,
        "mv" | "cp" | "ln" => return copy(shell, name, &args).await,
        "stat" => {
            for name in &args.rest {
                let size = shell.host.files.size(&absolute(&shell.folder, name));
                match size {
                    Some(size) => shell.say(&format!("{size}\n")).await?,
                    None => {
                        return shell
                            .complain("stat", &format!("{name}: {}", FileError::Missing), 1)
                            .await;
                    }
                }
            }
            return Ok(0);
        }
        "mktemp" => {
            let number = shell.host.shared.world(|world| world.roll(1_000_000_000));
            let path = format!("/tmp/tmp.{number:09}");
            let files = &shell.host.files;
            let made = if args.has('d') {
                files.make_folder(&path, false)
            } else {
                files.write(&path, b"")
            };
            if let Err(error) = made {
                return shell.complain(name, &error.to_string(), 1).await;
            }
            shell.say(&format!("{path}\n")).await?;
            return Ok(0);
        }
        _ => {}
    }
    let skipped = usize::from(matches!(name, "chmod" | "chown"));
    let mut status = 0;
    for target in args.rest.iter().skip(skipped) {
        let path = absolute(&shell.folder, target);
        let files = &shell.host.files;
        let done = match name {
            "mkdir" => files.make_folder(&path, args.has('p')),
            "rmdir" => files.remove_folder(&path),
            "rm" => {
                let removed = files.remove(&path, args.has('r') || args.has('R'));
                if args.has('f') && removed == Err(FileError::Missing) { Ok(()) } else { removed }
            }
            "touch" if files.is_file(&path) || files.is_folder(&path) => Ok(()),
            "touch" => files.write(&path, b""),
            _ if files.is_file(&path) || files.is_folder(&path) => Ok(()),
            _ => Err(FileError::Missing),
        };
        if let Err(error) = done {
            status = shell.complain(name, &format!("{target}: {error}"), 1).await?;
        }
    }
    Ok(status)
}

async fn ls(shell: &mut Shell, args: &Args<'_>) -> Ended {
    let here = ["."];
    let targets = if args.rest.is_empty() { here.as_slice() } else { args.rest.as_slice() };
    let mut status = 0;
    for target in targets {
        let path = absolute(&shell.folder, target);
        let files = &shell.host.files;
        let names = if files.is_folder(&path) && !args.has('d') {
            files.names(&path)
        } else if files.is_file(&path) || files.is_folder(&path) {
            vec![(*target).to_owned()]
        } else {
            status = shell.complain("ls", &format!("{target}: {}", FileError::Missing), 2).await?;
            continue;
        };
        let mut text = String::new();
        for name in names.iter().filter(|name| args.has('a') || !name.starts_with('.')) {
            if args.has('l') {
                let whole = absolute(&path, name);
                let whole = if files.is_folder(&path) { whole } else { path.clone() };
                let kind = if files.is_folder(&whole) { "drwx------" } else { "-rw-------" };
                let size = files.size(&whole).unwrap_or(0);
                text.extend([format!("{kind} 1 deploy deploy {size:>8} {name}\n")]);
            } else {
                text.extend([name, "\n"]);
            }
        }
        shell.say(&text).await?;
    }
    Ok(status)
}

async fn copy(shell: &mut Shell, name: &str, args: &Args<'_>) -> Ended {
    let Some((target, sources)) = args.rest.split_last().filter(|(_, it)| !it.is_empty()) else {
        return shell.complain(name, "a source and a target expected", 1).await;
    };
    let to = absolute(&shell.folder, target);
    let mut status = 0;
    for source in sources {
        let from = absolute(&shell.folder, source);
        let files = &shell.host.files;
        let last = from.rsplit('/').next().unwrap_or_default();
        let to = if files.is_folder(&to) { absolute(&to, last) } else { to.clone() };
        let inside = to == from || to.starts_with(&format!("{from}/"));
        let needs = files.is_folder(&from) && name == "cp" && !args.has('r') && !args.has('a');
        let done = if inside {
            Err(FileError::Exists)
        } else if needs {
            Err(FileError::Folder)
        } else {
            let copied = files.copy(&from, &to);
            if name == "mv" { copied.and_then(|()| files.remove(&from, true)) } else { copied }
        };
        if let Err(error) = done {
            status = shell.complain(name, &format!("{source}: {error}"), 1).await?;
        }
    }
    Ok(status)
}
