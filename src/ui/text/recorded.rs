//! Reasons that the screen itself puts into the record, for what a key has asked for. The record
//! has one language whoever reads it; on screen they are shown as they were recorded.

pub(in crate::ui) const BY_OPERATOR: &str = "asked for by the operator";
pub(in crate::ui) const CLOSED_BY_OPERATOR: &str = "closed by the operator";
pub(in crate::ui) const HOLD_AND_LOOK: &str = "hold and look";
pub(in crate::ui) const THREE_WRONG: &str = "three wrong codes";
pub(in crate::ui) const CTRL_C: &str = "Ctrl-C three times";
pub(in crate::ui) const NO_KEY: &str = "60 s without a key";

pub(in crate::ui) fn driver_leaves(why: &str) -> String {
    format!("the driver leaves: {why}")
}

pub(in crate::ui) fn guard_closed(why: &str) -> String {
    format!("the rollback guard closed: {why}")
}
