//! Requests over HTTP as steps: what is sent, what an answer means, and what a lost one does.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use golive::base::{Digest, Millis};
use golive::engine::{Done, Doubt, End, Place, Poll, Run};
use golive::exec::Secrets;
use golive::exec::ssh::{Options, Pool};
use golive::runbook::{Ask, Builtin, Given, Http};

use crate::durable_desk::{Console, durable, start};

/// A server that gives each connection the next of its answers; an empty one hangs up.
pub(crate) struct Server {
    pub(crate) address: String,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) fn with(answers: &[&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (kept, answers) = (Arc::clone(&heard), answers.to_vec());
        std::thread::spawn(move || {
            for answer in answers {
                let Ok((mut stream, _)) = listener.accept() else { return };
                let mut request = Vec::new();
                let mut buffer = [0; 4096];
                loop {
                    let count = stream.read(&mut buffer).unwrap_or(0);
                    request.extend_from_slice(&buffer[..count]);
                    let text = String::from_utf8_lossy(&request).to_lowercase();
                    let length = text.split("content-length: ").nth(1);
                    let length = length.and_then(|it| it.lines().next()?.trim().parse().ok());
                    let whole = text
                        .find("\r\n\r\n")
                        .is_some_and(|end| request.len() >= end + 4 + length.unwrap_or(0));
                    if whole || count == 0 {
                        break;
                    }
                }
                kept.lock().unwrap().push(String::from_utf8_lossy(&request).into_owned());
                stream.write_all(answer.as_bytes()).ok();
            }
        });
        Self { address, heard }
    }

    fn ask(&self, method: &str) -> Http<String> {
        Http {
            method: method.to_owned(),
            url: format!("http://{}/drain", self.address),
            ask: Ask::default(),
            body: None,
            expect_status: Vec::new(),
            expect_body: None,
            idempotent: false,
            allow: vec![self.address.clone()],
        }
    }

    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

pub(crate) const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\nstate=drained";
pub(crate) const BAD: &str = "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n";
const MOVED: &str =
    "HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n";

fn request(http: Http<String>, attempt: u32) -> Run {
    let builtin = Builtin::Http(http);
    let run = durable("ask", attempt, "");
    let places = vec![Place::Here];
    Run { line: builtin.text(), durable: None, builtin: Some(builtin), places, ..run }
}

fn done(end: End) -> Done {
    let End::Done(done) = end else { panic!("{end:?}") };
    *done
}

async fn run(console: &mut Console, run: Run) -> End {
    let job = start(console, run);
    console.end(&job).await
}

fn console(secrets: &Secrets) -> Console {
    Console::with(Pool::new(Vec::new(), Options::default()), secrets)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_sent_with_its_secrets_and_its_answer_is_judged() {
    let value = zeroize::Zeroizing::new(b"hunter2000".to_vec());
    let secrets = Secrets::new([("token".parse().unwrap(), value)].into(), Vec::new()).unwrap();
    let mut console = console(&secrets);
    let server = Server::with(&[OK, OK, BAD, MOVED]);
    let mut http = server.ask("POST");
    http.ask.headers =
        BTreeMap::from([("x-key".to_owned(), Given::Secret("token".parse().unwrap()))]);
    http.body = Some(Given::Text("{\"server\": \"blue\"}".to_owned()));
    http.expect_body = Some("state=(dry|drained)".to_owned());
    let mut asked = request(http.clone(), 1);
    asked.capture = BTreeMap::from([("state".parse().unwrap(), "state=(.*)".to_owned())]);
    let shown = asked.line.clone();
    let end = done(run(&mut console, asked).await);
    assert!(end.unmet.is_none() && end.what.as_str().starts_with("HTTP 200 in"), "{end:?}");
    assert_eq!(end.digest, Some(Digest::of(b"state=drained")));
    assert_eq!(end.captured.values().map(ToString::to_string).collect::<Vec<_>>(), ["drained"]);
    let heard = &server.heard()[0];
    assert!(heard.starts_with("POST /drain") && heard.contains("x-key: hunter2000"), "{heard}");
    assert!(heard.ends_with("{\"server\": \"blue\"}"), "{heard}");
    assert!(shown.contains("x-key: ‹secret: token›") && !shown.contains("hunter"), "{shown}");
    http.expect_body = Some("^ready$".to_owned());
    let end = done(run(&mut console, request(http, 2)).await);
    assert!(end.words().contains("the body does not match /^ready$/"), "{end:?}");
    let end = done(run(&mut console, request(server.ask("POST"), 3)).await);
    assert!(end.words().contains("HTTP 503, expected 2xx"), "{end:?}");
    let end = done(run(&mut console, request(server.ask("GET"), 4)).await);
    assert!(end.words().contains("which is not followed"), "{end:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_unknown_where_a_repetition_could_do_harm() {
    let mut console = console(&Secrets::none());
    let server = Server::with(&["", "", "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nhalf"]);
    let end = run(&mut console, request(server.ask("POST"), 1)).await;
    let End::Unknown { why, doubt: Doubt::Link } = end else { panic!("{end:?}") };
    assert!(why.as_str().contains("look there before a retry"), "{why}");
    let mut again = server.ask("POST");
    again.idempotent = true;
    let end = done(run(&mut console, request(again, 2)).await);
    assert!(end.words().contains("asking again does no harm"), "{end:?}");
    let end = run(&mut console, request(server.ask("DELETE"), 3)).await;
    assert!(matches!(end, End::Unknown { .. }), "{end:?}");
    assert_eq!(server.heard().len(), 3, "each was sent once");
    // Nobody listens there any more: nothing was sent. And what may not be asked is not.
    let nobody = Server { address: "127.0.0.1:1".to_owned(), heard: Arc::default() };
    let end = run(&mut console, request(nobody.ask("POST"), 4)).await;
    assert!(matches!(end, End::NotStarted { .. }), "{end:?}");
    let mut refused = server.ask("POST");
    refused.allow.clear();
    let end = run(&mut console, request(refused, 5)).await;
    let End::NotStarted { why } = end else { panic!("{end:?}") };
    assert!(why.as_str().contains("it is this machine itself"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_polled_request_is_asked_until_it_is_well() {
    let mut console = console(&Secrets::none());
    let server = Server::with(&[BAD, "", OK]);
    let poll = Some(Poll { every: Millis::new(10), within: Millis::from_secs(30) });
    let end = done(run(&mut console, Run { poll, ..request(server.ask("GET"), 1) }).await);
    assert!(end.unmet.is_none(), "{end:?}");
    assert_eq!(server.heard().len(), 3);
}
