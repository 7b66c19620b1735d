//! Words: quotes, `$`, and the bodies of here-documents.

use std::sync::Arc;

use super::{Parsed, Parser, is_meta};
use crate::practice::shell::ast::{ParamOp, Part, Target, Word};

impl Parser {
    /// The word that stands here, if one does.
    pub(super) fn word(&mut self) -> Parsed<Option<Word>> {
        self.deeper(|p| p.word_until(is_meta))
    }

    fn word_until(&mut self, ends: impl Fn(char) -> bool) -> Parsed<Option<Word>> {
        let mut word = Word::new();
        let mut any = false;
        while let Some(c) = self.peek() {
            if ends(c) {
                break;
            }
            any = true;
            match c {
                '\'' => self.single_quotes(&mut word)?,
                '"' => self.double_quotes(&mut word)?,
                '\\' => {
                    self.at += 1;
                    match self.peek() {
                        Some('\n') => {}
                        Some(c) => word.push(Part::Quoted(c.to_string())),
                        None => word.push(Part::Literal("\\".to_owned())),
                    }
                    self.at += 1;
                }
                '$' => {
                    let part = self.dollar(false)?;
                    word.push(part);
                }
                '`' => {
                    let part = self.backquotes(false)?;
                    word.push(part);
                }
                c => {
                    push_literal(&mut word, c);
                    self.at += 1;
                }
            }
        }
        Ok(any.then_some(word))
    }

    fn single_quotes(&mut self, word: &mut Word) -> Parsed<()> {
        self.at += 1;
        let mut text = String::new();
        loop {
            match self.peek() {
                Some('\'') => break,
                Some(c) => text.push(c),
                None => return Err(self.wrong("a single quote is not closed")),
            }
            self.at += 1;
        }
        self.at += 1;
        word.push(Part::Quoted(text));
        Ok(())
    }

    fn double_quotes(&mut self, word: &mut Word) -> Parsed<()> {
        self.at += 1;
        word.push(Part::Quoted(String::new()));
        self.quoted_until(word, Some('"'))?;
        if self.eat("\"") { Ok(()) } else { Err(self.wrong("a double quote is not closed")) }
    }

    /// Text as in double quotes, up to `end` or to the end of the text.
    fn quoted_until(&mut self, word: &mut Word, end: Option<char>) -> Parsed<()> {
        while let Some(c) = self.peek() {
            if Some(c) == end {
                break;
            }
            match c {
                '\\' => match self.peek_at(1) {
                    Some('\n') => self.at += 2,
                    Some(c @ ('$' | '`' | '"' | '\\')) => {
                        push_quoted(word, c);
                        self.at += 2;
                    }
                    _ => {
                        push_quoted(word, '\\');
                        self.at += 1;
                    }
                },
                '$' => {
                    let part = self.deeper(|p| p.dollar(true))?;
                    word.push(part);
                }
                '`' => {
                    let part = self.deeper(|p| p.backquotes(true))?;
                    word.push(part);
                }
                c => {
                    push_quoted(word, c);
                    self.at += 1;
                }
            }
        }
        Ok(())
    }

    /// What stands after a `$`.
    fn dollar(&mut self, quoted: bool) -> Parsed<Part> {
        if self.starts("$((") {
            return self.arithmetic(quoted);
        }
        self.at += 1;
        if self.eat("(") {
            let list = self.list(&[])?;
            self.close_paren()?;
            return Ok(Part::Command { list: Arc::new(list), quoted });
        }
        if self.eat("{") {
            return self.braces(quoted);
        }
        let name = match self.peek() {
            Some(c @ ('?' | '$' | '#' | '@' | '*' | '!' | '-' | '0'..='9')) => {
                self.at += 1;
                Some(c.to_string())
            }
            _ => self.name(),
        };
        Ok(match name {
            Some(name) => Part::Param { name, op: ParamOp::Plain, quoted },
            None => Part::Quoted("$".to_owned()),
        })
    }

    fn arithmetic(&mut self, quoted: bool) -> Parsed<Part> {
        self.at += 3;
        let mut text = String::new();
        let mut open = 0_u32;
        loop {
            match self.peek() {
                None => return Err(self.wrong("`))` expected")),
                Some(')') if open == 0 && self.peek_at(1) == Some(')') => break,
                Some(c) => {
                    open = match c {
                        '(' => open + 1,
                        ')' => open.saturating_sub(1),
                        _ => open,
                    };
                    text.push(c);
                    self.at += 1;
                }
            }
        }
        self.at += 2;
        Ok(Part::Arith { text: self.inner(&text, |p, word| p.quoted_until(word, None))?, quoted })
    }

    fn braces(&mut self, quoted: bool) -> Parsed<Part> {
        let length = self.starts("#") && self.peek_at(1) != Some('}');
        if length {
            self.at += 1;
        }
        let name = match self.peek() {
            Some(c @ ('?' | '$' | '#' | '@' | '*')) => {
                self.at += 1;
                Some(c.to_string())
            }
            Some('0'..='9') => {
                let rest = self.text.iter().skip(self.at);
                let digits: String = rest.take_while(|c| c.is_ascii_digit()).take(9).collect();
                self.at += digits.len();
                Some(digits)
            }
            _ => self.name(),
        };
        let name = name.ok_or_else(|| self.wrong("a name expected after `${`"))?;
        let op = if length { ParamOp::Length } else { self.param_op(quoted)? };
        if self.eat("}") {
            Ok(Part::Param { name, op, quoted })
        } else {
            Err(self.wrong("`}` expected"))
        }
    }

