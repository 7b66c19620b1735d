//! Commands on real hosts: a real `sshd`, real keys, real processes.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use golive::base::Hasher;
use golive::exec::ssh::{Command, Output, RunEnd, SshError, StopSignal, Stream};

use crate::sshd::{Sshd, eventually, exited, id, noise, not_started, public, run, run_line};

#[tokio::test]
async fn a_command_has_its_outputs_and_its_code() {
    let sshd = Sshd::start();
    let pool = sshd.pool();
    let (end, ear) = run_line(&pool, "echo out; echo err >&2; exit 3").await;
    assert_eq!(exited(&end), 3);
    assert_eq!((ear.out().as_str(), ear.err().as_str()), ("out\n", "err\n"));
    assert!(ear.heard().group.unwrap().born.is_some());
    let (end, ear) = run_line(&pool, "no-such-program").await;
    assert_eq!(exited(&end), 127);
    assert!(ear.err().contains("not found"), "{}", ear.err());
    let (end, _) = run_line(&pool, "kill -s KILL $$").await;
    assert!(
        matches!(&end, RunEnd::Signalled { signal, whole: true } if signal == "KILL"),
        "{end:?}"
    );
    // Output that comes after the shell has ended is waited for.
    let (end, ear) = run_line(&pool, "{ sleep 0.2; echo last words; } & exit 4").await;
    assert_eq!((exited(&end), ear.out().as_str()), (4, "last words\n"));
    assert_eq!(sshd.connections().len(), 1, "all on one connection");
}

#[tokio::test]
async fn text_of_any_shape_arrives_as_it_is() {
    let sshd = Sshd::start();
    let pool = sshd.pool();
    let line = "# a comment first\nprintf '%s|' \"it's\" 'a \"b\"' 'back\\slash' \"$(printf 'x\\ny')\"\n\
                cat <<'END'\n$not `expanded`\nEND\nif true; then\n  echo \"$0 $#\"\nfi\n";
    let (end, ear) = run_line(&pool, line).await;
    assert_eq!(exited(&end), 0);
    assert_eq!(ear.out(), "it's|a \"b\"|back\\slash|x\ny|$not `expanded`\nsh 0\n");
    let (end, _) = run_line(&pool, "if then").await;
    assert_eq!(exited(&end), 2, "a syntax error is the shell's");
    let (_, ear) = run_line(&pool, "set; env").await;
    assert!(!ear.out().contains("gl_"), "{}", ear.out());
}

#[tokio::test]
async fn variables_arrive_whole_and_show_in_no_process_list() {
    let sshd = Sshd::start();
    let pool = sshd.pool();
    let secret = "s3cr3t 'quoted' \"$x\"\nsecond line \u{1f40d}\\";
    let command = Command {
        env: vec![("GL_TOKEN".to_owned(), secret.to_owned()), ("EMPTY".to_owned(), String::new())],
        ..Command::new(
            "printf %s \"$GL_TOKEN\" >&2; printenv EMPTY; sh -c 'cat /proc/[0-9]*/cmdline' # s3cr3t-script",
        )
    };
    let (end, ear) = run(&pool, command).await;
    assert_eq!(exited(&end), 0);
    assert_eq!(ear.err(), secret);
    assert!(ear.out().starts_with('\n'), "an empty variable is set");
    assert!(ear.out().contains("sshd"), "the list was read");
    assert!(!ear.out().contains("s3cr3t"), "{}", ear.out());

    for (name, value) in [("A B", "x"), ("A", "nul \0")] {
        let env = vec![(name.to_owned(), value.to_owned())];
        let (end, _) = run(&pool, Command { env, ..Command::new("echo ran") }).await;
        assert!(matches!(not_started(end), SshError::BadCommand { .. }));
    }
}

#[tokio::test]
async fn a_step_as_another_user_is_handed_over_the_same_way() {
    let sshd = Sshd::start();
    // Stands for sudo: a program that runs its arguments.
    let become_ = sshd.write("become", "#!/bin/sh\nBECAME=yes exec \"$@\"\n");
    fs::set_permissions(&become_, fs::Permissions::from_mode(0o700)).unwrap();
    let command = Command {
        env: vec![("GL_X".to_owned(), "s3cr3t".to_owned())],
        stdin: Some(b"its own input".to_vec()),
        become_prefix: Some(become_.display().to_string()),
        ..Command::new("echo \"$BECAME $GL_X\"; cat; cat /proc/$$/cmdline >&2; exit 7")
    };
    let (end, ear) = run(&sshd.pool(), command).await;
    assert_eq!((exited(&end), ear.out().as_str()), (7, "yes s3cr3t\nits own input"));
    assert!(!ear.err().contains("s3cr3t"), "{}", ear.err());
}

