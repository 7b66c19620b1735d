//! A host's SSH server: connections, sessions, and the commands in them.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use russh::keys::{PrivateKey, PublicKey};
use russh::server::{Auth, ChannelOpenHandle, Handle, Handler, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelMsg, ChannelReadHalf, MethodKind, MethodSet, Sig};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::durable;
use super::host::{Host, Signal};
use super::sftp;
use super::shell::{Feed, Input, Output, Shell, standard_input};
use super::tty::Typing;

/// The one subsystem.
const SFTP: &str = "sftp";

/// How a command ended.
enum End {
    Status(u8),
    Signal(Signal),
    /// The client closed the session; nobody asks any more.
    Closed,
}

/// What a server offers.
pub(super) fn config(key: PrivateKey) -> russh::server::Config {
    russh::server::Config {
        server_id: russh::SshId::Standard("SSH-2.0-golive_practice".into()),
        methods: MethodSet::from([MethodKind::PublicKey].as_slice()),
        auth_rejection_time: std::time::Duration::from_millis(100),
        auth_rejection_time_initial: Some(std::time::Duration::ZERO),
        keys: vec![key],
        nodelay: true,
        inactivity_timeout: None,
        ..russh::server::Config::default()
    }
}

/// Answers connections until the fleet ends.
pub(super) async fn serve(
    listener: TcpListener,
    config: Arc<russh::server::Config>,
    host: Arc<Host>,
    client: PublicKey,
) {
    while let Ok((stream, _)) = listener.accept().await {
        // A host that is down accepts nothing: the stream is dropped, which resets it.
        let Some(cut) = host.switch.connect() else { continue };
        stream.set_nodelay(true).ok();
        let stream = Cuttable { stream, cut: Box::pin(cut.cancelled_owned()) };
        let visitor = Visitor { host: Arc::clone(&host), client: client.clone(), user: None };
        let config = Arc::clone(&config);
        tokio::spawn(async move {
            if let Ok(running) = russh::server::run_stream(config, stream, visitor).await {
                running.await.ok();
            }
        });
    }
}

