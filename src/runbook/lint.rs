//! What is allowed and still deserves a thought.

use super::load::Joined;
use super::shape::Draft;

/// Notes everything doubtful.
pub(super) fn lint(_joined: &mut Joined<'_>, _draft: &Draft) {}
