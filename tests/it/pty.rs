//! The whole program in a terminal: keys go in, the screen is read as a terminal shows it, and
//! every byte that golive writes is kept.

use std::io::{Read as _, Write as _};
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};

/// Every condition holds within this, on a machine however slow.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// golive in a terminal of its own.
pub(crate) struct Pty {
    master: Option<Box<dyn MasterPty + Send>>,
    writer: Option<Box<dyn std::io::Write + Send>>,
    child: Box<dyn Child + Send + Sync>,
    seen: Arc<Mutex<Seen>>,
    reader: Option<std::thread::JoinHandle<()>>,
    hung_up: Arc<AtomicBool>,
}

struct Seen {
    terminal: vt100::Parser,
    bytes: Vec<u8>,
}

impl Pty {
    /// Starts the program with `args` and a state directory in `dir`.
    pub(crate) fn start(dir: &Path, size: (u16, u16), args: &[&str]) -> Self {
        Self::start_program(dir, size, env!("CARGO_BIN_EXE_golive"), args)
    }

    /// Starts another program that starts golive.
    pub(crate) fn start_program(
        dir: &Path,
        size: (u16, u16),
        program: &str,
        args: &[&str],
    ) -> Self {
        let (columns, rows) = size;
        let pty_size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(pty_size).unwrap();
        let mut command = CommandBuilder::new(program);
        command.args(args);
        command.cwd(dir);
        for (name, value) in [
            ("TERM", "xterm-256color"),
            ("COLORTERM", "truecolor"),
            ("LC_ALL", "C.UTF-8"),
            ("RUST_BACKTRACE", "0"),
        ] {
            command.env(name, value);
        }
        command.env("HOME", dir);
        command.env("GOLIVE_STATE", dir.join("state"));
        std::fs::create_dir_all(dir.join("run")).unwrap();
        command.env("XDG_RUNTIME_DIR", dir.join("run"));
        command.env_remove("NO_COLOR");
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let size = |n| NonZeroU16::new(n).unwrap();
        let terminal = vt100::Parser::new(size(rows), size(columns), 0);
        let seen = Arc::new(Mutex::new(Seen { terminal, bytes: Vec::new() }));
        let mut from = pair.master.try_clone_reader().unwrap();
        let into = Arc::clone(&seen);
        let hung_up = Arc::new(AtomicBool::new(false));
        let gone = Arc::clone(&hung_up);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 16 * 1024];
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                let mut seen = into.lock().unwrap();
                seen.terminal.process(&buffer[..count]);
                seen.bytes.extend_from_slice(&buffer[..count]);
                if gone.load(Ordering::SeqCst) {
                    break;
                }
            }
        });
        let writer = Some(pair.master.take_writer().unwrap());
        Self { master: Some(pair.master), writer, child, seen, reader: Some(reader), hung_up }
    }

    /// Closes the terminal, as a lost connection does: it hangs up, and nobody reads any more.
    pub(crate) fn hang_up(&mut self) {
        self.hung_up.store(true, Ordering::SeqCst);
        self.reader.take().unwrap().join().unwrap(); // The clock is drawn every second.
        self.writer = None;
        self.master = None;
    }

    /// The screen as text.
    pub(crate) fn screen(&self) -> String {
        self.seen.lock().unwrap().terminal.screen().contents()
    }

    /// Every byte that golive has written.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.seen.lock().unwrap().bytes.clone()
    }

    /// Whether the other screen is in use.
    pub(crate) fn is_alternate(&self) -> bool {
        self.seen.lock().unwrap().terminal.screen().alternate_screen()
    }

    /// Waits until the screen shows `text`.
    pub(crate) fn until(&self, text: &str) -> String {
        self.until_it(text, |screen| screen.contains(text))
    }

    /// Waits until the screen is as `holds` says.
    pub(crate) fn until_it(&self, what: &str, holds: impl Fn(&str) -> bool) -> String {
        let began = Instant::now();
        loop {
            let screen = self.screen();
            if holds(&screen) {
                return screen;
            }
            assert!(began.elapsed() < PATIENCE, "never on screen: {what}\n{screen}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Types.
    pub(crate) fn keys(&mut self, keys: &str) {
        let writer = self.writer.as_mut().unwrap();
        writer.write_all(keys.as_bytes()).unwrap();
        writer.flush().unwrap();
    }

    /// Types `key` until the screen shows `text`: keys are dead for a while after a dialog opens.
    pub(crate) fn press_until(&mut self, key: &str, text: &str) -> String {
        let began = Instant::now();
        loop {
            self.keys(key);
            let again = Instant::now() + Duration::from_millis(700);
            while Instant::now() < again {
                let screen = self.screen();
                if screen.contains(text) {
                    return screen;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            let screen = self.screen();
            assert!(began.elapsed() < PATIENCE, "{key:?} never led to {text}\n{screen}");
        }
    }

    /// Changes the size of the terminal.
    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let number = |n| NonZeroU16::new(n).unwrap();
        // Locked over both: what is drawn for the new size must not be read at the old one.
        let mut seen = self.seen.lock().unwrap();
        seen.terminal.screen_mut().set_size(number(rows), number(columns));
        self.master.as_ref().unwrap().resize(size).unwrap();
    }

    /// Forgets what is on the screen, as a terminal does that somebody else has used.
    pub(crate) fn forget(&self) {
        let mut seen = self.seen.lock().unwrap();
        let (rows, columns) = seen.terminal.screen().size();
        seen.terminal = vt100::Parser::new(rows, columns, 0);
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.process_id().unwrap()
    }

    /// Waits for the end of the program, and of what it wrote.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(began.elapsed() < PATIENCE, "it does not end\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(20));
        };
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        status
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        self.child.kill().ok();
    }
}
