//! The promises of telemetry.
