//! Durable steps on the practice fleet, through real SSH.

use std::sync::Arc;
use std::time::Duration;

use golive::base::Millis;
use golive::practice::{Fault, Fleet, FleetOptions};
use russh::client::{self, Handle, Msg};
use russh::keys::{PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{Channel, ChannelMsg};

/// What the practice fleet takes for a call of the protocol; the text is for real hosts.
const REQUEST: &str = "exec sh -c 'eval \"$1;$2\"' sh 'golive2'";

struct Anyone;

impl client::Handler for Anyone {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        Ok(true)
    }
}

async fn fleet(speed: u32) -> Fleet {
    let options = FleetOptions { speed, ..FleetOptions::default() };
    Fleet::start(&["app1".parse().unwrap()], options).await.unwrap()
}

async fn try_connect(fleet: &Fleet) -> Option<Handle<Anyone>> {
    let config = client::Config { nodelay: true, ..client::Config::default() };
    let addr = fleet.hosts()[0].addr;
    let mut handle = client::connect(Arc::new(config), addr, Anyone).await.ok()?;
    let key: PrivateKey = fleet.client_key().parse().unwrap();
    let key = PrivateKeyWithHashAlg::new(Arc::new(key), None);
    handle.authenticate_publickey("deploy", key).await.ok()?.success().then_some(handle)
}

