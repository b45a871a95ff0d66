//! Compensating controls: health, preconditions and duties.
//!
//! A control is a live precondition: [`Controls::precondition`] looks at every duty of an exception at this
//! moment and gives a [`Held`], and [`Controls::fulfil`] turns it and the result into a [`Release`]. Nothing else
//! makes a `Release`, so no result leaves whose duties were not met. A call that a role allows goes through the
//! same two functions with [`Duties::none`].
//!
//! | control | looked at before | looked at after |
//! |---|---|---|
//! | `audit.write_ahead`, `budget.reserve` | the lease of the journal | the gateway's admission and outcome records |
//! | `trace.full` | the lease of the exporter; the span has its place in the queue | the place is still held |
//! | `args.constrain` | bounds, and no name that the schema does not declare | |
//! | `descriptor.pin` | live digest = approved digest | |
//! | `egress.allow` | the host at which the server is contacted | |
//! | `principal.fresh` | the age of the credential that was shown | |
//! | `timebox` | the window is open; sets the deadline | the deadline has not passed |
//! | `dry_run_first` | a preview of the same call is on record | |
//! | `response.limit` | | bytes, rows and kinds of content of the result |
//! | `response.redact` | its classes exist | what they match is taken out |
//! | `args.capture`, `response.capture` | the sealer | the gateway seals arguments and result |
//! | `taint.mark` | there is room for one more agent | labels stand on the agent |
//! | `watch.attached` | a named person gave a sign of life a moment ago | |
//! | `rate.limit` | the last minute of this exception; taken only when all else holds | |

mod anomaly;
mod attendance;
mod constrain;
mod controls;
mod declared;
mod detect;
mod duties;
mod fulfil;
mod limit;
mod preview;
mod probe;
mod rate;
mod redact;
mod release;
mod taint;
mod watch;

#[cfg(test)]
mod tests;

pub use anomaly::{Anomalies, Anomaly, OfficeHours, Seen, Unusual};
pub use attendance::{ATTENTION, Attendance};
pub use controls::{ControlHealth, Controls, Unmet};
pub use declared::{Declaration, Declared, SCHEMA as CONTROLS_SCHEMA, probe_of};
pub use duties::{Duties, Facts};
pub use preview::previewed;
pub use probe::Probe;
pub use release::{Held, Release, Withheld};
pub use taint::{STANDS, Taints, Who};
pub use watch::{Change, Watch};
