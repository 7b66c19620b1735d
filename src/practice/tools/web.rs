//! `curl` and `smoke`: requests to the world's own addresses. They reach nothing else.

use super::{hundredths, take};
use crate::practice::shell::{Ended, Shell};
use crate::practice::web::split_url;

/// A request to the world. Knows the flags of `curl` that runbooks use.
pub(super) async fn curl(shell: &mut Shell, tool: &str, args: &[&str]) -> Ended {
    let (mut fail, mut quiet, mut url, mut write, mut discard) = (false, false, None, None, false);
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match *arg {
            "-o" | "--output" | "-O" => discard = args.next().is_some(),
            "-w" | "--write-out" => write = args.next().copied(),
            "-m" | "--max-time" | "--connect-timeout" | "--retry" | "--retry-delay" | "-H"
            | "--header" | "-X" | "--request" | "-d" | "--data" | "-u" | "-A" => {
                args.next();
            }
            "--fail" | "--fail-with-body" => fail = true,
            "--silent" => quiet = true,
            flags if flags.starts_with("--") => {}
            flags if flags.starts_with('-') => {
                fail |= flags.contains('f');
                quiet |= flags.contains('s');
            }
            target => url = Some(target),
        }
    }
    let Some(url) = url else { return shell.complain(tool, "no URL specified", 2).await };
    take(shell, 60).await;
    let (host, path) = split_url(url).unwrap_or((url, "/"));
    let host = if host == "localhost" { shell.host.name.clone() } else { host.to_owned() };
    let Some((status, body)) = shell.host.shared.world(|world| world.get(&host, path)) else {
        let problem = format!("(6) Could not resolve host: {host} (not on the practice fleet)");
        return shell.complain(tool, &problem, 6).await;
    };
    let failed = fail && status >= 400;
    if !failed && !discard {
        shell.say(&format!("{body}\n")).await?;
    }
    if let Some(format) = write {
        let text = format.replace("%{http_code}", &status.to_string()).replace("\\n", "\n");
        shell.say(&text).await?;
    }
    if failed {
        if !quiet {
            let problem = format!("(22) The requested URL returned error: {status}");
            return shell.complain(tool, &problem, 22).await;
        }
        return Ok(22);
    }
    Ok(0)
}

/// Tries what a customer would do, on one host or through the balancers.
pub(super) async fn smoke(shell: &mut Shell, args: &[&str]) -> Ended {
    let targets: Vec<String> = match args.iter().filter(|arg| !arg.starts_with('-')).count() {
        0 => vec![shell.host.name.clone()],
        _ => args.iter().filter(|arg| !arg.starts_with('-')).map(|it| (*it).to_owned()).collect(),
    };
    let (mut passed, mut failed) = (0, 0);
    for target in targets {
        for check in ["health", "browse catalogue", "place order", "pay", "read order back"] {
            take(shell, 160).await;
            let path = if target.starts_with("lb") { "/" } else { "/health" };
            let status = shell.host.shared.world(|world| world.get(&target, path));
            let code = status.map_or(0, |(code, _)| code);
            let took = shell.host.shared.world(|world| world.metrics().p99_ms / 2 + world.roll(20));
            let verdict = if code == 200 { "ok" } else { "FAILED" };
            if code == 200 {
                passed += 1;
            } else {
                failed += 1;
            }
            shell.say(&format!("{target:<7} {check:<18} {verdict:<6} {took:>4} ms\n")).await?;
        }
    }
    let metrics = shell.host.shared.world(|world| world.metrics());
    let errors = hundredths(metrics.errors_bp);
    shell
        .say(&format!("smoke: {passed} passed, {failed} failed; shop errors {errors} %\n"))
        .await?;
    Ok(u8::from(failed > 0))
}
