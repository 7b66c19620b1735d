//! A request over HTTP from this machine: sent once, and never again by itself unless it may be.

use std::time::{Duration, Instant};

use regex::Regex;
use reqwest::{Method, Url};

use crate::base::{Digest, SafeText};
use crate::engine::{Done, Doubt, End};
use crate::exec::job::Task;
use crate::exec::names::Leave;
use crate::exec::ssh::Stream;
use crate::exec::web::{Answer, NoAnswer, Request};
use crate::runbook::{Given, Http, size};

use super::{Voice, not_done, not_started};

/// More of an answer is not read, and not kept.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// One of many looks may take so long.
const LOOK_MAX: Duration = Duration::from_secs(10);

/// Asks, and judges the answer; again and again where it is polled.
pub(super) async fn http(task: &Task, http: &Http<String>, voice: &Voice) -> End {
    let Some(poll) = task.run.poll else { return once(task, http, voice).await };
    let deadline = Instant::now() + poll.within.to_std();
    loop {
        let asked = tokio::time::timeout(LOOK_MAX, once(task, http, voice)).await;
        let why = "no answer in time";
        let end = asked.unwrap_or_else(|_| not_done(why, "nothing is known from it"));
        let well = matches!(&end, End::Done(done) if done.unmet.is_none());
        if well || matches!(end, End::Stopped { .. }) {
            return end;
        }
        if Instant::now() + poll.every.to_std() > deadline {
            return end;
        }
        let mut stopped = task.stopped.clone();
        tokio::select! {
            () = tokio::time::sleep(poll.every.to_std()) => {}
            _ = stopped.asked() => return End::Stopped { survivors: Some(Vec::new()) },
        }
    }
}

async fn once(task: &Task, http: &Http<String>, voice: &Voice) -> End {
    let mut stopped = task.stopped.clone();
    if stopped.grace().is_some() {
        return End::Stopped { survivors: Some(Vec::new()) };
    }
    let request = match request(task, http) {
        Ok(request) => request,
        Err(why) => return not_started(&why),
    };
    voice.say(&format!("{} {}", http.method, http.url));
    let lost = |why: &str| {
        if http.may_be_repeated() {
            not_done(why, "asking again does no harm")
        } else {
            let why = format!("{why}; it may have been taken: look there before a retry");
            End::unknown(Doubt::Link, &why)
        }
    };
    let answer = tokio::select! {
        answer = task.web.ask(request) => answer,
        _ = stopped.asked() => {
            return if http.may_be_repeated() {
                End::Stopped { survivors: Some(Vec::new()) }
            } else {
                lost("it was stopped before its answer was here")
            };
        }
    };
    match answer {
        Ok(answer) => judge(http, &answer, voice),
        Err(NoAnswer::NotAsked(why) | NoAnswer::NotReached(why)) => not_started(&why),
        Err(NoAnswer::Failed(why)) => lost(&format!("its answer was lost: {why}")),
    }
}

fn request<'a>(task: &Task, http: &'a Http<String>) -> Result<Request<'a>, String> {
    let url = Url::parse(&http.url).map_err(|error| format!("{}: {error}", http.url))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("{url} is not asked: it is no HTTP address"));
    }
    let body = match &http.body {
        None => None,
        Some(Given::Text(text)) => Some(text.clone().into_bytes()),
        Some(Given::Secret(name)) => Some(task.secrets.text(name)?.as_bytes().to_vec()),
    };
    let method = Method::from_bytes(http.method.as_bytes()).map_err(|error| error.to_string())?;
    Ok(Request {
        method,
        url,
        ask: &http.ask,
        leave: Leave::Only(&http.allow),
        headers: Vec::new(),
        body,
        limit: ANSWER_BYTES_MAX,
    })
}

/// What an answer means.
fn judge(http: &Http<String>, answer: &Answer, voice: &Voice) -> End {
    voice.print(Stream::Stdout, &answer.body).ok();
    if !answer.body.is_empty() && !answer.body.ends_with(b"\n") {
        voice.print(Stream::Stdout, b"\n").ok();
    }
    let bytes = u64::try_from(answer.body.len()).unwrap_or(u64::MAX);
    let more = if answer.cut { ", and more that was not read" } else { "" };
    let what = format!("HTTP {} in {:.0} ms, {}{more}", answer.status, answer.millis, size(bytes));
    let mut done = Done::well(&what, Some(Digest::of(&answer.body)));
    let expected = if http.expect_status.is_empty() {
        (200..300).contains(&answer.status)
    } else {
        http.expect_status.contains(&answer.status)
    };
    if !expected {
        let to = answer.header("location").filter(|_| (300..400).contains(&answer.status));
        let to = to.map(|to| format!(" to {to}, which is not followed")).unwrap_or_default();
        let why = format!("HTTP {}{to}, expected {}", answer.status, http.expected());
        done.unmet = Some(SafeText::new(&why));
    } else if let Some(pattern) = &http.expect_body {
        let text = String::from_utf8_lossy(&answer.body);
        // The loader compiled the same pattern, so it compiles here.
        if !Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(&text)) {
            done.unmet = Some(SafeText::new(&format!("the body does not match /{pattern}/")));
        }
    }
    End::Done(Box::new(done))
}
