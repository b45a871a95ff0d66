//! Records, chain, checkpoints, verification and export.
