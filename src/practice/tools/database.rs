//! `dbctl`.

use super::{hundredths, take};
use crate::base::Millis;
use crate::practice::shell::{Ended, Shell};
use crate::practice::world::{TABLES, World};

const USAGE: &str = "usage: dbctl status | rows TABLE | checksum TABLE | compare [TABLE] | \
    schema [apply VERSION|revert] | dump | restore | copy --table TABLE --to HOST | \
    replicate start|stop|status | lag | readonly on|off|status | switchover --to HOST | \
    promote | replay | empty | retire";

/// Rows that a copy brings over at once.
const PIECE_ROWS: u64 = 4_000;

/// The databases' tool.
pub(super) async fn dbctl(shell: &mut Shell, args: &[&str]) -> Ended {
    let host = shell.host.name.clone();
    if let Err(problem) = ask(shell, |world| world.schema(&host)) {
        return shell.complain("dbctl", &problem, 1).await;
    }
    match args {
        ["status"] => status(shell, &host).await,
        ["rows", table] => {
            let rows = ask(shell, |world| world.rows(&host, table)).map(|rows| rows.to_string());
            answer(shell, rows).await
        }
        ["checksum", table] => {
            let sum = ask(shell, |world| world.checksum(&host, table));
            answer(shell, sum).await
        }
        ["compare", tables @ ..] => compare(shell, &host, tables).await,
        ["schema"] => {
            let version = ask(shell, |world| world.schema(&host)).map(|it| it.to_string());
            answer(shell, version).await
        }
        ["schema", "apply", version] => match version.parse() {
            Ok(version) => schema(shell, &host, version).await,
            Err(_) => shell.complain("dbctl", "a schema version is a number", 2).await,
        },
        ["schema", "revert"] => {
            let done = ask(shell, |world| world.apply_schema(&host, 0));
            take(shell, 500).await;
            answer(shell, done.map(|()| format!("{host}: all tables dropped, schema 0"))).await
        }
        ["dump", ..] => dump(shell, &host).await,
        ["restore", ..] => {
            take(shell, 1_500).await;
            let lost = ask(shell, |world| world.restore(&host));
            let text = lost.map(|rows| format!("{host}: restored, {rows} newer rows given up"));
            answer(shell, text).await
        }
        ["copy", rest @ ..] => copy(shell, &host, rest).await,
        ["replicate", verb] => replicate(shell, &host, verb).await,
        ["lag"] => lag(shell, &host).await,
        ["readonly", verb] => read_only(shell, &host, verb).await,
        ["switchover", rest @ ..] => switchover(shell, rest).await,
        ["promote"] => {
            take(shell, 700).await;
            let done = ask(shell, |world| world.promote(&host, false));
            answer(shell, done.map(|()| format!("{host}: is the primary and takes writes"))).await
        }
        ["replay"] => {
            take(shell, 1_200).await;
            let brought = ask(shell, |world| world.replay(&host));
            answer(shell, brought.map(|rows| format!("{host}: {rows} rows replayed"))).await
        }
        ["empty"] => {
            take(shell, 500).await;
            let done = ask(shell, |world| world.empty(&host));
            answer(shell, done.map(|rows| format!("{host}: {rows} copied rows removed"))).await
        }
        ["retire"] => retire(shell, &host).await,
        _ => shell.complain("dbctl", USAGE, 2).await,
    }
}

fn ask<T>(shell: &Shell, with: impl FnOnce(&mut World) -> T) -> T {
    shell.host.shared.world(with)
}

async fn answer(shell: &Shell, answer: Result<String, String>) -> Ended {
    match answer {
        Ok(text) => {
            shell.say(&(text + "\n")).await?;
            Ok(0)
        }
        Err(problem) => shell.complain("dbctl", &problem, 1).await,
    }
}

/// The value after `--name` or in `--name=value`.
fn option<'a>(args: &[&'a str], name: &str) -> Option<&'a str> {
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if *arg == name {
            return args.next().copied();
        }
        if let Some(value) = arg.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')) {
            return Some(value);
        }
    }
    None
}

async fn status(shell: &Shell, host: &str) -> Ended {
    let (primary, schema, read_only, lag) = ask(shell, |world| {
        (
            world.primary() == host,
            world.schema(host).unwrap_or(0),
            world.read_only(host).ok().flatten().is_some(),
            world.lag(host).ok().flatten(),
        )
    });
    let role = if primary { "primary" } else { "standby" };
    let writes = if read_only { "read-only" } else { "read-write" };
    let mut text = format!("{host}: {role}, {writes}, schema {schema}\n");
    if let Some((time, rows)) = lag {
        let time = hundredths(time.as_millis() / 10);
        text.extend([format!("following, lag {time} s ({rows} rows behind)\n")]);
    }
    for (table, _) in TABLES {
        if let Ok(rows) = ask(shell, |world| world.rows(host, table)) {
            text.extend([format!("{table:<10} {rows:>8} rows\n")]);
        }
    }
    shell.say(&text).await?;
    Ok(0)
}

