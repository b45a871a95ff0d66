//! After a start: who is marked by `taint.mark`, read from the journal before anything is served.

use std::collections::BTreeSet;

use anyhow::Context as _;
use chrono::TimeDelta;

use crate::{
    domain::{ExceptionId, Obligation, Timestamp},
    evidence::Record,
    exception::Desk,
    monitoring::{Controls, STANDS},
    store::Store,
};

/// The longest that a label may stand.
const LONGEST: TimeDelta = TimeDelta::days(1);
/// Records that are read at once.
const PAGE: usize = 1_000;

/// Marks whoever was let through by an exception that marks, within the time of its labels. What happened after the
/// intent is not asked: a mark too many refuses, a mark too few would not.
///
/// # Errors
/// The exceptions or the journal cannot be read, or there are more to mark than can be.
pub(super) async fn restore(controls: &Controls, store: &Store, desk: &Desk, now: Timestamp) -> anyhow::Result<()> {
    let marking = marking(desk).await?;
    if marking.is_empty() {
        return Ok(());
    }
    let mut from = store.first_since(now - LONGEST).await.context("the journal cannot be read")?;
    let ids: BTreeSet<ExceptionId> = marking.iter().map(|(id, _)| id.clone()).collect();
    loop {
        let (rows, next) = store.calls_of(&ids, from, PAGE).await.context("the journal cannot be read")?;
        for (_, payload) in rows {
            let Ok(Record::Intent(intent)) = serde_json::from_slice(&payload) else { continue };
            let Some(exception) = intent.admitted_by() else { continue };
            let who = (intent.caller.agent.clone(), intent.caller.on_behalf_of.clone());
            for (_, duty) in marking.iter().filter(|(id, _)| id == exception) {
                let Obligation::TaintMark { labels, for_s } = duty else { continue };
                let until = intent.at + TimeDelta::seconds(for_s.unwrap_or(STANDS).into());
                if until > now {
                    let marked = controls.taints().mark(&who, labels, (now, until));
                    marked.map_err(|why| anyhow::anyhow!("labels of `taint.mark` cannot be restored: {why}"))?;
                }
            }
        }
        match next {
            Some(next) => from = next,
            None => return Ok(()),
        }
    }
}

/// The exceptions that mark, over or not.
async fn marking(desk: &Desk) -> anyhow::Result<Vec<(ExceptionId, Obligation)>> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = desk.list(after.as_ref(), PAGE).await.context("the exceptions cannot be read")?;
        let Some(last) = page.last() else { return Ok(found) };
        after = Some(last.id.clone());
        for exception in &page {
            let duties = exception.spec.obligations().into_iter();
            let marks = duties.filter(|duty| matches!(duty, Obligation::TaintMark { .. }));
            found.extend(marks.map(|duty| (exception.id.clone(), duty)));
        }
    }
}
