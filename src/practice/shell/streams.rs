//! Redirections: where a command's streams go.

use super::ast::{Redirect, Target};
use super::files;
use super::io::{Input, Output};
use super::run::{Shell, Unwind};

impl Shell {
    /// Sends the streams where `redirects` say; false, with a message, if one cannot be opened.
    pub(super) async fn redirect(&mut self, redirects: &[Redirect]) -> Result<bool, Unwind> {
        for redirect in redirects {
            let opened = match &redirect.to {
                Target::Here(word) => {
                    self.input = Input::bytes(self.text(word).await?.into_bytes());
                    Ok(())
                }
                Target::Same(fd) => {
                    let to = if *fd == 2 { self.err.clone() } else { self.out.clone() };
                    self.send(redirect.fd, to);
                    Ok(())
                }
                Target::Read(word) => {
                    let name = self.text(word).await?;
                    self.open_input(&name).map_err(|error| (name, error))
                }
                Target::Write(word) => {
                    let name = self.text(word).await?;
                    self.open_output(redirect.fd, &name, false).map_err(|error| (name, error))
                }
                Target::Append(word) => {
                    let name = self.text(word).await?;
                    self.open_output(redirect.fd, &name, true).map_err(|error| (name, error))
                }
            };
            if let Err((name, error)) = opened {
                self.err.write(format!("sh: {name}: {error}\n").as_bytes()).await?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn send(&mut self, fd: u8, to: Output) {
        match fd {
            2 => self.err = to,
            _ => self.out = to,
        }
    }

    fn open_input(&mut self, name: &str) -> Result<(), files::FileError> {
        self.input = match name {
            "/dev/null" => Input::empty(),
            "/dev/stdin" => return Ok(()),
            name => {
                let path = files::absolute(&self.folder, name);
                match self.host.system_file(&path) {
                    Some(text) => Input::bytes(text.into_bytes()),
                    None => Input::bytes(self.host.files.read(&path)?),
                }
            }
        };
        Ok(())
    }

    fn open_output(&mut self, fd: u8, name: &str, add: bool) -> Result<(), files::FileError> {
        let to = match name {
            "/dev/null" => Output::Null,
            "/dev/stdout" => self.out.clone(),
            "/dev/stderr" => self.err.clone(),
            name => {
                let path = files::absolute(&self.folder, name);
                let files = &self.host.files;
                if add {
                    files.append(&path, b"")?;
                } else {
                    files.write(&path, b"")?;
                }
                Output::File(files.clone(), path)
            }
        };
        self.send(fd, to);
        Ok(())
    }
}
