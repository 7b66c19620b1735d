//! Durable steps over a real `sshd`, behind a link that loses three packets in ten, each way, while
//! what serves them is killed. It costs time, and nothing else.
//!
//! The link is a network device of a namespace of its own: see `lossy.c`. `GOLIVE_SEED=N` chooses
//! which packets are lost.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use golive::engine::End;
use golive::exec::ssh::{HostSpec, Options, Pool};
use tempfile::TempDir;

use crate::counts::{counted, is_long};
use crate::durable_desk::{Console, count, digest, durable, job, start};
use crate::durable_host::inside_of;
use crate::sshd::{Sshd, is_root, noise, sh, signal};

const NEAR: &str = "10.9.0.1";
const FAR: &str = "10.9.0.2";
const PERCENT: &str = "30";

/// The link, until it is dropped.
struct Lossy {
    child: Child,
    /// How many packets passed, and how many were lost.
    seen: Arc<Mutex<(u64, u64)>>,
}

impl Lossy {
    fn up(dir: &Path, seed: u64) -> Self {
        let program = dir.join("lossy");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/lossy.c");
        sh("cc", &["-O1", "-o", program.to_str().unwrap(), source]);
        let mut command = Command::new(&program);
        command.args([PERCENT, &seed.to_string()]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "up");
        sh("ip", &["link", "set", "lo", "up"]);
        sh("ip", &["addr", "add", &format!("{NEAR}/24"), "dev", "lossy"]);
        // Large packets: with so many lost, each round of them takes its time.
        sh("ip", &["link", "set", "lossy", "mtu", "16000", "up"]);
        let seen = Arc::new(Mutex::new((0, 0)));
        let told = Arc::clone(&seen);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some((passed, lost)) = line.split_once(' ') {
                    *told.lock().unwrap() = (passed.parse().unwrap(), lost.parse().unwrap());
                }
            }
        });
        Self { child, seen }
    }
}

