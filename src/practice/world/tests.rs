//! The world's stories.

use super::{Colour, ServiceState, World};
use crate::base::Millis;

struct Night {
    world: World,
    now: Millis,
}

impl Night {
    fn new(seed: u64) -> Self {
        Self { world: World::new(seed, &["web9"]), now: Millis::ZERO }
    }

    fn wait(&mut self, secs: u64) -> &mut World {
        self.now = self.now.plus(Millis::from_secs(secs));
        self.world.advance(self.now);
        &mut self.world
    }

    fn weight(&mut self, green: u8) {
        for lb in ["lb1", "lb2"] {
            self.world.set_weight(lb, Colour::Green, green).unwrap();
        }
    }

    fn deploy(&mut self, version: &str) {
        for host in ["green1", "green2"] {
            self.world.fetch(host, version).unwrap();
            self.world.install(host, version).unwrap();
            self.world.switch(host, version).unwrap();
            self.world.start(host, "orders").unwrap();
        }
        self.wait(3);
    }
}

#[test]
fn a_quiet_night_is_quiet() {
    let mut night = Night::new(7);
    for _ in 0..60 {
        let metrics = night.wait(1).metrics();
        assert!((90..200).contains(&metrics.p99_ms), "{metrics:?}");
        assert!(metrics.errors_bp < 30, "{metrics:?}");
        assert!((1_100..1_300).contains(&metrics.orders_per_min), "{metrics:?}");
    }
    let rows = night.world.rows("db-old", "orders").unwrap();
    assert!((49_300..49_550).contains(&rows), "{rows}");
    assert_eq!(night.world.rows("db-new", "orders").ok(), None);
}

#[test]
fn a_seed_is_a_night() {
    let play = |seed| {
        let mut night = Night::new(seed);
        night.deploy("2.0.0");
        night.weight(50);
        night.wait(20).snapshot()
    };
    assert_eq!(play(3), play(3));
    assert_ne!(play(3).metrics, play(4).metrics);
}

#[test]
fn a_cutover_by_the_book_hurts_nobody() {
    let mut night = Night::new(42);
    night.deploy("2.0.0");
    for percent in [5, 25, 50, 100] {
        night.weight(percent);
        for _ in 0..20 {
            let metrics = night.wait(1).metrics();
            assert!(metrics.p99_ms < 260, "{percent} %: {metrics:?}");
            assert!(metrics.errors_bp < 50, "{percent} %: {metrics:?}");
        }
        assert_eq!(night.world.share(Colour::Green), u64::from(percent));
    }
    night.weight(0);
    night.wait(10);
    assert_eq!(night.world.share(Colour::Blue), 100);
}

#[test]
fn a_pool_without_servers_loses_customers() {
    let mut night = Night::new(1);
    night.weight(50);
    assert!(night.wait(10).metrics().errors_bp > 4_000);
    night.weight(0);
    assert!(night.wait(10).metrics().errors_bp < 30);
    for host in ["blue1", "blue2"] {
        night.world.stop(host, "orders").unwrap();
    }
    let metrics = night.wait(10).metrics();
    assert_eq!((metrics.errors_bp > 9_900, metrics.orders_per_min < 20), (true, true));
}

#[test]
fn one_host_alone_is_too_slow() {
    let mut night = Night::new(1);
    night.world.drain("lb1", "blue2", true).unwrap();
    night.world.drain("lb2", "blue2", true).unwrap();
    let metrics = night.wait(10).metrics();
    assert!(metrics.p99_ms > 600 && metrics.errors_bp > 1_000, "{metrics:?}");
}

#[test]
fn a_sick_host_shows_when_the_load_comes() {
    let mut night = Night::new(1);
    night.deploy("2.0.0");
    night.world.make_sick("green2", 50);
    night.weight(25);
    assert!(night.wait(10).metrics().errors_bp < 50);
    assert_eq!(night.world.get("green2", "/health").unwrap().0, 200);
    night.weight(50);
    let metrics = night.wait(10).metrics();
    assert!(metrics.errors_bp > 500 && metrics.p99_ms > 400, "{metrics:?}");
    assert_eq!(night.world.get("green2", "/health").unwrap().0, 503);
    night.weight(0);
    assert!(night.wait(10).metrics().errors_bp < 50);
}

