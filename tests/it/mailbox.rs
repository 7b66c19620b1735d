//! A mail server for tests, in this process and on loopback: it takes mail, protected or not.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::websites::Authority;

const GREETING: &[u8] = b"220 mail.test ESMTP\r\n";

/// How the connection is protected.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    Starttls,
    Implicit,
}

/// A server. It ends with its test.
#[derive(Clone)]
pub(crate) struct MailServer {
    pub(crate) addr: SocketAddr,
    tls: tokio_rustls::TlsAcceptor,
    guard: Guard,
    /// Every line that came in the open, and every line that came protected.
    lines: Arc<Mutex<(Vec<String>, Vec<String>)>>,
    /// Replies with 4xx to so many mails first.
    busy: Arc<Mutex<u32>>,
}

impl MailServer {
    pub(crate) async fn start(authority: &Authority, guard: Guard, busy: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            addr: listener.local_addr().unwrap(),
            tls: authority.acceptor("localhost"),
            guard,
            lines: Arc::default(),
            busy: Arc::new(Mutex::new(busy)),
        };
        let own = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let own = own.clone();
                tokio::spawn(async move { own.serve(stream).await });
            }
        });
        server
    }

    /// What came in the open.
    pub(crate) fn open(&self) -> Vec<String> {
        self.lines.lock().unwrap().0.clone()
    }

    /// What came protected.
    pub(crate) fn safe(&self) -> Vec<String> {
        self.lines.lock().unwrap().1.clone()
    }

    async fn serve(&self, stream: TcpStream) -> Option<()> {
        if self.guard == Guard::Implicit {
            let stream = self.tls.accept(stream).await.ok()?;
            self.talk(BufReader::new(stream), Some(GREETING), true).await;
            return Some(());
        }
        let stream = self.talk(BufReader::new(stream), Some(GREETING), false).await?;
        let stream = self.tls.accept(stream.into_inner()).await.ok()?;
        self.talk(BufReader::new(stream), None, true).await;
        Some(())
    }

    /// Talks until the other side is gone; gives the stream back for `STARTTLS`.
    async fn talk<S>(
        &self,
        mut stream: BufReader<S>,
        greeting: Option<&[u8]>,
        safe: bool,
    ) -> Option<BufReader<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if let Some(greeting) = greeting {
            stream.write_all(greeting).await.ok()?;
        }
        loop {
            let line = self.line(&mut stream, safe).await?;
            let word = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            let reply = match word.as_str() {
                "EHLO" if safe => "250-mail.test\r\n250 AUTH PLAIN\r\n",
                "EHLO" => "250-mail.test\r\n250 STARTTLS\r\n",
                "STARTTLS" => {
                    stream.write_all(b"220 go ahead\r\n").await.ok()?;
                    return Some(stream);
                }
                "AUTH" => "235 welcome\r\n",
                "MAIL" if self.is_busy() => "451 too busy\r\n",
                "MAIL" | "RCPT" | "RSET" | "NOOP" => "250 fine\r\n",
                "DATA" => {
                    stream.write_all(b"354 go on\r\n").await.ok()?;
                    while self.line(&mut stream, safe).await? != "." {}
                    "250 taken\r\n"
                }
                "QUIT" => {
                    stream.write_all(b"221 bye\r\n").await.ok()?;
                    return None;
                }
                _ => "500 what\r\n",
            };
            stream.write_all(reply.as_bytes()).await.ok()?;
        }
    }

    fn is_busy(&self) -> bool {
        let mut busy = self.busy.lock().unwrap();
        let is = *busy > 0;
        *busy = busy.saturating_sub(1);
        is
    }

    async fn line<S: AsyncRead + Unpin>(
        &self,
        stream: &mut BufReader<S>,
        safe: bool,
    ) -> Option<String> {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_owned();
        let mut lines = self.lines.lock().unwrap();
        if safe {
            lines.1.push(line.clone());
        } else {
            lines.0.push(line.clone());
        }
        Some(line)
    }
}
