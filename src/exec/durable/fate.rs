//! The words between the line of conduct and what carries it out.

use crate::base::{Millis, SafeText};
use crate::engine::{Doubt, Sight};

use super::wire::Word;

/// One of the two calls that may be open at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Line {
    /// It starts the step, or watches it.
    Watch,
    /// It stops the step.
    Stop,
}

/// What is asked in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Start the step. Sent whole, or without the step itself until the host has answered.
    Start {
        /// The step follows at once.
        whole: bool,
    },
    /// Say how it stands and send its bytes from here on.
    Attach {
        /// Bytes of standard output that we hold.
        out: u64,
        /// Bytes of standard error that we hold.
        err: u64,
        /// If it has not begun, it never shall.
        void: bool,
    },
    /// Stop it.
    Cancel {
        /// Between TERM and KILL.
        grace: Millis,
    },
}

/// Which bytes of a step are asked for, in the call that started it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// All of them, as they are written.
    Follow,
    /// Those of a step that has ended.
    Rest,
}

impl Want {
    /// The line that asks.
    pub const fn line(self) -> &'static str {
        match self {
            Self::Follow => "follow\n",
            Self::Rest => "rest\n",
        }
    }
}

/// Something to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Open a call.
    Call(Line, Ask),
    /// Send the step itself, in the call that starts it.
    Payload,
    /// Ask for bytes, in the call that started the step.
    Want(Want),
    /// Close a call; nothing that it says is heard any more.
    HangUp(Line),
    /// Tell what became visible.
    Tell(Sight),
    /// All is over, and this became of it. Nothing follows.
    End(Fate),
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Over {
    /// It was never opened: nothing was sent.
    NotOpened {
        /// Why.
        why: String,
        /// None of our keys was accepted.
        auth: bool,
    },
    /// The server executes nothing for this account.
    Refused {
        /// In words.
        why: String,
    },
    /// It ended in order.
    Closed {
        /// How, in words.
        how: String,
    },
    /// Its link is gone.
    Lost {
        /// Why.
        why: String,
        /// How long before this the host last gave a sign of life.
        quiet: Millis,
    },
    /// Login scripts printed so much that nothing else can be found.
    Noise,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The host said something in a call.
    Word(Line, Word),
    /// So many bytes of the step came and are kept: on standard output, on standard error.
    Bytes(u64, u64),
    /// The call is open, and its request sent.
    Opened(Line),
    /// The process that served the call has ended, in these words; what it sent may still be
    /// under way.
    Status(Line, String),
    /// The call is over.
    Over(Line, Over),
    /// Somebody wants it to stop; this long between TERM and KILL.
    Stop(Millis),
    /// Nobody wants to know any more.
    LetGo,
    /// The host answers again, as others have found.
    Reachable,
    /// Time has passed.
    Time,
}

impl Heard {
    /// Whether it was heard in a call, and is of no account once that is hung up.
    pub(super) const fn is_of_a_call(&self) -> bool {
        match self {
            Self::Word(..) | Self::Opened(_) | Self::Status(..) | Self::Over(..) => true,
            Self::Bytes(..) | Self::Stop(_) | Self::LetGo | Self::Reachable | Self::Time => false,
        }
    }
}

/// What became of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It did not run, and never will.
    NotStarted(String),
    /// Nothing of it was sent: it cannot be durable there.
    Attached(String),
    /// It ended by itself, and all that it printed is here.
    Exited(i32),
    /// It ended well, and its host was not rebooted.
    NotRebooted,
    /// Its host was rebooted, as wanted.
    Rebooted(Millis),
    /// It was stopped.
    Stopped(Option<Vec<SafeText>>),
    /// Nobody knows.
    Unknown(Doubt, String),
    /// Nobody asks any more.
    LetGo,
}
