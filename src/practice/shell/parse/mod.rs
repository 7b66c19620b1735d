//! Reads a script: text in, [`List`] out, or what is wrong with it.
//!
//! A part of POSIX shell that covers what runbooks hold. What is not covered is refused by name,
//! never run as something else.

use std::sync::Arc;

use super::ast::{Chain, Command, Kind, Link, List, Pipeline, Redirect, Target};

mod word;

/// Nesting beyond this is refused: no script that a person wrote comes near it.
const DEPTH_MAX: u32 = 60;

/// Longer scripts are refused.
const SCRIPT_BYTES_MAX: usize = 1 << 20;

/// A script that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    /// The line, from 1.
    pub(super) line: usize,
    /// What is wrong there.
    pub(super) message: String,
    /// Whether more text could make it right.
    pub(super) unfinished: bool,
}

type Parsed<T> = Result<T, SyntaxError>;

/// Reads `text`.
pub(super) fn parse(text: &str) -> Parsed<List> {
    let mut parser = Parser { text: text.chars().collect(), at: 0, depth: 0, bodies: None };
    if text.len() > SCRIPT_BYTES_MAX {
        return Err(parser.wrong("the script is longer than 1 MiB"));
    }
    let list = parser.list(&[])?;
    match parser.peek() {
        None => Ok(list),
        Some(c) => Err(parser.wrong(&format!("unexpected `{c}`"))),
    }
}

struct Parser {
    text: Vec<char>,
    at: usize,
    depth: u32,
    /// Where the bodies of here-documents begin (at the line's end) and where they are over.
    bodies: Option<(usize, usize)>,
}

/// Words that end a list or stand for themselves only at the start of a command.
const RESERVED: [&str; 13] =
    ["then", "elif", "else", "fi", "do", "done", "esac", "in", "}", "if", "for", "while", "until"];

impl Parser {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn peek_at(&self, ahead: usize) -> Option<char> {
        self.text.get(self.at + ahead).copied()
    }

    fn starts(&self, what: &str) -> bool {
        what.chars().enumerate().all(|(i, c)| self.peek_at(i) == Some(c))
    }

    fn eat(&mut self, what: &str) -> bool {
        let there = self.starts(what);
        if there {
            self.at += what.chars().count();
        }
        there
    }

