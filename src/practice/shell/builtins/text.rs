//! Built-ins that pass bytes on.

use super::super::files::absolute;
use super::super::io::Input;
use super::super::run::{Ended, Shell, Unwind};
use super::Args;
use crate::base::{Digest, Hasher};

/// Written at once.
const PIECE_BYTES: usize = 32 << 10;

/// Lines that `tail` remembers.
const TAIL_LINES_MAX: usize = 100_000;

pub(super) async fn call(shell: &mut Shell, name: &str, args: &[String]) -> Ended {
    match name {
        "cat" => cat(shell, args).await,
        "head" => head(shell, args).await,
        "tail" => tail(shell, args).await,
        "wc" => wc(shell, args).await,
        "seq" => seq(shell, args).await,
        "tee" => tee(shell, args).await,
        "flood" | "yes" => flood(shell, name, args).await,
        "sha256sum" => sha256sum(shell, args).await,
        _ => base64(shell, args).await,
    }
}

/// The inputs that `names` mean: standard input if there are none. A missing file is `Err`.
pub(super) fn inputs<'a>(
    shell: &Shell,
    names: &[&'a str],
) -> Vec<(&'a str, Result<Input, String>)> {
    if names.is_empty() {
        return vec![("-", Ok(shell.input.clone()))];
    }
    let open = |name: &str| {
        if name == "-" || name == "/dev/stdin" {
            return Ok(shell.input.clone());
        }
        if name == "/dev/null" {
            return Ok(Input::empty());
        }
        let path = absolute(&shell.folder, name);
        if let Some(text) = shell.host.system_file(&path) {
            return Ok(Input::bytes(text.into_bytes()));
        }
        let bytes = shell.host.files.read(&path);
        bytes.map(Input::bytes).map_err(|error| format!("{name}: {error}"))
    };
    names.iter().map(|name| (*name, open(name))).collect()
}

async fn cat(shell: &mut Shell, args: &[String]) -> Ended {
    let args = Args::read(args, "");
    let mut status = 0;
    for (_, input) in inputs(shell, &args.rest) {
        match input {
            Err(problem) => status = shell.complain("cat", &problem, 1).await?,
            Ok(input) => {
                while let Some(bytes) = input.chunk().await {
                    shell.out.write(&bytes).await?;
                }
            }
        }
    }
    Ok(status)
}

/// The number in `-n 5` or `-5`.
fn count(args: &Args<'_>, default: usize) -> usize {
    if let Some(text) = args.value('n') {
        return text.trim_start_matches(['-', '+']).parse().unwrap_or(default);
    }
    let digits: String =
        args.switches.iter().map(|(it, _)| *it).filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(default)
}

async fn head(shell: &mut Shell, args: &[String]) -> Ended {
    let args = Args::read(args, "nc");
    let lines = count(&args, 10);
    for (_, input) in inputs(shell, &args.rest) {
        let input = match input {
            Ok(input) => input,
            Err(problem) => return shell.complain("head", &problem, 1).await,
        };
        if let Some(bytes) = args.value('c').and_then(|it| it.parse::<usize>().ok()) {
            let mut left = bytes;
            while left > 0
                && let Some(chunk) = input.chunk().await
            {
                let taken = chunk.get(..left.min(chunk.len())).unwrap_or_default();
                shell.out.write(taken).await?;
                left -= taken.len();
            }
            continue;
        }
        for _ in 0..lines {
            let Some(line) = input.line().await else { break };
            shell.out.write(&line).await?;
        }
    }
    Ok(0)
}