/// A connection that a fault can cut.
struct Cuttable {
    stream: TcpStream,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Cuttable {
    fn intact(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.cut.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionReset.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Cuttable {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.intact(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Cuttable {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.intact(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// One client's connection.
struct Visitor {
    host: Arc<Host>,
    client: PublicKey,
    user: Option<String>,
}

impl Handler for Visitor {
    type Error = russh::Error;

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        if key.public_key.key_data() != self.client.key_data() {
            return Ok(Auth::reject());
        }
        self.user = Some(user.to_owned());
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let user = self.user.clone().unwrap_or_default();
        tokio::spawn(converse(Arc::clone(&self.host), user, channel, session.handle()));
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        _: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(channel)
    }

    async fn shell_request(
        &mut self,
        channel: ChannelId,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(channel)
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _: &str,
        _: u32,
        _: u32,
        _: u32,
        _: u32,
        _: &[(russh::Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(channel)
    }

    async fn env_request(
        &mut self,
        channel: ChannelId,
        _: &str,
        _: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(channel)
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        if name == SFTP {
            session.channel_success(channel)
        } else {
            session.channel_failure(channel)
        }
    }
}

/// One session: waits for its command, runs it, tells how it ended.
async fn converse(host: Arc<Host>, user: String, channel: Channel<Msg>, handle: Handle) {
    let id = channel.id();
    let (mut read, write) = channel.split();
    let (mut env, mut typing) = (Vec::new(), None);
    let script = loop {
        match read.wait().await {
            Some(ChannelMsg::Exec { command, .. }) => {
                break Some(String::from_utf8_lossy(&command).into_owned());
            }
            Some(ChannelMsg::RequestPty { .. }) => typing = Some(Typing::default()),
            Some(ChannelMsg::RequestShell { .. }) => break None,
            Some(ChannelMsg::RequestSubsystem { name, .. }) if name == SFTP => {
                sftp::serve(&host, &mut read, &write).await;
                handle.eof(id).await.ok();
                handle.close(id).await.ok();
                while read.wait().await.is_some() {}
                return;
            }
            Some(ChannelMsg::SetEnv { variable_name, variable_value, .. }) if env.len() < 64 => {
                env.push((variable_name, variable_value));
            }
            Some(_) => {}
            None => return,
        }
    };
    let (feed, input) = standard_input();
    let (out, err) = if typing.is_some() {
        let both = Output::terminal(write.make_writer());
        (both.clone(), both)
    } else {
        (Output::stream(write.make_writer()), Output::stream(write.make_writer_ext(Some(1))))
    };
    let end = match script {
        Some(script) if durable::is_call(&script) => {
            let status = durable::serve(&host, &user, &mut read, (out, err)).await;
            status.map_or(End::Closed, End::Status)
        }
        script => {
            let streams = (input, out, err);
            run(&host, &user, script, env, streams, (&mut read, feed, typing)).await
        }
    };
    match end {
        End::Status(status) => {
            handle.exit_status_request(id, u32::from(status)).await.ok();
        }
        End::Signal(signal) => {
            let name = match signal {
                Signal::Kill => Sig::KILL,
                Signal::Int => Sig::INT,
                Signal::Hup => Sig::HUP,
                Signal::Term | Signal::Probe => Sig::TERM,
            };
            handle.exit_signal_request(id, name, false, String::new(), String::new()).await.ok();
        }
        End::Closed => {}
    }
    handle.eof(id).await.ok();
    handle.close(id).await.ok();
    // Messages that still come are taken, or they would hold up the connection.
    while read.wait().await.is_some() {}
}

/// Runs the command, or the lines of a login shell, while the client may still say something.
async fn run(
    host: &Arc<Host>,
    user: &str,
    script: Option<String>,
    env: Vec<(String, String)>,
    streams: (Input, Output, Output),
    (read, mut feed, mut typing): (&mut ChannelReadHalf, Feed, Option<Typing>),
) -> End {
    let process = Arc::new(host.processes.start(script.as_deref().unwrap_or("-sh")));
    let told = Arc::clone(&process);
    let terminal = streams.1.clone();
    let mut shell = Shell::new(Arc::clone(host), process, user, streams);
    for (name, value) in env {
        shell.export(&name, value);
    }
    let work = async {
        match script {
            Some(script) => shell.run(&script).await,
            None => shell.interact().await,
        }
    };
    let mut work = pin!(work);
    let mut listening = true;
    loop {
        let message = tokio::select! {
            status = &mut work => return End::Status(status),
            signal = told.ended() => return End::Signal(signal),
            () = host.shared.end.cancelled() => return End::Closed,
            message = read.wait(), if listening => message,
        };
        #[expect(clippy::wildcard_enum_match_arm, reason = "russh's enum, not ours")]
        match message {
            Some(ChannelMsg::Data { data }) => match &mut typing {
                None => feed.push(data),
                Some(typing) => {
                    let typed = typing.take(&data);
                    terminal.raw(&typed.echo).await;
                    feed.push(typed.lines.into());
                    if typed.ends {
                        feed.end();
                    }
                }
            },
            Some(ChannelMsg::Eof) => feed.end(),
            Some(ChannelMsg::Signal { signal }) => {
                let name = match signal {
                    Sig::KILL => "KILL",
                    Sig::INT | Sig::QUIT => "INT",
                    Sig::HUP => "HUP",
                    Sig::TERM => "TERM",
                    _ => "0",
                };
                host.processes.signal(told.id, Signal::named(name).unwrap_or(Signal::Probe));
            }
            Some(ChannelMsg::Close) => return End::Closed,
            Some(_) => {}
            // The connection broke. As on a real host, the command goes on until it writes.
            None => {
                listening = false;
                feed.end();
            }
        }
    }
}
