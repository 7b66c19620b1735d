//! SSH signatures, checked: the armoured text that `ssh-keygen -Y sign` writes.

use std::fmt;

use russh::keys::ssh_key::{Signature, SshSig};
use russh::keys::{Algorithm, HashAlg, PublicKey};

use super::checkpoint::NAMESPACE;

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key(PublicKey);

impl Key {
    /// Reads a line of `authorized_keys`, or of a `.pub` file.
    pub fn parse(line: &str) -> Option<Self> {
        PublicKey::from_openssh(line.trim()).ok().map(Self)
    }

    /// `SHA256:…`, as `ssh-keygen -l` shows it.
    pub fn fingerprint(&self) -> String {
        self.0.fingerprint(HashAlg::Sha256).to_string()
    }

    /// What kind of key: `ssh-ed25519`, …
    pub fn kind(&self) -> String {
        self.0.algorithm().to_string()
    }

    /// The key as a line, without a comment.
    pub fn line(&self) -> String {
        let bare = PublicKey::from(self.0.key_data().clone());
        bare.to_openssh().unwrap_or_default()
    }

    /// Whether it is the same key, whatever its comment.
    pub fn is(&self, other: &Self) -> bool {
        self.0.key_data() == other.0.key_data()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.fingerprint())
    }
}

/// The key that made `armour` over `message`, as a signature of a checkpoint.
///
/// # Errors
/// Why it is no such signature. SHA-1 is none, as for `ssh-keygen`; and a security key's counts
/// with a touch only, as `sshd` has it, whatever the key would do without one.
pub fn signer(armour: &str, message: &str) -> Result<Key, String> {
    signer_for(NAMESPACE, armour, message)
}

/// The same for a signature made for `wanted`.
pub(super) fn signer_for(wanted: &str, armour: &str, message: &str) -> Result<Key, String> {
    let signature =
        SshSig::from_pem(armour).map_err(|error| format!("it cannot be read: {error}"))?;
    if signature.namespace() != wanted {
        let namespace = signature.namespace().escape_default();
        return Err(format!("it was made for `{namespace}`, not for `{wanted}`"));
    }
    if signature.version() != SshSig::VERSION {
        return Err(format!("its version is {}", signature.version()));
    }
    if is_sha1(signature.signature()) {
        return Err("it is made with SHA-1".to_owned());
    }
    if is_untouched(signature.signature()) {
        return Err("the security key signed without a touch: nobody was there".to_owned());
    }
    let key = PublicKey::from(signature.public_key().clone());
    key.verify(wanted, message.as_bytes(), &signature)
        .map_err(|_| "it does not fit what it should sign".to_owned())?;
    Ok(Key(key))
}

/// Behind the signature of a security key stand its flags and its counter, of four bytes. The
/// lowest flag says that a person was there.
fn is_untouched(signature: &Signature) -> bool {
    let security_key =
        matches!(signature.algorithm(), Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256);
    let flags = signature.as_bytes().iter().rev().nth(4);
    security_key && flags.is_none_or(|flags| flags & 1 == 0)
}

fn is_sha1(signature: &Signature) -> bool {
    matches!(signature.algorithm(), Algorithm::Rsa { hash: None } | Algorithm::Dsa)
}
