//! Spans and metrics, sampling and export.
