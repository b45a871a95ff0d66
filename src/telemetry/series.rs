//! Series whose labels come from a set that somebody registered (T107).

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use arc_swap::ArcSwap;
use prometheus::{Histogram, HistogramVec};

use super::{attribute, ending::Ending};
use crate::domain::{Method, ToolRef, limits};

/// What stands for a tool that nobody registered.
const OTHER: &str = "other";

/// Durations per registered tool and ending; each series is bound at its first use.
#[derive(Debug)]
pub(super) struct ToolDurations {
    all: HistogramVec,
    tools: ArcSwap<BTreeMap<ToolRef, Arc<Bound>>>,
    other: Bound,
}

type Bound = [OnceLock<Histogram>; Ending::LABELS.len()];

impl ToolDurations {
    /// The labels of the vector that it is made over.
    pub(super) const LABELS: [&'static str; 4] =
        ["mcp_method_name", "postern_server", "gen_ai_tool_name", "error_type"];

    pub(super) fn new(all: HistogramVec) -> Self {
        Self { all, tools: ArcSwap::default(), other: Bound::default() }
    }

    /// These are the tools now. Series of tools that are no longer among them are forgotten; beyond the bound, tools
    /// that are known stay so and the rest is `other`.
    pub(super) fn register(&self, tools: &[ToolRef]) {
        let before = self.tools.load();
        let (old, new): (Vec<_>, Vec<_>) = tools.iter().partition(|tool| before.contains_key(*tool));
        let kept = old.into_iter().chain(new).take(limits::SERIES);
        let next: BTreeMap<_, _> =
            kept.map(|tool| (tool.clone(), before.get(tool).cloned().unwrap_or_default())).collect();
        for (tool, bound) in before.iter().filter(|(tool, _)| !next.contains_key(tool)) {
            for (label, series) in Ending::LABELS.iter().zip(bound.iter()) {
                if series.get().is_some() {
                    // It may have gone already.
                    let _gone = self.all.remove_label_values(&labels(Some(tool), label));
                }
            }
        }
        self.tools.store(Arc::new(next));
    }

    /// A tool call of this tool, or of none that is known, took this long.
    pub(super) fn observe(&self, tool: Option<&ToolRef>, ending: Ending, elapsed: Duration) {
        let tools = self.tools.load();
        let known = tool.and_then(|tool| tools.get_key_value(tool));
        let (tool, bound) = known.map_or((None, &self.other), |(tool, bound)| (Some(tool), &**bound));
        let label = ending.label();
        let (Some(series), Some(error)) = (bound.get(label), Ending::LABELS.get(label)) else { return };
        series.get_or_init(|| self.all.with_label_values(&labels(tool, error))).observe(elapsed.as_secs_f64());
    }
}

impl ToolDurations {
    /// A request that calls no tool took this long.
    pub(super) fn observe_other(&self, method: Method, ending: Ending, elapsed: Duration) {
        let Some(error) = Ending::LABELS.get(ending.label()) else { return };
        self.all.with_label_values(&[method.as_str(), "", "", error]).observe(elapsed.as_secs_f64());
    }
}

fn labels<'a>(tool: Option<&'a ToolRef>, error: &'a str) -> [&'a str; 4] {
    let (server, name) = tool.map_or((OTHER, OTHER), |tool| (tool.server.as_str(), tool.tool.as_str()));
    [attribute::CALL, server, name, error]
}
