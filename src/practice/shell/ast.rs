//! What a script means, once read.

use std::sync::Arc;

/// Commands one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct List(pub(super) Vec<Chain>);

/// Pipelines joined by `&&` and `||`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) first: Pipeline,
    pub(super) rest: Vec<(Link, Pipeline)>,
}

/// What joins two pipelines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    And,
    Or,
}

/// Commands joined by `|`, perhaps with their outcome turned round by `!`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pipeline {
    pub(super) negated: bool,
    pub(super) stages: Vec<Command>,
}

/// One command and where its streams go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) kind: Kind,
    pub(super) redirects: Vec<Redirect>,
}

/// The kinds of commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Simple {
        assigns: Vec<(String, Word)>,
        words: Vec<Word>,
    },
    If {
        arms: Vec<(List, List)>,
        otherwise: Option<List>,
    },
    /// Without `words` it goes over the arguments.
    For {
        name: String,
        words: Option<Vec<Word>>,
        body: List,
    },
    While {
        until: bool,
        test: List,
        body: List,
    },
    Case {
        word: Word,
        arms: Vec<(Vec<Word>, List)>,
    },
    Group(List),
    Subshell(List),
    Function {
        name: String,
        body: Arc<Command>,
    },
}

/// One stream of a command, sent elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Redirect {
    pub(super) fd: u8,
    pub(super) to: Target,
}

/// Where a stream is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Read(Word),
    Write(Word),
    Append(Word),
    /// `2>&1`.
    Same(u8),
    /// `<<` and `<<<`: the text itself.
    Here(Word),
}

/// A word before expansion: its parts, joined without a gap.
pub(super) type Word = Vec<Part>;

/// A part of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Written without quotes: `*` and `?` may match names.
    Literal(String),
    /// Written in quotes.
    Quoted(String),
    /// `$name`, `${name:-word}`.
    Param { name: String, op: ParamOp, quoted: bool },
    /// `$(…)`.
    Command { list: Arc<List>, quoted: bool },
    /// `$((…))`.
    Arith { text: Word, quoted: bool },
}

/// What is done to a parameter's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ParamOp {
    Plain,
    Length,
    /// `:-`, `-`.
    Default {
        word: Word,
        if_empty: bool,
    },
    /// `:=`, `=`.
    Assign {
        word: Word,
        if_empty: bool,
    },
    /// `:+`, `+`.
    Instead {
        word: Word,
        if_empty: bool,
    },
    /// `:?`, `?`.
    Required {
        word: Word,
        if_empty: bool,
    },
    /// `#`, `##`.
    CutStart {
        pattern: Word,
        longest: bool,
    },
    /// `%`, `%%`.
    CutEnd {
        pattern: Word,
        longest: bool,
    },
}
