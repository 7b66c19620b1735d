//! Which key signs the record: flags and environment, the runbook's roles, what is at hand.

use std::path::PathBuf;

use clap::Args;

use crate::base::SafeText;
use crate::exec::ssh::{KeyChoice, Pool, SigningKey};
use crate::plan::Plan;
use crate::session::Notary;

use super::message::Failure;
use super::screen::Screen;

/// Who signs the record.
#[derive(Args, Clone, Debug, Default)]
#[expect(clippy::struct_field_names, reason = "the fields are named as the flags")]
pub(super) struct Sign {
    /// The SSH key that signs the record: a file, or the SHA256:… of one in the agent or in ~/.ssh
    /// [default: one that a role of the runbook names, if any does; else the agent's first, else
    /// your own; none on the practice fleet]
    #[arg(long, value_name = "KEY", env = "GOLIVE_SIGN_KEY")]
    pub sign_key: Option<String>,
    /// Do not sign the record
    #[arg(long, env = "GOLIVE_NO_SIGN", value_parser = clap::builder::FalseyValueParser::new())]
    pub no_sign: bool,
    /// Ask the key for one signature only; a key of the session, which it certifies, signs the rest
    #[arg(long)]
    pub sign_once: bool,
}

/// The key that somebody names: `SHA256:…`, or a file.
pub(super) fn key_named(key: &str) -> KeyChoice {
    if key.starts_with("SHA256:") {
        KeyChoice::Fingerprint(key.to_owned())
    } else {
        KeyChoice::File(PathBuf::from(key))
    }
}

impl Sign {
    fn choice(&self, plan: &Plan) -> KeyChoice {
        match self.sign_key.as_deref() {
            None => {
                let keys = plan.roles.values().flat_map(|role| role.keys.iter().cloned());
                let keys: Vec<_> = keys.collect();
                if keys.is_empty() { KeyChoice::First } else { KeyChoice::OneOf(keys) }
            }
            Some(key) => key_named(key),
        }
    }

    /// The key that signs, or why none does.
    ///
    /// # Errors
    /// The key that was asked for is not at hand.
    pub(super) async fn find(
        &self,
        pool: &Pool,
        plan: &Plan,
    ) -> Result<Result<SigningKey, &'static str>, String> {
        if self.no_sign {
            return Ok(Err("as asked for"));
        }
        let choice = self.choice(plan);
        let by_role = matches!(choice, KeyChoice::OneOf(_));
        Ok(pool.signing_key(&choice).await?.ok_or(if by_role {
            "no key that the runbook's roles name is at hand; --sign-key names another"
        } else {
            "no SSH key is at hand; --sign-key names one"
        }))
    }

    /// The notary of a session on the hosts of `pool`. Asks for a passphrase only where a file was
    /// named; says which key signs, or why none does.
    pub(super) async fn notary(
        &self,
        screen: Screen,
        pool: &Pool,
        plan: &Plan,
        practice: bool,
    ) -> Result<Notary, Failure> {
        let unsigned = |why: &str| {
            screen.say(&format!("unsigned: {why}"));
            Ok(Notary { unsigned: Some(SafeText::new(why)), ..Notary::default() })
        };
        if self.no_sign {
            return unsigned("as asked for");
        }
        if practice && self.sign_key.is_none() {
            // A show is not worth a question, nor a line.
            let why = SafeText::new("a show on the practice fleet");
            return Ok(Notary { unsigned: Some(why), ..Notary::default() });
        }
        match self.find(pool, plan).await {
            Ok(Ok(key)) => {
                screen.say(&format!("signing with {}", key.label()));
                if key.needs_touch() {
                    screen.complain("touch your security key once");
                }
                Ok(Notary { key: Some(key), once: self.sign_once, unsigned: None })
            }
            Ok(Err(why)) => unsigned(why),
            Err(why) => Err(Failure::usage(format!("the record cannot be signed: {why}"))
                .help("name another key, or --no-sign to go on without")),
        }
    }
}
