//! Commands on real hosts: a real `sshd`, real keys, real processes.

use golive::exec::ssh::RunEnd;

use crate::sshd::{Sshd, run_line};

#[tokio::test]
async fn a_command_runs() {
    let sshd = Sshd::start();
    let pool = sshd.pool();
    let (end, ear) = run_line(&pool, "echo out; echo err >&2; exit 3").await;
    assert!(matches!(end, RunEnd::Exited { code: 3, whole: true }), "{end:?}");
    assert_eq!((ear.out().as_str(), ear.err().as_str()), ("out\n", "err\n"));
    let group = ear.heard().group.unwrap();
    assert!(group.born.is_some());
}
