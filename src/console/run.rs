//! The loop of the terminal: a key, a view, output, or time; then a frame.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{Event, EventStream, KeyEventKind};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use crate::base::{Millis, SafeText, Share, Timestamp};
use crate::engine::{
    Actor, Command, Event as Fact, Job, Readiness, RunKind, ShellEnd, ShellEnded, ShellOpened,
    WayBack,
};
use crate::journal::Stream;
use crate::plan::Forecast;
use crate::session::{Chunk, Door, Handle, Knock, Shell, Signing, SubmitError, View, next_knock};
use crate::ui::{self, AuditTail, Intent, Lang, Leave, LogStore, Model, Signed, Theme};

use super::shell::Opened;
use super::terminal::{Screen, let_go};

/// The shortest time between two frames that no key asked for: a slow link gets fewer.
const fn frame(rtt: Millis) -> Duration {
    Duration::from_millis(match rtt.as_millis() {
        0..100 => 100,
        100..500 => 250,
        _ => 500,
    })
}

/// How often the clock moves on screen when nothing else does.
const CLOCK: Duration = Duration::from_secs(1);
/// How often a count-down moves.
const COUNTDOWN: Duration = Duration::from_millis(200);
/// How long the last answers are waited for when the operator leaves.
const LAST_ANSWERS: Duration = Duration::from_secs(5);
/// Pieces of output taken in between two looks at the keyboard.
const CHUNKS_AT_ONCE: usize = 8;

/// How the console was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The operator left; the session can be resumed.
    Left,
    /// The session is closed: its record is complete.
    Closed,
    /// The run is over and the session is open still.
    Over,
    /// The session ended by itself, which is a bug of golive.
    Broken,
    /// A signal, by its number; the session is held.
    Signal(i32),
    /// The terminal went away; the session is held.
    TerminalLost,
    /// Somebody else drives from now on.
    TakenOver,
}

/// Drives a session from this terminal until the operator leaves.
///
/// Who knocks at `door` is told that somebody is here, unless they have a reason to take over.
/// `chunks` is the live output of jobs, `codes` makes two digits for guarded actions.
///
/// # Errors
/// The terminal cannot be taken or drawn on.
pub async fn drive(
    handle: Handle,
    by: Actor,
    door: &mut Option<Door>,
    chunks: mpsc::Receiver<Chunk>,
    codes: ui::Codes,
    (mut theme, lang): (Theme, Lang),
) -> io::Result<Outcome> {
    let mut terminal = Screen::take()?;
    let answer = tokio::task::spawn_blocking(Screen::ask).await.ok().flatten();
    terminal.forget()?;
    let mut shown = Shown::new(handle.view(), lang);
    if let Some(answer) = answer {
        let millis = u64::try_from(answer.after.as_millis()).unwrap_or(u64::MAX);
        shown.rtt = Millis::new(millis.max(1));
        if !answer.narrow {
            theme.glyphs = ui::GlyphSet::Ascii;
        }
    }
    let screen = ui::Screen::new(codes);
    let answers = FuturesUnordered::new();
    let console = Console { terminal, screen, theme, shown, answers, handle, by, opening: None };
    let outcome = console.run(chunks, door).await;
    if matches!(outcome, Ok(Outcome::TerminalLost)) {
        let_go();
    }
    outcome
}

/// The signals that the console answers to.
pub(super) struct Signals {
    pub(super) terminate: Signal,
    pub(super) hangup: Signal,
    pub(super) interrupt: Signal,
    /// The process goes on after it was stopped: the terminal was somebody else's meanwhile.
    pub(super) goes_on: Signal,
    /// Ctrl-Z from outside. A stopped driver would leave what runs without its keeper.
    pub(super) stop: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        let other = |number| signal(SignalKind::from_raw(number));
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            goes_on: other(rustix::process::Signal::CONT.as_raw())?,
            stop: other(rustix::process::Signal::TSTP.as_raw())?,
        })
    }
}

/// What the session answers to a wish.
pub(super) type Answer = Result<(), SubmitError>;
/// The answers that are waited for.
pub(super) type Answers = FuturesUnordered<oneshot::Receiver<Answer>>;

pub(super) struct Console {
    pub(super) terminal: Screen,
    pub(super) screen: ui::Screen,
    theme: Theme,
    pub(super) shown: Shown,
    pub(super) answers: Answers,
    pub(super) handle: Handle,
    pub(super) by: Actor,
    /// The shell that a host is asked for.
    pub(super) opening: Option<(ShellOpened, Opened)>,
}

