//! The text that a shell runs: a step's command in its folder, by its shell.

use crate::plan::{StepPlan, Text};

use super::refusal::Refusal;

/// `command` in the step's folder and by the step's shell; `resolve` completes a text.
///
/// The command goes to another shell by its environment, never by its arguments: no process list
/// shows it. If the folder is not there, nothing runs, and the exit status is one that the step
/// does not accept.
pub(super) fn whole(
    step: &StepPlan,
    command: String,
    resolve: impl Fn(&Text) -> Result<String, Refusal>,
) -> Result<String, Refusal> {
    let mut line = command;
    if let Some(shell) = &step.shell {
        let command = quoted(&line);
        line = format!(
            "gl_c={command};export gl_c;exec {shell} -c 'gl_l=$gl_c;unset gl_c;eval \"$gl_l\"'"
        );
    }
    if let Some(dir) = &step.dir {
        let dir = resolve(dir)?;
        // Neither `-` nor $CDPATH may send it elsewhere.
        let dir = if dir.starts_with('/') { dir } else { format!("./{dir}") };
        let expect = &step.expect;
        let accepted = |code: &i32| expect.exit.contains(code) || expect.warn.contains(code);
        let code = (1..=125).rev().find(|code| !accepted(code)).unwrap_or(125);
        line = format!("cd {} || exit {code}\n{line}", quoted(&dir));
    }
    Ok(line)
}

/// One word for a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
