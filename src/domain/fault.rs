//! Whose fault an error is; the tables that turn errors into wire form read only this.

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The caller sent something wrong.
    Caller,
    /// The caller was understood and refused.
    Refused,
    /// Something that the answer needs is not there now.
    Unavailable,
    /// We broke.
    Internal,
}
