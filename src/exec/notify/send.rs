//! One try to tell one channel.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::{Method, Url};

use crate::base::{SafeText, SecretName};
use crate::exec::local;
use crate::exec::names::Leave;
use crate::exec::redact::Redactor;
use crate::exec::secrets::Secrets;
use crate::exec::shared::Shared;
use crate::exec::ssh::{self, RunEnd};
use crate::exec::web::{Answer, NoAnswer, Request, Web};
use crate::runbook::{Ask, Channel, Reach, Way, reach_of};

use super::desk::Notice;
use super::{mail, words};

/// More of an answer is not read: it is only for the words of an error.
const ANSWER_BYTES_MAX: usize = 4 * 1024;

/// Why a try failed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotSent {
    pub(super) why: String,
    /// It may go better the next time.
    pub(super) again: bool,
    /// Not before this time, the other side says.
    pub(super) after: Option<Duration>,
}

impl NotSent {
    pub(super) fn for_now(why: impl Into<String>) -> Self {
        Self { why: why.into(), again: true, after: None }
    }

    pub(super) fn for_good(why: impl Into<String>) -> Self {
        Self { why: why.into(), again: false, after: None }
    }
}

/// Tells channels, once.
#[derive(Clone)]
pub(super) struct Sender {
    pub(super) web: Web,
    pub(super) secrets: Secrets,
}

impl Sender {
    /// Tells `channel`, within `limit`.
    pub(super) async fn send(
        &self,
        channel: &Channel,
        notices: &[Arc<Notice>],
        limit: Duration,
    ) -> Result<(), NotSent> {
        if let Way::Command(command) = &channel.way {
            return self.command(command, &words::text(notices), limit).await;
        }
        let sent = tokio::time::timeout(limit, self.remote(channel, notices)).await;
        sent.unwrap_or_else(|_| {
            Err(NotSent::for_now(format!("no answer within {} s", limit.as_secs())))
        })
    }

    async fn remote(&self, channel: &Channel, notices: &[Arc<Notice>]) -> Result<(), NotSent> {
        match &channel.way {
            Way::Command(_) => Ok(()), // Nothing is remote about it.
            Way::Slack(url) => {
                let url = self.address(url)?;
                self.post(channel, url, Vec::new(), words::slack(notices)).await
            }
            Way::Teams(url) => {
                let url = self.address(url)?;
                self.post(channel, url, Vec::new(), words::teams(notices)).await
            }
            Way::Webhook { url, sign } => {
                let (url, body) = (self.address(url)?, words::webhook(notices));
                let mut headers = vec![("golive-notice", words::numbers(notices))];
                if let Some(key) = sign {
                    let key = self.secrets.text(key).map_err(NotSent::for_good)?;
                    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                    let time = now.as_secs().to_string();
                    headers.push(("golive-signature", words::signature(&key, &time, &body)));
                    headers.push(("golive-timestamp", time));
                }
                self.post(channel, url, headers, body).await
            }
            Way::Pagerduty { key, server } => {
                let key = self.secrets.text(key).map_err(NotSent::for_good)?;
                let url = format!("{}/v2/enqueue", server.trim_end_matches('/'));
                let url = Url::parse(&url).map_err(|error| NotSent::for_good(error.to_string()))?;
                for body in words::pagerduty(notices, &key) {
                    self.post(channel, url.clone(), Vec::new(), body).await?;
                }
                Ok(())
            }
            Way::Email(email) => {
                let trusted = channel.ca.as_ref().map(|ca| ca.pem.as_str());
                mail::send(email, trusted, &self.web, &self.secrets, notices).await
            }
        }
    }

