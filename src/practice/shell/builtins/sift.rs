//! Built-ins that choose, order or change lines.

use regex::bytes::{Regex, RegexBuilder};

use super::super::io::Input;
use super::super::run::{Ended, Shell, Unwind};
use super::Args;
use super::text::inputs;

/// What `sort` holds at most.
const SORT_BYTES_MAX: usize = 16 << 20;

pub(super) async fn call(shell: &mut Shell, name: &str, args: &[String]) -> Ended {
    match name {
        "sort" => sort(shell, args).await,
        "uniq" => uniq(shell, args).await,
        "cut" => cut(shell, args).await,
        "tr" => tr(shell, args).await,
        _ => grep(shell, name, args).await,
    }
}

/// The lines of all inputs, one after the other; missing files are complained of.
async fn open(shell: &Shell, tool: &str, names: &[&str]) -> Result<Vec<(String, Input)>, Unwind> {
    let mut opened = Vec::new();
    for (name, input) in inputs(shell, names) {
        match input {
            Ok(input) => opened.push((name.to_owned(), input)),
            Err(problem) => {
                shell.complain(tool, &problem, 2).await?;
            }
        }
    }
    Ok(opened)
}

fn pattern(text: &str, args: &Args<'_>, fixed: bool) -> Option<Regex> {
    let pattern = if fixed { regex::escape(text) } else { text.to_owned() };
    let pattern = if args.has('w') { format!(r"\b(?:{pattern})\b") } else { pattern };
    let pattern = if args.has('x') { format!("^(?:{pattern})$") } else { pattern };
    let mut builder = RegexBuilder::new(&pattern);
    builder.case_insensitive(args.has('i')).size_limit(1 << 20).build().ok()
}

async fn grep(shell: &mut Shell, name: &str, args: &[String]) -> Ended {
    let args = Args::read(args, "eAmBC");
    let mut names = args.rest.clone();
    let text = match args.value('e') {
        Some(text) => text,
        None if names.is_empty() => return shell.complain("grep", "a pattern expected", 2).await,
        None => names.remove(0),
    };
    let fixed = args.has('F') || name == "fgrep";
    let Some(pattern) = pattern(text, &args, fixed) else {
        return shell.complain("grep", "this pattern cannot be read", 2).await;
    };
    let most = args.value('m').and_then(|it| it.parse().ok()).unwrap_or(u64::MAX);
    let several = names.len() > 1 && !args.has('h');
    let mut any = false;
    for (name, input) in open(shell, "grep", &names).await? {
        let (mut found, mut number) = (0_u64, 0_u64);
        while let Some(line) = input.line().await {
            number += 1;
            let plain = line.strip_suffix(b"\n").unwrap_or(&line);
            if pattern.is_match(plain) == args.has('v') {
                continue;
            }
            found += 1;
            any = true;
            if args.has('q') {
                return Ok(0);
            }
            if !args.has('c') {
                let mut shown = if several { format!("{name}:").into_bytes() } else { Vec::new() };
                if args.has('n') {
                    shown.extend_from_slice(format!("{number}:").as_bytes());
                }
                match pattern.find(plain).filter(|_| args.has('o')) {
                    Some(only) => shown.extend_from_slice(only.as_bytes()),
                    None => shown.extend_from_slice(plain),
                }
                shown.push(b'\n');
                shell.out.write(&shown).await?;
            }
            if found >= most {
                break;
            }
        }
        if args.has('c') && !args.has('q') {
            let prefix = if several { format!("{name}:") } else { String::new() };
            shell.say(&format!("{prefix}{found}\n")).await?;
        }
    }
    Ok(u8::from(!any))
}

async fn sort(shell: &mut Shell, args: &[String]) -> Ended {
    let args = Args::read(args, "kto");
    let mut lines = Vec::new();
    let mut bytes = 0;
    for (_, input) in open(shell, "sort", &args.rest).await? {
        while let Some(mut line) = input.line().await {
            if line.last() == Some(&b'\n') {
                line.pop();
            }
            bytes += line.len() + 24;
            if bytes > SORT_BYTES_MAX {
                return shell.complain("sort", "more than 16 MiB to sort", 2).await;
            }
            lines.push(line);
        }
    }
    let number = |line: &Vec<u8>| {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_start();
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(text.len());
        text.get(..end).and_then(|it| it.parse::<i64>().ok()).unwrap_or(0)
    };
    if args.has('n') {
        lines.sort_by_key(number);
    } else {
        lines.sort();
    }
    if args.has('r') {
        lines.reverse();
    }
    if args.has('u') {
        lines.dedup();
    }
    for mut line in lines {
        line.push(b'\n');
        shell.out.write(&line).await?;
    }
    Ok(0)
}

