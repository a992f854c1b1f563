//! Pass: its input, transformed by `Output`.

use super::{Acted, Visit};

pub(super) fn act<'r>(visit: &Visit<'_, 'r>) -> Acted<'r> {
    visit.acted(None)
}
