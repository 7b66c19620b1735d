//! Web servers for tests, in this process and on loopback: they answer what they are told, as
//! badly as they are told.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What a path answers.
#[derive(Clone, Debug)]
pub(crate) enum Page {
    /// Status, other headers, body.
    Says(u16, &'static str, String),
    /// Nothing, ever.
    Hangs,
    /// A letter now and then.
    Trickles,
    /// A body without an end.
    Floods,
}

impl Page {
    pub(crate) fn ok(body: &str) -> Self {
        Self::Says(200, "", body.to_owned())
    }
}

/// A request that came.
#[derive(Clone, Debug)]
pub(crate) struct Came {
    pub(crate) path: String,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Came {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut values = lines.filter(|(own, _)| own.eq_ignore_ascii_case(name));
        values.next().map(|(_, value)| value)
    }
}

type Pages = Arc<Mutex<BTreeMap<String, Vec<Page>>>>;

/// A server. It ends with its test.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) addr: SocketAddr,
    pages: Pages,
    came: Arc<Mutex<Vec<Came>>>,
    tls: Option<tokio_rustls::TlsAcceptor>,
}

impl Site {
    pub(crate) async fn plain() -> Self {
        Self::start(None).await
    }

    /// With a certificate for `name` from `authority`.
    pub(crate) async fn secure(authority: &Authority, name: &str) -> Self {
        Self::start(Some(authority.acceptor(name))).await
    }

    /// With one whose time was over long ago.
    pub(crate) async fn expired(authority: &Authority, name: &str) -> Self {
        Self::start(Some(authority.acceptor_until(name, 2021))).await
    }

    async fn start(tls: Option<tokio_rustls::TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let site = Self { addr, pages: Pages::default(), came: Arc::default(), tls };
        let own = site.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let own = own.clone();
                tokio::spawn(async move { own.answer(stream).await });
            }
        });
        site
    }

    /// What a path answers from now on.
    pub(crate) fn page(&self, path: &str, page: Page) {
        self.pages(path, vec![page]);
    }

    /// What it answers one after the other; the last for ever.
    pub(crate) fn pages(&self, path: &str, pages: Vec<Page>) {
        let pages = pages.into_iter().rev().collect();
        self.pages.lock().unwrap().insert(path.to_owned(), pages);
    }

    /// All requests that came.
    pub(crate) fn came(&self) -> Vec<Came> {
        self.came.lock().unwrap().clone()
    }

    async fn answer(&self, stream: TcpStream) {
        match &self.tls {
            None => self.speak(stream).await,
            Some(tls) => {
                if let Ok(stream) = tls.accept(stream).await {
                    self.speak(stream).await;
                }
            }
        }
    }

    async fn speak(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut text = Vec::new();
        let came = loop {
            if stream.read_buf(&mut text).await.unwrap_or(0) == 0 {
                return;
            }
            if let Some(came) = whole(&text) {
                break came;
            }
        };
        let path = came.path.clone();
        self.came.lock().unwrap().push(came);
        let plain = path.split('?').next().unwrap_or_default().to_owned();
        let page = {
            let mut pages = self.pages.lock().unwrap();
            match pages.get_mut(&plain) {
                Some(pages) if pages.len() > 1 => pages.pop(),
                Some(pages) => pages.last().cloned(),
                None => Some(Page::Says(404, "", "no such page".to_owned())),
            }
        };
        let head = "HTTP/1.1 200 OK\r\nconnection: close\r\n";
        match page.unwrap() {
            Page::Says(status, headers, body) => {
                let answer = format!(
                    "HTTP/1.1 {status} Told\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n{body}",
                    body.len()
                );
                stream.write_all(answer.as_bytes()).await.ok();
                stream.shutdown().await.ok();
            }
            Page::Hangs => std::future::pending().await,
            Page::Trickles => {
                let begin = format!("{head}content-length: 1000000\r\n\r\n");
                stream.write_all(begin.as_bytes()).await.ok();
                while stream.write_all(b"x").await.is_ok() {
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            }
            Page::Floods => {
                let begin = format!("{head}\r\n");
                stream.write_all(begin.as_bytes()).await.ok();
                let flood = vec![b'7'; 64 * 1024];
                while stream.write_all(&flood).await.is_ok() {}
            }
        }
    }
}

fn whole(bytes: &[u8]) -> Option<Came> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let path = head.split(' ').nth(1)?.to_owned();
    let came = Came { path, head: head.to_owned(), body: body.to_owned() };
    let length = came.header("content-length").and_then(|length| length.parse().ok());
    (body.len() >= length.unwrap_or(0_usize)).then_some(came)
}

/// An authority for certificates that nobody else knows.
pub(crate) struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "an authority of a test");
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: rcgen::Issuer::new(params, key), pem }
    }

    /// The other side of TLS, with a certificate for `name`.
    pub(crate) fn acceptor(&self, name: &str) -> tokio_rustls::TlsAcceptor {
        self.acceptor_until(name, 2999)
    }

    /// The same with a certificate that is good until this year begins.
    fn acceptor_until(&self, name: &str, year: i32) -> tokio_rustls::TlsAcceptor {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        tokio_rustls::TlsAcceptor::from(Arc::new(config))
    }
}
