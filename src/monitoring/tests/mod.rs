//! The promises of the controls.
