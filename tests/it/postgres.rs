//! The shipped database cutover against real servers: two of `postgres`, `haproxy` before them, and a
//! real `sshd`. There, back with every order, and there for good.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::sshd::{Sshd, is_root, me, sh, until};

/// A server of its own account, and the signal that ends it in order; ended with the test.
struct Server(Child, &'static str);

impl Drop for Server {
    fn drop(&mut self) {
        crate::sshd::signal(self.1, self.0.id());
        self.0.wait().ok();
    }
}

/// A command as an account that servers run under: `postgres` refuses to be root.
fn as_servant(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
    command
}

/// The folder of the newest `postgres` on this machine.
fn binaries() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL: see tests/run.sh");
    let versions = versions.map(|entry| entry.unwrap().path().join("bin"));
    let mut found: Vec<_> = versions.filter(|path| path.join("initdb").exists()).collect();
    found.sort();
    found.pop().expect("PostgreSQL: see tests/run.sh")
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A statement, by a connection string; none if it fails.
fn ask(way: &str, statement: &str) -> Option<String> {
    let output = Command::new("psql")
        .args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statement, way])
        .stderr(Stdio::null())
        .output()
        .unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

fn postgres(dir: &Path, name: &str, port: u16) -> Server {
    let (bin, data) = (binaries(), dir.join(name));
    let made = as_servant(&bin.join("initdb"))
        .args(["-A", "trust", "-U", "postgres", "-N", "-D"])
        .arg(&data)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let settings = format!(
        "port = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\n\
         wal_level = logical\nfsync = off\nshared_buffers = 16MB\n\
         wal_retrieve_retry_interval = 200ms\n"
    );
    fs::write(data.join("postgresql.auto.conf"), settings).unwrap();
    let log = fs::File::create(dir.join(format!("{name}.log"))).unwrap();
    let child = as_servant(&bin.join("postgres"))
        .arg("-D")
        .arg(&data)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    // An interrupt is a fast end; `postgres` hears it whatever it inherited.
    let server = Server(child, "INT");
    let way = format!("host=127.0.0.1 port={port} dbname=postgres user=postgres");
    until("PostgreSQL", || ask(&way, "SELECT 1"));
    server
}

/// The proxy in front, with the old server serving.
fn proxy(dir: &Path, front: u16, old: u16, new: u16) -> Server {
    let config = format!(
        "global\n  stats socket {}/admin.sock mode 600 level admin\n\
         defaults\n  mode tcp\n  timeout connect 2s\n  timeout client 1m\n  timeout server 1m\n\
         frontend front\n  bind 127.0.0.1:{front}\n  default_backend shop\n\
         backend shop\n  server old 127.0.0.1:{old}\n  server new 127.0.0.1:{new} disabled\n",
        dir.display()
    );
    fs::write(dir.join("haproxy.cfg"), config).unwrap();
    let child = Command::new("haproxy")
        .args(["-db", "-q", "-f"])
        .arg(dir.join("haproxy.cfg"))
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let server = Server(child, "TERM");
    until("HAProxy", || dir.join("admin.sock").exists().then_some(()));
    server
}

/// The shop: its servers, and how they are reached.
struct Shop {
    dir: tempfile::TempDir,
    sshd: Sshd,
    old: String,
    new_root: String,
    new: String,
    front: String,
    _servers: [Server; 3],
}

impl Shop {
    fn open() -> Self {
        let dir = tempfile::Builder::new()
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir()
            .unwrap();
        if is_root() {
            sh("chown", &["postgres", dir.path().to_str().unwrap()]);
        }
        let [old, new, front] = [(); 3].map(|()| free_port());
        let way = |port: u16, database: &str, user: &str| {
            format!("host=127.0.0.1 port={port} dbname={database} user={user} connect_timeout=2")
        };
        let servers = [
            postgres(dir.path(), "old", old),
            postgres(dir.path(), "new", new),
            proxy(dir.path(), front, old, new),
        ];
        let (old_root, new_root) =
            (way(old, "postgres", "postgres"), way(new, "postgres", "postgres"));
        for server in [&old_root, &new_root] {
            ask(server, "CREATE ROLE shop_app LOGIN").unwrap();
        }
        ask(&old_root, "CREATE DATABASE shop").unwrap();
        let shop = Self {
            dir,
            sshd: Sshd::start(),
            old: way(old, "shop", "postgres"),
            new: way(new, "shop", "postgres"),
            new_root,
            front: way(front, "shop", "shop_app"),
            _servers: servers,
        };
        for statement in [
            "CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL)",
            "CREATE TABLE orders (id serial PRIMARY KEY, customer int NOT NULL, cents int NOT NULL)",
            "GRANT ALL ON ALL TABLES IN SCHEMA public TO shop_app",
            "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO shop_app",
            "INSERT INTO customers SELECT n, 'customer ' || n FROM generate_series(1, 200) n",
        ] {
            ask(&shop.old, statement).unwrap();
        }
        shop.order(5_000);
        shop
    }