    fn wrong(&self, message: &str) -> SyntaxError {
        let before = self.text.iter().take(self.at);
        let line = before.filter(|c| **c == '\n').count() + 1;
        SyntaxError { line, message: message.to_owned(), unfinished: self.peek().is_none() }
    }

    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.wrong("nested too deeply"));
        }
        let result = inner(self);
        self.depth -= 1;
        result
    }

    /// Goes past blanks, continued lines and a comment.
    fn blanks(&mut self) {
        loop {
            match self.peek() {
                Some(' ' | '\t' | '\r') => self.at += 1,
                Some('\\') if self.peek_at(1) == Some('\n') => self.at += 2,
                Some('#') => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                _ => return,
            }
        }
    }

    /// Goes past one line end, and past the here-documents that hang on it.
    fn line_end(&mut self) {
        match self.bodies.take() {
            Some((_, resume)) => self.at = resume,
            None => self.at += 1,
        }
    }

    /// Goes past blanks, comments and line ends.
    fn gap(&mut self) {
        loop {
            self.blanks();
            if self.peek() != Some('\n') {
                return;
            }
            self.line_end();
        }
    }

    /// The plain word that stands here, without going past it.
    fn plain_word(&self) -> String {
        let rest = self.text.iter().skip(self.at);
        let word: String = rest.take_while(|c| !is_meta(**c)).take(16).collect();
        word
    }

    fn keyword(&mut self, word: &str) -> bool {
        let there = self.plain_word() == word;
        if there {
            self.at += word.chars().count();
        }
        there
    }

    fn expect(&mut self, word: &str) -> Parsed<()> {
        self.gap();
        if self.keyword(word) { Ok(()) } else { Err(self.wrong(&format!("`{word}` expected"))) }
    }

    /// Commands up to one of `ends`, a closing `)`, `;;` or the end of the text.
    fn list(&mut self, ends: &[&str]) -> Parsed<List> {
        self.deeper(|p| {
            let mut chains = Vec::new();
            loop {
                p.gap();
                let word = p.plain_word();
                let closed = p.peek().is_none_or(|c| c == ')') || p.starts(";;");
                if closed || ends.contains(&word.as_str()) {
                    return Ok(List(chains));
                }
                chains.push(p.chain()?);
                p.blanks();
                match p.peek() {
                    Some(';') if !p.starts(";;") => p.at += 1,
                    Some('\n') => p.line_end(),
                    Some('&') => {
                        let what = "`&` (background jobs) does not exist on the practice fleet";
                        return Err(p.wrong(what));
                    }
                    None | Some(')' | ';') => {}
                    Some(c) => return Err(p.wrong(&format!("unexpected `{c}`"))),
                }
            }
        })
    }

    /// A list that must hold something, and the word that ends it.
    fn body(&mut self, ends: &[&str]) -> Parsed<List> {
        let list = self.list(ends)?;
        if list.0.is_empty() { Err(self.wrong("a command expected")) } else { Ok(list) }
    }

    fn chain(&mut self) -> Parsed<Chain> {
        let first = self.pipeline()?;
        let mut rest = Vec::new();
        loop {
            self.blanks();
            let link = if self.eat("&&") {
                Link::And
            } else if self.eat("||") {
                Link::Or
            } else {
                return Ok(Chain { first, rest });
            };
            self.gap();
            rest.push((link, self.pipeline()?));
        }
    }

    fn pipeline(&mut self) -> Parsed<Pipeline> {
        let mut negated = false;
        while self.keyword("!") {
            negated = !negated;
            self.blanks();
        }
        let mut stages = vec![self.command()?];
        loop {
            self.blanks();
            if self.starts("||") || !self.eat("|") {
                return Ok(Pipeline { negated, stages });
            }
            if self.eat("&") {
                return Err(self.wrong("`|&` is not understood: write `2>&1 |`"));
            }
            self.gap();
            stages.push(self.command()?);
        }
    }

    fn command(&mut self) -> Parsed<Command> {
        self.deeper(|p| {
            let word = p.plain_word();
            let kind = match word.as_str() {
                "if" => p.if_command()?,
                "for" => p.for_command()?,
                "while" | "until" => p.while_command(word == "until")?,
                "case" => p.case_command()?,
                "{" => {
                    p.at += 1;
                    let list = p.body(&["}"])?;
                    p.expect("}")?;
                    Kind::Group(list)
                }
                "" if p.peek() == Some('(') => {
                    p.at += 1;
                    let list = p.body(&[])?;
                    p.close_paren()?;
                    Kind::Subshell(list)
                }
                name if RESERVED.contains(&name) => {
                    return Err(p.wrong(&format!("unexpected `{name}`")));
                }
                _ => return p.simple(),
            };
            let mut redirects = Vec::new();
            p.redirects(&mut redirects)?;
            Ok(Command { kind, redirects })
        })
    }

    fn close_paren(&mut self) -> Parsed<()> {
        self.gap();
        if self.eat(")") { Ok(()) } else { Err(self.wrong("`)` expected")) }
    }

    fn if_command(&mut self) -> Parsed<Kind> {
        self.expect("if")?;
        let mut arms = Vec::new();
        let mut otherwise = None;
        loop {
            let test = self.body(&["then"])?;
            self.expect("then")?;
            arms.push((test, self.body(&["elif", "else", "fi"])?));
            self.gap();
            if self.keyword("elif") {
                continue;
            }
            if self.keyword("else") {
                otherwise = Some(self.body(&["fi"])?);
            }
            self.expect("fi")?;
            return Ok(Kind::If { arms, otherwise });
        }
    }

    fn for_command(&mut self) -> Parsed<Kind> {
        self.expect("for")?;
        self.blanks();
        let name = self.name().ok_or_else(|| self.wrong("a name expected after `for`"))?;
        self.gap();
        let words = if self.keyword("in") {
            let mut words = Vec::new();
            self.blanks();
            while let Some(word) = self.word()? {
                words.push(word);
                self.blanks();
            }
            Some(words)
        } else {
            None
        };
        self.blanks();
        self.eat(";");
        Ok(Kind::For { name, words, body: self.do_done()? })
    }

    fn do_done(&mut self) -> Parsed<List> {
        self.expect("do")?;
        let body = self.body(&["done"])?;
        self.expect("done")?;
        Ok(body)
    }

    fn while_command(&mut self, until: bool) -> Parsed<Kind> {
        self.at += 5;
        let test = self.body(&["do"])?;
        Ok(Kind::While { until, test, body: self.do_done()? })
    }

    fn case_command(&mut self) -> Parsed<Kind> {
        self.expect("case")?;
        self.blanks();
        let word = self.word()?.ok_or_else(|| self.wrong("a word expected after `case`"))?;
        self.expect("in")?;
        let mut arms = Vec::new();
        loop {
            self.gap();
            if self.keyword("esac") {
                return Ok(Kind::Case { word, arms });
            }
            self.eat("(");
            let mut patterns = Vec::new();
            loop {
                self.blanks();
                let pattern = self.word()?.ok_or_else(|| self.wrong("a pattern expected"))?;
                patterns.push(pattern);
                self.blanks();
                if !self.eat("|") {
                    break;
                }
            }
            self.close_paren()?;
            arms.push((patterns, self.list(&["esac"])?));
            self.gap();
            self.eat(";;");
        }
    }

    /// Assignments, words and redirections, or a function.
    fn simple(&mut self) -> Parsed<Command> {
        let (mut assigns, mut words, mut redirects) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            self.blanks();
            if self.redirect(&mut redirects)? {
                continue;
            }
            if words.is_empty()
                && let Some(name) = self.assigned_name()
            {
                assigns.push((name, self.word()?.unwrap_or_default()));
                continue;
            }
            if words.is_empty()
                && let Some(name) = self.function_name()
            {
                self.gap();
                let body = Arc::new(self.command()?);
                return Ok(Command { kind: Kind::Function { name, body }, redirects });
            }
            match self.word()? {
                Some(word) => words.push(word),
                None if words.is_empty() && assigns.is_empty() && redirects.is_empty() => {
                    return Err(match self.peek() {
                        Some(c) => self.wrong(&format!("unexpected `{c}`")),
                        None => self.wrong("a command expected"),
                    });
                }
                None => return Ok(Command { kind: Kind::Simple { assigns, words }, redirects }),
            }
        }
    }

    fn name(&mut self) -> Option<String> {
        let first = self.peek().filter(|c| c.is_ascii_alphabetic() || *c == '_')?;
        let mut name = String::from(first);
        self.at += 1;
        while let Some(c) = self.peek().filter(|c| c.is_ascii_alphanumeric() || *c == '_') {
            name.push(c);
            self.at += 1;
        }
        Some(name)
    }

    /// The name in `name=`, gone past with its `=`.
    fn assigned_name(&mut self) -> Option<String> {
        let start = self.at;
        let name = self.name();
        if name.is_some() && self.eat("=") {
            return name;
        }
        self.at = start;
        None
    }

    /// The name in `name()`, gone past with its parentheses.
    fn function_name(&mut self) -> Option<String> {
        let start = self.at;
        let name = self.name();
        self.blanks();
        if name.is_some() && self.eat("(") {
            self.blanks();
            if self.eat(")") {
                return name;
            }
        }
        self.at = start;
        None
    }

    fn redirects(&mut self, into: &mut Vec<Redirect>) -> Parsed<()> {
        loop {
            self.blanks();
            if !self.redirect(into)? {
                return Ok(());
            }
        }
    }

    /// One redirection, if one stands here.
    fn redirect(&mut self, into: &mut Vec<Redirect>) -> Parsed<bool> {
        let start = self.at;
        if self.eat("&>") {
            let target = Target::Write(self.target()?);
            into.push(Redirect { fd: 1, to: target });
            into.push(Redirect { fd: 2, to: Target::Same(1) });
            return Ok(true);
        }
        let number = self.peek().and_then(|c| c.to_digit(10)).and_then(|d| u8::try_from(d).ok());
        if number.is_some() {
            self.at += 1;
        }
        let (default, to) = if self.eat("<<<") {
            (0, self.here_string()?)
        } else if self.eat("<<") {
            (0, self.here_document()?)
        } else if self.eat("<") {
            (0, Target::Read(self.target()?))
        } else if self.eat(">>") {
            (1, Target::Append(self.target()?))
        } else if self.eat(">&") {
            let digit = self.peek().and_then(|c| c.to_digit(10)).and_then(|d| u8::try_from(d).ok());
            let fd = digit.ok_or_else(|| self.wrong("`>&` must be followed by 1 or 2"))?;
            self.at += 1;
            (1, Target::Same(fd))
        } else if self.eat(">|") || self.eat(">") {
            (1, Target::Write(self.target()?))
        } else {
            self.at = start;
            return Ok(false);
        };
        let fd = number.unwrap_or(default);
        let known = if matches!(to, Target::Read(_) | Target::Here(_)) { fd == 0 } else { fd <= 2 };
        if !known {
            return Err(self.wrong("only the streams 0, 1 and 2 exist on the practice fleet"));
        }
        into.push(Redirect { fd, to });
        Ok(true)
    }
}

