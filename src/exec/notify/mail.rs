//! Mail: one message to a server, and nothing of it before the connection is protected.

use std::sync::Arc;
use std::time::Duration;

use lettre::message::{Mailbox, header::ContentType};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};

use crate::exec::names::{Leave, NotAsked};
use crate::exec::secrets::Secrets;
use crate::exec::web::Web;
use crate::runbook::{Email, MailTls, authority};

use super::desk::Notice;
use super::send::NotSent;
use super::words;

/// A server that says nothing for so long is given up.
const SILENCE: Duration = Duration::from_secs(15);

/// Sends `notices` as one mail. Only the authorities in `trusted` count, if there are any.
pub(super) async fn send(
    email: &Email,
    trusted: Option<&str>,
    web: &Web,
    secrets: &Secrets,
    notices: &[Arc<Notice>],
) -> Result<(), NotSent> {
    let message = message(email, notices).map_err(NotSent::for_good)?;
    let (host, port) = authority(&email.smtp);
    let port = port.ok_or_else(|| NotSent::for_good(format!("{} has no port", email.smtp)))?;
    let checked = web.names().checked(&host, port, Leave::Machine).await;
    let addresses = checked.map_err(|why| match why {
        NotAsked::Refused(why) => NotSent::for_good(why),
        NotAsked::NoName(why) => NotSent::for_now(why),
    })?;
    let tls = protection(email.tls, &host, trusted).map_err(NotSent::for_good)?;
    let account = match (&email.user, &email.password) {
        (Some(user), Some(password)) => {
            let password = secrets.text(password).map_err(NotSent::for_good)?;
            Some(Credentials::new(user.clone(), password.as_str().to_owned()))
        }
        (Some(_) | None, _) => None,
    };
    let mut last = NotSent::for_now(format!("{host} has no address"));
    for address in addresses {
        // The name was looked up and checked already: it is asked at that address.
        let mut way =
            AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(address.ip().to_string())
                .port(port)
                .timeout(Some(SILENCE))
                .tls(tls.clone());
        if let Some(account) = &account {
            way = way.credentials(account.clone());
        }
        match way.build().send(message.clone()).await {
            Ok(_) => return Ok(()),
            Err(error) => {
                let why = root_cause(&error);
                if error.is_permanent() {
                    return Err(NotSent::for_good(why));
                }
                last = NotSent::for_now(why);
            }
        }
    }
    Err(last)
}

fn message(email: &Email, notices: &[Arc<Notice>]) -> Result<Message, String> {
    let mailbox = |text: &String| {
        text.parse::<Mailbox>().map_err(|error| format!("`{text}` is no mail address: {error}"))
    };
    let mut message = Message::builder()
        .from(mailbox(&email.from)?)
        .subject(words::subject(notices))
        .header(ContentType::TEXT_PLAIN);
    for to in &email.to {
        message = message.to(mailbox(to)?);
    }
    // The same notice sent again is the same message: mail programs show it once.
    let number = words::numbers(notices).replace(['/', ','], ".");
    let domain =
        email.from.rsplit_once('@').map_or("golive", |(_, host)| host.trim_end_matches('>'));
    let message = message.message_id(Some(format!("<golive.{number}@{domain}>")));
    let text = words::text(notices).replace('\n', "\r\n");
    message.body(format!("{text}\r\n")).map_err(|error| error.to_string())
}

fn protection(tls: MailTls, host: &str, trusted: Option<&str>) -> Result<Tls, String> {
    let parameters = || {
        let mut builder = TlsParameters::builder(host.to_owned());
        if let Some(trusted) = trusted {
            let certificates = Certificate::from_pem(trusted.as_bytes());
            let certificates = certificates.map_err(|error| error.to_string())?;
            builder = builder
                .certificate_store(CertificateStore::None)
                .add_root_certificate(certificates);
        }
        builder.build_rustls().map_err(|error| error.to_string())
    };
    Ok(match tls {
        MailTls::Starttls => Tls::Required(parameters()?),
        MailTls::Implicit => Tls::Wrapper(parameters()?),
        MailTls::None => Tls::None,
    })
}

/// What the innermost error says.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
