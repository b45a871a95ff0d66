//! Duties on the result: each is done, also behind one that fails, and then it leaves or it is withheld.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use bytes::Bytes;

use super::{Controls, Declared, Held, Release, Withheld, redact::Search, release::After};
use crate::domain::{Digest, Obligation, Timestamp};

impl Controls {
    /// Turns the result into a release. `trace_queued` says that the end of the call's trace is queued, or has its
    /// place held in the queue.
    ///
    /// # Errors
    /// A duty that had to hold after the call does not; the result is gone.
    pub fn fulfil(&self, held: Held, result: Bytes, trace_queued: bool) -> Result<Release, Withheld> {
        let Held { deadline, trace, after, previews, .. } = held;
        let mut faults: Vec<(&'static str, String)> = Vec::new();
        if trace && !trace_queued {
            faults.push((Obligation::TraceFull.id(), "the end of the trace could not be queued".into()));
        }
        if deadline.is_some_and(|deadline| Instant::now() > deadline) {
            faults.push(("timebox", "the answer came after the end of the call's time".into()));
        }
        faults.extend(after.limits.iter().find_map(|limit| limit.exceeded(&result)).map(|how| ("response.limit", how)));
        let marked = self.mark(&after, &mut faults);
        let searched = redacted(&self.declared.load_full(), &after, result);
        let (bytes, redacted) = match searched {
            Ok(searched) => searched,
            Err(why) => {
                faults.push(("response.redact", why));
                Default::default()
            }
        };
        match faults.into_iter().next() {
            Some((control, detail)) => Err(Withheld { control, detail, marked }),
            None => Ok(Release { bytes, redacted, marked, capture: after.capture, previews }),
        }
    }

    /// The calls that an answered call was a preview of can be made from now on; call this when its outcome is durable.
    pub fn remember(&self, previews: &[Digest], at: Timestamp) {
        if !previews.is_empty() {
            self.previews.remember(previews, at);
        }
    }

    fn mark(&self, after: &After, faults: &mut Vec<(&'static str, String)>) -> Vec<String> {
        let mut marked = Vec::new();
        for (who, labels, moments) in &after.marks {
            match self.taints.mark(who, labels, *moments) {
                Ok(()) => marked.extend(labels.iter().cloned()),
                Err(why) => faults.push(("taint.mark", why)),
            }
        }
        marked.sort();
        marked.dedup();
        marked
    }
}

type Searched = (Bytes, BTreeMap<String, u64>);

fn redacted(declared: &Arc<Declared>, after: &After, result: Bytes) -> Result<Searched, String> {
    if after.classes.is_empty() {
        return Ok((result, BTreeMap::new()));
    }
    let (bytes, found) = Search::new(declared.classes(&after.classes)?).redact(&result)?;
    Ok((bytes.into(), found))
}
