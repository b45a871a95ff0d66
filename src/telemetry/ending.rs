//! How a call ended, as spans and metrics say it.

/// How a call, or a dispatch, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The tool answered.
    Answered {
        /// Bytes of the result.
        bytes: usize,
        /// Whether the tool says that it failed.
        is_error: bool,
    },
    /// Refused with a tool result.
    Refused,
    /// Answered with a JSON-RPC error.
    RpcError {
        /// Its code.
        code: i32,
    },
    /// The tool answered, and the answer stays here.
    Withheld,
    /// No answer.
    Failed {
        /// What went wrong; one of a fixed set.
        kind: &'static str,
    },
    /// The caller went away or cancelled.
    Cancelled,
    /// The time of the call was over.
    TimedOut,
    /// Nobody said how it ended.
    Abandoned,
}

impl Ending {
    /// The values of `error.type` that metrics know; the first means no error.
    pub(super) const LABELS: [&'static str; 15] = [
        "",
        "tool_error",
        "refused",
        "withheld",
        "failed",
        "cancelled",
        "timeout",
        "abandoned",
        "-32700",
        "-32600",
        "-32601",
        "-32602",
        "-32603",
        "-32002",
        "other",
    ];

    /// The `error.type` of a metric: one of [`Self::LABELS`], whatever code a tool server invents (T107).
    pub(super) fn label(self) -> usize {
        match self {
            Self::Answered { is_error: false, .. } => 0,
            Self::Answered { is_error: true, .. } => 1,
            Self::Refused => 2,
            Self::Withheld => 3,
            Self::Failed { .. } => 4,
            Self::Cancelled => 5,
            Self::TimedOut => 6,
            Self::Abandoned => 7,
            Self::RpcError { code } => {
                let text = code.to_string();
                Self::LABELS.iter().position(|label| *label == text).unwrap_or(Self::LABELS.len() - 1)
            }
        }
    }

    /// The `error.type` of a span, or none where nothing failed on this side: a SERVER span does not take a
    /// caller's fault for its own (semantic conventions for MCP, 2026-07-28).
    pub(super) fn error_type(self, is_server: bool) -> Option<String> {
        let text = match self {
            Self::Answered { is_error: false, .. } => return None,
            Self::RpcError { code: -32700 | -32600 | -32601 | -32602 | -32002 } if is_server => return None,
            Self::RpcError { code } => return Some(code.to_string()),
            Self::Answered { is_error: true, .. } | Self::Refused => "tool_error",
            Self::Withheld => "withheld",
            Self::Failed { kind } => kind,
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timeout",
            Self::Abandoned => "abandoned",
        };
        Some(text.to_owned())
    }

    /// The JSON-RPC error code, if it ended with one.
    pub(super) const fn code(self) -> Option<i32> {
        if let Self::RpcError { code } = self { Some(code) } else { None }
    }
}