    /// Places orders as the applications do: through the proxy.
    fn order(&self, count: u32) {
        let statement = format!(
            "INSERT INTO orders (customer, cents) SELECT n % 200 + 1, n FROM generate_series(1, {count}) n"
        );
        ask(&self.front, &statement).expect("orders can be placed");
    }

    fn orders(way: &str) -> Option<String> {
        ask(way, "SELECT count(*), max(id), sum(cents) FROM orders")
    }

    fn write_inventory(&self) -> PathBuf {
        let host = |name: &str| {
            format!(
                "[hosts.{name}]\naddress = \"127.0.0.1\"\nport = {}\nuser = \"{}\"\nidentity = \"{}\"\n",
                self.sshd.port,
                me(),
                self.sshd.identity().display()
            )
        };
        let hosts = ["db-old", "db-new", "proxy"].map(host).concat();
        let path = self.dir.path().join("inventory.toml");
        fs::write(&path, format!("environment = \"staging\"\n{hosts}")).unwrap();
        let home = self.dir.path().join("home");
        fs::create_dir_all(home.join(".ssh")).unwrap();
        fs::copy(self.sshd.known_hosts("ed25519"), home.join(".ssh/known_hosts")).unwrap();
        path
    }

    fn golive(&self, args: &[&str]) -> Output {
        let home = self.dir.path().join("home");
        Command::new(env!("CARGO_BIN_EXE_golive"))
            .args(args)
            .env("HOME", &home)
            .env("GOLIVE_STATE", home.join("state"))
            .env("GOLIVE_NO_SIGN", "1")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// Runs the runbook without a screen, as far as these answers lead.
    fn run(&self, more: &[&str]) -> Output {
        let inventory = self.write_inventory();
        let vars = [
            format!("old={}", self.old),
            format!("new={}", self.new),
            format!("new_root={}", self.new_root),
            format!("new_app={}", self.new.replace("user=postgres", "user=shop_app")),
            format!("front={}", self.front),
            format!("socket={}/admin.sock", self.dir.path().display()),
            format!("backup={}/shop.dump", self.dir.path().display()),
        ];
        let mut args = vec!["run", "runbooks/postgres/cutover.toml", "--confirm", "change"];
        args.extend(["--inventory", inventory.to_str().unwrap()]);
        args.extend(vars.iter().flat_map(|var| ["--var", var]));
        args.extend(["--answer", "brief=done:all briefed", "--answer", "go=go:all is well"]);
        args.extend(more);
        self.golive(&args)
    }
}

#[track_caller]
fn ended(output: &Output, code: i32) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{out}\n{err}");
}

#[test]
fn a_real_database_moves_there_and_back_and_there_for_good() {
    let shop = Shop::open();
    let before = Shop::orders(&shop.old).unwrap();

    // There, as far as the sign-off, which nobody gives.
    ended(&shop.run(&[]), 6);
    assert_eq!(Shop::orders(&shop.new).as_ref(), Some(&before), "every row came over");
    shop.order(321);
    let taken = Shop::orders(&shop.new).unwrap();
    assert!(taken.starts_with("5321|5321|"), "the new server takes the orders: {taken}");

    // And back: the old server has every order that the new one took, and takes the next.
    let back = ["rollback", "last", "--reason", "the drill says so", "--unattended"];
    ended(&shop.golive(&back), 7);
    assert_eq!(Shop::orders(&shop.old), Some(taken));
    assert_eq!(Shop::orders(&shop.front), Shop::orders(&shop.old));
    shop.order(9);
    assert!(Shop::orders(&shop.old).unwrap().starts_with("5330|5330|"));
    let left = "SELECT (SELECT count(*) FROM pg_subscription) + (SELECT count(*) FROM pg_publication) \
                + (SELECT count(*) FROM pg_replication_slots)";
    assert_eq!(ask(&shop.old, left).as_deref(), Some("0"), "nothing is left behind");
    assert_eq!(Shop::orders(&shop.new), None, "the new server is empty again");

    // And there for good.
    let sign_off = ["--answer", "sign-off=done:order 5331 is in the back office"];
    ended(&shop.run(&[&sign_off[..], &["--confirm-step", "let-go"]].concat()), 0);
    shop.order(1);
    assert!(Shop::orders(&shop.new).unwrap().starts_with("5331|5331|"));
    assert!(Shop::orders(&shop.old).unwrap().starts_with("5330|5330|"));
}
