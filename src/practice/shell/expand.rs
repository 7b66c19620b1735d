//! Turns words into arguments: parameters, `$(…)`, sums, splitting at blanks, file names.

use super::ast::{List, ParamOp, Part, Word};
use super::glob;
use super::run::{Shell, Unwind};
use super::{arith, files};

/// All arguments of a command together.
const WORDS_BYTES_MAX: usize = 2 << 20;

/// Longer values are not searched for patterns.
const CUT_CHARS_MAX: usize = 4_096;

/// Words being built.
#[derive(Default)]
struct Fields {
    done: Vec<Field>,
    current: Option<Field>,
    bytes: usize,
}

/// A word being built: its text, and the pattern that it is as a file name.
#[derive(Default)]
struct Field {
    text: String,
    pattern: String,
    wild: bool,
}

impl Fields {
    fn open(&mut self) -> &mut Field {
        self.current.get_or_insert_default()
    }

    fn close(&mut self) {
        self.done.extend(self.current.take());
    }

    fn exact(&mut self, text: &str) {
        self.bytes += text.len();
        let field = self.open();
        field.text.push_str(text);
        field.pattern.push_str(&glob::escape(text));
    }

    fn wild(&mut self, text: &str) {
        self.bytes += text.len();
        let field = self.open();
        field.text.push_str(text);
        field.pattern.push_str(text);
        field.wild |= text.contains(['*', '?', '[']);
    }

    /// Adds each of `words` as a word of its own.
    fn all(&mut self, words: &[String]) {
        for (index, word) in words.iter().enumerate() {
            if index > 0 {
                self.close();
            }
            self.exact(word);
        }
    }

    /// Adds an unquoted value: blanks in it part words.
    fn split(&mut self, text: &str) {
        let mut first = true;
        for piece in text.split([' ', '\t', '\n']) {
            if !first {
                self.close();
            }
            first = false;
            if !piece.is_empty() {
                self.wild(piece);
            }
        }
    }
}

impl Shell {
    /// The arguments that `words` stand for.
    pub(super) async fn fields(&mut self, words: &[Word]) -> Result<Vec<String>, Unwind> {
        let mut fields = Fields::default();
        for word in words {
            for (index, part) in word.iter().enumerate() {
                match part {
                    Part::Literal(text) => match text.strip_prefix('~') {
                        Some(rest) if index == 0 && (rest.is_empty() || rest.starts_with('/')) => {
                            fields.exact("/home/deploy");
                            fields.wild(rest);
                        }
                        _ => fields.wild(text),
                    },
                    Part::Quoted(text) => fields.exact(text),
                    Part::Param { name, op: ParamOp::Plain, quoted: true } if name == "@" => {
                        fields.all(&self.arguments);
                    }
                    Part::Param { quoted, .. }
                    | Part::Command { quoted, .. }
                    | Part::Arith { quoted, .. } => {
                        let value = self.value(part).await?;
                        if *quoted { fields.exact(&value) } else { fields.split(&value) }
                    }
                }
                if fields.bytes > WORDS_BYTES_MAX {
                    return self.refuse("the arguments are longer than 2 MiB").await;
                }
            }
            fields.close();
        }
        Ok(fields.done.into_iter().flat_map(|field| self.file_names(field)).collect())
    }

    fn file_names(&self, field: Field) -> Vec<String> {
        if !field.wild {
            return vec![field.text];
        }
        let (folder, pattern) = field.pattern.rsplit_once('/').unwrap_or(("", &field.pattern));
        let shown = field.text.rsplit_once('/').map_or("", |(folder, _)| folder);
        let inside = if folder.contains(['*', '?', '[']) {
            Vec::new() // Only the last part of a path may be a pattern.
        } else if field.pattern.starts_with('/') && folder.is_empty() {
            self.host.files.names("/")
        } else {
            self.host.files.names(&files::absolute(&self.folder, shown))
        };
        let slash = if field.pattern.contains('/') { "/" } else { "" };
        let found: Vec<String> = inside
            .into_iter()
            .filter(|name| !name.starts_with('.') && glob::matches(pattern, name))
            .map(|name| format!("{shown}{slash}{name}"))
            .collect();
        if found.is_empty() { vec![field.text] } else { found }
    }

    /// The text that `word` stands for, in one piece.
    pub(super) async fn text(&mut self, word: &Word) -> Result<String, Unwind> {
        let mut text = String::new();
        for part in word {
            match part {
                Part::Literal(piece) | Part::Quoted(piece) => text.push_str(piece),
                Part::Param { .. } | Part::Command { .. } | Part::Arith { .. } => {
                    text.push_str(&self.value(part).await?);
                }
            }
            if text.len() > WORDS_BYTES_MAX {
                return self.refuse("a value is longer than 2 MiB").await;
            }
        }
        Ok(text)
    }

