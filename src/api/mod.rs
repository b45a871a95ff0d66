//! HTTP for programs: the administration API, health and metrics.