#[tokio::test]
async fn three_megabytes_of_anything_go_there_and_back() {
    let sshd = Sshd::start();
    let pool = sshd.pool();
    let input = noise(3_000_000);
    let command = Command { stdin: Some(input.clone()), ..Command::new("tee /dev/stderr") };
    let (end, ear) = run(&pool, command).await;
    assert_eq!(exited(&end), 0);
    let heard = ear.heard();
    assert!(heard.stdout == input, "{} bytes came back", heard.stdout.len());
    assert!(heard.stderr == input, "{} bytes came back on stderr", heard.stderr.len());
    // A command that reads nothing ends all the same, and harms no other.
    let command = Command { stdin: Some(noise(8_000_000)), ..Command::new("exit 5") };
    let (end, _) = run(&pool, command).await;
    assert_eq!(exited(&end), 5);
    assert_eq!(exited(&run_line(&pool, "true").await.0), 0);
}

/// Digests what it gets, slowly.
struct Slow {
    digest: Arc<Mutex<(Hasher, usize)>>,
}

impl Output for Slow {
    fn chunk(&mut self, _: Stream, bytes: &[u8]) -> io::Result<()> {
        let mut digest = self.digest.lock().unwrap_or_else(PoisonError::into_inner);
        digest.0.update(bytes);
        digest.1 += bytes.len();
        if digest.1.is_multiple_of(64) {
            std::thread::sleep(Duration::from_micros(50));
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_megabytes_arrive_whole_while_others_run() {
    let sshd = Sshd::start();
    let pool = sshd.pool();
    let line = "head -c 100000000 /dev/zero | tr '\\0' 'golive'";
    let (_, ear) = run_line(&pool, &format!("{line} | sha256sum")).await;
    let digest = Arc::new(Mutex::new((Hasher::default(), 0)));
    let output = Box::new(Slow { digest: Arc::clone(&digest) });
    let big = tokio::spawn({
        let pool = pool.clone();
        async move { pool.run(&id("web1"), Command::new(line), output, StopSignal::never()).await }
    });
    // Beside it, on the same connection, small ones get through.
    eventually("the first bytes", || (digest.lock().unwrap().1 > 0).then_some(())).await;
    for _ in 0..5 {
        assert_eq!(exited(&run_line(&pool, "true").await.0), 0);
    }
    assert_eq!(exited(&big.await.unwrap()), 0);
    let digest = digest.lock().unwrap();
    assert_eq!(digest.1, 100_000_000);
    let ours = digest.0.digest().to_string();
    let theirs = ear.out().split(' ').next().unwrap().to_owned();
    assert!(ours.ends_with(&theirs), "{ours} {theirs}");
}

/// Takes two chunks and then fails, as a full disk does.
struct Full(usize);

impl Output for Full {
    fn chunk(&mut self, _: Stream, _: &[u8]) -> io::Result<()> {
        self.0 += 1;
        if self.0 > 2 { Err(io::Error::from(io::ErrorKind::StorageFull)) } else { Ok(()) }
    }
}

#[tokio::test]
async fn output_that_cannot_be_kept_does_not_kill_the_step() {
    let sshd = Sshd::start();
    let pool = sshd.pool();
    let done = sshd.path("done");
    let line = format!("for i in 1 2 3 4 5 6; do echo $i; sleep 0.05; done; : >{}", done.display());
    let end =
        pool.run(&id("web1"), Command::new(line), Box::new(Full(0)), StopSignal::never()).await;
    let RunEnd::Unrecorded { why, end } = end else { panic!("{end:?}") };
    assert_eq!(why.kind(), io::ErrorKind::StorageFull);
    assert_eq!(exited(&end), 0);
    assert!(done.exists(), "it ran to its end");
}

#[tokio::test]
async fn a_forced_command_is_not_taken_for_the_step() {
    let sshd = Sshd::start();
    for (forced, code) in [("exit 0", 0), ("echo no; exit 1", 1)] {
        let line = format!("command=\"{forced}\" {}", public(&sshd.identity()));
        sshd.authorize_only(&line);
        let (end, _) = run_line(&sshd.pool(), "echo ran").await;
        let RunEnd::Lost { why: SshError::NoStart { status, .. }, group: None } = &end else {
            panic!("{end:?}")
        };
        assert_eq!(*status, format!("exit code {code}"));
    }
}

#[tokio::test]
async fn login_scripts_may_chat() {
    let sshd = Sshd::start();
    // sshd sets HOME to the test's folder, where bash looks for this.
    sshd.write(".bashrc", "echo noise on stderr >&2\n");
    let (end, ear) = run_line(&sshd.pool(), "echo err >&2").await;
    assert_eq!(exited(&end), 0);
    assert!(ear.err().ends_with("err\n"), "{}", ear.err());
    assert!(!ear.err().contains("golive-start"), "{}", ear.err());
}