    /// `word` as a pattern: what is quoted in it stands for itself.
    pub(super) async fn pattern(&mut self, word: &Word) -> Result<String, Unwind> {
        let mut pattern = String::new();
        for part in word {
            match part {
                Part::Literal(text) => pattern.push_str(text),
                Part::Quoted(text) => pattern.push_str(&glob::escape(text)),
                Part::Param { quoted, .. }
                | Part::Command { quoted, .. }
                | Part::Arith { quoted, .. } => {
                    let value = self.value(part).await?;
                    pattern.push_str(&if *quoted { glob::escape(&value) } else { value });
                }
            }
        }
        Ok(pattern)
    }

    async fn value(&mut self, part: &Part) -> Result<String, Unwind> {
        match part {
            Part::Literal(text) | Part::Quoted(text) => Ok(text.clone()),
            Part::Param { name, op, .. } => Box::pin(self.parameter(name, op)).await,
            Part::Command { list, .. } => self.substitute(list).await,
            Part::Arith { text, .. } => {
                let text = Box::pin(self.text(text)).await?;
                let number = |name: &str| self.get(name).and_then(|v| v.parse().ok()).unwrap_or(0);
                match arith::evaluate(&text, &number) {
                    Ok(value) => Ok(value.to_string()),
                    Err(problem) => self.refuse(&problem).await,
                }
            }
        }
    }

    async fn substitute(&mut self, list: &List) -> Result<String, Unwind> {
        let (status, bytes) = self.capture(list).await?;
        self.substituted = Some(status);
        let text = String::from_utf8_lossy(&bytes).replace('\0', "");
        Ok(text.trim_end_matches('\n').to_owned())
    }

    async fn parameter(&mut self, name: &str, op: &ParamOp) -> Result<String, Unwind> {
        let value = self.get(name);
        let missing = |if_empty: bool| match &value {
            None => true,
            Some(text) => if_empty && text.is_empty(),
        };
        match op {
            ParamOp::Plain => match value {
                Some(value) => Ok(value),
                None if self.options.nounset => {
                    self.refuse(&format!("{name}: parameter not set")).await
                }
                None => Ok(String::new()),
            },
            ParamOp::Length => Ok(value.unwrap_or_default().chars().count().to_string()),
            ParamOp::Default { word, if_empty } if missing(*if_empty) => self.text(word).await,
            ParamOp::Assign { word, if_empty } if missing(*if_empty) => {
                let text = self.text(word).await?;
                self.set(name, text.clone());
                Ok(text)
            }
            ParamOp::Instead { if_empty, .. } if missing(*if_empty) => Ok(String::new()),
            ParamOp::Instead { word, .. } => self.text(word).await,
            ParamOp::Required { word, if_empty } if missing(*if_empty) => {
                let text = self.text(word).await?;
                let text = if text.is_empty() { "parameter not set".to_owned() } else { text };
                self.refuse(&format!("{name}: {text}")).await
            }
            ParamOp::Default { .. } | ParamOp::Assign { .. } | ParamOp::Required { .. } => {
                Ok(value.unwrap_or_default())
            }
            ParamOp::CutStart { pattern, longest } => {
                let pattern = self.pattern(pattern).await?;
                Ok(cut_start(&value.unwrap_or_default(), &pattern, *longest))
            }
            ParamOp::CutEnd { pattern, longest } => {
                let pattern = self.pattern(pattern).await?;
                Ok(cut_end(&value.unwrap_or_default(), &pattern, *longest))
            }
        }
    }
}

/// Where `text` may be cut, in order.
fn edges(text: &str) -> Vec<usize> {
    let edges = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    if text.len() > CUT_CHARS_MAX { Vec::new() } else { edges.collect() }
}

fn cut_start(text: &str, pattern: &str, longest: bool) -> String {
    let mut edges = edges(text);
    if longest {
        edges.reverse();
    }
    let cut = edges.into_iter().find_map(|at| {
        let (head, tail) = text.split_at(at);
        glob::matches(pattern, head).then_some(tail)
    });
    cut.unwrap_or(text).to_owned()
}

fn cut_end(text: &str, pattern: &str, longest: bool) -> String {
    let mut edges = edges(text);
    if !longest {
        edges.reverse();
    }
    let cut = edges.into_iter().find_map(|at| {
        let (head, tail) = text.split_at(at);
        glob::matches(pattern, tail).then_some(head)
    });
    cut.unwrap_or(text).to_owned()
}
