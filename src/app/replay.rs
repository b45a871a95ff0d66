//! Follows the journal and sends the trace of each use of an exception again until the collector has it.
//!
//! The journal is the outbox: the cursor `traces` says up to which record each use has an acknowledged trace, or is
//! named by an alarm as lost. What lies behind it is kept as numbers only, and never more than a window of them.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Mutex;

use super::house::House;
use crate::{
    domain::{DecisionId, ExceptionId, Timestamp},
    evidence::{Alarm, AlarmKind, Feed as _, How, Intent, Journal as _, JournalError, Outcome, Record, Row},
    store::Store,
    telemetry::{Ending, Fate, Past},
};

/// The cursor: each use up to it has its trace.
pub(crate) const CURSOR: &str = "traces";
/// Uses without an acknowledgement that are looked after at once; the rest waits in the journal.
const WINDOW: usize = 4_096;
/// Records of one read.
const READ: u32 = 500;
/// Reads of one turn.
const READS: usize = 20;
/// Uses that are sent again in one turn.
const SENT: usize = 64;
/// Records without a use after which the cursor is noted all the same.
const IDLE: u64 = 10_000;
const PACE: Duration = Duration::from_millis(250);
/// Between two notes of the cursor.
const NOTE: Duration = Duration::from_secs(1);
/// The cursor is noted at least this often while records without a use are written: retention waits for it.
const SELDOM: Duration = Duration::from_secs(30);
/// Times that a trace which the collector refuses is sent again.
const ATTEMPTS: u32 = 5;
/// Until it is sent again the first time; twice as long each time after.
const REST: Duration = Duration::from_millis(250);
/// A use of this process that has no outcome by then never gets one.
const FORGOTTEN: Duration = Duration::from_secs(900);
/// A trace that is not acknowledged by then is counted as missing.
const OVERDUE: Duration = Duration::from_secs(10);

/// The follower.
pub(super) struct Replay {
    house: Arc<House>,
    /// The last record of the process before.
    before: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The last record that was read; none before the first turn.
    read: Option<u64>,
    /// What the cursor says.
    noted: u64,
    /// Whether a use was settled since.
    settled: bool,
    at: Option<Instant>,
    /// When the cursor was last moved.
    moved: Option<Instant>,
    pending: BTreeMap<u64, Pending>,
    /// Uses whose trace is lost for good.
    lost: u64,
}

struct Pending {
    decision: DecisionId,
    exception: ExceptionId,
    seen: Instant,
    attempts: u32,
    due: Instant,
}

impl Replay {
    /// Before the first call is served: where no process had a collector, the cursor is noted at what is there now.
    pub(super) async fn begin(house: &Arc<House>) -> Arc<Self> {
        let before = *house.store.head().borrow();
        if house.telemetry.is_on()
            && let Err(error) = begin(&house.store, before).await
        {
            tracing::warn!(%error, "it is not noted yet from which record on traces are sent");
        }
        Arc::new(Self { house: Arc::clone(house), before, state: Mutex::default() })
    }

    /// Follows until it is dropped; does nothing where no trace is made.
    pub(super) async fn run(self: Arc<Self>) {
        if !self.house.telemetry.is_on() {
            return;
        }
        loop {
            if let Err(error) = self.turn().await {
                tracing::warn!(%error, "traces of exceptions cannot be followed now");
            }
            tokio::time::sleep(PACE).await;
        }
    }

    async fn turn(&self) -> Result<(), JournalError> {
        let mut state = self.state.lock().await;
        self.read(&mut state).await?;
        self.settle(&mut state);
        if self.house.telemetry.lease().holds() {
            self.send(&mut state).await?;
        }
        let overdue = state.pending.values().filter(|use_| use_.seen.elapsed() > OVERDUE && self.is_gone(use_)).count();
        let metrics = self.house.telemetry.metrics();
        metrics.without_trace(state.lost + u64::try_from(overdue).unwrap_or(u64::MAX));
        metrics.lag(CURSOR, state.lag(*self.house.store.head().borrow()));
        if state.at.is_none_or(|at| at.elapsed() >= NOTE) {
            self.note(&mut state).await?;
        }
        Ok(())
    }

    /// Notes what was acknowledged until now; for the end of the process.
    pub(super) async fn finish(&self) {
        let mut state = self.state.lock().await;
        if state.read.is_none() {
            return;
        }
        self.settle(&mut state);
        if let Err(error) = self.note(&mut state).await {
            tracing::warn!(%error, "acknowledged traces are not noted; they are sent again at the next start");
        }
    }

