//! One host before the night: whether it answers, is the machine that is meant, lets us in and
//! lets us become who we have to be, and has what the steps on it need.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{HostId, StepId};
use crate::engine::{ClockOffset, Need, Needed, Place, Proof, Watch};
use crate::exec::lookout::look_once;
use crate::exec::ssh::{Command, ErrorKind, Output, RunEnd, SshError, StopSignal, Stream};
use crate::plan::{CheckPlan, Plan, StepPlan, Text, UndoPlan, VerifyPlan, Work};
use crate::runbook::{Builtin, Class, size};

use super::here::elsewhere;
use super::survey::{Question, Said, ask};
use super::tools::{Sought, may_bring, named};
use super::{Area, Finding, Level, Preflight, Tell};

/// With less than this a step that outlives its link cannot keep what it prints.
const RECORDS_BYTES_MIN: u64 = 16 << 20;
/// With less than this somebody should look before.
const RECORDS_BYTES_FEW: u64 = 256 << 20;
/// What is said of all that comes behind a look that failed.
const UNSEEN: &str = "nothing else was looked at there";

/// What it means that a program is not there now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    /// The step cannot run.
    Fails,
    /// Something before may bring it.
    MayCome,
    /// Nothing: the step looks for it elsewhere.
    SaysNothing,
}

/// What the steps on one host need there.
#[derive(Debug, Default)]
struct Wants {
    /// Some step becomes another user.
    becomes: bool,
    /// Some step outlives its link.
    durable: bool,
    /// Something is moved by SFTP.
    moves: bool,
    /// Programs, by whether they are run as another user: the first step that names each, and
    /// what it means where one is missing.
    tools: BTreeMap<(bool, String), (StepId, Missing)>,
    /// Bytes to be uploaded, by where to.
    uploads: BTreeMap<String, u64>,
    /// Steps whose way back says what it needs.
    ready: Vec<StepId>,
}

