//! The cases, the most important first.

mod durability;
mod exceptions;
mod governance;
mod lifecycle;
mod monitoring;
mod policy;
mod wire;

use crate::Case;

pub fn all() -> Vec<Case> {
    [
        exceptions::cases(),
        governance::cases(),
        wire::cases(),
        lifecycle::cases(),
        policy::cases(),
        monitoring::cases(),
        durability::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A case from an async function.
macro_rules! case {
    ($name:literal, $threats:literal, $seconds:literal, $run:path) => {
        $crate::Case { name: $name, threats: $threats, seconds: $seconds, run: || Box::pin($run()) }
    };
}
pub(crate) use case;
