//! How a command ends when it does not end well.

use std::io;

use crate::domain::Findings;

/// Why a command did not do what was asked; the exit code is part of the interface.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// 1: the gateway refused, or it failed.
    #[error("{0}")]
    Refused(String),
    /// 2: something that was given is wrong.
    #[error("{0}")]
    Input(String),
    /// 2: files with faults.
    #[error("{0}")]
    Faulty(Findings),
    /// 3: nobody answers.
    #[error("{0}")]
    Unreachable(String),
    /// The output went away.
    #[error("cannot write: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    /// The exit code.
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::Refused(_) | Self::Output(_) => 1,
            Self::Input(_) | Self::Faulty(_) => 2,
            Self::Unreachable(_) => 3,
        }
    }
}

impl From<Findings> for Failure {
    fn from(findings: Findings) -> Self {
        Self::Faulty(findings)
    }
}