/// Looks at one host, and tells each thing as it is found.
pub(super) async fn look(all: &Preflight, id: &HostId, tell: &Tell) {
    let say = |what, level, words: &str, fix: &str| {
        let finding = Finding::new(Area::Host, id.as_str(), what, level, words);
        tell.send(if fix.is_empty() { finding } else { finding.fix(fix) });
    };
    let peer = match all.pool.connect(id).await {
        Ok(peer) => peer,
        Err(why) => {
            let (what, words, fix) = unreached(id, &why);
            say(what, Level::Failed, &words, &fix);
            return say("rest", Level::Unknown, UNSEEN, "");
        }
    };
    let via = peer.via.as_ref().map_or_else(String::new, |via| format!(" through {via}"));
    let by = if peer.certified { ", by its certificate" } else { "" };
    say("login", Level::Ok, &format!("{} as {}{via}", peer.address, peer.user), "");
    say("host-key", Level::Ok, &format!("{} is known{by}", peer.host_key), "");
    let Some(host) = all.plan.hosts.get(id) else { return };
    if host.proof.is_some() {
        match proved(all, id).await {
            Ok(()) => say("proof", Level::Ok, "it is the machine that is meant", ""),
            Err(why) => {
                say("proof", Level::Failed, &bare(id, &why), "correct `address`, or `proof`");
                // A machine that is not the one meant is asked nothing else, and given no secret.
                return say("rest", Level::Unknown, UNSEEN, "");
            }
        }
    }
    let wants = wants(&all.plan, id);
    let mut becomes = wants.becomes;
    if wants.becomes {
        let need = Need { place: Place::Host(id.clone()), what: Needed::Become };
        let watch = Watch::plain(need, true);
        let proof = look_once(&watch, Some(&host.r#become), &all.pool, &all.secrets).await;
        becomes = proof == Some(Proof::Ready);
        let fix = format!(
            "let {} do `{}` without a password, or correct `become` of the host",
            peer.user, host.r#become
        );
        let words = format!("`{}` works", host.r#become);
        one_proof(proof, Level::Failed, &words, &fix, |level, words, fix| {
            say("become", level, words, fix);
        });
    }
    survey(all, id, &wants, becomes, &say).await;
    if wants.moves {
        match all.pool.subsystem(id, "sftp", false).await {
            Ok(_) => say("sftp", Level::Ok, "its SFTP server answers", ""),
            Err(why) => say("sftp", Level::Failed, &bare(id, &why.to_string()), ""),
        }
    }
    for step in &wants.ready {
        ready(all, id, step, &say).await;
    }
    clock(all, id, &say).await;
}

/// What became of the way to a host: which look failed, why, and how to put it right.
fn unreached(id: &HostId, why: &SshError) -> (&'static str, String, String) {
    let words = bare(id, &why.to_string());
    if let SshError::HostKeyUnknown(trouble) = why {
        let words = format!("its host key is not known: {}", trouble.offered);
        let fix = format!(
            "compare it with what `ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub` prints on its own console, then `golive trust -i INVENTORY {id}`"
        );
        return ("host-key", words, fix);
    }
    if matches!(why, SshError::Resolve { .. }) {
        return ("login", words, String::new()); // Its words say what to do.
    }
    let (what, fix) = match why.kind() {
        ErrorKind::HostKey => ("host-key", "ask its owner before anything else"),
        ErrorKind::Auth | ErrorKind::Other => ("login", ""), // Its words say what to look at.
        ErrorKind::Unreachable => ("login", "try `ssh` there by hand, from this machine"),
    };
    (what, words, fix.to_owned())
}

/// Without the name of the host before it.
fn bare(id: &HostId, words: &str) -> String {
    words.strip_prefix(&format!("{id}: ")).unwrap_or(words).to_owned()
}

struct Nothing;

impl Output for Nothing {
    fn chunk(&mut self, _: Stream, _: &[u8]) -> std::io::Result<()> {
        Ok(())
    }
}

async fn proved(all: &Preflight, id: &HostId) -> Result<(), String> {
    let command = Command { prove: true, ..Command::new("true") };
    match all.pool.run(id, command, Box::new(Nothing), StopSignal::never()).await {
        RunEnd::Exited { code: 0, .. } => Ok(()),
        RunEnd::Exited { code, .. } => Err(format!("`true` ended with {code}")),
        RunEnd::NotStarted { why } | RunEnd::Lost { why, .. } => Err(why.to_string()),
        RunEnd::Signalled { signal, .. } => Err(format!("`true` was ended by SIG{signal}")),
        RunEnd::Stopped { .. } => Err("it was stopped".to_owned()),
        RunEnd::Unrecorded { why, .. } => Err(why.to_string()),
    }
}

fn one_proof(
    proof: Option<Proof>,
    not_ready: Level,
    words: &str,
    fix: &str,
    say: impl Fn(Level, &str, &str),
) {
    match proof {
        Some(Proof::Ready) => say(Level::Ok, words, ""),
        Some(Proof::NotReady(why)) => say(not_ready, why.as_str(), fix),
        Some(Proof::Unknown(why)) => say(Level::Unknown, why.as_str(), fix),
        None => {
            let fix = "look again in a moment; `max_concurrent` says how many sessions it takes";
            say(Level::Unknown, "the host had no room for the look", fix);
        }
    }
}

/// What `undo.ready` of a step says now. A step before may make it true, so a no is no failure.
async fn ready(
    all: &Preflight,
    id: &HostId,
    step: &StepId,
    say: &impl Fn(&'static str, Level, &str, &str),
) {
    let Some(plan) = all.plan.step(step) else { return };
    let need = Need { place: Place::Host(id.clone()), what: Needed::Check(step.clone()) };
    let Some(watch) = Watch::ready(plan, need, &BTreeMap::new()) else {
        let words = format!("what the undo of {step} needs waits for a value of an earlier step");
        return say("undo-ready", Level::Unknown, &words, "");
    };
    let prefix = all.plan.hosts.get(id).map(|host| host.r#become.as_str());
    let prefix = prefix.filter(|_| watch.r#become);
    let proof = look_once(&watch, prefix, &all.pool, &all.secrets).await;
    let words = format!("what the undo of {step} needs is there");
    let fix =
        "it is looked at again all through the night; nothing to do where a step before makes it";
    one_proof(proof, Level::Warning, &words, fix, |level, words, fix| {
        let words = match level {
            Level::Ok => words.to_owned(),
            Level::Warning | Level::Unknown | Level::Failed => {
                format!("what the undo of {step} needs: {words}")
            }
        };
        say("undo-ready", level, &words, fix);
    });
}

async fn clock(all: &Preflight, id: &HostId, say: &impl Fn(&'static str, Level, &str, &str)) {
    match all.pool.clock(id).await {
        None => say("clock", Level::Unknown, "it does not say what time it is", ""),
        Some((millis, within)) => {
            let offset = ClockOffset { millis, within };
            let words = format!("its clock is {}", offset.words());
            if offset.is_wrong() {
                let fix = "set it (`timedatectl`, chrony): the times in its logs are read beside those of the record";
                say("clock", Level::Warning, &words, fix);
            } else {
                say("clock", Level::Ok, &words, "");
            }
        }
    }
}

/// All questions that its shell answers: programs, room, records.
async fn survey(
    all: &Preflight,
    id: &HostId,
    wants: &Wants,
    becomes: bool,
    say: &impl Fn(&'static str, Level, &str, &str),
) {
    for other_user in [false, true] {
        let names = wants.tools.keys().filter(|(other, _)| *other == other_user);
        let mut questions: Vec<_> = names.map(|(_, name)| Question::Tool(name.clone())).collect();
        if !other_user {
            questions.extend(wants.uploads.keys().cloned().map(Question::Room));
            if wants.durable {
                questions.extend([Question::Records, Question::Births]);
            }
        }
        if questions.is_empty() {
            continue;
        }
        let prefix = all.plan.hosts.get(id).map(|host| host.r#become.as_str());
        let prefix = prefix.filter(|_| other_user);
        if other_user && !becomes {
            let words = "as nobody can become another user there, the programs were not looked for";
            say("tools", Level::Unknown, words, "");
            continue;
        }
        let place = Place::Host(id.clone());
        let said = match ask(&all.pool, &place, prefix, &questions).await {
            Ok(said) => said,
            Err(why) => {
                say("survey", Level::Unknown, &bare(id, &why), "");
                continue;
            }
        };
        let mut there = 0_usize;
        let mut disks = Disks::default();
        for (question, said) in questions.iter().zip(said) {
            match question {
                Question::Tool(name) => {
                    match (said, wants.tools.get(&(other_user, name.clone()))) {
                        (Said::Yes, _) => there += 1,
                        (Said::No(_), Some((step, means))) => missing(name, step, *means, say),
                        (_, _) => {
                            say("tools", Level::Unknown, &format!("whether {name} is there"), "");
                        }
                    }
                }
                Question::Room(path) => {
                    let need = wants.uploads.get(path).copied().unwrap_or(0);
                    disks.take(path, need, said, say);
                }
                Question::Records => records(said, say),
                Question::Births => {
                    if said != Said::Yes {
                        let words = "it cannot be told when a process was born there, so no step can outlive its link";
                        say(
                            "durable",
                            Level::Failed,
                            words,
                            "mount /proc, or install a `ps` that knows lstart; or write `detached = false`",
                        );
                    }
                }
            }
        }
        disks.judge(say);
        if there > 0 {
            let who = if other_user { " for `become`" } else { "" };
            let programs = if there == 1 { "program" } else { "programs" };
            say("tools", Level::Ok, &format!("{there} {programs} found{who}"), "");
        }
    }
}

fn missing(
    name: &str,
    step: &StepId,
    means: Missing,
    say: &impl Fn(&'static str, Level, &str, &str),
) {
    match means {
        Missing::MayCome => {
            let words = format!("{name} is not there yet; step {step} names it");
            say("tools", Level::Warning, &words, "see that a step before installs it");
        }
        Missing::Fails => {
            let words = format!("{name} is not there; step {step} names it");
            let fix = "install it there, write its whole path, or correct the step";
            say("tools", Level::Failed, &words, fix);
        }
        Missing::SaysNothing => say("tools", Level::Unknown, &elsewhere(name, step), ""),
    }
}

/// What is uploaded to each disk of a host, by where it is mounted.
#[derive(Default)]
struct Disks(BTreeMap<String, Disk>);

struct Disk {
    free: u64,
    need: u64,
    paths: Vec<String>,
}

impl Disks {
    /// Takes what is to be uploaded to `path`; where nobody knows how much room there is, says so.
    fn take(
        &mut self,
        path: &str,
        need: u64,
        said: Said,
        say: &impl Fn(&'static str, Level, &str, &str),
    ) {
        let Said::Free(free, mount) = said else {
            let words = format!("how much room {path} has");
            return say("room", Level::Unknown, &words, "");
        };
        let disk = self.0.entry(mount).or_insert(Disk { free, need: 0, paths: Vec::new() });
        disk.free = disk.free.min(free);
        disk.need = disk.need.saturating_add(need);
        disk.paths.push(path.to_owned());
    }

    /// All that goes to one disk has to find room there together.
    fn judge(&self, say: &impl Fn(&'static str, Level, &str, &str)) {
        for Disk { free, need, paths } in self.0.values() {
            let paths = paths.join(" and ");
            let words = format!("{} free for {paths}, {} to be uploaded", size(*free), size(*need));
            if free < need {
                say("room", Level::Failed, &words, "make room there before the night");
            } else if free - need < need / 10 {
                say("room", Level::Warning, &words, "there is hardly more than is needed");
            } else {
                say("room", Level::Ok, &words, "");
            }
        }
    }
}

/// Whether steps can outlive their link: their records need a folder of their own, and room.
fn records(said: Said, say: &impl Fn(&'static str, Level, &str, &str)) {
    match said {
        Said::Folder(folder, None) => {
            let words = format!("how much room {folder} has, where steps keep what they print");
            say("durable", Level::Unknown, &words, "look there with `df`");
        }
        Said::Folder(folder, Some(free)) => {
            let words = format!("steps keep what they print in {folder}, {} free", size(free));
            let fix = "make room there: a step that cannot write what it prints waits or fails";
            if free < RECORDS_BYTES_MIN {
                say("durable", Level::Failed, &words, fix);
            } else if free < RECORDS_BYTES_FEW {
                say("durable", Level::Warning, &words, fix);
            } else {
                say("durable", Level::Ok, &words, "");
            }
        }
        Said::No(why) => {
            let fix = "without it no step there outlives its link; put it right, or write `detached = false`";
            say("durable", Level::Failed, &why, fix);
        }
        Said::Yes | Said::Free(..) | Said::Nothing => {
            say("durable", Level::Unknown, "where steps would keep what they print", "");
        }
    }
}

/// What all steps of the plan need of one host, in the order in which they come.
fn wants(plan: &Plan, id: &HostId) -> Wants {
    let mut wants = Wants::default();
    let (mut brought, mut changed) = (false, false);
    let mut sent = BTreeSet::new(); // Names of what is uploaded.
    let others = plan.steps.keys().filter(|step| !plan.order.contains(step));
    for step in plan.order.iter().chain(others).filter_map(|step| plan.step(step)) {
        let here = |hosts: &[HostId]| hosts.contains(id);
        let mut commands: Vec<&Text> = Vec::new();
        if here(&step.hosts) {
            commands.extend(command_of(&step.work));
            commands.extend(step.verify.as_ref().and_then(check_of));
            wants.take(&step.work, step);
            sent.extend(sent_by(&step.work));
        }
        if let UndoPlan::Undo(undo) = &step.undo
            && here(&undo.hosts)
        {
            commands.extend(command_of(&undo.work));
            commands.extend(undo.verify.as_ref().and_then(check_of));
            if let Some(ready) = &undo.ready {
                commands.push(&ready.run);
                wants.ready.push(step.id.clone());
            }
            wants.take(&undo.work, step);
        }
        let changes = here(&step.hosts) && step.class > Class::Check;
        if commands.is_empty() {
            changed |= changes;
            continue;
        }
        wants.becomes |= step.r#become;
        let named: Vec<BTreeMap<_, _>> = match &step.shell {
            Some(shell) if !is_posix(shell) => {
                let program = shell.split_whitespace().next().map(str::to_owned);
                vec![program.into_iter().map(|program| (program, Sought::There)).collect()]
            }
            shell => {
                let own_path = step.env.contains_key("PATH");
                let named = |text: &&Text| named(text.shown(), shell.as_deref(), own_path);
                commands.iter().map(named).collect()
            }
        };
        let all: Vec<(String, Sought)> = named.into_iter().flatten().collect();
        brought |= all.iter().any(|(tool, _)| may_bring(tool)) && step.class > Class::Check;
        for (tool, sought) in all {
            // A whole path may be what any step before has put there.
            let comes = brought || changed && tool.starts_with('/') || sent.contains(last(&tool));
            let means = match sought {
                _ if comes => Missing::MayCome,
                Sought::There => Missing::Fails,
                Sought::Elsewhere => Missing::SaysNothing,
            };
            let this = (step.id.clone(), means);
            let first = wants.tools.entry((step.r#become, tool)).or_insert_with(|| this.clone());
            if first.1 == Missing::SaysNothing && means != Missing::SaysNothing {
                *first = this; // This one can be told.
            }
        }
        changed |= changes;
    }
    wants
}

impl Wants {
    fn take(&mut self, work: &Work, step: &StepPlan) {
        match work {
            Work::Run(_) => self.durable |= step.detached,
            Work::Builtin(builtin) => match builtin.as_ref() {
                Builtin::Upload(upload) => {
                    self.moves = true;
                    self.becomes |= step.r#become;
                    let to = upload.to.shown();
                    if let Some(content) = &upload.content
                        && upload.to.needs().is_empty()
                    {
                        let bytes: u64 = content.files.iter().map(|file| file.bytes).sum();
                        let sum = self.uploads.entry(to.to_owned()).or_default();
                        *sum = bytes.max(*sum);
                    }
                }
                Builtin::Download(_) => self.moves = true,
                Builtin::Http(_) | Builtin::Reconcile(_) => {}
            },
            Work::Local(_)
            | Work::Manual(_)
            | Work::Gate(_)
            | Work::Soak(_)
            | Work::Notify { .. } => {}
        }
    }
}

/// The last part of a path.
fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The names of the files that an upload brings: each may be a program.
fn sent_by(work: &Work) -> Vec<String> {
    let Work::Builtin(builtin) = work else { return Vec::new() };
    let Builtin::Upload(upload) = builtin.as_ref() else { return Vec::new() };
    let inside = upload.content.iter().flat_map(|content| &content.files);
    let inside = inside.map(|file| file.path.as_str()).filter(|path| !path.is_empty());
    inside.chain([upload.to.shown()]).map(|path| last(path).to_owned()).collect()
}

fn command_of(work: &Work) -> Option<&Text> {
    match work {
        Work::Run(text) => Some(text),
        Work::Local(_)
        | Work::Builtin(_)
        | Work::Manual(_)
        | Work::Gate(_)
        | Work::Soak(_)
        | Work::Notify { .. } => None,
    }
}

fn check_of(verify: &VerifyPlan) -> Option<&Text> {
    match &verify.check {
        CheckPlan::Run(text) => Some(text),
        CheckPlan::Probe(_) | CheckPlan::Http(_) => None,
    }
}

/// Whether it reads commands as `sh` does.
fn is_posix(shell: &str) -> bool {
    let program = shell.split_whitespace().next().unwrap_or(shell);
    let name = program.rsplit('/').next().unwrap_or(program);
    matches!(name, "sh" | "bash" | "dash" | "ash" | "ksh" | "zsh" | "busybox")
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::{Disks, is_posix, records};
    use crate::exec::preflight::Level;
    use crate::exec::preflight::survey::Said;

    /// What is said of these uploads: path, bytes, bytes that are free, and where.
    fn judged(uploads: &[(&str, u64, Option<u64>, &str)]) -> Vec<(Level, String)> {
        let all = RefCell::new(Vec::new());
        let say = |_: &'static str, level, words: &str, _: &str| {
            all.borrow_mut().push((level, words.to_owned()));
        };
        let mut disks = Disks::default();
        for (path, need, free, mount) in uploads {
            let said = free.map_or(Said::Nothing, |free| Said::Free(free, (*mount).to_owned()));
            disks.take(path, *need, said, &say);
        }
        disks.judge(&say);
        all.into_inner()
    }

    #[test]
    fn room_is_judged_by_what_is_needed() {
        let one = |free, need| judged(&[("/srv", need, Some(free), "/")]).remove(0).0;
        assert_eq!(one(100 << 20, 10 << 20), Level::Ok);
        assert_eq!(one(100 << 20, 101 << 20), Level::Failed);
        assert_eq!(one(100 << 20, 95 << 20), Level::Warning);
        assert_eq!(judged(&[("/srv", 1, None, "")])[0].0, Level::Unknown);
    }

    #[test]
    fn what_goes_to_one_disk_needs_its_room_together() {
        let (mb, free) = (1 << 20, Some(100 << 20));
        let said = judged(&[
            ("/opt/b", 60 * mb, free, "/mnt"),
            ("/srv/a", 60 * mb, free, "/"),
            ("/srv/b", 60 * mb, free, "/"),
        ]);
        let levels: Vec<_> = said.iter().map(|(level, _)| *level).collect();
        assert_eq!(levels, [Level::Failed, Level::Ok], "{said:?}");
        assert!(said[0].1.contains("for /srv/a and /srv/b"), "{said:?}");
    }

    #[test]
    fn room_for_records_that_nobody_knows_is_unknown() {
        let judged = |free| {
            let level = std::cell::Cell::new(None);
            let said = Said::Folder("/home/shop/.golive".to_owned(), free);
            records(said, &|_, found, _, _| level.set(Some(found)));
            level.get().unwrap()
        };
        assert_eq!(judged(None), Level::Unknown);
        assert_eq!(judged(Some(1 << 20)), Level::Failed);
        assert_eq!(judged(Some(64 << 20)), Level::Warning);
        assert_eq!(judged(Some(1 << 30)), Level::Ok);
    }

    #[test]
    fn shells_that_read_as_sh_does_are_known() {
        assert!(is_posix("bash") && is_posix("/bin/dash -e"));
        assert!(!is_posix("python3") && !is_posix("/usr/bin/fish"));
    }
}
