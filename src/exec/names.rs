//! Names and addresses that may be asked: looked up, checked, and then asked at what was checked.
//!
//! A name is looked up on a thread of its own, once at a time: a name server that hangs holds up
//! those who ask for that name, and nobody else.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::runbook::{Reach, allowed, reach};

/// Asks the system for the addresses of a name; may take long.
type Lookup = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;
type Found = Result<Vec<IpAddr>, String>;
type Open = BTreeMap<String, watch::Receiver<Option<Found>>>;

/// What on this machine itself may be asked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Leave<'a> {
    /// What the runbook names: `host` or `host:port`.
    Only(&'a [String]),
    /// All of it.
    Machine,
}

/// Looks names up. Cheap to clone.
#[derive(Clone)]
pub(super) struct Names {
    lookup: Arc<Lookup>,
    open: Arc<Mutex<Open>>,
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").finish_non_exhaustive()
    }
}

impl Names {
    /// As the system finds them.
    pub(super) fn system() -> Self {
        Self::by(|name| {
            let found = (name, 0).to_socket_addrs()?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }

    /// As `lookup` finds them.
    pub(super) fn by(
        lookup: impl Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static,
    ) -> Self {
        Self { lookup: Arc::new(lookup), open: Arc::default() }
    }

    /// The addresses of `host` that may be asked, with `port`.
    ///
    /// # Errors
    /// Why it is not asked: it has no address, or one of them is none that golive asks.
    pub(super) async fn checked(
        &self,
        host: &str,
        port: u16,
        leave: Leave<'_>,
    ) -> Result<Vec<SocketAddr>, NotAsked> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let found = match bare.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => self.find(bare).await.map_err(NotAsked::NoName)?,
        };
        let plain = bare.trim_end_matches('.').to_ascii_lowercase();
        let may = match leave {
            Leave::Machine => true,
            Leave::Only(allow) => allowed(allow, &plain, port),
        };
        // One forbidden address is enough: nobody who means well mixes them.
        for address in &found {
            let why = match reach(*address) {
                Reach::Network => continue,
                Reach::Loopback if may => continue,
                Reach::Loopback => {
                    format!(
                        "it is this machine itself: allow it with [probes] allow = [\"{plain}:{port}\"]"
                    )
                }
                Reach::Never(why) => why.to_owned(),
            };
            let why = format!("{plain} ({address}) is not asked: {why}");
            return Err(NotAsked::Refused(why));
        }
        if found.is_empty() {
            return Err(NotAsked::NoName(format!("{plain} has no address")));
        }
        Ok(found.into_iter().map(|address| SocketAddr::new(address, port)).collect())
    }

    async fn find(&self, name: &str) -> Found {
        let mut answer = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            match open.get(name) {
                Some(answer) => answer.clone(),
                None => self.begin(name, &mut open)?,
            }
        };
        let found = answer.wait_for(Option::is_some).await;
        let found = found.ok().and_then(|found| found.clone());
        found.unwrap_or_else(|| Err(format!("the lookup of {name} ended early")))
    }

    fn begin(&self, name: &str, open: &mut Open) -> Result<watch::Receiver<Option<Found>>, String> {
        let (tell, answer) = watch::channel(None);
        let (own, lookup, all) =
            (name.to_owned(), Arc::clone(&self.lookup), Arc::clone(&self.open));
        let look = move || {
            let found = lookup(&own).map_err(|error| format!("{own} cannot be looked up: {error}"));
            all.lock().unwrap_or_else(PoisonError::into_inner).remove(&own);
            tell.send_replace(Some(found));
        };
        std::thread::Builder::new()
            .name("lookup".to_owned())
            .spawn(look)
            .map_err(|error| format!("{name} cannot be looked up: {error}"))?;
        open.insert(name.to_owned(), answer.clone());
        Ok(answer)
    }
}

/// Why something was not asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NotAsked {
    /// golive does not ask it.
    Refused(String),
    /// Its name has no address, as far as can be known.
    NoName(String),
}

/// Addresses that were checked, for an HTTP client that looks up nothing by itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Checked(Arc<Mutex<BTreeMap<String, Vec<SocketAddr>>>>);

impl Checked {
    /// `host` is at these.
    pub(super) fn put(&self, host: &str, addresses: Vec<SocketAddr>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(host.to_owned(), addresses);
    }
}

impl reqwest::dns::Resolve for Checked {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.get(name.as_str()).cloned();
        let answer = found.map(|found| Box::new(found.into_iter()) as reqwest::dns::Addrs);
        let answer = answer.ok_or_else(|| "its address was not checked".into());
        Box::pin(std::future::ready(answer))
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Barrier};

    use super::{Leave, Names, NotAsked};

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn a_name_that_turns_to_this_machine_is_refused_the_moment_it_does() {
        let asked = AtomicUsize::new(0);
        let names = Names::by(move |_| {
            let first = asked.fetch_add(1, Ordering::Relaxed) == 0;
            Ok(vec![if first { ip("93.184.216.34") } else { ip("127.0.0.1") }])
        });
        let none = Leave::Only(&[]);
        let found = names.checked("shop.example", 80, none).await.unwrap();
        assert_eq!(found, ["93.184.216.34:80".parse().unwrap()]);
        let NotAsked::Refused(why) = names.checked("shop.example", 80, none).await.unwrap_err()
        else {
            panic!("it was asked")
        };
        assert!(why.contains("allow = [\"shop.example:80\"]"), "{why}");
        let allow = ["shop.example:80".to_owned()];
        let leave = Leave::Only(&allow);
        names.checked("shop.example", 80, leave).await.unwrap();
        names.checked("shop.example", 22, leave).await.unwrap_err();
    }

    #[tokio::test]
    async fn one_bad_address_among_good_ones_is_enough_and_no_leave_opens_the_metadata() {
        let names = Names::by(|_| Ok(vec![ip("10.0.0.1"), ip("169.254.169.254")]));
        let allow = ["a.example".to_owned(), "169.254.169.254".to_owned()];
        for leave in [Leave::Only(&[]), Leave::Only(&allow)] {
            let refused = names.checked("a.example", 80, leave).await;
            assert!(matches!(refused, Err(NotAsked::Refused(_))), "{refused:?}");
            let refused = names.checked("[::ffff:169.254.169.254]", 80, leave).await;
            assert!(matches!(refused, Err(NotAsked::Refused(_))), "{refused:?}");
        }
    }

    #[tokio::test]
    async fn a_lookup_that_hangs_holds_up_that_name_alone_and_is_made_once() {
        let (gate, count) = (Arc::new(Barrier::new(2)), Arc::new(AtomicUsize::new(0)));
        let (inside, counted) = (Arc::clone(&gate), Arc::clone(&count));
        let names = Names::by(move |name| {
            if name == "slow.example" {
                counted.fetch_add(1, Ordering::Relaxed);
                inside.wait();
            }
            Ok(vec![ip("10.0.0.1")])
        });
        let slow = |names: Names| {
            tokio::spawn(async move {
                names.checked("slow.example", 1, Leave::Only(&[])).await.map(|all| all.len())
            })
        };
        let waiting: Vec<_> = (0..100).map(|_| slow(names.clone())).collect();
        for _ in 0..100 {
            names.checked("quick.example", 1, Leave::Only(&[])).await.unwrap();
        }
        assert!(waiting.iter().all(|task| !task.is_finished()));
        gate.wait();
        for task in waiting {
            assert_eq!(task.await.unwrap(), Ok(1));
        }
        assert_eq!(count.load(Ordering::Relaxed), 1);
    }
}