#[test]
fn a_database_moves_and_comes_back_with_all_rows() {
    let mut night = Night::new(5);
    let world = &mut night.world;
    assert!(world.follow("db-new", true).is_err());
    world.apply_schema("db-new", 42).unwrap();
    for table in ["customers", "orders", "payments"] {
        let rows = world.rows("db-old", table).unwrap();
        world.copy_rows("db-old", table, rows).unwrap();
    }
    world.follow("db-new", true).unwrap();
    let world = night.wait(10);
    let (lag, _) = world.lag("db-new").unwrap().unwrap();
    assert!(lag < Millis::from_secs(1), "{lag}");
    assert!(world.compare("db-new", "orders").unwrap().0);

    world.set_read_only("db-old", true).unwrap();
    let world = night.wait(2);
    assert_eq!(world.lag("db-new").unwrap().unwrap().1, 0);
    let before = world.rows("db-old", "orders").unwrap();
    world.promote("db-new", true).unwrap();
    let world = night.wait(10);
    assert!(world.rows("db-new", "orders").unwrap() > before + 150);
    assert!(world.rows("db-old", "orders").unwrap() > before + 150, "it follows back");

    world.set_read_only("db-new", true).unwrap();
    night.wait(2).promote("db-old", true).unwrap();
    let world = night.wait(5);
    assert!(world.compare("db-old", "orders").unwrap().0);
    assert_eq!(world.primary(), "db-old");
    assert!(world.metrics().errors_bp < 50);
}

#[test]
fn two_primaries_are_found_out() {
    let mut night = Night::new(5);
    let world = &mut night.world;
    world.apply_schema("db-new", 42).unwrap();
    for table in ["customers", "orders", "payments"] {
        let rows = world.rows("db-old", table).unwrap();
        world.copy_rows("db-old", table, rows).unwrap();
    }
    world.promote("db-new", false).unwrap();
    night.wait(5);
    assert!(!night.world.compare("db-new", "orders").unwrap().0);
    night.world.promote("db-old", false).unwrap();
    let world = night.wait(5);
    assert!(world.replay("db-old").is_err(), "both have rows that the other lacks");
    world.save("db-old").unwrap();
    let rows = world.rows("db-old", "orders").unwrap();
    let world = night.wait(5);
    assert!(world.restore("db-old").unwrap() > 0);
    assert_eq!(world.rows("db-old", "orders"), Ok(rows));
}

#[test]
fn writes_wait_for_a_while_and_then_fail() {
    let mut night = Night::new(5);
    night.world.set_read_only("db-old", true).unwrap();
    let metrics = night.wait(4).metrics();
    assert!(metrics.p99_ms > 1_500 && metrics.errors_bp < 50, "{metrics:?}");
    assert!(night.wait(15).metrics().errors_bp > 9_000);
    night.world.set_read_only("db-old", false).unwrap();
    assert!(night.wait(15).metrics().errors_bp < 50);
}

#[test]
fn services_start_and_stop() {
    let mut night = Night::new(5);
    let world = &mut night.world;
    assert!(world.start("green1", "orders").is_err(), "no release");
    assert!(world.install("green1", "2.0.0").is_err(), "not fetched");
    world.fetch("green1", "2.0.0").unwrap();
    world.install("green1", "2.0.0").unwrap();
    world.switch("green1", "2.0.0").unwrap();
    world.start("green1", "orders").unwrap();
    assert_eq!(world.get("green1", "/health").unwrap().0, 503);
    let world = night.wait(3);
    assert_eq!(world.service("green1", "orders").unwrap().state, ServiceState::Running);
    assert_eq!(world.get("green1", "/health").unwrap().1["version"], "2.0.0");
    assert!(world.remove("green1", "2.0.0").is_err(), "it runs");
    world.stop("green1", "orders").unwrap();
    world.remove("green1", "2.0.0").unwrap();
    assert_eq!(world.get("nowhere", "/health"), None);
    assert_eq!(world.get("web9", "/health").unwrap().0, 200);
}

#[test]
fn a_long_sleep_is_no_long_work() {
    let mut night = Night::new(5);
    night.wait(30 * 24 * 3600);
    assert!(night.world.now() > Millis::from_secs(29 * 24 * 3600));
}
