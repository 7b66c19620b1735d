//! Built-ins that print something of their own.

use super::super::run::{Ended, Shell};
use super::Args;
use crate::base::{Millis, Timestamp, Zone};

pub(super) async fn call(shell: &mut Shell, name: &str, args: &[String]) -> Ended {
    let host = shell.host.name.clone();
    let text = match name {
        "echo" => echo(args),
        "printf" => return printf(shell, args).await,
        "sleep" => {
            let spans: Option<Vec<Millis>> = args.iter().map(|arg| span(arg)).collect();
            let Some(spans) = spans.filter(|spans| !spans.is_empty()) else {
                return shell.complain("sleep", "a time expected, as in `sleep 2.5`", 1).await;
            };
            shell.host.shared.pause(spans.into_iter().fold(Millis::ZERO, Millis::plus)).await;
            return Ok(0);
        }
        "hostname" => format!("{host}\n"),
        "whoami" => format!("{}\n", shell.user),
        "id" => {
            let number = if shell.user == "root" { 0 } else { 1000 };
            match args.first().map(String::as_str) {
                Some("-u" | "-g") => format!("{number}\n"),
                Some("-un" | "-gn") => format!("{}\n", shell.user),
                _ => format!(
                    "uid={number}({0}) gid={number}({0}) groups={number}({0})\n",
                    shell.user
                ),
            }
        }
        "uname" => match args.first().map(String::as_str) {
            Some("-a") => format!("Linux {host} 6.1.0-practice #1 SMP x86_64 GNU/Linux\n"),
            Some("-n") => format!("{host}\n"),
            Some("-r") => "6.1.0-practice\n".to_owned(),
            Some("-m") => "x86_64\n".to_owned(),
            _ => "Linux\n".to_owned(),
        },
        "uptime" => " up 10 days,  0:03,  1 user,  load average: 0.42, 0.38, 0.31\n".to_owned(),
        "nproc" => "4\n".to_owned(),
        "free" => "               total        used        free\n\
                   Mem:        16314420     5212044    11102376\n"
            .to_owned(),
        "df" => "Filesystem     1K-blocks    Used Available Use% Mounted on\n\
                 /dev/vda1       41152812 9214680  31921748  23% /\n"
            .to_owned(),
        "logger" => String::new(),
        "date" => date(shell.host.shared.wall(), args),
        "basename" => {
            let path = args.first().map_or("", |arg| arg.trim_end_matches('/'));
            let last = path.rsplit('/').next().unwrap_or(path);
            let cut = args.get(1).and_then(|end| last.strip_suffix(end.as_str()));
            format!("{}\n", cut.unwrap_or(last))
        }
        _ => {
            let path = args.first().map_or("", |arg| arg.trim_end_matches('/'));
            let folder = path.rsplit_once('/').map_or(".", |(folder, _)| folder);
            format!("{}\n", if folder.is_empty() { "/" } else { folder })
        }
    };
    shell.say(&text).await?;
    Ok(0)
}

fn echo(args: &[String]) -> String {
    let (mut newline, mut escapes) = (true, false);
    let mut words = args.iter().peekable();
    while let Some(flags) = words.next_if(|arg| {
        arg.len() > 1 && arg.starts_with('-') && arg.chars().skip(1).all(|c| "neE".contains(c))
    }) {
        newline &= !flags.contains('n');
        escapes |= flags.contains('e');
    }
    let words: Vec<&str> = words.map(String::as_str).collect();
    let text = words.join(" ");
    let text = if escapes { unescape(&text) } else { text };
    if newline { text + "\n" } else { text }
}

/// `\n` and its like, made real.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('a') => out.push('\u{7}'),
            Some('b') => out.push('\u{8}'),
            Some('e') => out.push('\u{1b}'),
            Some('\\') | None => out.push('\\'),
            Some(digit @ '0'..='7') => {
                let mut value = digit.to_digit(8).unwrap_or(0);
                for _ in 0..3 {
                    let Some(next) = chars.peek().and_then(|c| c.to_digit(8)) else { break };
                    value = value * 8 + next;
                    chars.next();
                }
                out.extend(char::from_u32(value));
            }
            Some('x') => {
                let mut value = 0;
                for _ in 0..2 {
                    let Some(next) = chars.peek().and_then(|c| c.to_digit(16)) else { break };
                    value = value * 16 + next;
                    chars.next();
                }
                out.extend(char::from_u32(value));
            }
            Some(other) => out.extend(['\\', other]),
        }
    }
    out
}

