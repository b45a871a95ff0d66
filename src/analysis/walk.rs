//! The port for recorded calls, and the walk over them: oldest first, page by page, within a bound.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::RecordedCall;
use crate::domain::{AgentId, ExceptionId, Timestamp, ToolRef, Verdict};

/// Which calls are wanted. Empty sets mean all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Those of these agents.
    pub agents: BTreeSet<AgentId>,
    /// Those of these tools.
    pub tools: BTreeSet<ToolRef>,
    /// Those that name one of these exceptions.
    pub exceptions: BTreeSet<ExceptionId>,
    /// Only those that were refused.
    pub refused: bool,
}

impl Filter {
    /// Whether a call of this agent, tool and verdict is wanted.
    #[must_use]
    pub fn takes(&self, agent: &AgentId, tool: &ToolRef, verdict: &Verdict) -> bool {
        let named = || verdict.exception.as_ref().is_some_and(|id| self.exceptions.contains(id));
        (self.agents.is_empty() || self.agents.contains(agent))
            && (self.tools.is_empty() || self.tools.contains(tool))
            && (self.exceptions.is_empty() || named())
            && (!self.refused || verdict.effect == crate::domain::Effect::Deny)
    }
}

/// Where a walk begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begin {
    /// The first record to look at.
    pub seq: u64,
    /// Whether older records of the time are left out because there are too many.
    pub truncated: bool,
}

/// Some calls, and where to go on.
#[derive(Debug, Default)]
pub struct Page {
    /// The calls, oldest first.
    pub calls: Vec<RecordedCall>,
    /// The first record of the next page; none at the end.
    pub next: Option<u64>,
}

/// The records cannot be read now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the records cannot be read now: {0}")]
pub struct ReadError(pub String);

/// Gives recorded calls.
#[async_trait]
pub trait RecordedCalls: Send + Sync {
    /// Where the wanted records since this moment begin, within the bound of one walk.
    async fn begin(&self, since: Timestamp, filter: &Filter) -> Result<Begin, ReadError>;

    /// The wanted calls of a bounded number of records from this one on.
    async fn page(&self, from: u64, filter: &Filter) -> Result<Page, ReadError>;
}

/// What looks at recorded calls, one by one.
pub trait Study: Send + 'static {
    /// Looks at a call.
    fn take(&mut self, call: &RecordedCall);

    /// Learns that older calls of the time are left out.
    fn cut(&mut self);
}

/// Shows every wanted call since this moment to the study, and gives it back. Judging is done beside the runtime.
///
/// # Errors
/// The records cannot be read, or the study broke.
pub async fn walk<S: Study>(
    records: &dyn RecordedCalls,
    since: Timestamp,
    filter: &Filter,
    mut study: S,
) -> Result<S, ReadError> {
    let begin = records.begin(since, filter).await?;
    if begin.truncated {
        study.cut();
    }
    let mut next = Some(begin.seq);
    while let Some(from) = next {
        let page = records.page(from, filter).await?;
        next = page.next.filter(|next| *next > from);
        if page.calls.is_empty() {
            continue;
        }
        let looked = tokio::task::spawn_blocking(move || {
            page.calls.iter().filter(|call| call.at >= since).for_each(|call| study.take(call));
            study
        });
        study = looked.await.map_err(|_| ReadError("the analysis broke off".to_owned()))?;
    }
    Ok(study)
}