    fn param_op(&mut self, quoted: bool) -> Parsed<ParamOp> {
        let if_empty = self.eat(":");
        let Some(sign) = self.peek() else { return Err(self.wrong("`}` expected")) };
        if sign == '}' && !if_empty {
            return Ok(ParamOp::Plain);
        }
        if !matches!(sign, '-' | '=' | '+' | '?' | '#' | '%') {
            return Err(self.wrong("this form of `${…}` is not understood"));
        }
        self.at += 1;
        let longest = matches!(sign, '#' | '%') && self.peek() == Some(sign);
        if longest {
            self.at += 1;
        }
        let word = if quoted && !matches!(sign, '#' | '%') {
            let mut word = Word::new();
            self.quoted_until(&mut word, Some('}'))?;
            word
        } else {
            self.deeper(|p| p.word_until(|c| c == '}'))?.unwrap_or_default()
        };
        Ok(match sign {
            '-' => ParamOp::Default { word, if_empty },
            '=' => ParamOp::Assign { word, if_empty },
            '+' => ParamOp::Instead { word, if_empty },
            '?' => ParamOp::Required { word, if_empty },
            '#' => ParamOp::CutStart { pattern: word, longest },
            _ => ParamOp::CutEnd { pattern: word, longest },
        })
    }

    fn backquotes(&mut self, quoted: bool) -> Parsed<Part> {
        self.at += 1;
        let mut text = String::new();
        loop {
            match self.peek() {
                None => return Err(self.wrong("a back quote is not closed")),
                Some('`') => break,
                Some('\\') if matches!(self.peek_at(1), Some('`' | '\\' | '$')) => {
                    self.at += 1;
                    text.extend(self.peek());
                }
                Some(c) => text.push(c),
            }
            self.at += 1;
        }
        self.at += 1;
        let depth = self.depth;
        let mut inner = Self { text: text.chars().collect(), at: 0, depth, bodies: None };
        let list = inner.list(&[])?;
        if inner.peek().is_some() {
            return Err(self.wrong("unexpected `)`"));
        }
        Ok(Part::Command { list: Arc::new(list), quoted })
    }

    /// A word read from other text than this parser's.
    fn inner(
        &self,
        text: &str,
        read: impl FnOnce(&mut Self, &mut Word) -> Parsed<()>,
    ) -> Parsed<Word> {
        let depth = self.depth;
        let mut inner = Self { text: text.chars().collect(), at: 0, depth, bodies: None };
        let mut word = Word::new();
        read(&mut inner, &mut word)?;
        Ok(word)
    }

    /// The file name after a redirection.
    pub(super) fn target(&mut self) -> Parsed<Word> {
        self.blanks();
        self.word()?.ok_or_else(|| self.wrong("a file name expected"))
    }

    pub(super) fn here_string(&mut self) -> Parsed<Target> {
        let mut word = self.target()?;
        word.push(Part::Quoted("\n".to_owned()));
        Ok(Target::Here(word))
    }

    pub(super) fn here_document(&mut self) -> Parsed<Target> {
        let tabs = self.eat("-");
        let delimiter = self.target()?;
        let plain = delimiter.iter().all(|part| matches!(part, Part::Literal(_)));
        let mut end = String::new();
        for part in &delimiter {
            match part {
                Part::Literal(text) | Part::Quoted(text) => end.push_str(text),
                Part::Param { .. } | Part::Command { .. } | Part::Arith { .. } => {
                    return Err(self.wrong("a here-document must end with a plain word"));
                }
            }
        }
        let line_end = (self.at..self.text.len())
            .find(|at| self.text.get(*at) == Some(&'\n'))
            .ok_or_else(|| self.wrong("a here-document has no text"))?;
        let (newline, mut at) = self.bodies.unwrap_or((line_end, line_end + 1));
        let mut body = String::new();
        loop {
            if at >= self.text.len() {
                self.at = self.text.len();
                return Err(self.wrong(&format!("a here-document does not end with `{end}`")));
            }
            let line: String = self.text.iter().skip(at).take_while(|c| **c != '\n').collect();
            at += line.chars().count() + 1;
            let line = if tabs { line.trim_start_matches('\t') } else { &line };
            if line == end {
                break;
            }
            body.push_str(line);
            body.push('\n');
        }
        self.bodies = Some((newline, at));
        if plain {
            let word = self.inner(&body, |p, word| p.quoted_until(word, None))?;
            return Ok(Target::Here(word));
        }
        Ok(Target::Here(vec![Part::Quoted(body)]))
    }
}

fn push_literal(word: &mut Word, c: char) {
    match word.last_mut() {
        Some(Part::Literal(text)) => text.push(c),
        _ => word.push(Part::Literal(c.to_string())),
    }
}

fn push_quoted(word: &mut Word, c: char) {
    match word.last_mut() {
        Some(Part::Quoted(text)) => text.push(c),
        _ => word.push(Part::Quoted(c.to_string())),
    }
}