async fn compare(shell: &Shell, host: &str, tables: &[&str]) -> Ended {
    let all: Vec<&str> = TABLES.iter().map(|(table, _)| *table).collect();
    let tables = if tables.is_empty() { all.as_slice() } else { tables };
    shell.say("TABLE       ROWS HERE  ROWS THERE  CHECKSUM HERE     CHECKSUM THERE\n").await?;
    let mut differ = 0;
    for table in tables {
        take(shell, 500).await;
        let (same, [here, there]) = match ask(shell, |world| world.compare(host, table)) {
            Ok(compared) => compared,
            Err(problem) => return shell.complain("dbctl", &problem, 1).await,
        };
        let verdict = if same { "same" } else { "DIFFERENT" };
        differ += u8::from(!same);
        let ((rows, sum), (other_rows, other_sum)) = (here, there);
        let line =
            format!("{table:<10} {rows:>10}  {other_rows:>10}  {sum}  {other_sum}  {verdict}\n");
        shell.say(&line).await?;
    }
    shell.say(&format!("{} tables compared, {differ} differ\n", tables.len())).await?;
    Ok(differ.min(1))
}

async fn schema(shell: &Shell, host: &str, version: u32) -> Ended {
    let from = ask(shell, |world| world.schema(host)).unwrap_or(0);
    shell.say(&format!("{host}: schema {from} -> {version}\n")).await?;
    for (table, _) in TABLES {
        take(shell, 350).await;
        shell.say(&format!("{host}: CREATE TABLE {table} ... ok\n")).await?;
    }
    let done = ask(shell, |world| world.apply_schema(host, version));
    answer(shell, done.map(|()| format!("{host}: schema {version} is in place"))).await
}

async fn dump(shell: &Shell, host: &str) -> Ended {
    for (table, _) in TABLES {
        take(shell, 450).await;
        let rows = ask(shell, |world| world.rows(host, table)).unwrap_or(0);
        shell.say(&format!("{host}: dumping {table}: {rows} rows\n")).await?;
    }
    let saved = match ask(shell, |world| world.save(host)) {
        Ok(rows) => rows,
        Err(problem) => return shell.complain("dbctl", &problem, 1).await,
    };
    let path = "/backup/orders.dump";
    let text = format!("restore point of {host}, {saved} rows\n");
    if let Err(error) = shell.host.files.write(path, text.as_bytes()) {
        return shell.complain("dbctl", &format!("{path}: {error}"), 1).await;
    }
    shell.say(&format!("{host}: restore point {path} holds {saved} rows\n")).await?;
    Ok(0)
}

async fn copy(shell: &Shell, host: &str, args: &[&str]) -> Ended {
    let to = option(args, "--to").unwrap_or_default();
    if !matches!((host, to), ("db-old", "db-new") | ("db-new", "db-old")) {
        return shell.complain("dbctl", "--to must name the other database", 2).await;
    }
    let tables: Vec<&str> = match option(args, "--table") {
        Some(table) => vec![table],
        None => TABLES.iter().map(|(table, _)| *table).collect(),
    };
    if args.contains(&"--replace") {
        for table in &tables {
            if let Err(problem) = ask(shell, |world| world.copy_rows(host, table, 0)) {
                return shell.complain("dbctl", &problem, 1).await;
            }
        }
    }
    for table in tables {
        let total = match ask(shell, |world| world.rows(host, table)) {
            Ok(rows) => rows,
            Err(problem) => return shell.complain("dbctl", &problem, 1).await,
        };
        shell.say(&format!("{host} -> {to}: {table}, {total} rows\n")).await?;
        let pieces = total.div_ceil(PIECE_ROWS).max(1);
        for piece in 1..=pieces {
            take(shell, 150).await;
            let rows = (total * piece / pieces).max(1);
            if let Err(problem) = ask(shell, |world| world.copy_rows(host, table, rows)) {
                return shell.complain("dbctl", &problem, 3).await;
            }
            let percent = piece * 100 / pieces;
            let rows = total * piece / pieces;
            shell.say(&format!("copied {rows}/{total} rows {percent} %\n")).await?;
        }
    }
    shell.say(&format!("{host} -> {to}: done\n")).await?;
    Ok(0)
}

