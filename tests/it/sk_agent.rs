//! An SSH agent with a security key that is none: what a FIDO device signs, in software.
//!
//! It speaks the agent's protocol on a socket, and waits for a touch where it is told to.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};

use russh::keys::signature::Signer as _;
use russh::keys::ssh_encoding::{Decode as _, Encode as _};
use russh::keys::ssh_key::public::{KeyData, SkEcdsaSha2NistP256, SkEd25519};
use russh::keys::ssh_key::{Signature, SshSig};
use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PrivateKey, PublicKey};
use sha2::{Digest as _, Sha256};

use crate::sshd::PATIENCE;

/// The flag of a signature that a person was there for.
pub(crate) const PRESENT: u8 = 1;
const APPLICATION: &str = "ssh:";

/// The secret that a device would hold.
struct Device {
    secret: PrivateKey,
    public: KeyData,
    kind: Algorithm,
}

#[derive(Default)]
struct Hand {
    /// What a signature says about who was there.
    flags: u8,
    /// Signatures wait until somebody touches.
    waits: bool,
    /// Requests so far, which is the counter too.
    asked: u32,
}

/// The agent; it ends with the process.
#[derive(Clone)]
pub(crate) struct SkAgent {
    pub(crate) socket: PathBuf,
    device: Arc<Device>,
    hand: Arc<(Mutex<Hand>, Condvar)>,
}

impl SkAgent {
    /// With one key: `sk-ssh-ed25519` or `sk-ecdsa-sha2-nistp256`.
    pub(crate) fn start(dir: &Path, kind: &str, flags: u8) -> Self {
        let mut luck = russh::keys::key::safe_rng();
        let of = |secret: PrivateKey, public: KeyData, kind| Device { secret, public, kind };
        let device = if kind == "sk-ssh-ed25519" {
            let secret = PrivateKey::random(&mut luck, Algorithm::Ed25519).unwrap();
            let public = *secret.public_key().key_data().ed25519().unwrap();
            let public = KeyData::SkEd25519(SkEd25519::new(public, APPLICATION));
            of(secret, public, Algorithm::SkEd25519)
        } else {
            let curve = EcdsaCurve::NistP256;
            let secret = PrivateKey::random(&mut luck, Algorithm::Ecdsa { curve }).unwrap();
            let point = secret.public_key().key_data().ecdsa().unwrap().as_sec1_bytes().to_vec();
            let mut blob = Vec::new();
            "sk-ecdsa-sha2-nistp256@openssh.com".encode(&mut blob).unwrap();
            "nistp256".encode(&mut blob).unwrap();
            point.encode(&mut blob).unwrap();
            APPLICATION.encode(&mut blob).unwrap();
            let public = KeyData::decode(&mut &*blob).unwrap();
            assert!(matches!(public, KeyData::SkEcdsaSha2NistP256(SkEcdsaSha2NistP256 { .. })));
            of(secret, public, Algorithm::SkEcdsaSha2NistP256)
        };
        let agent = Self {
            socket: dir.join("sk-agent"),
            device: Arc::new(device),
            hand: Arc::new((Mutex::new(Hand { flags, ..Hand::default() }), Condvar::new())),
        };
        let listener = UnixListener::bind(&agent.socket).unwrap();
        let serving = agent.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (agent, stream) = (serving.clone(), stream.unwrap());
                std::thread::spawn(move || agent.serve(stream));
            }
        });
        agent
    }

    /// The public key as a line.
    pub(crate) fn public_line(&self) -> String {
        PublicKey::from(self.device.public.clone()).to_openssh().unwrap()
    }

    pub(crate) fn fingerprint(&self) -> String {
        PublicKey::from(self.device.public.clone()).fingerprint(HashAlg::Sha256).to_string()
    }

    /// How many signatures it was asked for.
    pub(crate) fn asked(&self) -> u32 {
        self.hand.0.lock().unwrap().asked
    }

    /// From now on signatures wait for a touch, or (false) are all touched for.
    pub(crate) fn wait_for_touch(&self, waits: bool) {
        self.hand.0.lock().unwrap().waits = waits;
        self.hand.1.notify_all();
    }

    /// What the device makes of `message`.
    fn signature(&self, message: &[u8]) -> Signature {
        let (hand, touched) = &*self.hand;
        let mut hand = hand.lock().unwrap();
        hand.asked += 1;
        let (hand, _) = touched.wait_timeout_while(hand, PATIENCE, |hand| hand.waits).unwrap();
        let mut data = Sha256::digest(APPLICATION).to_vec();
        let mut trailer = vec![hand.flags];
        trailer.extend(hand.asked.to_be_bytes());
        data.extend_from_slice(&trailer);
        data.extend(Sha256::digest(message));
        let mut bytes = self.device.secret.try_sign(&data).unwrap().as_bytes().to_vec();
        bytes.extend(trailer);
        Signature::new(self.device.kind.clone(), bytes).unwrap()
    }

    /// An armoured signature over a file's content, made without any agent.
    pub(crate) fn sign_file(&self, namespace: &str, content: &[u8]) -> String {
        let data = SshSig::signed_data(namespace, HashAlg::Sha512, content).unwrap();
        let (key, signature) = (self.device.public.clone(), self.signature(&data));
        let whole = SshSig::new(key, namespace, HashAlg::Sha512, signature).unwrap();
        whole.to_pem(russh::keys::ssh_key::LineEnding::LF).unwrap()
    }

    fn serve(&self, mut stream: UnixStream) {
        let mut length = [0; 4];
        while stream.read_exact(&mut length).is_ok() {
            let mut request = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
            stream.read_exact(&mut request).unwrap();
            let mut answer = Vec::new();
            let mut key = Vec::new();
            self.device.public.encode(&mut key).unwrap();
            match request.split_first() {
                // Which keys?
                Some((11, _)) => {
                    answer.push(12);
                    1_u32.encode(&mut answer).unwrap();
                    key.encode(&mut answer).unwrap();
                    "a security key".encode(&mut answer).unwrap();
                }
                // Sign this.
                Some((13, mut rest)) => {
                    assert_eq!(Vec::<u8>::decode(&mut rest).unwrap(), key);
                    let message = Vec::<u8>::decode(&mut rest).unwrap();
                    let mut signature = Vec::new();
                    self.signature(&message).encode(&mut signature).unwrap();
                    answer.push(14);
                    signature.encode(&mut answer).unwrap();
                }
                _ => answer.push(5),
            }
            let length = u32::try_from(answer.len()).unwrap().to_be_bytes();
            // Who asked may have given up.
            if stream.write_all(&length).and_then(|()| stream.write_all(&answer)).is_err() {
                return;
            }
        }
    }
}