impl Drop for Lossy {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn pool(sshd: &Sshd) -> Pool {
    let line = format!("[{FAR}]:{} {}\n", sshd.port, sshd.host_key("ed25519"));
    let known = sshd.write("known_hosts_far", &line);
    let options = Options {
        known_hosts: Some(vec![known]),
        keepalive: Duration::from_secs(1),
        ..sshd.options()
    };
    let far = HostSpec::new("web1".parse().unwrap(), FAR);
    let near = sshd.spec("web1");
    let spec = HostSpec { port: near.port, user: near.user, identity: near.identity, ..far };
    Pool::new(vec![spec], options)
}

/// What a step prints, in pieces and in a burst.
fn step(dir: &Path, number: usize) -> (String, Vec<u8>, Vec<u8>) {
    let burst = noise(20_000);
    let file = dir.join("burst");
    fs::write(&file, &burst).unwrap();
    let (file, dir) = (file.display(), dir.display());
    let line = format!(
        "echo run >>{dir}/ledger.{number}; i=0; while [ $i -lt 20 ]; do i=$((i+1)); echo out $i; \
         printf 'err %s' $i >&2; sleep 0.05; done; cat {file}; cat {file} >&2; exit $(({number}%5))"
    );
    let (mut out, mut err) = (Vec::new(), Vec::new());
    for i in 1..=20 {
        out.extend(format!("out {i}\n").into_bytes());
        err.extend(format!("err {i}").into_bytes());
    }
    out.extend_from_slice(&burst);
    err.extend_from_slice(&burst);
    (line, out, err)
}

/// Some steps at once; how many ended, how many times their link was cut, and what is wrong.
async fn round(
    sshd: &Sshd,
    numbers: std::ops::Range<usize>,
    cuts: usize,
) -> (usize, usize, Vec<String>) {
    let dir = sshd.dir.path();
    let mut console = Console::new(pool(sshd));
    // Where every third packet is lost, each trial of the same one waits twice as long.
    console.patience = Duration::from_mins(5);
    let mut steps = Vec::new();
    for number in numbers {
        let (line, out, err) = step(dir, number);
        let run = durable(&format!("t{number}"), 1, &line);
        assert_eq!(start(&console, run.clone()), job(&run));
        steps.push((number, job(&run), out, err));
    }
    if let Some((_, job, ..)) = steps.first() {
        // One whose start was lost on the way is ended before it began.
        let begun = |console: &Console| {
            console.kinds(job).contains(&"began") || console.ends.contains_key(&job.to_string())
        };
        console.wait("a beginning or an end", |console| begun(console).then_some(())).await;
    }
    let mut cut = 0;
    for nth in 0..cuts {
        tokio::time::sleep(Duration::from_millis(if nth == 0 { 300 } else { 2_000 })).await;
        // There may be nothing left to cut: no link is open after the last step, or is open yet.
        let serving = sshd.connections();
        cut += usize::from(!serving.is_empty());
        for pid in serving {
            signal("KILL", pid);
        }
    }
    let (mut ended, mut wrong) = (0, Vec::new());
    for (number, job, out, err) in steps {
        let end = console.end(&job).await;
        let printed = console.shelf.of(&job);
        let ran = count(&dir.join(format!("ledger.{number}")));
        let whole = digest(&printed.out) == digest(&out) && digest(&printed.err) == digest(&err);
        let code = i32::try_from(number % 5).unwrap();
        let fine = match &end {
            End::Exited { code: it, .. } => *it == code && whole && ran == 1,
            End::NotStarted { .. } => ran == 0 && printed.out.is_empty(),
            End::Stopped { .. }
            | End::Done(_)
            | End::Signalled { .. }
            | End::Rebooted { .. }
            | End::Unknown { .. } => false,
        };
        ended += usize::from(matches!(end, End::Exited { .. }));
        if !fine {
            let sizes = (printed.out.len(), out.len(), printed.err.len(), err.len());
            wrong.push(format!("step {number}: {end:?}, ran {ran}, {sizes:?}"));
        }
    }
    (ended, cut, wrong)
}

#[test]
fn three_packets_in_ten_lost_cost_time_and_nothing_else() {
    if !is_root() || !Path::new("/dev/net/tun").exists() {
        assert!(!is_long(), "the long form insists on root and /dev/net/tun");
        return println!("lost packets need root and /dev/net/tun");
    }
    if !inside_of("durable_loss::three_packets_in_ten_lost_cost_time_and_nothing_else", &["-n"]) {
        return;
    }
    let seed = std::env::var("GOLIVE_SEED").ok().and_then(|it| it.parse().ok());
    let (dir, begun) = (TempDir::new().unwrap(), Instant::now());
    let lossy = Lossy::up(dir.path(), seed.unwrap_or(20_261_130));
    let (rounds, cuts) = if is_long() { (25, 4) } else { (1, 1) };
    let sshd = Sshd::with(&["ed25519"], &format!("ListenAddress {NEAR}"));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (mut ended, mut cut, mut wrong) = (0, 0, Vec::new());
    for nth in 0..rounds {
        let (ends, times, more) = runtime.block_on(round(&sshd, nth * 3..nth * 3 + 3, cuts));
        ended += ends;
        cut += times;
        wrong.extend(more);
    }
    let (passed, lost) = *lossy.seen.lock().unwrap();
    println!(
        "{} steps, {ended} ended, {cut} cuts, {lost} of {} packets lost, {} s",
        rounds * 3,
        passed + lost,
        begun.elapsed().as_secs()
    );
    let programme = "a link that loses 30 % of its packets";
    counted(programme, "links cut", cut, wrong.len());
    counted(programme, "steps", rounds * 3, wrong.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(ended > 0 && cut > 0 && lost > 50, "nothing was tried: {ended} ended, {lost} lost");
}
