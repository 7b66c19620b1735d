//! Questions to one host, all in one command that changes nothing, and its answers.

use std::io;

use crate::engine::Place;
use crate::exec::local;
use crate::exec::shared::Shared;
use crate::exec::ssh::{Command, Output, Pool, RunEnd, StopSignal, Stream};

/// A longer answer is nonsense.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// Answers each pair of lines, a kind of question and what it is about, with one line. Where the
/// records of steps lie is asked of the text that the steps themselves use.
const SCRIPT: &str = concat!(
    include_str!("../durable/root.sh"),
    r#"
gl_disk() {
  gl_at=$1
  while [ ! -e "$gl_at" ]; do
    case $gl_at in
      */*) gl_at=${gl_at%/*}; [ "$gl_at" ] || gl_at=/ ;;
      *) gl_at=. ;;
    esac
  done
  df -Pk "$gl_at" 2>/dev/null | { read -r gl_x; read -r gl_x gl_x gl_x gl_k gl_x gl_m; printf '%s\n' "${gl_k:--} ${gl_m-}"; }
}
gl_free() { gl_disk "$1" | { read -r gl_k gl_m; echo "${gl_k:--}"; }; }
while IFS= read -r gl_what && IFS= read -r gl_about; do
  case $gl_what in
    tool) if (PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin; command -v "$gl_about") >/dev/null 2>&1; then echo yes; else echo no; fi ;;
    room) gl_disk "$gl_about" ;;
    records)
      # What is not there yet would be made in the home folder first.
      gl_place 0
      if [ -z "${gl_root-}" ] && [ -d "${HOME-}" ] && [ -w "$HOME" ] && [ ! -d "$HOME/.golive" ]; then
        gl_d=$HOME/.golive
      fi
      if [ -d "$gl_d" ]; then
        if gl_ours; then echo "yes $(gl_free "$gl_d") $gl_d"; else echo "no $gl_l"; fi
      elif [ -w "${gl_d%/*}" ]; then echo "yes $(gl_free "$gl_d") $gl_d"
      else echo "no there is no folder $gl_d, and none can be made: make the home folder or /var/tmp writable"; fi ;;
    births)
      if [ -r /proc/self/stat ] || ps -o lstart= -p $$ >/dev/null 2>&1; then echo yes; else echo no; fi ;;
    *) echo - ;;
  esac
done
"#
);

/// A question to a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Whether there is a program of this name.
    Tool(String),
    /// How much room is left for this path.
    Room(String),
    /// Where the records of steps lie that outlive their link.
    Records,
    /// Whether it can be told when a process was born.
    Births,
}

/// What a host says to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Yes,
    No(String),
    /// Bytes that are free, and where the disk is mounted that they are on.
    Free(u64, String),
    /// The folder, and bytes that are free for it.
    Folder(String, Option<u64>),
    /// Nothing that could be read.
    Nothing,
}

impl Question {
    fn lines(&self) -> String {
        match self {
            Self::Tool(name) => format!("tool\n{name}\n"),
            Self::Room(path) => format!("room\n{path}\n"),
            Self::Records => "records\n\n".to_owned(),
            Self::Births => "births\n\n".to_owned(),
        }
    }

    /// Whether it can be asked: a line is a line.
    fn can_be_asked(&self) -> bool {
        match self {
            Self::Tool(about) | Self::Room(about) => !about.contains(['\n', '\0']),
            Self::Records | Self::Births => true,
        }
    }
}

/// Asks in a place, behind `prefix` where there is one; none of what is asked changes anything there.
///
/// # Errors
/// There are no answers, and why.
pub(super) async fn ask(
    pool: &Pool,
    place: &Place,
    prefix: Option<&str>,
    questions: &[Question],
) -> Result<Vec<Said>, String> {
    let askable: Vec<_> = questions.iter().filter(|question| question.can_be_asked()).collect();
    let lines: String = askable.iter().map(|question| question.lines()).collect();
    let command = Command {
        stdin: Some(lines.into_bytes()),
        become_prefix: prefix.map(str::to_owned),
        ..Command::new(SCRIPT)
    };
    let heard = Shared::new(Heard::default());
    let (output, stop) = (Box::new(heard.clone()), StopSignal::never());
    let end = match place {
        Place::Host(host) => pool.run(host, command, output, stop).await,
        Place::Here => local::run(command, output, stop).await,
    };
    match end {
        RunEnd::Exited { code: 0, .. } => {}
        RunEnd::Exited { code, .. } => return Err(format!("its shell ended with {code}")),
        RunEnd::NotStarted { why } | RunEnd::Lost { why, .. } => return Err(why.to_string()),
        RunEnd::Signalled { signal, .. } => return Err(format!("ended by SIG{signal}")),
        RunEnd::Stopped { .. } => return Err("it was stopped".to_owned()),
        RunEnd::Unrecorded { why, .. } => return Err(why.to_string()),
    }
    let text = String::from_utf8_lossy(&heard.look().0).into_owned();
    let lines: Vec<_> = text.lines().collect();
    if lines.len() != askable.len() {
        return Err(format!("{} questions, {} answers", askable.len(), lines.len()));
    }
    let mut lines = lines.into_iter();
    let said = questions.iter().map(|question| {
        let line = if question.can_be_asked() { lines.next() } else { None };
        line.map_or(Said::Nothing, |line| read(question, line))
    });
    Ok(said.collect())
}

fn read(question: &Question, line: &str) -> Said {
    let kilobytes = |text: &str| text.parse::<u64>().ok().map(|it| it.saturating_mul(1024));
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match (question, word) {
        (Question::Room(_), word) => {
            kilobytes(word).map_or(Said::Nothing, |free| Said::Free(free, rest.to_owned()))
        }
        (Question::Records, "yes") => {
            let (free, folder) = rest.split_once(' ').unwrap_or((rest, ""));
            Said::Folder(folder.to_owned(), kilobytes(free))
        }
        (Question::Tool(_) | Question::Births, "yes") => Said::Yes,
        (Question::Tool(_) | Question::Records | Question::Births, "no") => {
            Said::No(rest.to_owned())
        }
        (_, _) => Said::Nothing,
    }
}

#[derive(Default)]
struct Heard(Vec<u8>);

impl Output for Heard {
    fn chunk(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        if stream == Stream::Stdout {
            let room = ANSWER_BYTES_MAX.saturating_sub(self.0.len());
            self.0.extend(bytes.iter().take(room));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Question, Said, read};

    #[test]
    fn answers_are_read_or_say_nothing() {
        let room = Question::Room("/".to_owned());
        assert_eq!(read(&room, "12 /mnt/a b"), Said::Free(12 * 1024, "/mnt/a b".to_owned()));
        assert_eq!(read(&room, "- "), Said::Nothing);
        let tool = Question::Tool("psql".to_owned());
        assert_eq!(read(&tool, "yes"), Said::Yes);
        assert_eq!(read(&tool, "no"), Said::No(String::new()));
        assert_eq!(read(&tool, "perhaps"), Said::Nothing);
        let folder = Said::Folder("/home/a b/.golive".to_owned(), Some(2048));
        assert_eq!(read(&Question::Records, "yes 2 /home/a b/.golive"), folder);
        let no = Said::No("it belongs to user 7".to_owned());
        assert_eq!(read(&Question::Records, "no it belongs to user 7"), no);
    }
}