/// What the screen is drawn from.
pub(super) struct Shown {
    pub(super) view: Arc<View>,
    forecast: Forecast,
    way_back: WayBack,
    readiness: Readiness,
    /// The journal line up to which facts are in `audit`.
    seq: u64,
    audit: AuditTail,
    signing: Signed,
    log: LogStore,
    /// How far running jobs say that they have come.
    gauges: BTreeMap<Job, Share>,
    /// Our own clock when the view was made.
    taken: Instant,
    /// The round trip to the terminal; zero where it is not known.
    rtt: Millis,
    /// The language of the screen.
    lang: Lang,
}

impl Shown {
    fn new(view: Arc<View>, lang: Lang) -> Self {
        let mut shown = Self {
            forecast: view.forecast(view.at),
            way_back: view.state.way_back(),
            readiness: view.state.rollback_ready(),
            seq: 0,
            audit: AuditTail::default(),
            signing: Signed::default(),
            log: LogStore::default(),
            gauges: BTreeMap::new(),
            taken: Instant::now(),
            rtt: Millis::ZERO,
            lang,
            view,
        };
        shown.look();
        shown
    }

    /// Takes in a newer view.
    fn take(&mut self, view: Arc<View>) {
        if !Arc::ptr_eq(&view.state, &self.view.state) {
            self.way_back = view.state.way_back();
            self.readiness = view.state.rollback_ready();
        }
        self.view = view;
        self.taken = Instant::now();
        self.look();
    }

    /// Takes in what is new in the tail of the journal.
    fn look(&mut self) {
        for line in self.view.tail.iter().filter(|line| line.seq > self.seq) {
            self.audit.push(line.seq, line.at, &line.fact);
            if let Fact::JobEnded { job, .. } = &line.fact.event {
                self.log.finish(job, line.at);
            }
        }
        // Lines that are in memory only come after those on disk.
        self.seq = self.view.tail.back().map_or(self.view.seq, |line| line.seq);
        self.signing = signed(&self.view.signing);
        let gauges = self.view.gauges.iter();
        self.gauges = gauges.map(|(job, gauge)| (job.clone(), gauge.share)).collect();
        self.count_time();
    }

    /// Works the times out anew.
    fn count_time(&mut self) {
        self.forecast = self.view.forecast(self.now());
    }

    pub(super) fn output(&mut self, chunk: &Chunk) {
        let stream = match chunk.stream {
            Stream::Out => ui::Stream::Out,
            Stream::Err => ui::Stream::Err,
        };
        self.log.push(&chunk.job, stream, &chunk.bytes, chunk.at);
    }

