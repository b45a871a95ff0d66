//! Puts the parts together: build, serve, reload, drain.
