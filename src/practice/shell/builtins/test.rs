//! `test` and `[`.

use super::super::files::absolute;
use super::super::glob;
use super::super::run::{Ended, Shell};

pub(super) async fn test(shell: &mut Shell, name: &str, args: &[String]) -> Ended {
    let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
    let closing = match name {
        "[" => Some("]"),
        "[[" => Some("]]"),
        _ => None,
    };
    if let Some(closing) = closing
        && args.pop() != Some(closing)
    {
        return shell.complain(name, &format!("missing {closing}"), 2).await;
    }
    match either(shell, &args, name == "[[") {
        Ok(holds) => Ok(u8::from(!holds)),
        Err(problem) => shell.complain(name, &problem, 2).await,
    }
}

/// `a -o b -o c`.
fn either(shell: &Shell, args: &[&str], patterns: bool) -> Result<bool, String> {
    if args.is_empty() {
        return Ok(false);
    }
    let mut holds = false;
    for part in parts(args, "-o") {
        holds |= all(shell, part, patterns)?;
    }
    Ok(holds)
}

/// `a -a b -a c`.
fn all(shell: &Shell, args: &[&str], patterns: bool) -> Result<bool, String> {
    let mut holds = true;
    for part in parts(args, "-a") {
        holds &= one(shell, part, patterns)?;
    }
    Ok(holds)
}

/// `args` at each `joint`, unless there are too few for it to be one.
fn parts<'a, 'b>(args: &'a [&'b str], joint: &'a str) -> Vec<&'a [&'b str]> {
    if args.len() <= 3 { vec![args] } else { args.split(|arg| *arg == joint).collect() }
}

fn one(shell: &Shell, args: &[&str], patterns: bool) -> Result<bool, String> {
    match args {
        [] => Ok(false),
        ["!", rest @ ..] if rest.len() != 2 || rest.first() == Some(&"!") => {
            one(shell, rest, patterns).map(|holds| !holds)
        }
        [text] => Ok(!text.is_empty()),
        ["!", flag, value] if flag.starts_with('-') => Ok(!unary(shell, flag, value)?),
        [flag, value] => unary(shell, flag, value),
        [left, operator, right] => binary(left, operator, right, patterns),
        _ => Err("too many arguments".to_owned()),
    }
}

fn unary(shell: &Shell, flag: &str, value: &str) -> Result<bool, String> {
    let path = absolute(&shell.folder, value);
    let files = &shell.host.files;
    let system = || shell.host.system_file(&path).is_some();
    Ok(match flag {
        "-n" => !value.is_empty(),
        "-z" => value.is_empty(),
        "-f" => files.is_file(&path) || system(),
        "-d" => files.is_folder(&path),
        "-e" | "-r" | "-w" | "-x" | "-O" => {
            files.is_file(&path) || files.is_folder(&path) || system()
        }
        "-s" => files.size(&path).is_some_and(|size| size > 0),
        "-L" | "-h" | "-t" | "-p" => false,
        _ => return Err(format!("{flag}: unexpected operator")),
    })
}

fn binary(left: &str, operator: &str, right: &str, patterns: bool) -> Result<bool, String> {
    Ok(match operator {
        "=" | "==" if patterns => glob::matches(right, left),
        "!=" if patterns => !glob::matches(right, left),
        "=" | "==" => left == right,
        "!=" => left != right,
        "<" => left < right,
        ">" => left > right,
        "=~" => regex::Regex::new(right).is_ok_and(|it| it.is_match(left)),
        "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge" => {
            let number = |text: &str| {
                let number = text.trim().parse::<i64>();
                number.map_err(|_| format!("{text}: a whole number expected"))
            };
            let order = number(left)?.cmp(&number(right)?);
            match operator {
                "-eq" => order.is_eq(),
                "-ne" => order.is_ne(),
                "-lt" => order.is_lt(),
                "-le" => order.is_le(),
                "-gt" => order.is_gt(),
                _ => order.is_ge(),
            }
        }
        _ => return Err(format!("{operator}: unexpected operator")),
    })
}
