//! A loopback proxy that passes, refuses, stalls and cuts connections when a test wants it to.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use golive::exec::ssh::{HostSpec, Options, Pool};

use crate::sshd::Sshd;

/// How often a stalled direction looks whether it may go on.
const LOOK: Duration = Duration::from_millis(5);

#[derive(Default)]
struct Switches {
    over: AtomicBool,
    refuse: AtomicBool,
    /// Nothing gets through to the server.
    up: AtomicBool,
    /// Nothing gets through from the server.
    down: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// To the server.
    Up,
    /// From the server.
    Down,
}

impl Switches {
    fn of(&self, way: Way) -> &AtomicBool {
        match way {
            Way::Up => &self.up,
            Way::Down => &self.down,
        }
    }
}

/// A proxy to one server, gone with the test.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    switches: Arc<Switches>,
}

impl Proxy {
    pub(crate) fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let switches = Arc::new(Switches::default());
        let shared = Arc::clone(&switches);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if shared.over.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(client) = client else { continue };
                if shared.refuse.load(Ordering::SeqCst) {
                    continue; // Dropped, hence closed.
                }
                if let Ok(server) = TcpStream::connect(("127.0.0.1", server)) {
                    join(&shared, &client, &server);
                }
            }
        });
        Self { port, switches }
    }

    /// Lets everything through.
    pub(crate) fn pass(&self) {
        for switch in [&self.switches.refuse, &self.switches.up, &self.switches.down] {
            switch.store(false, Ordering::SeqCst);
        }
    }

    /// Cuts what is open, and lets nobody in.
    pub(crate) fn refuse(&self) {
        self.switches.refuse.store(true, Ordering::SeqCst);
        self.cut();
    }

    /// Holds back what goes these ways: no end is told.
    pub(crate) fn stall(&self, ways: &[Way]) {
        for way in ways {
            self.switches.of(*way).store(true, Ordering::SeqCst);
        }
    }

    /// Cuts what is open.
    pub(crate) fn cut(&self) {
        let mut open = self.switches.open.lock().unwrap_or_else(PoisonError::into_inner);
        for stream in open.drain(..) {
            stream.shutdown(Shutdown::Both).ok();
        }
    }

    /// A pool with the server behind the proxy as `web1`.
    pub(crate) fn pool(&self, sshd: &Sshd) -> Pool {
        self.pool_with(sshd, |_| ())
    }

    pub(crate) fn pool_with(&self, sshd: &Sshd, change: impl FnOnce(&mut Options)) -> Pool {
        let line = format!("[127.0.0.1]:{} {}\n", self.port, sshd.host_key("ed25519"));
        let known = sshd.write(&format!("known_hosts_{}", self.port), &line);
        let mut options = Options { known_hosts: Some(vec![known]), ..sshd.options() };
        change(&mut options);
        let spec = HostSpec { port: Some(self.port), ..sshd.spec("web1") };
        Pool::new(vec![spec], options)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.switches.over.store(true, Ordering::SeqCst);
        self.cut();
        TcpStream::connect(("127.0.0.1", self.port)).ok(); // Wakes the listener up.
    }
}

fn join(shared: &Arc<Switches>, client: &TcpStream, server: &TcpStream) {
    let mut open = shared.open.lock().unwrap_or_else(PoisonError::into_inner);
    for stream in [client, server] {
        stream.set_nodelay(true).unwrap();
        open.push(stream.try_clone().unwrap());
    }
    for (from, to, way) in [(client, server, Way::Up), (server, client, Way::Down)] {
        let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            let switch = shared.of(way);
            let mut buffer = [0; 16 * 1024];
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                while switch.load(Ordering::SeqCst) && !shared.over.load(Ordering::SeqCst) {
                    std::thread::sleep(LOOK);
                }
                if to.write_all(&buffer[..count]).is_err() {
                    break;
                }
            }
            for stream in [from, to] {
                stream.shutdown(Shutdown::Both).ok();
            }
        });
    }
}