async fn replicate(shell: &Shell, host: &str, verb: &str) -> Ended {
    match verb {
        "status" => return lag(shell, host).await,
        "start" => {}
        "stop" => {
            let done = ask(shell, |world| world.follow(host, false));
            return answer(shell, done.map(|()| format!("{host}: follows no more"))).await;
        }
        _ => return shell.complain("dbctl", USAGE, 2).await,
    }
    if let Err(problem) = ask(shell, |world| world.follow(host, true)) {
        return shell.complain("dbctl", &problem, 1).await;
    }
    shell.say(&format!("{host}: replication slot created\n")).await?;
    for _ in 0..100 {
        take(shell, 400).await;
        let Ok(Some((time, rows))) = ask(shell, |world| world.lag(host)) else { break };
        let text = hundredths(time.as_millis() / 10);
        shell.say(&format!("{host}: lag {text} s ({rows} rows behind)\n")).await?;
        if time < Millis::from_secs(2) {
            shell.say(&format!("{host}: streaming\n")).await?;
            return Ok(0);
        }
    }
    shell.complain("dbctl", "replication does not catch up", 1).await
}

async fn lag(shell: &Shell, host: &str) -> Ended {
    match ask(shell, |world| world.lag(host)) {
        Ok(Some((time, rows))) => {
            let time = hundredths(time.as_millis() / 10);
            shell.say(&format!("replication lag: {time} s ({rows} rows behind)\n")).await?;
            Ok(0)
        }
        Ok(None) => shell.complain("dbctl", &format!("{host} follows no database"), 1).await,
        Err(problem) => shell.complain("dbctl", &problem, 1).await,
    }
}

async fn read_only(shell: &Shell, host: &str, verb: &str) -> Ended {
    let done = match verb {
        "on" | "off" => ask(shell, |world| world.set_read_only(host, verb == "on")),
        "status" => Ok(()),
        _ => return shell.complain("dbctl", USAGE, 2).await,
    };
    let now = ask(shell, |world| world.read_only(host));
    let text = |on: bool| if on { "on" } else { "off" };
    let now = now.map(|since| format!("{host}: read-only is {}", text(since.is_some())));
    answer(shell, done.and(now)).await
}

async fn switchover(shell: &Shell, args: &[&str]) -> Ended {
    let to = option(args, "--to").unwrap_or_default().to_owned();
    let from = ask(shell, |world| world.primary().to_owned());
    if from == to {
        let open = ask(shell, |world| world.set_read_only(&to, false));
        return answer(shell, open.map(|()| format!("{to} is the primary already"))).await;
    }
    if !matches!(ask(shell, |world| world.lag(&to)), Ok(Some(_))) {
        let problem = format!("{to} does not follow {from}: nothing to switch to");
        return shell.complain("dbctl", &problem, 1).await;
    }
    if let Err(problem) = ask(shell, |world| world.set_read_only(&from, true)) {
        return shell.complain("dbctl", &problem, 1).await;
    }
    shell.say(&format!("{from}: writes stopped\n")).await?;
    for _ in 0..60 {
        take(shell, 250).await;
        let Ok(Some((_, rows))) = ask(shell, |world| world.lag(&to)) else { break };
        shell.say(&format!("{to}: {rows} rows behind\n")).await?;
        if rows > 0 {
            continue;
        }
        if let Err(problem) = ask(shell, |world| world.promote(&to, true)) {
            return shell.complain("dbctl", &problem, 1).await;
        }
        take(shell, 300).await;
        shell.say(&format!("{to}: promoted, takes writes\n")).await?;
        shell
            .say(&format!("{from}: follows {to}, so that nothing is lost on the way back\n"))
            .await?;
        return Ok(0);
    }
    ask(shell, |world| world.set_read_only(&from, false)).ok();
    let problem = format!("{to} did not catch up in 15 s; {from} takes writes again");
    shell.complain("dbctl", &problem, 1).await
}

async fn retire(shell: &Shell, host: &str) -> Ended {
    if ask(shell, |world| world.primary() == host) {
        return shell.complain("dbctl", &format!("{host} is the primary"), 1).await;
    }
    ask(shell, |world| world.follow(host, false)).ok();
    for line in ["slots dropped", "archived to /backup/final", "set read-only for good"] {
        take(shell, 400).await;
        shell.say(&format!("{host}: {line}\n")).await?;
    }
    Ok(0)
}
