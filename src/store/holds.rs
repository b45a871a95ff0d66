//! Calls that wait for a person's yes: kept as records, answered once, spent once.

use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::watch;

use super::{
    Store,
    job::{Done, Unavailable},
    ledger::{Ledger, Memory},
    load::{LoadError, bytes},
    store::Terms,
};
use crate::{
    domain::{CredentialId, DecisionId, HoldId, PersonId, Timestamp, limits},
    evidence::{Hold, HoldChange, HoldEvent, HoldState, JournalError, Record, Shred, chain},
    gateway::{AdmissionError, Holding},
};

/// A hold cannot be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HoldError {
    /// There is none, or it is spent or over.
    #[error("there is no such hold; it may be spent or over")]
    Unknown,
    /// Somebody was first.
    #[error("it was {0} already")]
    Settled(&'static str),
    /// The answer cannot be made durable.
    #[error(transparent)]
    Unavailable(#[from] JournalError),
}

/// What a person says to a call that waits.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Who.
    pub by: PersonId,
    /// What was shown.
    pub credential: CredentialId,
    /// How the person signed in, if the credential said.
    pub methods: Vec<String>,
    /// Yes or no.
    pub yes: bool,
    /// Why.
    pub reason: String,
}

/// How a call stands to what people said.
pub(super) enum Word {
    /// A person said yes; this hold is to be spent.
    Yes(Hold),
    /// It may not go on now.
    No(AdmissionError),
}

/// Reads what the journal says. A record that is not what was written voids every hold.
pub(super) fn load(conn: &Connection, memory: &mut Memory) -> Result<(), LoadError> {
    let sql = "SELECT here.seq, here.payload, here.chain, before.chain FROM journal AS here
        LEFT JOIN journal AS before ON before.seq = here.seq - 1 WHERE here.kind = 'hold' ORDER BY here.seq";
    let mut query = conn.prepare(sql)?;
    let mut rows = query.query([])?;
    let mut holds = Vec::new();
    while let Some(row) = rows.next()? {
        let (seq, payload) = (row.get::<_, i64>(0)?.cast_unsigned(), bytes(row, 1)?);
        let (link, before): ([u8; 32], Option<[u8; 32]>) = (row.get(2)?, row.get(3)?);
        let linked = chain(&before.unwrap_or_default(), seq, &payload) == link;
        match serde_json::from_slice(&payload) {
            Ok(Record::Hold(change)) if linked => follow(&mut holds, &change),
            Ok(_) | Err(_) => holds.clear(),
        }
    }
    let latest = memory.latest;
    holds.retain(|hold: &Hold| {
        !matches!(hold.state, HoldState::Denied(..)) || hold.ask.expires.timestamp_millis() > latest
    });
    memory.holds = Arc::new(holds);
    Ok(())
}

fn follow(holds: &mut Vec<Hold>, change: &HoldChange) {
    let HoldChange { at, hold, event, decision, actor, reason, credential, ask, .. } = change;
    match event {
        HoldEvent::Asked => {
            if let (Some(decision), Some(ask)) = (decision, ask) {
                let (id, asked, decision, ask) = (hold.clone(), *at, decision.clone(), Arc::clone(ask));
                holds.push(Hold { id, asked, decision, ask, state: HoldState::Open });
            }
        }
        HoldEvent::Approved => settle(holds, hold, HoldState::Approved(actor.clone(), credential.clone())),
        HoldEvent::Denied => settle(holds, hold, HoldState::Denied(actor.clone(), reason.clone())),
        HoldEvent::Spent | HoldEvent::Expired | HoldEvent::Void => holds.retain(|one| one.id != *hold),
    }
}

fn settle(holds: &mut [Hold], id: &HoldId, state: HoldState) {
    if let Some(found) = holds.iter_mut().find(|one| one.id == *id) {
        found.state = state;
    }
}

/// Records a change and follows it.
fn write(ledger: &mut Ledger, change: HoldChange) -> rusqlite::Result<()> {
    let mut holds = Vec::clone(&ledger.memory.holds);
    follow(&mut holds, &change);
    ledger.tell(&Record::Hold(change))?;
    ledger.memory.holds = Arc::new(holds);
    Ok(())
}

/// What people said to this call; if it is new, they are asked.
pub(super) fn word(
    ledger: &mut Ledger,
    holding: &Holding,
    (at, decision): (Timestamp, &DecisionId),
) -> rusqlite::Result<Word> {
    let live = |hold: &&Hold| hold.ask.action == holding.ask.action && at < hold.ask.expires;
    if let Some(found) = ledger.memory.holds.iter().rev().find(live).cloned() {
        match &found.state {
            HoldState::Approved(by, credential) => match void(ledger, holding, (by, credential.as_ref())) {
                None => return Ok(Word::Yes(found)),
                // It is on record as void, and people are asked anew.
                Some(why) => write(ledger, HoldChange { reason: why, ..step(&found, HoldEvent::Void, at) })?,
            },
            HoldState::Open => return Ok(Word::No(AdmissionError::Held(Box::new(found)))),
            HoldState::Denied(by, why) => {
                return Ok(Word::No(AdmissionError::NotApproved(format!("`{by}` said no: {why}"))));
            }
        }
    }
    if holding.again {
        let why = "nobody said yes in time, the yes does not count any more, or the policies changed meanwhile";
        return Ok(Word::No(AdmissionError::NotApproved(why.to_owned())));
    }
    let open = |hold: &&Hold| hold.state == HoldState::Open && at < hold.ask.expires;
    let same = ledger.memory.holds.iter().filter(open).filter(|hold| hold.ask.exception == holding.ask.exception);
    if same.count() >= limits::HOLDS_PER_EXCEPTION || ledger.memory.holds.len() >= limits::HOLDS {
        return Ok(Word::No(AdmissionError::NotApproved("too many calls wait for an answer already".to_owned())));
    }
    let change = HoldChange {
        at,
        hold: holding.id.clone(),
        event: HoldEvent::Asked,
        exception: holding.ask.exception.clone(),
        decision: Some(decision.clone()),
        actor: holding.ask.caller.agent.to_string(),
        reason: String::new(),
        credential: None,
        methods: Vec::new(),
        ask: Some(Arc::clone(&holding.ask)),
    };
    write(ledger, change)?;
    let asked = ledger.memory.holds.last().cloned();
    let unasked = || AdmissionError::Unavailable("the hold is not on record".to_owned());
    Ok(Word::No(asked.map_or_else(unasked, |hold| AdmissionError::Held(Box::new(hold)))))
}

