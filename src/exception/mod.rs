//! The authorization exception: its record and its life.