    /// The address that a secret holds. It is as good as a password: it goes out protected, or to
    /// this machine.
    fn address(&self, secret: &SecretName) -> Result<Url, NotSent> {
        let text = self.secrets.text(secret).map_err(NotSent::for_good)?;
        let url = Url::parse(text.trim()).ok().filter(Url::has_host);
        let url = url.ok_or_else(|| {
            NotSent::for_good(format!("the value of secret `{secret}` is no address"))
        })?;
        let local = reach_of(url.as_str()) == Reach::Loopback;
        if url.scheme() == "https" || url.scheme() == "http" && local {
            return Ok(url);
        }
        let why = format!("the address in secret `{secret}` is not https://, and would be read");
        Err(NotSent::for_good(why))
    }

    async fn post(
        &self,
        channel: &Channel,
        url: Url,
        headers: Vec<(&'static str, String)>,
        body: String,
    ) -> Result<(), NotSent> {
        let ask = Ask { ca: channel.ca.clone(), ..Ask::default() };
        let json = [("content-type", "application/json".to_owned())];
        let request = Request {
            method: Method::POST,
            url,
            ask: &ask,
            leave: Leave::Machine,
            headers: json.into_iter().chain(headers).collect(),
            body: Some(body.into_bytes()),
            limit: ANSWER_BYTES_MAX,
        };
        match self.web.ask(request).await {
            Ok(answer) => judge(&answer),
            Err(NoAnswer::NotAsked(why)) => Err(NotSent::for_good(why)),
            Err(NoAnswer::NotReached(why) | NoAnswer::Failed(why)) => Err(NotSent::for_now(why)),
        }
    }

    async fn command(&self, command: &str, text: &str, limit: Duration) -> Result<(), NotSent> {
        let mut command = ssh::Command::new(command);
        command.stdin = Some(format!("{text}\n").into_bytes());
        let said = Shared::new(Tail { redactor: self.secrets.redactor(), said: Vec::new() });
        let (handle, signal) = ssh::stop_pair();
        let run = local::run(command, Box::new(said.clone()), signal);
        tokio::pin!(run);
        let end = tokio::select! {
            end = &mut run => end,
            () = tokio::time::sleep(limit) => {
                handle.stop(Duration::from_secs(2));
                run.await
            }
        };
        match end {
            RunEnd::Exited { code: 0, .. } => Ok(()),
            RunEnd::Exited { code, .. } => {
                Err(NotSent::for_now(format!("exited with {code}: {}", said.look().text())))
            }
            RunEnd::Stopped { .. } => {
                Err(NotSent::for_now(format!("took more than {} s", limit.as_secs())))
            }
            RunEnd::Signalled { signal, .. } => {
                Err(NotSent::for_now(format!("was ended by signal {signal}")))
            }
            RunEnd::NotStarted { why } | RunEnd::Lost { why, .. } => {
                Err(NotSent::for_now(why.to_string()))
            }
            RunEnd::Unrecorded { why, .. } => Err(NotSent::for_now(why.to_string())),
        }
    }
}

/// What an answer says. What the other side will never take is not tried again.
fn judge(answer: &Answer) -> Result<(), NotSent> {
    let status = answer.status;
    if (200..300).contains(&status) {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&answer.body);
    let said: String = said.trim().chars().take(120).collect();
    let blank = if said.is_empty() { "" } else { ": " };
    let why = format!("HTTP {status}{blank}{said}");
    let again = matches!(status, 408 | 425 | 429) || status >= 500;
    let after = answer.header("retry-after").and_then(|after| after.parse().ok());
    Err(NotSent { why, again, after: after.map(Duration::from_secs) })
}

/// Keeps the end of what a command says, for an error message.
struct Tail {
    redactor: Redactor,
    said: Vec<u8>,
}

impl Tail {
    /// What is held back is the beginning of a secret, or no loss.
    fn text(&self) -> SafeText {
        SafeText::new(String::from_utf8_lossy(&self.said).trim())
    }
}

impl ssh::Output for Tail {
    fn chunk(&mut self, _: ssh::Stream, bytes: &[u8]) -> std::io::Result<()> {
        // Before anything is cut off: half a secret is not found again.
        self.said.extend_from_slice(&self.redactor.feed(bytes));
        let extra = self.said.len().saturating_sub(400);
        self.said.drain(..extra);
        Ok(())
    }
}
