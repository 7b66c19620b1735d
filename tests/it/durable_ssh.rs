//! Durable steps over a real `sshd`: what they print, how they end, and what outlives what.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use golive::base::SecretName;
use golive::engine::{Begun, Doubt, Effect, End, Job, Part, Place, Run, Sight, Verdict};
use golive::exec::Secrets;
use golive::runbook::Given;
use zeroize::Zeroizing;

use crate::durable_desk::{
    Console, code, count, counted, cut, digest, durable, job, running, start,
};
use crate::proxy::Proxy;
use crate::sshd::{Sshd, children, eventually, id, is_root, noise, public, sh, signal};

#[tokio::test(flavor = "multi_thread")]
async fn a_step_has_its_outputs_and_its_code_and_its_input() {
    let sshd = Sshd::start();
    let mut console = Console::new(sshd.pool());
    let mut run = durable("a", 1, "cat; echo \"$GL_X\" >&2; exit 3");
    run.stdin = Some(Given::Text("in\n".to_owned()));
    run.env.insert("GL_X".to_owned(), Given::Text("it's\n$x".to_owned()));
    let job = start(&console, run);
    assert_eq!(code(&console.end(&job).await), 3);
    let printed = console.shelf.of(&job);
    assert_eq!((printed.out, printed.err), (b"in\n".to_vec(), b"it's\n$x\n".to_vec()));
    assert_eq!(console.kinds(&job), ["began"]);
    // The second one on a host that is known is sent at once.
    let job = start(&console, durable("b", 1, "no-such-program"));
    assert_eq!(code(&console.end(&job).await), 127);
    assert_eq!(console.kinds(&job), ["began"]);
    // What a shell says of a child that was killed is nothing that the step said.
    for (step, signal, status) in [("c", "TERM", 143), ("d", "KILL", 137)] {
        let job = start(&console, durable(step, 1, &format!("kill -s {signal} $$")));
        assert_eq!(code(&console.end(&job).await), status);
        let printed = console.shelf.of(&job);
        assert_eq!((printed.out.len(), printed.err.len()), (0, 0), "{signal}");
    }
    let job = start(&console, durable("e", 1, "true"));
    assert!(matches!(console.begun(&job).await, Begun { group: true, born: Some(_), .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn twelve_megabytes_of_both_outputs_come_whole() {
    for config in ["", "RekeyLimit 64K", "MaxSessions 1"] {
        let sshd = Sshd::with(&["ed25519"], config);
        let data = noise(6_000_000);
        let file = sshd.path("data");
        fs::write(&file, &data).unwrap();
        let mut console = Console::new(sshd.pool());
        let line = format!("cat {0} & cat {0} >&2; wait; exit 5", file.display());
        let job = start(&console, durable("a", 1, &line));
        assert_eq!(code(&console.end(&job).await), 5, "{config}");
        let printed = console.shelf.of(&job);
        assert_eq!(digest(&printed.out), digest(&data), "{config}: {}", printed.out.len());
        assert_eq!(digest(&printed.err), digest(&data), "{config}: {}", printed.err.len());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_link_loses_neither_the_step_nor_a_byte() {
    let sshd = Sshd::start();
    let (ledger, go) = (sshd.path("ledger"), sshd.path("go"));
    let mut console = Console::new(sshd.pool());
    let wait = format!(
        "echo one; echo two >&2; until [ -f {} ]; do sleep 0.1; done; echo three; exit 4",
        go.display()
    );
    let job = start(&console, durable("a", 1, &counted(&ledger, &wait)));
    console.begun(&job).await;
    for times in 1..=3 {
        cut(&sshd).await;
        console.told(&job, "lost", times).await;
        console.told(&job, "back", times).await;
    }
    fs::write(&go, "").unwrap();
    assert_eq!(code(&console.end(&job).await), 4);
    let printed = console.shelf.of(&job);
    assert_eq!((printed.out, printed.err), (b"one\nthree\n".to_vec(), b"two\n".to_vec()));
    assert_eq!(count(&ledger), 1);
    let lost = ["began", "lost", "back", "lost", "back", "lost", "back"];
    assert_eq!(console.kinds(&job), lost);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_ends_out_of_sight_is_found_ended() {
    let sshd = Sshd::start();
    let (ledger, go, over) = (sshd.path("ledger"), sshd.path("go"), sshd.path("over"));
    let mut console = Console::new(sshd.pool());
    let line = format!(
        "until [ -f {} ]; do sleep 0.05; done; echo out; touch {}; exit 6",
        go.display(),
        over.display()
    );
    let job = start(&console, durable("a", 1, &counted(&ledger, &line)));
    console.begun(&job).await;
    // The server answers nobody while the step comes to its end.
    let serving = sshd.connections();
    for &pid in &serving {
        signal("STOP", pid);
    }
    fs::write(&go, "").unwrap();
    eventually("the end of the step", || over.exists().then_some(())).await;
    for &pid in &serving {
        signal("KILL", pid);
    }
    assert_eq!(code(&console.end(&job).await), 6);
    assert_eq!(console.shelf.of(&job).out, b"out\n");
    assert_eq!(count(&ledger), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_reaches_the_whole_group() {
    let sshd = Sshd::with(&["ed25519"], "MaxSessions 1");
    let mut console = Console::new(sshd.pool());
    let run = durable("a", 1, "trap 'echo tidied; exit 9' TERM; sleep 31.4151 & echo up; wait");
    let key = run.key.clone();
    let job = start(&console, run);
    console.begun(&job).await;
    eventually("its child", || (running("sleep 31.4151") == 1).then_some(())).await;
    console.edge.perform(Effect::Stop(key));
    assert_eq!(console.end(&job).await, End::Stopped { survivors: Some(Vec::new()) });
    assert_eq!(console.shelf.of(&job).out, b"up\ntidied\n");
    assert_eq!(running("sleep 31.4151"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_goes_through_the_words_that_the_step_went_through() {
    let sshd = Sshd::start();
    let asked = sshd.path("asked");
    let text = format!("#!/bin/sh\necho \"$1 $2\" >>{}\nexec \"$@\"\n", asked.display());
    let words = sshd.write("become", &text);
    fs::set_permissions(&words, fs::Permissions::from_mode(0o755)).unwrap();
    let runbook = crate::moves::BECOMING.replace("env GL_TEST=1", &words.display().to_string());
    let mut console = Console::keeping(sshd.pool(), &Secrets::none(), None, &runbook);
    let run = Run { r#become: true, ..durable("a", 1, "sleep 31.4152 & echo up; wait") };
    let key = run.key.clone();
    let job = start(&console, run);
    console.begun(&job).await;
    eventually("its child", || (running("sleep 31.4152") == 1).then_some(())).await;
    console.edge.perform(Effect::Stop(key));
    assert_eq!(console.end(&job).await, End::Stopped { survivors: Some(Vec::new()) });
    // Each time a shell that takes its line unseen: the step's, and that of the signal.
    assert_eq!(fs::read_to_string(asked).unwrap(), "sh -c\nsh -c\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_names_what_left_the_group() {
    let sshd = Sshd::start();
    let mut console = Console::new(sshd.pool());
    let run = durable("a", 1, "setsid sleep 31.4152 & echo up; sleep 31.4153");
    let key = run.key.clone();
    let job = start(&console, run);
    console.begun(&job).await;
    eventually("its child", || (running("sleep 31.4152") == 1).then_some(())).await;
    console.edge.perform(Effect::Stop(key));
    let end = console.end(&job).await;
    let End::Stopped { survivors: Some(alive) } = &end else { panic!("{end:?}") };
    assert_eq!(alive.len(), 1, "{alive:?}");
    assert!(alive[0].as_str().contains("sleep (S, left its group)"), "{alive:?}");
    assert_eq!(end.verdict(), Verdict::Unknown);
    assert_eq!((running("sleep 31.4152"), running("sleep 31.4153")), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_is_kept_while_its_host_cannot_be_asked() {
    let sshd = Sshd::start();
    let proxy = Proxy::to(sshd.port);
    let mut console = Console::new(proxy.pool(&sshd));
    let run = durable("a", 1, "echo up; sleep 31.4154");
    let key = run.key.clone();
    let job = start(&console, run);
    console.begun(&job).await;
    proxy.refuse();
    console.told(&job, "lost", 1).await;
    console.edge.perform(Effect::Stop(key));
    proxy.pass();
    assert_eq!(console.end(&job).await, End::Stopped { survivors: Some(Vec::new()) });
    assert_eq!(running("sleep 31.4154"), 0);
    assert_eq!(console.shelf.of(&job).out, b"up\n");
}

/// A console that knows of the start of a job and no more, as one that was started again.
fn again(sshd: &Sshd, run: &Run, begun: Option<Begun>) -> Console {
    let console = Console::new(sshd.pool());
    let mut run = run.clone();
    if let (Some(durable), Some(begun)) = (&mut run.durable, begun) {
        durable.begun.insert(run.places[0].clone(), begun);
    }
    console.edge.perform(Effect::Follow(Box::new(run)));
    console
}

#[tokio::test(flavor = "multi_thread")]
async fn golive_comes_back_to_a_step_that_runs_and_to_one_that_has_ended() {
    let sshd = Sshd::start();
    let (ledger, go) = (sshd.path("ledger"), sshd.path("go"));
    let line =
        format!("echo one; until [ -f {} ]; do sleep 0.1; done; echo two; exit 4", go.display());
    let run = durable("a", 1, &counted(&ledger, &line));
    let mut console = Console::new(sshd.pool());
    let job = start(&console, run.clone());
    let begun = console.begun(&job).await;
    drop(console); // Its tasks run on, as a second console's would: nothing of it is asked.
    let mut console = again(&sshd, &run, Some(begun.clone()));
    console.told(&job, "back", 1).await;
    fs::write(&go, "").unwrap();
    assert_eq!(code(&console.end(&job).await), 4);
    assert_eq!(console.shelf.of(&job).out, b"one\ntwo\n");
    // Once more, and without the word that it began: the host knows.
    for known in [Some(begun), None] {
        let mut console = again(&sshd, &run, known);
        assert_eq!(code(&console.end(&job).await), 4);
        assert_eq!(console.shelf.of(&job).out, b"one\ntwo\n");
    }
    assert_eq!(count(&ledger), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_arrived_never_will() {
    let sshd = Sshd::start();
    let ledger = sshd.path("ledger");
    let run = durable("a", 1, &counted(&ledger, "true"));
    let mut console = again(&sshd, &run, None);
    let end = console.end(&job(&run)).await;
    let End::NotStarted { why } = &end else { panic!("{end:?}") };
    assert!(why.as_str().contains("never will"), "{why}");
    // The late request comes, and runs nothing.
    let mut console = Console::new(sshd.pool());
    let job = start(&console, run.clone());
    assert!(matches!(console.end(&job).await, End::NotStarted { .. }));
    assert_eq!(count(&ledger), 0);
    // One that had begun, of which the host knows nothing, is not said not to have run.
    let begun = Begun {
        pid: 4711,
        born: Some(1),
        boot: "b".into(),
        root: sshd.path(".golive").display().to_string().as_str().into(),
        root_id: "another".into(),
        sync: golive::engine::Sync::File,
        group: true,
    };
    let mut console = again(&sshd, &durable("b", 1, "true"), Some(begun));
    let job = Job { key: durable("b", 1, "true").key, place: Place::Host(id("web1")) };
    let end = console.end(&job).await;
    assert!(matches!(end, End::Unknown { doubt: Doubt::Forgotten, .. }), "{end:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_attempt_waits_for_no_ghost() {
    let sshd = Sshd::start();
    let ledger = sshd.path("ledger");
    let mut console = Console::new(sshd.pool());
    let first = durable("a", 1, &counted(&ledger, "sleep 31.4155"));
    let job = start(&console, first.clone());
    console.begun(&job).await;
    let mut second = durable("a", 2, &counted(&ledger, "true"));
    let place = second.places[0].clone();
    second.durable.as_mut().unwrap().after.insert(place.clone(), vec![first.key.clone()]);
    // It runs still: nothing starts beside it.
    let refused = start(&console, second.clone());
    let end = console.end(&refused).await;
    let End::NotStarted { why } = &end else { panic!("{end:?}") };
    assert!(why.as_str().contains("a.1 is RUNNING"), "{why}");
    console.edge.perform(Effect::Stop(first.key.clone()));
    console.end(&job).await;
    second.key.attempt = 3;
    let ran = start(&console, second.clone());
    assert_eq!(code(&console.end(&ran).await), 0);
    // One that never arrived is made void by its successor.
    let mut third = durable("b", 2, &counted(&ledger, "true"));
    let ghost = durable("b", 1, &counted(&ledger, "true"));
    third.durable.as_mut().unwrap().after.insert(place, vec![ghost.key.clone()]);
    let ran = start(&console, third);
    assert_eq!(code(&console.end(&ran).await), 0);
    let late = start(&console, ghost);
    assert!(matches!(console.end(&late).await, End::NotStarted { .. }));
    assert_eq!(count(&ledger), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_records_do_not_answer_for_an_earlier_attempt() {
    let sshd = Sshd::start();
    let ledger = sshd.path("ledger");
    let mut console = Console::new(sshd.pool());
    let first = durable("a", 1, &counted(&ledger, "exec sleep 31.4155"));
    let job = start(&console, first.clone());
    let begun = console.begun(&job).await;
    console.edge.perform(Effect::LetGo(job));
    // It runs on, and nothing there knows of it any more; another step makes records anew.
    fs::remove_dir_all(begun.root.as_str()).unwrap();
    let other = start(&console, durable("b", 1, "true"));
    assert_eq!(code(&console.end(&other).await), 0);
    let mut next = durable("a", 2, &counted(&ledger, "true"));
    let place = next.places[0].clone();
    let asks = next.durable.as_mut().unwrap();
    asks.after.insert(place.clone(), vec![first.key.clone()]);
    asks.after_in.insert(place.clone(), vec![begun.root_id.clone()]);
    let refused = start(&console, next.clone());
    let end = console.end(&refused).await;
    let End::NotStarted { why } = &end else { panic!("{end:?}") };
    assert!(why.as_str().contains("cannot be asked any more"), "{why}");
    assert_eq!(count(&ledger), 1);
    // Who has read that and starts it all the same does not ask again.
    next.key.attempt = 3;
    let ran = start(&console, next.clone());
    assert_eq!(code(&console.end(&ran).await), 0);
    assert_eq!(count(&ledger), 2);
    // He has read it of those records and of that part of the step, of no others.
    let mut of_others = next.clone();
    of_others.key.attempt = 4;
    let asks = of_others.durable.as_mut().unwrap();
    asks.after_in.entry(place).or_default().push("gone".into());
    let mut of_the_undo = next;
    (of_the_undo.key.part, of_the_undo.key.attempt) = (Part::Undo, 1);
    for untold in [of_others, of_the_undo] {
        let refused = start(&console, untold);
        let end = console.end(&refused).await;
        assert!(matches!(end, End::NotStarted { .. }), "{end:?}");
        assert_eq!(count(&ledger), 2);
    }
    signal("KILL", begun.pid);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_that_is_killed_leaves_an_orphan_and_a_doubt() {
    let sshd = Sshd::start();
    let go = sshd.path("go");
    let line = format!("echo one; until [ -f {} ]; do sleep 0.1; done; echo two", go.display());
    let mut console = Console::new(sshd.pool());
    let job = start(&console, durable("a", 1, &line));
    console.begun(&job).await;
    // The shell of the session is the supervisor.
    let session = sshd.connections().into_iter().flat_map(children).next().unwrap();
    signal("KILL", session);
    console.told(&job, "orphan", 1).await;
    fs::write(&go, "").unwrap();
    let end = console.end(&job).await;
    assert!(matches!(end, End::Unknown { doubt: Doubt::Gone, .. }), "{end:?}");
    assert_eq!(console.shelf.of(&job).out, b"one\ntwo\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_it_cannot_be_durable_it_runs_attached_and_says_so() {
    // Where files cannot be linked, there is no gate.
    let sshd = Sshd::with(&["ed25519"], "PermitUserEnvironment yes");
    fs::create_dir(sshd.path("bin")).unwrap();
    let fake = sshd.path("bin").join("ln");
    fs::write(&fake, "#!/bin/sh\nexit 1\n").unwrap();
    fs::set_permissions(&fake, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", sshd.path("bin").display(), std::env::var("PATH").unwrap());
    let key = public(&sshd.identity());
    sshd.authorize_only(&format!("environment=\"PATH={path}\" {key}"));
    let mut console = Console::new(sshd.pool());
    for attempt in 1..=2 {
        let job = start(&console, durable("a", attempt, "echo out; exit 3"));
        assert_eq!(code(&console.end(&job).await), 3);
        assert_eq!(console.shelf.of(&job).out, b"out\n");
        assert_eq!(console.kinds(&job), ["attached"]);
    }
    // A forced command that runs something else: nothing of the step is sent twice.
    let sshd = Sshd::start();
    sshd.authorize_only(&format!("command=\"echo no; exit 7\" {}", public(&sshd.identity())));
    let mut console = Console::new(sshd.pool());
    let job = start(&console, durable("a", 1, "echo out"));
    let end = console.end(&job).await;
    assert!(matches!(&end, End::Unknown { why, .. } if why.as_str().contains("forced command")));
    assert_eq!(console.kinds(&job), ["attached"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn login_scripts_may_talk() {
    let sshd = Sshd::start();
    // bash reads it for commands over SSH too.
    sshd.write(".bashrc", "yes noise | head -c 20000; yes noise | head -c 20000 >&2\n");
    let mut console = Console::new(sshd.pool());
    for (step, line) in [("a", "echo out; echo err >&2; exit 3"), ("b", "printf x; exit 3")] {
        let job = start(&console, durable(step, 1, line));
        assert_eq!(code(&console.end(&job).await), 3);
        let printed = console.shelf.of(&job);
        assert!(!printed.out.starts_with(b"noise") && !printed.err.starts_with(b"noise"));
        assert_eq!(console.kinds(&job), ["began"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_drops_by_lot_is_asked_again() {
    let sshd = Sshd::with(&["ed25519"], "MaxStartups 1:90:2");
    let go = sshd.path("go");
    let line = format!("echo one; until [ -f {} ]; do sleep 0.1; done; echo two", go.display());
    let mut console = Console::new(sshd.pool());
    let job = start(&console, durable("a", 1, &line));
    console.begun(&job).await;
    cut(&sshd).await;
    console.told(&job, "back", 1).await;
    fs::write(&go, "").unwrap();
    assert_eq!(code(&console.end(&job).await), 0);
    assert_eq!(console.shelf.of(&job).out, b"one\ntwo\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_let_go_is_never_heard_of_again() {
    let sshd = Sshd::start();
    let proxy = Proxy::to(sshd.port);
    let mut console = Console::new(proxy.pool(&sshd));
    let job = start(&console, durable("a", 1, "echo up; sleep 31.4156"));
    console.begun(&job).await;
    proxy.refuse();
    console.told(&job, "lost", 1).await;
    console.edge.perform(Effect::LetGo(job.clone()));
    proxy.pass();
    // A second step shows that reports come; the first one has none.
    let other = start(&console, durable("b", 1, "true"));
    assert_eq!(code(&console.end(&other).await), 0);
    assert!(!console.ends.contains_key(&job.to_string()));
    assert_eq!(console.kinds(&job), ["began", "lost"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_closed_forgets_what_was_printed_and_not_what_ran() {
    let sshd = Sshd::start();
    let ledger = sshd.path("ledger");
    let mut console = Console::new(sshd.pool());
    let run = durable("a", 1, &counted(&ledger, "echo out"));
    let job = start(&console, run.clone());
    assert_eq!(code(&console.end(&job).await), 0);
    let session = "night-1".parse().unwrap();
    assert_eq!(console.edge.close(&session, vec![id("web1")]).await, []);
    let folder = sshd.path(".golive/R/night-1");
    let left: Vec<_> = fs::read_dir(&folder).unwrap().map(|it| it.unwrap().file_name()).collect();
    let left: Vec<_> = left.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    let output = |name: &String| [".out", ".err", ".in."].iter().any(|it| name.contains(it));
    assert!(!left.iter().any(output), "{left:?}");
    // Neither a late duplicate nor anything new of the run starts.
    let job = start(&console, run);
    assert_eq!(code(&console.end(&job).await), 0, "what it came to, and not again");
    let job = start(&console, durable("z", 1, &counted(&ledger, "true")));
    assert!(matches!(console.end(&job).await, End::NotStarted { .. }));
    assert_eq!(count(&ledger), 1);
    let gone = console.edge.close(&session, vec!["nowhere".parse().unwrap()]).await;
    assert!(gone[0].1.contains("not in the inventory"), "{gone:?}");
}

/// The host of a server in its own namespaces is rebooted, as far as its steps can tell: all that
/// it ran is gone, and the boot has another name.
fn reboot(sshd: &Sshd, boot: &str) {
    let serving = sshd.connections();
    let inside = serving[0];
    let name = sshd.write("boot", &format!("{boot}\n"));
    let of_steps: Vec<u32> = serving.iter().copied().flat_map(all_below).collect();
    for pid in of_steps {
        signal("KILL", pid);
    }
    let target = format!("--target={inside}");
    let boot_id = "/proc/sys/kernel/random/boot_id";
    sh("nsenter", &["-m", &target, "mount", "--bind", name.to_str().unwrap(), boot_id]);
    for pid in serving {
        signal("KILL", pid);
    }
}

/// A process's children and theirs.
fn all_below(pid: u32) -> Vec<u32> {
    let mut all = children(pid);
    let below: Vec<u32> = all.iter().copied().flat_map(all_below).collect();
    all.extend(below);
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reboot_is_a_doubt_unless_it_was_wanted() {
    if !is_root() {
        return; // Without a namespace of its own, a boot cannot have another name.
    }
    for (wanted, line) in [(false, "echo up; sleep 31.4157"), (true, "echo up; sleep 31.4158")] {
        let sshd = Sshd::start();
        let mut console = Console::new(sshd.pool());
        let mut run = durable("a", 1, line);
        run.durable.as_mut().unwrap().reboot = wanted;
        let job = start(&console, run);
        console.begun(&job).await;
        reboot(&sshd, "11111111-2222-3333-4444-555555555555");
        let end = console.end(&job).await;
        match end {
            End::Rebooted { .. } => assert!(wanted),
            end @ (End::Exited { .. }
            | End::Done(_)
            | End::Signalled { .. }
            | End::Stopped { .. }
            | End::NotStarted { .. }
            | End::Unknown { .. }) => {
                assert!(!wanted, "{end:?}");
                assert!(matches!(end, End::Unknown { doubt: Doubt::Rebooted, .. }), "{end:?}");
            }
        }
        assert_eq!(console.shelf.of(&job).out, b"up\n");
    }
    // It ends well, and the reboot comes after.
    let sshd = Sshd::start();
    let mut console = Console::new(sshd.pool());
    let mut run = durable("a", 1, "echo up");
    run.durable.as_mut().unwrap().reboot = true;
    let job = start(&console, run);
    console.begun(&job).await;
    // Another step shows that the host still answers, and that the first one waits.
    let other = start(&console, durable("b", 1, "true"));
    assert_eq!(code(&console.end(&other).await), 0);
    assert!(!console.ends.contains_key(&job.to_string()));
    reboot(&sshd, "11111111-2222-3333-4444-555555555555");
    assert!(matches!(console.end(&job).await, End::Rebooted { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_key_is_not_tried_for_ever_and_a_stop_asks_once_more() {
    let sshd = Sshd::start();
    let mut console = Console::new(sshd.pool());
    let run = durable("a", 1, "echo up; sleep 31.4161");
    let key = run.key.clone();
    let job = start(&console, run);
    console.begun(&job).await;
    let own = public(&sshd.identity());
    sshd.authorize_only("# nobody");
    cut(&sshd).await;
    console
        .wait("the word that no key is tried any more", |console| {
            let locked = |(_, sight): &(String, Sight)| {
                matches!(sight, Sight::Lost { why, .. } if why.as_str().contains("no key is tried"))
            };
            console.told.iter().any(locked).then_some(())
        })
        .await;
    sshd.authorize_only(&own);
    console.edge.perform(Effect::Stop(key));
    assert_eq!(console.end(&job).await, End::Stopped { survivors: Some(Vec::new()) });
    assert_eq!(running("sleep 31.4161"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_touches_no_disk() {
    let sshd = Sshd::start();
    let mut values = BTreeMap::new();
    let name: SecretName = "token".parse().unwrap();
    values.insert(name.clone(), Zeroizing::new(b"s3cr3t-of-24-letters-abc".to_vec()));
    let secrets = Secrets::new(values, Vec::new()).unwrap();
    let mut console = Console::with(sshd.pool(), &secrets);
    let go = sshd.path("go");
    let line = format!(
        "echo ${{#GL_TOKEN}}; wc -c; until [ -f {} ]; do sleep 0.1; done; echo $GL_TOKEN",
        go.display()
    );
    let mut run = durable("a", 1, &line);
    run.env.insert("GL_TOKEN".to_owned(), Given::Secret(name.clone()));
    run.stdin = Some(Given::Secret(name));
    let job = start(&console, run);
    console.begun(&job).await;
    let found = Command::new("grep").args(["-rl", "s3cr3t-of-24"]).arg(sshd.dir.path()).output();
    assert_eq!(String::from_utf8(found.unwrap().stdout).unwrap(), "", "it lies on a disk");
    assert!(
        !sh("ps", &["-A", "-ww", "-o", "args="])
            .lines()
            .any(|line| { line.contains("s3cr3t-of-24") && !line.starts_with("grep") })
    );
    fs::write(&go, "").unwrap();
    assert_eq!(code(&console.end(&job).await), 0);
    let out = String::from_utf8(console.shelf.of(&job).out).unwrap();
    let lines: Vec<&str> = out.lines().map(str::trim).collect();
    assert_eq!(lines[..2], ["24", "24"]);
    assert!(!out.contains("s3cr3t"), "{out}");
}
