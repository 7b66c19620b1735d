//! HTTP for probes and notices: no redirect followed, no proxy used, no certificate taken on trust,
//! no address asked that was not checked, and no more of an answer read than was asked for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Client, Method, Url};

use crate::base::Timestamp;
use crate::runbook::{Ask, Ca, Given};

use super::certificate::valid_until;
use super::names::{Checked, Leave, Names, NotAsked};
use super::secrets::Secrets;

/// A machine that does not answer is given up after this long, whatever the limit of the whole.
const CONNECT: Duration = Duration::from_secs(5);

/// Variables that other programs take a proxy from.
const PROXIES: [&str; 3] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];

/// A request.
pub(super) struct Request<'a> {
    pub(super) method: Method,
    pub(super) url: Url,
    /// What goes with it; its certificates are to be known to the [`Web`].
    pub(super) ask: &'a Ask,
    pub(super) leave: Leave<'a>,
    /// Headers besides those of `ask`.
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Option<Vec<u8>>,
    /// More of an answer is not read.
    pub(super) limit: usize,
}

/// An answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    /// There was more.
    pub(super) cut: bool,
    /// From the first try to connect to the last byte.
    pub(super) millis: f64,
    headers: reqwest::header::HeaderMap,
}

impl Answer {
    /// A header, where it is plain text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// It was not asked.
    NotAsked(String),
    /// It was not reached: nothing was sent.
    NotReached(String),
    /// It was asked, and there is no whole answer.
    Failed(String),
}

/// Asks over HTTP. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Web {
    /// Trusts what the machine trusts.
    client: Client,
    /// Those that trust other authorities, by their certificates; or why there is none.
    others: BTreeMap<String, Result<Client, String>>,
    names: Names,
    checked: Checked,
    secrets: Secrets,
    /// Said where something was not reached.
    proxies: String,
    /// Until when the certificates are good that were shown last, by host and port.
    shown: Arc<Mutex<BTreeMap<(String, u16), Timestamp>>>,
}

impl Web {
    /// A web that trusts the machine's authorities, and for some requests only these.
    ///
    /// # Errors
    /// The machine's certificates cannot be read.
    pub(super) fn new(
        names: Names,
        authorities: &[&Ca],
        secrets: &Secrets,
    ) -> Result<Self, reqwest::Error> {
        rustls::crypto::ring::default_provider().install_default().ok();
        let checked = Checked::default();
        let own = |ca: &Ca| {
            let certificates = reqwest::Certificate::from_pem_bundle(ca.pem.as_bytes());
            let client = certificates
                .and_then(|certificates| builder(&checked).tls_certs_only(certificates).build());
            let client = client.map_err(|error| format!("{}: {}", ca.file, root_cause(&error)));
            (ca.pem.clone(), client)
        };
        let set = |name: &&&str| {
            let is_set = |name: &str| std::env::var_os(name).is_some_and(|it| !it.is_empty());
            is_set(name) || is_set(&name.to_ascii_lowercase())
        };
        let set: Vec<_> = PROXIES.iter().filter(set).copied().collect();
        let proxies = match set.as_slice() {
            [] => String::new(),
            set => format!(" ({} is set: golive uses no proxy)", set.join(", ")),
        };
        Ok(Self {
            client: builder(&checked).build()?,
            others: authorities.iter().map(|ca| own(ca)).collect(),
            names,
            checked,
            secrets: secrets.clone(),
            proxies,
            shown: Arc::default(),
        })
    }

    /// Until when the certificate is good that the server of this address showed last.
    pub(super) fn good_until(&self, url: &Url) -> Option<Timestamp> {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.get(&server_of(url)).copied()
    }

    pub(super) const fn names(&self) -> &Names {
        &self.names
    }

    /// Asks, and reads the answer. Takes as long as the other side takes: the limit is the caller's.
    pub(super) async fn ask(&self, request: Request<'_>) -> Result<Answer, NoAnswer> {
        let began = Instant::now();
        let Request { method, url, ask, leave, headers, body, limit } = request;
        let client = match &ask.ca {
            None => &self.client,
            Some(ca) => match self.others.get(&ca.pem) {
                Some(Ok(client)) => client,
                Some(Err(why)) => return Err(NoAnswer::NotAsked(why.clone())),
                None => return Err(NoAnswer::NotAsked(format!("{} was not read", ca.file))),
            },
        };
        let (host, port) = server_of(&url);
        let addresses = self.names.checked(&host, port, leave).await.map_err(|why| match why {
            NotAsked::Refused(why) => NoAnswer::NotAsked(why),
            NotAsked::NoName(why) => NoAnswer::NotReached(why),
        })?;
        self.checked.put(&host, addresses);
        let mut request = client.request(method, url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        for (name, value) in self.headers(ask).map_err(NoAnswer::NotAsked)? {
            request = request.header(name, value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let failed = |error: &reqwest::Error| {
            if error.is_connect() {
                NoAnswer::NotReached(format!("{}{}", root_cause(error), self.proxies))
            } else {
                NoAnswer::Failed(root_cause(error))
            }
        };
        let mut answer = request.send().await.map_err(|error| failed(&error))?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let tls = answer.extensions().get::<reqwest::tls::TlsInfo>();
        if let Some(until) = tls.and_then(|tls| valid_until(tls.peer_certificate()?)) {
            let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
            shown.insert((host, port), until);
        }
        let (mut body, mut cut) = (Vec::new(), false);
        while let Some(chunk) = answer.chunk().await.map_err(|error| failed(&error))? {
            let room = limit - body.len();
            body.extend(chunk.iter().take(room));
            if chunk.len() > room {
                cut = true;
                break;
            }
        }
        Ok(Answer { status, body, cut, millis: millis_since(began), headers })
    }

    fn headers(&self, ask: &Ask) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
        let mut headers = Vec::new();
        if let Some(secret) = &ask.bearer {
            let token = self.secrets.text(secret)?;
            let value = zeroize::Zeroizing::new(format!("Bearer {}", *token));
            headers.push((reqwest::header::AUTHORIZATION, sensitive(secret, &value)?));
        }
        for (name, value) in &ask.headers {
            let name = HeaderName::from_bytes(name.as_bytes());
            let name = name.map_err(|error| error.to_string())?;
            let value = match value {
                Given::Text(text) => HeaderValue::from_str(text).map_err(|_| {
                    format!("the value of {name} cannot be a header's: one line of plain ASCII")
                })?,
                Given::Secret(secret) => sensitive(secret, &self.secrets.text(secret)?)?,
            };
            headers.push((name, value));
        }
        Ok(headers)
    }
}

fn server_of(url: &Url) -> (String, u16) {
    let host = url.host_str().unwrap_or_default().to_owned();
    (host, url.port_or_known_default().unwrap_or(80))
}

/// Every request on a connection of its own: after a switch of addresses, an old connection would
/// go on to say how well the old system is.
fn builder(checked: &Checked) -> reqwest::ClientBuilder {
    Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .pool_max_idle_per_host(0)
        .connect_timeout(CONNECT)
        .dns_resolver(checked.clone())
        .tls_info(true)
        .user_agent(concat!("golive/", env!("CARGO_PKG_VERSION")))
}

fn sensitive(secret: &crate::base::SecretName, value: &str) -> Result<HeaderValue, String> {
    let mut header = HeaderValue::from_str(value)
        .map_err(|_| format!("the value of secret `{secret}` cannot be a header's"))?;
    header.set_sensitive(true);
    Ok(header)
}

/// The last cause of an error: the first says only that a request failed.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

pub(super) fn millis_since(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1000.0
}
