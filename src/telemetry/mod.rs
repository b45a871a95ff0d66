//! Spans and metrics, sampling and export.
//!
//! One call makes up to three kinds of span: SERVER for the agent's request, INTERNAL `postern.authorize` below
//! it, and CLIENT for each dispatch to a tool server. They are built after the decision, travel to the exporter as
//! one bundle, and reach the collector over OTLP/gRPC.
//!
//! | call | recorded | queue |
//! |---|---|---|
//! | under an exception, or refused | always | acknowledged: a place is taken first, sent again until it is answered |
//! | any other | a share of the traces, never what the caller says | best effort: dropped and counted when full |
//!
//! What an exception's use said can be said again from the journal: span ids are computed from the decision, [`Uses`]
//! tells which uses the collector has acknowledged, and [`Past`] is one that is sent again under the same ids.
//!
//! The lease is the health of the exporter: it holds while the collector has answered within its length, by an
//! export or by an empty request every half second. Without a collector it never holds, and no span is made.

mod attribute;
mod collector;
mod context;
mod ending;
mod exemplar;
mod export;
mod facts;
mod holds;
mod ids;
mod instrument;
mod logs;
mod metrics;
mod offsite;
mod past;
mod queue;
mod sample;
mod series;
mod span;
mod start;
mod tally;
mod uses;

#[cfg(test)]
mod tests;

pub use context::caller_span;
pub use ending::Ending;
pub use facts::{Peer, SpanFacts, TraceIds};
pub use holds::HoldMetrics;
pub use ids::server_span;
pub use instrument::{AuditMetrics, Registered};
pub use logs::{LogLine, LogSender, Said};
pub use metrics::{Metrics, TracedException};
pub use offsite::OffsiteMetrics;
pub use past::Past;
pub use span::{ClientSpan, ServerSpan};
pub use start::{Settings, StartError, Telemetry};
pub use uses::{Fate, Uses};