async fn tail(shell: &mut Shell, args: &[String]) -> Ended {
    let args = Args::read(args, "nc");
    let from = args.value('n').and_then(|it| it.strip_prefix('+')).and_then(|it| it.parse().ok());
    let lines = count(&args, 10).min(TAIL_LINES_MAX);
    for (_, input) in inputs(shell, &args.rest) {
        let input = match input {
            Ok(input) => input,
            Err(problem) => return shell.complain("tail", &problem, 1).await,
        };
        let mut kept = std::collections::VecDeque::new();
        let mut number = 0_usize;
        while let Some(line) = input.line().await {
            number += 1;
            match from {
                Some(from) if number >= from => shell.out.write(&line).await?,
                Some(_) => {}
                None => {
                    kept.push_back(line);
                    if kept.len() > lines {
                        kept.pop_front();
                    }
                }
            }
        }
        for line in kept {
            shell.out.write(&line).await?;
        }
    }
    if args.has('f') || args.has('F') {
        // As on a real host: it waits for more until somebody stops it.
        std::future::pending::<()>().await;
    }
    Ok(0)
}

async fn wc(shell: &mut Shell, args: &[String]) -> Ended {
    let args = Args::read(args, "");
    for (name, input) in inputs(shell, &args.rest) {
        let input = match input {
            Ok(input) => input,
            Err(problem) => return shell.complain("wc", &problem, 1).await,
        };
        let (mut lines, mut words, mut bytes, mut inside) = (0_u64, 0_u64, 0_usize, false);
        while let Some(chunk) = input.chunk().await {
            bytes += chunk.len();
            for byte in chunk {
                lines += u64::from(byte == b'\n');
                let blank = byte.is_ascii_whitespace();
                words += u64::from(!blank && !inside);
                inside = !blank;
            }
        }
        let mut shown = Vec::new();
        let any = args.has('l') || args.has('w') || args.has('c');
        for (letter, value) in
            [('l', lines.to_string()), ('w', words.to_string()), ('c', bytes.to_string())]
        {
            if args.has(letter) || !any {
                shown.push(value);
            }
        }
        let name = if name == "-" { String::new() } else { format!(" {name}") };
        shell.say(&format!("{}{name}\n", shown.join(" "))).await?;
    }
    Ok(0)
}

async fn seq(shell: &mut Shell, args: &[String]) -> Ended {
    let numbers: Option<Vec<i64>> = args.iter().map(|arg| arg.parse().ok()).collect();
    let (first, step, last) = match numbers.as_deref() {
        Some([last]) => (1, 1, *last),
        Some([first, last]) => (*first, 1, *last),
        Some([first, step, last]) if *step != 0 => (*first, *step, *last),
        _ => return shell.complain("seq", "one to three whole numbers expected", 1).await,
    };
    let mut at = Some(first);
    write_lines(shell, || {
        let number = at.filter(|n| if step > 0 { *n <= last } else { *n >= last })?;
        at = number.checked_add(step);
        Some(number.to_string())
    })
    .await
}

/// `flood LINES [BYTES-A-LINE]`: log lines as fast as they are taken; `yes` never ends.
async fn flood(shell: &mut Shell, name: &str, args: &[String]) -> Ended {
    let endless = name == "yes";
    let count = args.first().and_then(|arg| arg.parse().ok()).unwrap_or(1_000_u64);
    let width = args.get(1).and_then(|arg| arg.parse().ok()).unwrap_or(80_usize).min(4_096);
    let word = args.first().map_or("y", String::as_str).to_owned();
    let mut number = 0;
    write_lines(shell, || {
        if endless {
            return Some(word.clone());
        }
        number += 1;
        (number <= count).then(|| {
            let mut line = format!("{number:>9} INFO orders.worker accepted batch ");
            let missing = width.saturating_sub(line.len() + 1);
            line.extend(std::iter::repeat_n('.', missing));
            line
        })
    })
    .await
}

async fn write_lines(shell: &Shell, mut next: impl FnMut() -> Option<String> + Send) -> Ended {
    let mut piece = String::with_capacity(PIECE_BYTES);
    while let Some(line) = next() {
        piece.extend([line.as_str(), "\n"]);
        if piece.len() >= PIECE_BYTES - 4_200 {
            shell.say(&piece).await?;
            piece.clear();
            tokio::task::yield_now().await;
        }
    }
    shell.say(&piece).await?;
    Ok(0)
}