/// Why a yes does not count at this moment, if so.
fn void(ledger: &Ledger, holding: &Holding, (by, credential): (&str, Option<&CredentialId>)) -> Option<String> {
    if !holding.answerers.contains(&PersonId::from(by)) {
        return Some(format!("`{by}` said yes and may not answer any more"));
    }
    let Some(credential) = credential else {
        return Some(format!("`{by}` said yes with a credential that is not on record"));
    };
    ledger.memory.revoked.contains(credential).then(|| format!("the credential with which `{by}` said yes was revoked"))
}

/// Uses a yes up, in the transaction that admits the call.
pub(super) fn spend(
    ledger: &mut Ledger,
    hold: &Hold,
    (at, decision): (Timestamp, &DecisionId),
) -> rusqlite::Result<()> {
    let mut change = step(hold, HoldEvent::Spent, at);
    (change.decision, change.actor) = (Some(decision.clone()), hold.ask.caller.agent.to_string());
    write(ledger, change)
}

/// Voids the open holds whose arguments these keys sealed: nobody could see what the answer is about, and the agent may
/// ask anew.
pub(super) fn shredded(ledger: &mut Ledger, shred: &Shred) -> rusqlite::Result<()> {
    let all = Arc::clone(&ledger.memory.holds);
    let sealed = |hold: &&Hold| hold.ask.call.arguments.sealed.as_ref().is_some_and(|at| shred.keys.contains(&at.key));
    for hold in all.iter().filter(|hold| hold.state == HoldState::Open).filter(sealed) {
        let reason = "its arguments were shredded".to_owned();
        write(ledger, HoldChange { reason, ..step(hold, HoldEvent::Void, shred.at) })?;
    }
    Ok(())
}

fn step(hold: &Hold, event: HoldEvent, at: Timestamp) -> HoldChange {
    HoldChange {
        at,
        hold: hold.id.clone(),
        event,
        exception: hold.ask.exception.clone(),
        decision: None,
        actor: "gateway".to_owned(),
        reason: String::new(),
        credential: None,
        methods: Vec::new(),
        ask: None,
    }
}

impl Store {
    /// All holds that are not spent and not over, the oldest first.
    #[must_use]
    pub fn holds(&self) -> watch::Receiver<Arc<Vec<Hold>>> {
        self.signals.holds.subscribe()
    }

    /// Answers a hold. Who may has been looked at before.
    ///
    /// # Errors
    /// There is none that waits, or the answer is not durable.
    pub async fn answer_hold(&self, id: &HoldId, answer: Answer, at: Timestamp) -> Result<Hold, HoldError> {
        let id = id.clone();
        let work = move |ledger: &mut Ledger| {
            let found = ledger.memory.holds.iter().find(|hold| hold.id == id && at < hold.ask.expires).cloned();
            let Some(hold) = found else { return Ok(Done::plain(Err(HoldError::Unknown))) };
            if hold.state != HoldState::Open {
                return Ok(Done::plain(Err(HoldError::Settled(hold.state.as_str()))));
            }
            let Answer { by, credential, methods, yes, reason } = answer;
            let (event, actor, credential) = if yes {
                (HoldEvent::Approved, by.to_string(), Some(credential))
            } else {
                (HoldEvent::Denied, by.to_string(), None)
            };
            let change = HoldChange { actor, reason, credential, methods, ..step(&hold, event, at) };
            let (actor, reason, credential) = (change.actor.clone(), change.reason.clone(), change.credential.clone());
            write(ledger, change)?;
            let state = if yes { HoldState::Approved(actor, credential) } else { HoldState::Denied(actor, reason) };
            Ok(Done::plain(Ok(Hold { state, ..hold })))
        };
        let done = self.ask(Terms::PATIENT, work).await;
        done.map_err(|Unavailable(why)| HoldError::Unavailable(JournalError::Unavailable(why)))?
    }

    /// Ends the holds whose time is over, and gives them as they stood.
    ///
    /// # Errors
    /// The records are not durable.
    pub async fn expire_holds(&self, at: Timestamp) -> Result<Vec<Hold>, JournalError> {
        let work = move |ledger: &mut Ledger| {
            let all = Arc::clone(&ledger.memory.holds);
            let over: Vec<Hold> = all.iter().filter(|hold| hold.ask.expires <= at).cloned().collect();
            for hold in &over {
                write(ledger, step(hold, HoldEvent::Expired, at))?;
            }
            Ok(Done::plain(over))
        };
        self.ask(Terms::PATIENT, work).await.map_err(|Unavailable(why)| JournalError::Unavailable(why))
    }
}
