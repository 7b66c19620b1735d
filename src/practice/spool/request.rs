//! The first line of a call.

/// What a call wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Start,
    Attach,
    Cancel,
    Close,
}

/// A call's first line, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) mode: Mode,
    pub(super) nonce: String,
    pub(super) run: String,
    pub(super) key: String,
    pub(super) root: Option<String>,
    pub(super) root_id: Option<String>,
    pub(super) new_id: Option<String>,
    pub(super) out: u64,
    pub(super) err: u64,
    pub(super) digest: String,
    pub(super) lines: u64,
    pub(super) stdin: u64,
    pub(super) secret: bool,
    pub(super) after: Vec<String>,
    /// Seconds of the host's uptime.
    pub(super) expires: Option<u64>,
    pub(super) void: bool,
    /// Seconds.
    pub(super) grace: u64,
    pub(super) become_words: bool,
}

/// Why a line is no request: the nonce to answer with, and what is wrong.
pub(super) type BadRequest = (String, String);

impl Request {
    /// Reads a call's first line.
    pub(super) fn read(line: &str) -> Result<Self, BadRequest> {
        let mut words = line.split_ascii_whitespace();
        let mut next = || words.next().unwrap_or_default().to_owned();
        let (name, mode, nonce, run, key) = (next(), next(), next(), next(), next());
        if name != "golive2" || key.is_empty() {
            return Err(("-".to_owned(), "not a request of this protocol".to_owned()));
        }
        let bad = |problem: String| (nonce.clone(), problem);
        let mode = match mode.as_str() {
            "start" => Mode::Start,
            "attach" => Mode::Attach,
            "cancel" => Mode::Cancel,
            "close" => Mode::Close,
            other => return Err(bad(format!("{other} is no mode"))),
        };
        for name in [&run, &key] {
            if name.contains('/') || name.starts_with(['.', '-']) {
                return Err(bad("a name that begins oddly".to_owned()));
            }
        }
        let mut request = Self {
            mode,
            nonce: nonce.clone(),
            run,
            key,
            root: None,
            root_id: None,
            new_id: None,
            out: 0,
            err: 0,
            digest: "-".to_owned(),
            lines: 1,
            stdin: 0,
            secret: false,
            after: Vec::new(),
            expires: None,
            void: false,
            grace: 10,
            become_words: false,
        };
        for word in words {
            request.set(word).map_err(bad)?;
        }
        Ok(request)
    }

    fn set(&mut self, word: &str) -> Result<(), String> {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let number = || value.parse().map_err(|_| format!("not a number: {value}"));
        let text = (!value.is_empty()).then(|| value.to_owned());
        match name {
            "root" => self.root = text,
            "rootid" => self.root_id = text,
            "newid" => self.new_id = text,
            "o" => self.out = number()?,
            "e" => self.err = number()?,
            "digest" => value.clone_into(&mut self.digest),
            "lines" => self.lines = number()?,
            "stdin" => self.stdin = number()?,
            // What has been looked at once is trusted: a model has nothing to look at.
            "seen" => {}
            "secret" => self.secret = value == "1",
            "after" => {
                let keys = value.split(',').filter(|key| !key.is_empty());
                self.after = keys.map(str::to_owned).collect();
            }
            "exp" => self.expires = if value.is_empty() { None } else { Some(number()?) },
            "void" => self.void = value == "1",
            "grace" => self.grace = number()?,
            "become" => self.become_words = value == "1",
            _ => return Err(format!("unknown word {word}")),
        }
        Ok(())
    }
}