async fn tee(shell: &mut Shell, args: &[String]) -> Ended {
    let args = Args::read(args, "");
    let paths: Vec<String> = args.rest.iter().map(|name| absolute(&shell.folder, name)).collect();
    let mut status = 0;
    for path in &paths {
        let files = &shell.host.files;
        let opened = if args.has('a') { files.append(path, b"") } else { files.write(path, b"") };
        if let Err(error) = opened {
            status = shell.complain("tee", &format!("{path}: {error}"), 1).await?;
        }
    }
    while let Some(bytes) = shell.input.chunk().await {
        for path in &paths {
            if shell.host.files.append(path, &bytes).is_err() {
                status = 1;
            }
        }
        shell.out.write(&bytes).await?;
    }
    Ok(status)
}

async fn sha256sum(shell: &mut Shell, args: &[String]) -> Ended {
    let args = Args::read(args, "");
    let mut status = 0;
    for (name, input) in inputs(shell, &args.rest) {
        let input = match input {
            Ok(input) => input,
            Err(problem) => {
                status = shell.complain("sha256sum", &problem, 1).await?;
                continue;
            }
        };
        if args.has('c') {
            status |= check_sums(shell, &input).await?;
            continue;
        }
        let mut hasher = Hasher::default();
        while let Some(bytes) = input.chunk().await {
            hasher.update(&bytes);
        }
        shell.say(&format!("{}  {name}\n", hasher.digest())).await?;
    }
    Ok(status)
}

async fn check_sums(shell: &Shell, list: &Input) -> Result<u8, Unwind> {
    let mut status = 0;
    while let Some(line) = list.line().await {
        let line = String::from_utf8_lossy(&line).into_owned();
        let Some((sum, name)) = line.trim_end().split_once("  ") else { continue };
        let held = shell.host.files.read(&absolute(&shell.folder, name));
        let same = held.is_ok_and(|bytes| Digest::of(&bytes).to_string() == sum);
        status |= u8::from(!same);
        shell.say(&format!("{name}: {}\n", if same { "OK" } else { "FAILED" })).await?;
    }
    Ok(status)
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

async fn base64(shell: &mut Shell, args: &[String]) -> Ended {
    let args = Args::read(args, "w");
    let decode = args.has('d') || args.has('D') || args.rest.contains(&"--decode");
    let mut bytes = Vec::new();
    for (_, input) in inputs(shell, &args.rest) {
        let Ok(input) = input else { return shell.complain("base64", "no such file", 1).await };
        while let Some(chunk) = input.chunk().await {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > 8 << 20 {
                return shell.complain("base64", "more than 8 MiB", 1).await;
            }
        }
    }
    if decode {
        let Some(decoded) = decode64(&bytes) else {
            return shell.complain("base64", "invalid input", 1).await;
        };
        shell.out.write(&decoded).await?;
        return Ok(0);
    }
    let mut text = encode64(&bytes);
    text.push('\n');
    shell.say(&text).await?;
    Ok(0)
}

fn encode64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for (at, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let six = usize::try_from(bits >> shift & 63).unwrap_or(0);
            let letter = ALPHABET.get(six).copied().map_or('=', char::from);
            text.push(if at <= three.len() { letter } else { '=' });
        }
    }
    text
}

fn decode64(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for letter in text.iter().filter(|it| !it.is_ascii_whitespace()) {
        if *letter == b'=' {
            break;
        }
        let six = ALPHABET.iter().position(|it| it == letter)?;
        bits = bits << 6 | u32::try_from(six).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 255).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::{decode64, encode64};

    #[test]
    fn base64_goes_there_and_back() {
        for (text, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foobar", "Zm9vYmFy")] {
            assert_eq!(encode64(text.as_bytes()), coded);
            assert_eq!(decode64(coded.as_bytes()).unwrap(), text.as_bytes());
        }
        assert_eq!(decode64(b"!"), None);
    }
}
