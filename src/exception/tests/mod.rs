//! What the exception room promises, by the ids of SECURITY group E and the invariants of GOVERNANCE section 5.

mod again;
mod desk;
mod draft;
mod index;
mod invariants;
mod kinds;
mod lives;
mod people;
mod pilots;
mod properties;
mod record;
mod sprawl;
mod support;
mod trials;