/// Whether `c` ends a word that is not in quotes.
const fn is_meta(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n' | ';' | '&' | '|' | '<' | '>' | '(' | ')')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::parse;

    #[test]
    fn scripts_are_read() {
        for text in [
            "",
            "# only a comment",
            "echo hello; echo world && true || false",
            "if true; then echo a; elif false; then echo b; else echo c; fi",
            "for x in a b c; do echo $x; done",
            "while ! test -f x; do sleep 1; done",
            "case $x in a|b) echo 1 ;; *) echo 2 ;; esac",
            "{ echo a; echo b; } > out 2>&1",
            "(cd /tmp && ls) | wc -l",
            "x=1 y=\"a b\" cmd",
            "say() { echo \"$1\"; }; say hi",
            "cat <<EOF\nhello $x\nEOF\necho next",
            "echo $(echo $(echo deep)) `date` ${x:-y} $((1 + 2))",
            "a |\n b &&\n c",
        ] {
            assert!(parse(text).is_ok(), "{text}: {:?}", parse(text));
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (text, message) in [
            ("if true; then", "a command expected"),
            ("sleep 100 &", "background jobs"),
            ("echo 'open", "quote"),
            ("fi", "unexpected `fi`"),
            ("echo )", "unexpected `)`"),
            ("a && ", "a command expected"),
            ("echo ${x", "`}` expected"),
            ("cat 3< x", "streams 0, 1 and 2"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.message.contains(message), "{text}: {error:?}");
        }
        let deep = "(".repeat(1000);
        assert!(parse(&deep).unwrap_err().message.contains("nested too deeply"));
        let deep = "$(".repeat(1000);
        assert!(parse(&deep).unwrap_err().message.contains("nested too deeply"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in r"([ -~\n]|if |then |fi|do |done|case |esac|<<E\n|\$\(|\$\{|é){0,60}") {
            let _kept = parse(&text);
        }
    }
}
