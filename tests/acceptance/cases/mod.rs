//! The cases, the most important first.

mod acts;
pub mod alerts;
mod arguments;
mod asks;
mod checkpoints;
mod crowd;
pub mod durability;
mod duties;
mod exceptions;
pub mod exports;
mod governance;
mod hold;
mod hostile;
mod keys;
mod kill;
mod kinds;
mod lifecycle;
mod methods;
mod monitoring;
mod news;
mod policy;
mod probe;
mod readers;
mod reads;
mod reports;
mod requests;
mod retention;
mod rounds;
mod secrets;
mod spans;
mod stops;
mod studies;
mod tail;
mod texts;
mod threats;
pub mod traces;
mod unneeded;
mod unusual;
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
        unusual::cases(),
        exports::cases(),
        arguments::cases(),
        secrets::cases(),
        duties::cases(),
        durability::cases(),
        retention::cases(),
        rounds::cases(),
        readers::cases(),
        reads::cases(),
        methods::cases(),
        news::cases(),
        stops::cases(),
        keys::cases(),
        kill::cases(),
        hold::cases(),
        yes::cases(),
        hostile::cases(),
        crowd::cases(),
        requests::cases(),
        asks::cases(),
        acts::cases(),
        texts::cases(),
        threats::cases(),
        studies::cases(),
        unneeded::cases(),
        reports::cases(),
        tail::cases(),
        traces::cases(),
        checkpoints::cases(),
        probe::cases(),
        spans::cases(),
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
