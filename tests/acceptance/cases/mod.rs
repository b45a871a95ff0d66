//! The cases, the most important first.

mod acts;
pub mod alerts;
mod asks;
mod crowd;
pub mod durability;
mod duties;
mod exceptions;
pub mod exports;
mod governance;
mod hold;
mod hostile;
mod kill;
mod kinds;
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
mod tail;
mod texts;
pub mod traces;
mod unneeded;
mod wire;
mod yes;

use crate::Case;

pub fn all() -> Vec<Case> {
    [
        exceptions::cases(),
        governance::cases(),
        kinds::cases(),
        wire::cases(),
        lifecycle::cases(),
        policy::cases(),
        monitoring::cases(),
        alerts::cases(),
        exports::cases(),
        duties::cases(),
        durability::cases(),
        rounds::cases(),
        reads::cases(),
        methods::cases(),
        news::cases(),
        stops::cases(),
        kill::cases(),
        hold::cases(),
        yes::cases(),
        hostile::cases(),
        crowd::cases(),
        requests::cases(),
        asks::cases(),
        acts::cases(),
        texts::cases(),
        studies::cases(),
        unneeded::cases(),
        reports::cases(),
        tail::cases(),
        traces::cases(),
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