    /// The session's time now.
    fn now(&self) -> Timestamp {
        let since = u64::try_from(self.taken.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.view.at.after(Millis::new(since))
    }

    /// What kind of run it is; the real one where that is not known.
    pub(super) fn model_kind(&self) -> RunKind {
        self.view.state.genesis().map_or(RunKind::Live, |genesis| genesis.kind)
    }

    pub(super) fn model(&self) -> Model<'_> {
        Model {
            state: &self.view.state,
            board: &self.view.board,
            forecast: &self.forecast,
            now: self.now(),
            seq: self.view.seq,
            recording: self.view.not_recorded.as_ref().map(SafeText::as_str),
            signing: &self.signing,
            unrecorded: &self.view.unrecorded,
            log: &self.log,
            gauges: &self.gauges,
            audit: &self.audit,
            way_back: &self.way_back,
            readiness: &self.readiness,
            proved: &self.view.proved,
            rtt: self.rtt,
            lang: self.lang,
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

/// The shell that was asked for, once there is one, or none is to be had.
async fn opened(
    opening: &mut Option<(ShellOpened, Opened)>,
) -> Option<Result<Shell, Box<ShellEnded>>> {
    let (about, task) = opening.as_mut()?;
    Some(task.await.unwrap_or_else(|error| {
        let why = format!("golive itself failed while it opened it ({error})");
        Err(Box::new(ShellEnded {
            number: about.number,
            host: about.host.clone(),
            end: ShellEnd::NotOpened { why: SafeText::new(&why) },
            lasted: Millis::ZERO,
            transcript: None,
            not_kept: None,
        }))
    }))
}

fn signed(signing: &Signing) -> Signed {
    let Signing { key, unsigned, by_own, touch, signed, trouble, .. } = signing.clone();
    Signed { key, unsigned, by_own, touch, upto: signed, trouble }
}

impl Console {
    async fn run(
        mut self,
        chunks: mpsc::Receiver<Chunk>,
        door: &mut Option<Door>,
    ) -> io::Result<Outcome> {
        let left = self.until_left(chunks, door).await;
        self.give_up_shell().await;
        match left {
            Ok(outcome) => Ok(outcome),
            Err(error) => {
                tracing::warn!(%error, "the terminal cannot be used");
                let why = format!("the terminal went away: {error}");
                self.leave_by(Outcome::TerminalLost, &why).await
            }
        }
    }

    #[expect(clippy::too_many_lines, reason = "one arm for each thing that can come")]
    async fn until_left(
        &mut self,
        mut chunks: mpsc::Receiver<Chunk>,
        door: &mut Option<Door>,
    ) -> io::Result<Outcome> {
        let mut views = self.handle.views();
        let mut keys = EventStream::new();
        let mut signals = Signals::new()?;
        let mut drawn = Instant::now();
        let mut due = Some(drawn);
        loop {
            if let Some(outcome) = self.time_passes().await? {
                return Ok(outcome);
            }
            if due.is_some_and(|due| due <= Instant::now()) {
                self.draw()?;
                drawn = Instant::now();
                due = None;
            }
            let pause = if self.screen.is_counting() { COUNTDOWN } else { CLOCK };
            let next = due.unwrap_or(drawn + pause);
            tokio::select! {
                biased;
                _ = signals.terminate.recv() => {
                    return self.leave_by(Outcome::Signal(15), "SIGTERM").await;
                }
                _ = signals.hangup.recv() => {
                    return self.leave_by(Outcome::TerminalLost, "SIGHUP").await;
                }
                _ = signals.interrupt.recv() => {
                    return self.leave_by(Outcome::Signal(2), "SIGINT").await;
                }
                knock = next_knock(door, &self.handle) => {
                    if knock.reason.is_some() {
                        return self.give_up_to(knock).await;
                    }
                    self.refuse(knock);
                    due = Some(Instant::now());
                }
                _ = signals.goes_on.recv() => {
                    self.terminal.take_again()?;
                    due = Some(Instant::now());
                }
                _ = signals.stop.recv() => {
                    self.screen.say(ui::cannot_suspend());
                    due = Some(Instant::now());
                }
                event = keys.next() => {
                    let Some(Ok(event)) = event else {
                        let why = "the terminal went away";
                        return self.leave_by(Outcome::TerminalLost, why).await;
                    };
                    if let Some(outcome) = self.event(event).await? {
                        return Ok(outcome);
                    }
                    // Keys that came together share a frame.
                    while let Some(Some(Ok(event))) = keys.next().now_or_never() {
                        if let Some(outcome) = self.event(event).await? {
                            return Ok(outcome);
                        }
                    }
                    due = Some(Instant::now());
                }
                Some(shell) = opened(&mut self.opening) => {
                    let Some((about, _)) = self.opening.take() else { continue };
                    let shell = match shell {
                        Ok(shell) if self.screen.is_in_use() => {
                            self.decline(about, shell);
                            continue;
                        }
                        shell => shell,
                    };
                    // Nobody but the host reads keys from here on.
                    drop(keys);
                    let left = self.at_the_shell(&about, shell, &mut chunks, &mut signals, door);
                    if let Some(outcome) = left.await? {
                        return Ok(outcome);
                    }
                    keys = EventStream::new();
                    due = Some(Instant::now());
                }
                Some(answer) = self.answers.next() => {
                    self.answer(answer.unwrap_or(Err(SubmitError::Gone)));
                    due = Some(Instant::now());
                }
                changed = views.changed() => {
                    if changed.is_err() {
                        return Ok(Outcome::Broken);
                    }
                    let view = Arc::clone(&views.borrow_and_update());
                    let soon = self.take(view);
                    if soon {
                        due.get_or_insert(drawn + frame(self.shown.rtt));
                    }
                }
                Some(chunk) = chunks.recv() => {
                    self.shown.output(&chunk);
                    for _ in 1..CHUNKS_AT_ONCE {
                        match chunks.try_recv() {
                            Ok(chunk) => self.shown.output(&chunk),
                            Err(_) => break,
                        }
                    }
                    due.get_or_insert(drawn + frame(self.shown.rtt));
                }
                () = sleep_until(next) => due = Some(next),
            }
        }
    }

    /// What is due by itself on screen.
    async fn time_passes(&mut self) -> io::Result<Option<Outcome>> {
        let intents = self.screen.tick(&self.shown.model());
        self.carry_out(intents).await
    }

    async fn event(&mut self, event: Event) -> io::Result<Option<Outcome>> {
        match event {
            Event::Key(key) if key.kind == KeyEventKind::Release => Ok(None),
            Event::Key(key) => {
                let intents = self.screen.key(key, &self.shown.model());
                self.carry_out(intents).await
            }
            Event::Paste(text) => {
                self.screen.paste(&text);
                Ok(None)
            }
            Event::FocusGained | Event::FocusLost | Event::Mouse(_) | Event::Resize(..) => Ok(None),
        }
    }

    async fn carry_out(&mut self, intents: Vec<Intent>) -> io::Result<Option<Outcome>> {
        for intent in intents {
            match intent {
                Intent::Submit(command) => {
                    self.answers.push(self.handle.try_ask(&self.by, command));
                }
                Intent::Bell => Screen::bell()?,
                Intent::Copy(text) => Screen::copy(&text)?,
                Intent::Redraw => self.terminal.forget()?,
                Intent::Speak(lang) => self.shown.lang = lang,
                Intent::Leave(leave) => {
                    self.wait_for_answers().await;
                    return Ok(Some(match leave {
                        Leave::Held => Outcome::Left,
                        Leave::Closed => Outcome::Closed,
                        Leave::Open => Outcome::Over,
                    }));
                }
            }
        }
        Ok(None)
    }

    /// Takes in a newer view; whether there is more to see in it than the next reading of a probe,
    /// which can wait for the next tick of the clock.
    pub(super) fn take(&mut self, view: Arc<View>) -> bool {
        let was = Arc::clone(&self.shown.view);
        let news = view.unrecorded.iter().find(|(job, _)| !was.unrecorded.contains_key(job));
        if let Some((job, end)) = news {
            self.screen.say(ui::unrecorded_end(job, end));
        }
        for line in view.tail.iter().filter(|line| line.seq > was.seq && line.fact.by != self.by) {
            if let Some(words) = ui::said_elsewhere(&line.fact) {
                self.screen.say(words);
            }
        }
        let soon = news.is_some()
            || view.seq != was.seq
            || view.not_recorded != was.not_recorded
            || view.links != was.links
            || view.gauges != was.gauges;
        self.shown.take(view);
        self.look_for_shell(&was);
        soon
    }

    pub(super) fn answer(&mut self, answer: Result<(), SubmitError>) {
        match answer {
            Ok(()) => {}
            Err(SubmitError::Refused(refusal)) => self.screen.refused(&refusal),
            Err(SubmitError::NotRecorded(why)) => {
                self.screen.say(ui::not_recorded_so_not_done(why.as_str()));
            }
            Err(SubmitError::Gone) => self.screen.say(ui::session_gone()),
        }
    }

    /// Waits until everything that was asked is on disk or refused; a stalled disk does not keep
    /// the operator here for ever.
    pub(super) async fn wait_for_answers(&mut self) {
        let all = async { while self.answers.next().await.is_some() {} };
        tokio::time::timeout(LAST_ANSWERS, all).await.ok();
    }

    /// Somebody takes the session over, and says why.
    pub(super) async fn give_up_to(&mut self, knock: Knock) -> io::Result<Outcome> {
        let outcome = self.leave_by(Outcome::TakenOver, knock.words().as_str()).await;
        knock.open("it leaves once what would be lost with it has ended");
        outcome
    }

    /// Somebody asks whether anybody is here.
    pub(super) fn refuse(&mut self, knock: Knock) {
        self.screen.say(ui::asks_to_drive(knock.driver.as_str(), knock.machine.as_str()));
        knock.refuse("its driver is at the console");
    }

    /// Leaves because of something other than a key: holds the run and says why.
    pub(super) async fn leave_by(&mut self, outcome: Outcome, why: &str) -> io::Result<Outcome> {
        let why = SafeText::new(why);
        self.answers.push(self.handle.try_ask(&self.by, Command::Leave { why }));
        self.wait_for_answers().await;
        Ok(outcome)
    }

    fn draw(&mut self) -> io::Result<()> {
        if !Screen::is_ours() {
            self.terminal.take_again()?; // A task panicked, and the hook gave it back.
        }
        self.shown.count_time();
        let Self { terminal, screen, theme, shown, .. } = self;
        let model = shown.model();
        terminal.title(&ui::Screen::title(&model))?;
        terminal.draw(|buffer, area| screen.draw(buffer, area, &model, *theme))
    }
}
