//! The cases, the most important first.

mod crowd;
mod durability;
mod duties;
mod exceptions;
mod governance;
mod hostile;
mod lifecycle;
mod methods;
mod monitoring;
mod news;
mod policy;
mod reads;
mod reports;
mod requests;
mod rounds;
mod stops;
mod studies;
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
        duties::cases(),
        durability::cases(),
        rounds::cases(),
        reads::cases(),
        methods::cases(),
        news::cases(),
        stops::cases(),
        hostile::cases(),
        crowd::cases(),
        requests::cases(),
        studies::cases(),
        reports::cases(),
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
