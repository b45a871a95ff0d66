//! The modern era, revision 2026-07-28: every request stands alone.

mod agree;
mod answer;
mod calling;
mod listening;
mod results;

pub(super) use agree::unsupported;
pub(super) use answer::answer;