    /// Reads on, as far as the window has room.
    async fn read(&self, state: &mut State) -> Result<(), JournalError> {
        let mut read = match state.read {
            Some(read) => read,
            None => {
                state.noted = begin(&self.house.store, self.before).await?;
                state.noted
            }
        };
        state.read = Some(read);
        for _ in 0..READS {
            if state.pending.len() >= WINDOW {
                return Ok(());
            }
            let rows = self.house.store.after(read, READ).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            read = last.seq;
            let now = Instant::now();
            for (seq, intent) in rows.iter().filter_map(used) {
                let Some(exception) = intent.admitted_by().cloned() else { continue };
                let pending = Pending { decision: intent.decision, exception, seen: now, attempts: 0, due: now };
                state.pending.insert(seq, pending);
            }
            state.read = Some(read);
        }
        Ok(())
    }

    /// Lets go of what was acknowledged.
    fn settle(&self, state: &mut State) {
        let (uses, before) = (self.house.telemetry.uses(), state.pending.len());
        state.pending.retain(|_, pending| {
            let open = uses.fate(&pending.decision) != Fate::Acknowledged;
            if !open {
                uses.noted(&pending.decision);
            }
            open
        });
        state.settled |= state.pending.len() < before;
    }

    fn is_gone(&self, pending: &Pending) -> bool {
        self.house.telemetry.uses().fate(&pending.decision) == Fate::Gone
    }

    async fn send(&self, state: &mut State) -> Result<(), JournalError> {
        let now = Instant::now();
        let gone = state.pending.iter().filter(|(_, pending)| pending.due <= now && self.is_gone(pending));
        let due: Vec<u64> = gone.map(|(seq, _)| *seq).take(SENT).collect();
        for seq in due {
            let Some(pending) = state.pending.get_mut(&seq) else { continue };
            if pending.attempts >= ATTEMPTS {
                self.lose(pending).await?;
                (state.lost, state.settled) = (state.lost + 1, true);
                state.pending.remove(&seq);
                continue;
            }
            let records = self.house.store.decision(&pending.decision).await?;
            match self.story(seq, records, pending) {
                Story::Open => pending.due = now + REST,
                Story::NoUse => {
                    state.settled = true;
                    state.pending.remove(&seq);
                }
                Story::Told(past) => {
                    if !self.house.telemetry.tell_again(&past) {
                        return Ok(());
                    }
                    pending.due = now + REST * 2_u32.saturating_pow(pending.attempts);
                    pending.attempts += 1;
                }
            }
        }
        Ok(())
    }

    fn story(&self, seq: u64, records: Vec<(u64, Record)>, pending: &Pending) -> Story {
        let (mut intent, mut outcome) = (None, None);
        for (at, record) in records {
            if let Record::Outcome(found) = record {
                outcome = Some(found);
            } else if let Record::Aborted(aborted) = record {
                if aborted.record == seq {
                    return Story::NoUse;
                }
            } else if let Record::Intent(found) = record
                && at == seq
            {
                intent = Some(found);
            }
        }
        let Some(intent) = intent else { return Story::NoUse };
        if outcome.is_none() && seq > self.before && pending.seen.elapsed() < FORGOTTEN {
            return Story::Open;
        }
        past(seq, intent, outcome, self.house.clock.now()).map_or(Story::NoUse, |past| Story::Told(Box::new(past)))
    }

    /// A person must know that this trace will not be there.
    async fn lose(&self, pending: &Pending) -> Result<(), JournalError> {
        let detail =
            format!("the collector refused the trace of a use {} times; it is not in the backend", ATTEMPTS + 1);
        tracing::error!(decision = %pending.decision, exception = %pending.exception, detail, "alarm");
        let alarm = Alarm {
            at: self.house.clock.now(),
            about: AlarmKind::TraceLost,
            exception: Some(pending.exception.clone()),
            decision: Some(pending.decision.clone()),
            detail,
        };
        self.house.store.append(Record::Alarm(alarm)).await.map(drop)
    }

    /// Moves the cursor to just before the first use that waits.
    async fn note(&self, state: &mut State) -> Result<(), JournalError> {
        let read = state.read.unwrap_or_default();
        let mark = state.pending.keys().next().map_or(read, |first| first.saturating_sub(1));
        // Records that are no uses are worth a write now and then.
        let idle = mark.saturating_sub(state.noted) > IDLE || state.moved.is_none_or(|at| at.elapsed() > SELDOM);
        if mark > state.noted && (state.settled || idle) {
            self.house.store.advance(CURSOR, mark).await?;
            (state.noted, state.settled, state.moved) = (mark, false, Some(Instant::now()));
        }
        state.at = Some(Instant::now());
        Ok(())
    }
}

impl State {
    /// What the collector has not got: the uses that wait, and the records that nobody has looked at yet. Records that
    /// carry no use count for nothing.
    fn lag(&self, head: u64) -> u64 {
        let unread = head.saturating_sub(self.read.unwrap_or(self.noted));
        unread.saturating_add(u64::try_from(self.pending.len()).unwrap_or(u64::MAX))
    }
}