async fn printf(shell: &mut Shell, args: &[String]) -> Ended {
    let args = if args.first().is_some_and(|arg| arg == "--") { args.get(1..) } else { Some(args) };
    let Some((format, values)) = args.and_then(<[String]>::split_first) else {
        return shell.complain("printf", "a format expected", 2).await;
    };
    let mut values = values.iter();
    loop {
        let before = values.len();
        let text = one_printf(format, &mut values);
        shell.say(&text).await?;
        if values.len() == 0 || values.len() == before {
            return Ok(0);
        }
    }
}

fn one_printf(format: &str, values: &mut std::slice::Iter<'_, String>) -> String {
    let mut out = String::new();
    let mut plain = String::new();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            plain.push(c);
            continue;
        }
        out.push_str(&unescape(&std::mem::take(&mut plain)));
        let mut flags = String::new();
        while let Some(flag) = chars.next_if(|c| "-+ #0123456789.".contains(*c)) {
            flags.push(flag);
        }
        let kind = chars.next().unwrap_or('%');
        if kind == '%' {
            out.push('%');
            continue;
        }
        let value = values.next().map_or("", String::as_str);
        let text = match kind {
            'd' | 'i' | 'u' => value.trim().parse::<i64>().unwrap_or(0).to_string(),
            'x' => format!("{:x}", value.trim().parse::<i64>().unwrap_or(0)),
            'f' => {
                let digits = flags.split_once('.').and_then(|(_, it)| it.parse().ok()).unwrap_or(6);
                format!("{:.*}", usize::min(digits, 20), value.trim().parse::<f64>().unwrap_or(0.0))
            }
            'b' => unescape(value),
            'c' => value.chars().take(1).collect(),
            _ => match flags.split_once('.').and_then(|(_, it)| it.parse().ok()) {
                Some(length) => value.chars().take(length).collect(),
                None => value.to_owned(),
            },
        };
        out.push_str(&padded(&text, &flags));
    }
    out + &unescape(&plain)
}

fn padded(text: &str, flags: &str) -> String {
    let whole = flags.split('.').next().unwrap_or_default();
    let digits: String = whole.chars().filter(char::is_ascii_digit).collect();
    let width = digits.parse::<usize>().unwrap_or(0).min(1024);
    let missing = width.saturating_sub(text.chars().count());
    if whole.contains('-') {
        format!("{text}{}", " ".repeat(missing))
    } else if digits.starts_with('0') {
        format!("{}{text}", "0".repeat(missing))
    } else {
        format!("{}{text}", " ".repeat(missing))
    }
}

/// `2`, `0.5`, `3m`: a time as `sleep` takes it.
pub(super) fn span(text: &str) -> Option<Millis> {
    let number = text.trim_end_matches(['s', 'm', 'h', 'd']);
    let scale = match text.strip_prefix(number)? {
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = if whole.is_empty() && !part.is_empty() { 0 } else { whole.parse().ok()? };
    let thousandths: String = part.chars().chain("000".chars()).take(3).collect();
    let thousandths: u64 = thousandths.parse().ok()?;
    let millis = whole.checked_mul(1000)?.checked_add(thousandths)?.checked_mul(scale)? / 1000;
    Some(Millis::new(millis))
}

fn date(now: Timestamp, args: &[String]) -> String {
    let args = Args::read(args, "dI");
    let format = args.rest.iter().find_map(|arg| arg.strip_prefix('+'));
    let format = match format {
        Some(format) => format,
        None if args.has('I') => "%Y-%m-%dT%H:%M:%SZ",
        None => "%a %b %e %H:%M:%S UTC %Y",
    };
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let millis = now.as_unix_millis();
        match chars.next() {
            Some('s') => out.push_str(&(millis / 1000).to_string()),
            Some('N') => out.extend([format!("{:09}", millis % 1000 * 1_000_000)]),
            Some('Z') => out.push_str("UTC"),
            Some('z') => out.push_str("+0000"),
            Some('n') => out.push('\n'),
            Some(
                kind @ ('Y' | 'm' | 'd' | 'H' | 'M' | 'S' | 'F' | 'T' | 'a' | 'b' | 'e' | 'j'),
            ) => {
                out.push_str(&Zone::UTC.format(now, &format!("%{kind}")));
            }
            Some('%') | None => out.push('%'),
            Some(other) => out.extend(['%', other]),
        }
    }
    out + "\n"
}

#[cfg(test)]
mod tests {
    use super::{Millis, span};

    #[test]
    fn sleeps_are_read() {
        for (text, millis) in [("2", 2000), ("0.25", 250), (".5", 500), ("1m", 60_000)] {
            assert_eq!(span(text), Some(Millis::new(millis)), "{text}");
        }
        for bad in ["", "x", "-1", "1ms", "."] {
            assert_eq!(span(bad), None, "{bad}");
        }
    }
}
