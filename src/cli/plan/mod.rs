//! `golive plan`: what would happen, before anything does.

mod facts;
mod json;
mod markdown;
mod tree;

use super::args::{PlanArgs, PlanFormat};
use super::exit::Exit;
use super::input;
use super::message::Failure;
use super::screen::Screen;

pub(super) use facts::{Facts, class_word, span, stage_word};

/// Runs the command.
pub(super) fn run(screen: Screen, args: &PlanArgs) -> Result<Exit, Failure> {
    let (_, plan) = input::load(screen, &args.file, &args.extra)?;
    let facts = Facts::new(&plan);
    let format = if args.json { PlanFormat::Json } else { args.format };
    match format {
        PlanFormat::Tree => screen.text(&tree::tree(screen, &facts))?,
        PlanFormat::Json => screen.data(&format!("{:#}\n", json::json(&facts)))?,
        PlanFormat::Markdown => screen.data(&markdown::markdown(&facts))?,
    }
    Ok(Exit::Done)
}