/// Where the follower begins. No collector was there for what was written before the cursor was; so none of it is owed.
async fn begin(store: &Store, before: u64) -> Result<u64, JournalError> {
    if let Some(noted) = store.cursor(CURSOR).await? {
        return Ok(noted);
    }
    store.advance(CURSOR, before).await?;
    Ok(before)
}

/// What the journal says of a use.
enum Story {
    /// It is under way.
    Open,
    /// It never left, or no trace was begun for it.
    NoUse,
    Told(Box<Past>),
}

/// The use of an exception that this row is the intent of. Rows of other calls are told apart before they are read.
pub(super) fn used(row: &Row) -> Option<(u64, Intent)> {
    let holds = |text: &[u8]| row.payload.windows(text.len()).any(|part| part == text);
    if !row.payload.starts_with(br#"{"kind":"intent""#)
        || !(holds(br#""basis":"exception""#) || holds(br#""basis":"break_glass""#))
    {
        return None;
    }
    match serde_json::from_slice(&row.payload) {
        Ok(Record::Intent(intent)) if intent.admitted_by().is_some() => Some((row.seq, intent)),
        Ok(_) | Err(_) => None,
    }
}

fn past(seq: u64, intent: Intent, outcome: Option<Outcome>, now: Timestamp) -> Option<Past> {
    let ending = outcome.as_ref().map_or(Ending::Abandoned, ending);
    let took = outcome.as_ref().filter(|outcome| outcome.how != How::Aborted && outcome.duration_us > 0);
    Some(Past {
        decision: intent.decision,
        trace: intent.caller.trace?,
        parent: intent.caller.parent,
        agent: intent.caller.agent,
        user: intent.caller.on_behalf_of,
        session: intent.caller.session,
        protocol: intent.caller.protocol,
        server: intent.call.server,
        tool: intent.call.tool,
        exposed: intent.call.exposed,
        verdict: intent.verdict,
        seq,
        at: intent.at,
        ended: outcome.as_ref().map_or(now, |outcome| outcome.at),
        took: took.map(|outcome| Duration::from_micros(outcome.duration_us)),
        ending,
    })
}

fn ending(outcome: &Outcome) -> Ending {
    let bytes = usize::try_from(outcome.result_bytes).unwrap_or(usize::MAX);
    match outcome.how {
        How::Answered | How::InputRequired | How::Task => Ending::Answered { bytes, is_error: false },
        How::ToolError => Ending::Answered { bytes, is_error: true },
        How::Refused => match outcome.detail.as_deref().and_then(|code| code.parse().ok()) {
            Some(code) => Ending::RpcError { code },
            None => Ending::Failed { kind: "refused" },
        },
        How::Failed => Ending::Failed { kind: "failed" },
        How::Cancelled => Ending::Cancelled,
        How::TimedOut => Ending::TimedOut,
        How::Withheld => Ending::Withheld,
        How::Aborted | How::Unknown => Ending::Abandoned,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{app::clock::SystemClock, domain::Clock as _, store::Settings};

    #[tokio::test(flavor = "multi_thread")]
    async fn a_folder_that_had_no_collector_begins_at_its_head_and_any_other_where_it_was() {
        let temp = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock::default());
        let (store, _) = Store::open(&temp.path().join("data"), Settings::default(), Arc::clone(&clock) as _).unwrap();
        for detail in ["one", "two"] {
            let (at, detail) = (clock.now(), detail.to_owned());
            let alarm = Alarm { at, about: AlarmKind::TraceLost, exception: None, decision: None, detail };
            store.append(Record::Alarm(alarm)).await.unwrap();
        }
        let head = *store.head().borrow();
        assert!(head >= 2);
        assert_eq!(begin(&store, head).await, Ok(head));
        // The next process begins there, whatever was written since.
        assert_eq!((store.cursor(CURSOR).await, begin(&store, head + 5).await), (Ok(Some(head)), Ok(head)));
        store.close().await;
    }

    #[test]
    fn the_lag_counts_uses_that_wait_and_records_nobody_looked_at_and_none_that_carry_no_use() {
        let mut state = State { read: Some(9_000), noted: 10, ..State::default() };
        assert_eq!((state.lag(9_000), state.lag(9_004)), (0, 4));
        let now = Instant::now();
        let exception: ExceptionId = "EX-2026-0042".parse().unwrap();
        for seq in [20, 8_000] {
            let decision = DecisionId::from_bits(seq.into());
            let pending = Pending { decision, exception: exception.clone(), seen: now, attempts: 0, due: now };
            state.pending.insert(seq, pending);
        }
        assert_eq!(state.lag(9_000), 2);
        assert_eq!(State { noted: 10, ..State::default() }.lag(12), 2);
    }
}