async fn uniq(shell: &mut Shell, args: &[String]) -> Ended {
    let args = Args::read(args, "");
    let count = args.has('c');
    let mut held: Option<(Vec<u8>, u64)> = None;
    for (_, input) in open(shell, "uniq", &args.rest).await? {
        while let Some(line) = input.line().await {
            match &mut held {
                Some((last, times)) if *last == line => *times += 1,
                _ => {
                    if let Some(last) = held.replace((line, 1)) {
                        shell.out.write(&counted(&last, count)).await?;
                    }
                }
            }
        }
    }
    if let Some(last) = held {
        shell.out.write(&counted(&last, count)).await?;
    }
    Ok(0)
}

fn counted((line, times): &(Vec<u8>, u64), count: bool) -> Vec<u8> {
    let mut shown = if count { format!("{times:>7} ").into_bytes() } else { Vec::new() };
    shown.extend_from_slice(line);
    shown
}

/// The numbers that `1,3-5` names, from 1.
fn chosen(list: &str, number: usize) -> bool {
    list.split(',').any(|part| match part.split_once('-') {
        Some((from, to)) => {
            number >= from.parse().unwrap_or(1) && number <= to.parse().unwrap_or(usize::MAX)
        }
        None => part.parse() == Ok(number),
    })
}

async fn cut(shell: &mut Shell, args: &[String]) -> Ended {
    let args = Args::read(args, "dfc");
    let delimiter = args.value('d').and_then(|it| it.chars().next()).unwrap_or('\t');
    for (_, input) in open(shell, "cut", &args.rest).await? {
        while let Some(line) = input.line().await {
            let line = String::from_utf8_lossy(&line).into_owned();
            let line = line.trim_end_matches('\n');
            let shown: String = match (args.value('f'), args.value('c')) {
                (Some(list), _) => {
                    let fields = line.split(delimiter).enumerate();
                    let kept = fields.filter(|(at, _)| chosen(list, at + 1)).map(|(_, it)| it);
                    let kept: Vec<&str> = kept.collect();
                    kept.join(&delimiter.to_string())
                }
                (None, Some(list)) => {
                    let chars = line.chars().enumerate();
                    chars.filter(|(at, _)| chosen(list, at + 1)).map(|(_, c)| c).collect()
                }
                (None, None) => return shell.complain("cut", "-f or -c expected", 1).await,
            };
            shell.say(&(shown + "\n")).await?;
        }
    }
    Ok(0)
}

/// The characters that `a-z` names.
fn range(set: &str) -> Vec<char> {
    let set = set.replace("[:upper:]", "A-Z").replace("[:lower:]", "a-z").replace("\\n", "\n");
    let set: Vec<char> = set.chars().collect();
    let mut all = Vec::new();
    let mut at = 0;
    while let Some(first) = set.get(at).copied() {
        if let Some(last) = set.get(at + 2).filter(|_| set.get(at + 1) == Some(&'-')) {
            all.extend((first..=*last).take(256));
            at += 3;
        } else {
            all.push(first);
            at += 1;
        }
    }
    all
}

async fn tr(shell: &mut Shell, args: &[String]) -> Ended {
    let args = Args::read(args, "");
    let from = range(args.rest.first().copied().unwrap_or_default());
    let to = range(args.rest.get(1).copied().unwrap_or_default());
    while let Some(line) = shell.input.line().await {
        let line = String::from_utf8_lossy(&line).into_owned();
        let changed: String = line
            .chars()
            .filter_map(|c| match from.iter().position(|it| *it == c) {
                Some(_) if args.has('d') => None,
                Some(at) => to.get(at).or(to.last()).copied().or(Some(c)),
                None => Some(c),
            })
            .collect();
        shell.say(&changed).await?;
    }
    Ok(0)
}