async fn connect(fleet: &Fleet) -> Handle<Anyone> {
    loop {
        if let Some(handle) = try_connect(fleet).await {
            return handle;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// One call, as far as it has come.
struct Talk {
    channel: Channel<Msg>,
    out: Vec<u8>,
    err: String,
    over: bool,
}

impl Talk {
    async fn new(handle: &Handle<Anyone>, header: &str, payload: &str) -> Self {
        let channel = handle.channel_open_session().await.unwrap();
        channel.exec(true, REQUEST).await.unwrap();
        channel.data(format!("golive2 {header}\n{payload}").as_bytes()).await.unwrap();
        Self { channel, out: Vec::new(), err: String::new(), over: false }
    }

    async fn more(&mut self) {
        let message = tokio::time::timeout(Duration::from_secs(30), self.channel.wait()).await;
        match message.unwrap_or_else(|_| panic!("nothing comes after: {}", self.err)) {
            Some(ChannelMsg::Data { data }) => self.out.extend_from_slice(&data),
            Some(ChannelMsg::ExtendedData { data, .. }) => {
                self.err.push_str(&String::from_utf8_lossy(&data));
            }
            Some(ChannelMsg::Close) | None => self.over = true,
            Some(_) => {}
        }
    }

    /// Waits for a line of the protocol that begins with `word`, and gives it without its nonce.
    async fn line(&mut self, word: &str) -> String {
        loop {
            let mut lines = self.err.lines().filter_map(|it| it.strip_prefix("golive-n "));
            if let Some(line) = lines.rfind(|line| line.starts_with(word))
                && self.err.ends_with('\n')
            {
                return line.to_owned();
            }
            assert!(!self.over, "no {word} in: {}", self.err);
            self.more().await;
        }
    }

    /// What the step wrote, once that is `text`.
    async fn wrote(&mut self, text: &str) {
        let whole = format!("golive-n out\n{text}");
        while self.out.len() < whole.len() && !self.over {
            self.more().await;
        }
        assert_eq!(String::from_utf8_lossy(&self.out), whole);
    }
}

/// A start of `key` with the command `line`.
async fn start(handle: &Handle<Anyone>, key: &str, line: &str) -> Talk {
    let header = format!("start n run1 {key} newid=abc digest={}", line.len());
    Talk::new(handle, &header, &format!("{line}\nfollow\n")).await
}

async fn attach(handle: &Handle<Anyone>, key: &str, words: &str) -> Talk {
    Talk::new(handle, &format!("attach n run1 {key} {words}"), "").await
}

fn app1() -> golive::base::HostId {
    "app1".parse().unwrap()
}

#[tokio::test]
async fn a_key_runs_once_whoever_asks() {
    let fleet = fleet(1).await;
    let handle = connect(&fleet).await;
    let line = "echo one >>/tmp/ledger; echo \"$GLKEY\"; echo bad >&2; exit 3";
    let mut first = start(&handle, "a.1", line).await;
    assert!(first.line("hello").await.starts_with("hello root=/home/deploy/.golive rootid=abc"));
    assert!(first.line("started").await.contains(" group=yes sync=file "));
    assert!(first.line("end").await.starts_with("end rc=3 out=9 err=4 "));
    first.wrote("run1/a.1\n").await;
    assert!(first.err.contains("bad\n"));

    let mut again = start(&handle, "a.1", line).await;
    let state = again.line("state").await;
    assert!(state.starts_with("state EXITED pid=") && state.contains(" rc=3 "), "{state}");
    again.line("done").await;
    again.wrote("run1/a.1\n").await;

    let mut other = start(&handle, "a.1", "rm -rf /").await;
    assert!(other.line("error").await.starts_with("error CONFLICT"));
    let mut ledger = start(&handle, "b.1", "cat /tmp/ledger").await;
    ledger.line("end").await;
    ledger.wrote("one\n").await;
}

#[tokio::test]
async fn a_cut_link_leaves_the_step_running_and_nothing_is_lost() {
    let fleet = fleet(1).await;
    let handle = connect(&fleet).await;
    let line = "echo first; until [ -f /tmp/go ]; do sleep 0.02; done; echo second";
    let mut talk = start(&handle, "a.1", line).await;
    talk.wrote("first\n").await;
    fleet.inject(Fault::LinkCut { host: app1() });
    while !talk.over {
        talk.more().await;
    }
    let handle = connect(&fleet).await;
    let mut talk = attach(&handle, "a.1", "o=3 e=0").await;
    assert!(talk.line("state").await.starts_with("state RUNNING "));
    talk.wrote("st\n").await;
    // "Prove that you live."
    talk.channel.data(&b"\n"[..]).await.unwrap();
    let before = talk.err.matches(" state RUNNING ").count();
    while talk.err.matches(" state RUNNING ").count() == before {
        talk.more().await;
    }
    start(&handle, "b.1", "touch /tmp/go").await.line("end").await;
    assert!(talk.line("end").await.starts_with("end rc=0 out=13 err=0 "));
    talk.wrote("st\nsecond\n").await;
    talk.channel.eof().await.unwrap();
    while !talk.over {
        talk.more().await;
    }
}

#[tokio::test]
async fn a_reboot_takes_the_step_and_the_host_comes_back_as_another_boot() {
    let fleet = fleet(20).await;
    let handle = connect(&fleet).await;
    let mut talk = start(&handle, "a.1", "echo here; reboot").await;
    let hello = talk.line("hello").await;
    while !talk.over {
        talk.more().await;
    }
    let handle = connect(&fleet).await;
    let mut after = attach(&handle, "a.1", "o=0 e=0").await;
    let second = after.line("hello").await;
    let boot =
        |line: &str| line.split(' ').find(|word| word.starts_with("boot=")).map(str::to_owned);
    assert_ne!(boot(&hello), boot(&second));
    assert!(after.line("state").await.starts_with("state REBOOTED "));
    after.line("done").await;
    assert!(String::from_utf8_lossy(&after.out).starts_with("golive-n out\nhere\n"));

    let mut slow = start(&handle, "a.2", "sleep 9999").await;
    slow.line("started").await;
    fleet.inject(Fault::Reboot { host: app1(), span: Millis::from_secs(1) });
    let handle = connect(&fleet).await;
    let mut after = attach(&handle, "a.2", "").await;
    assert!(after.line("state").await.starts_with("state REBOOTED "));
}

#[tokio::test]
async fn a_voided_key_never_runs_and_the_next_attempt_never_overlaps() {
    let fleet = fleet(1).await;
    let handle = connect(&fleet).await;
    // Where nothing was ever started nobody knows anything, but a void can be had.
    assert!(attach(&handle, "a.1", "").await.line("error").await.starts_with("error ROOTID "));
    let mut void = attach(&handle, "v.1", "void=1 newid=abc").await;
    assert!(void.line("state").await.starts_with("state VOID "));
    assert!(attach(&handle, "a.1", "").await.line("state").await.starts_with("state ABSENT "));
    assert!(attach(&handle, "a.1", "void=1").await.line("state").await.starts_with("state VOID "));
    let mut late = start(&handle, "a.1", "touch /tmp/ran").await;
    assert!(late.line("state").await.starts_with("state VOID "));

    let mut runs = start(&handle, "b.1", "sleep 9999").await;
    runs.line("started").await;
    let next = "start n run1 b.2 newid=x digest=q after=b.0,b.1";
    let mut busy = Talk::new(&handle, next, "touch /tmp/ran\n").await;
    assert_eq!(busy.line("error").await, "error BUSY attempt b.1 is RUNNING");
    let mut close = Talk::new(&handle, "close n run1 all", "").await;
    assert_eq!(close.line("error").await, "error BUSY b.1 is RUNNING and runs");
    let mut cancel = Talk::new(&handle, "cancel n run1 b.1 grace=5", "").await;
    let state = cancel.line("state").await;
    assert!(state.starts_with("state EXITED ") && state.contains("cancel=1"), "{state}");
    assert!(runs.line("end").await.starts_with("end rc=143 "));
    let mut next = Talk::new(&handle, next, "ls /tmp/ran\n").await;
    assert!(next.line("end").await.starts_with("end rc=2 "));
    assert!(attach(&handle, "b.0", "").await.line("state").await.starts_with("state VOID "));

    Talk::new(&handle, "close n run1 all", "").await.line("done").await;
    let mut late = start(&handle, "c.1", "touch /tmp/ran").await;
    assert!(late.line("error").await.starts_with("error CLOSED "));
    let mut gone = attach(&handle, "b.2", "").await;
    assert!(gone.line("state").await.contains("EXITED"));
    assert!(gone.line("state").await.contains(" out=0 err=0 rc=2"));
}

#[tokio::test]
async fn a_step_that_ignores_term_is_killed() {
    let fleet = fleet(1).await;
    let handle = connect(&fleet).await;
    let mut talk = start(&handle, "a.1", "trap '' TERM; echo deaf; sleep 9999").await;
    talk.wrote("deaf\n").await;
    let mut cancel = Talk::new(&handle, "cancel n run1 a.1 grace=0", "").await;
    assert!(cancel.line("state").await.contains(" rc=137 "));
    cancel.line("done").await;
    assert!(talk.line("end").await.starts_with("end rc=137 "));
}

#[tokio::test]
async fn faults_strike_durable_steps() {
    let fleet = fleet(100).await;
    let handle = connect(&fleet).await;
    fleet.inject(Fault::FailNext {
        host: app1(),
        command: "touch".to_owned(),
        exit: 22,
        message: "disk on fire".to_owned(),
        times: 1,
    });
    fleet.inject(Fault::Silent {
        host: app1(),
        command: "echo".to_owned(),
        span: Millis::from_secs(5),
    });
    let mut talk = start(&handle, "a.1", "echo late; touch /tmp/x").await;
    assert!(talk.line("end").await.starts_with("end rc=22 out=5 "));
    assert!(talk.err.contains("disk on fire\n"));
    let mut talk = start(&handle, "a.2", "sleep 2; echo there").await;
    talk.line("started").await;
    fleet.inject(Fault::HostDown { host: app1() });
    while !talk.over {
        talk.more().await;
    }
    assert!(try_connect(&fleet).await.is_none());
    fleet.inject(Fault::HostUp { host: app1() });
    let handle = connect(&fleet).await;
    let mut talk = attach(&handle, "a.2", "o=0 e=0").await;
    talk.wrote("there\n").await;
}

#[tokio::test]
async fn a_payload_counts_only_when_it_is_whole() {
    let fleet = fleet(1).await;
    let handle = connect(&fleet).await;
    let header = "start n run1 a.1 newid=x digest=d lines=2 stdin=4";
    let lines = "exec sh -c 'IFS= read -r gl_l;eval \"$gl_l\"'\ncat; echo .\n";
    let short = Talk::new(&handle, header, &format!("{lines}inp")).await;
    let mut short = short;
    short.channel.eof().await.unwrap();
    assert!(short.line("error").await.starts_with("error TRUNC "));
    assert!(attach(&handle, "a.1", "").await.line("state").await.starts_with("state STAGED "));
    let mut whole = Talk::new(&handle, header, &format!("{lines}inpu")).await;
    whole.line("end").await;
    assert_eq!(whole.out, b"golive-n out\n", "nobody has asked");
    whole.channel.data(&b"rest\n"[..]).await.unwrap();
    whole.wrote("inpu.\n").await;

    let old = Talk::new(&handle, "start n run1 b.1 newid=x digest=d exp=5", "true\n").await;
    let mut old = old;
    assert!(old.line("error").await.starts_with("error EXPIRED "));
    let mut other = Talk::new(&handle, "attach n run1 b.1 rootid=other", "").await;
    assert!(other.line("error").await.starts_with("error ROOTID "));
    let mut odd = Talk::new(&handle, "attach n run1 b.1 colour=red", "").await;
    assert!(odd.line("error").await.starts_with("error BADREQ "));
}

#[tokio::test]
async fn files_beside_the_spool_can_be_kept() {
    let fleet = fleet(1).await;
    let handle = connect(&fleet).await;
    let channel = handle.channel_open_session().await.unwrap();
    let put = "exec sh -c 'IFS= read -r s&&umask 077&&d=$HOME/.golive/R/$s/witness&&mkdir -p \"$d\"||exit 1;\
        while IFS= read -r n&&IFS= read -r b;do [ -e \"$d/$n\" ]||{ printf %b \"$b\" >\"$d/.$n\"&&mv \"$d/.$n\" \"$d/$n\"\
        &&echo \"$n\" >>\"$d/arrived\"||exit 1;logger -t golive \"$b\" >/dev/null 2>&1;};done;\
        cd \"$d\";for f in [0-9]*;do cat \"$f\";done;cat arrived'";
    channel.exec(true, put).await.unwrap();
    channel.data(&b"s1\n1\nfirst\\n\n2\nsecond\\n\n"[..]).await.unwrap();
    channel.eof().await.unwrap();
    let mut talk = Talk { channel, out: Vec::new(), err: String::new(), over: false };
    while !talk.over {
        talk.more().await;
    }
    assert_eq!(
        (String::from_utf8_lossy(&talk.out).as_ref(), talk.err.as_str()),
        ("first\nsecond\n1\n2\n", "")
    );
}
