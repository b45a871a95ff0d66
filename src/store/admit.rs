//! Admission: the transaction that is the moment of decision, and the switches that it reads.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use super::{
    Durability, Store, exceptions, holds,
    job::{self, Done, Late, Unavailable},
    ledger::{Entry, Ledger},
    store::Terms,
};
use crate::{
    domain::{AgentId, Basis, CredentialId, DecisionId, PilotId, Reach, ServerName, Timestamp},
    evidence::{Alarm, AlarmKind, Hold, Journal, JournalError, PolicyChange, PolicyEvent, Position, Record},
    gateway::{Admission, AdmissionError, Admit, AdmitInquiry, Charge, Holding},
};

impl From<Unavailable> for AdmissionError {
    fn from(Unavailable(why): Unavailable) -> Self {
        Self::Unavailable(why)
    }
}

impl From<JournalError> for AdmissionError {
    fn from(error: JournalError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// What is read again before the intent is written.
struct Check {
    at: Timestamp,
    credential: CredentialId,
    epoch: u64,
    charge: Option<Charge>,
    agent: AgentId,
    server: ServerName,
    pilot: Option<PilotId>,
    decision: DecisionId,
    hold: Option<Holding>,
}

impl Check {
    fn reach(&self) -> Reach<'_> {
        let exception = self.charge.as_ref().map(|charge| &charge.exception);
        Reach { agent: &self.agent, server: Some(&self.server), exception, pilot: self.pilot.as_ref() }
    }
}

#[async_trait]
impl Admission for Store {
    async fn admit(&self, admit: Admit) -> Result<Position, AdmissionError> {
        let Admit { intent, credential, epoch, charge, hold } = admit;
        let named = charge.as_ref().map(|charge| &charge.exception);
        let paid = charge.as_ref().is_some_and(|charge| charge.paid);
        if intent.admitted_by() != named || (paid != (named.is_some() && intent.continues.is_some())) {
            return Err(AdmissionError::ExceptionChanged("the verdict and the charge name different ones".to_owned()));
        }
        let early = self.settings.durability == Durability::Exceptions && intent.verdict.basis == Basis::Rbac;
        let late = Late { decision: intent.decision.clone(), refund: intent.charged().cloned() };
        let (agent, server) = (intent.caller.agent.clone(), intent.call.server.clone());
        let pilot = intent.verdict.pilot.clone();
        let decision = intent.decision.clone();
        let check = Check { at: intent.at, credential, epoch, charge, agent, server, pilot, decision, hold };
        let entry = Entry::of(&Record::Intent(intent))?;
        let terms = Terms { limit: self.settings.commit_timeout, late: Some(late), early };
        self.ask(terms, move |ledger| admit_in(ledger, &check, &entry)).await?
    }

    async fn admit_inquiry(&self, admit: AdmitInquiry) -> Result<Position, AdmissionError> {
        let AdmitInquiry { inquiry, credential, epoch } = admit;
        let (agent, server) = (inquiry.caller.agent.clone(), inquiry.server.clone());
        let entry = Entry::of(&Record::Inquiry(inquiry))?;
        let terms = Terms { limit: self.settings.commit_timeout, late: None, early: false };
        let work = move |ledger: &mut Ledger| {
            let request = Reach { agent: &agent, server: Some(&server), exception: None, pilot: None };
            match refusal(ledger, (&credential, epoch), &request) {
                Some(refusal) => Ok(Done::plain(Err(refusal))),
                None => ledger.append(&entry).map(|position| Done::plain(Ok(position))),
            }
        };
        self.ask(terms, work).await?
    }

    fn is_frozen(&self, request: &Reach<'_>) -> bool {
        self.frozen().borrow().hit(request)
    }

    fn holds(&self) -> watch::Receiver<Arc<Vec<Hold>>> {
        Self::holds(self)
    }

    async fn record(&self, record: Record) -> Result<Position, AdmissionError> {
        Ok(self.append(record).await?)
    }
}

#[async_trait]
impl Journal for Store {
    async fn append(&self, record: Record) -> Result<Position, JournalError> {
        let late = if let Record::Outcome(outcome) = &record {
            Some(Late { decision: outcome.decision.clone(), refund: None })
        } else {
            None
        };
        let entry = Entry::of(&record)?;
        let terms = Terms { limit: self.settings.commit_timeout, late, early: false };
        match self.ask(terms, job::write(entry)).await {
            Ok(seq) => Ok(Position { seq }),
            Err(Unavailable(why)) => Err(JournalError::Unavailable(why)),
        }
    }
}

/// Why nothing of this credential that was decided under this epoch is admitted now.
fn refusal(ledger: &Ledger, (credential, epoch): (&CredentialId, u64), request: &Reach<'_>) -> Option<AdmissionError> {
    let memory = &ledger.memory;
    if ledger.tight {
        return Some(AdmissionError::Unavailable("the disk is full".to_owned()));
    }
    if memory.freezes.hit(request) {
        return Some(AdmissionError::Frozen);
    }
    if memory.revoked.contains(credential) {
        return Some(AdmissionError::CredentialRevoked);
    }
    (memory.epoch != epoch).then_some(AdmissionError::Stale)
}

fn admit_in(
    ledger: &mut Ledger,
    check: &Check,
    entry: &Entry,
) -> rusqlite::Result<Done<Result<Position, AdmissionError>>> {
    if let Some(refusal) = refusal(ledger, (&check.credential, check.epoch), &check.reach()) {
        return Ok(Done::plain(Err(refusal)));
    }
    if let Some(charge) = &check.charge {
        match exceptions::standing(ledger, charge, &check.agent, check.at)? {
            exceptions::Standing::Same => {}
            exceptions::Standing::Ended(why) => return Ok(Done::plain(Err(AdmissionError::ExceptionChanged(why)))),
            exceptions::Standing::Tampered(why) => {
                let alarm = Alarm {
                    at: check.at,
                    about: AlarmKind::ExceptionChanged,
                    exception: Some(charge.exception.clone()),
                    decision: entry.summary.decision.clone(),
                    detail: why.clone(),
                };
                ledger.tell(&Record::Alarm(alarm))?;
                return Ok(Done::plain(Err(AdmissionError::ExceptionChanged(why))));
            }
        }
        let yes = match check.hold.as_ref().filter(|_| !charge.paid) {
            Some(holding) => match holds::word(ledger, holding, (check.at, &check.decision))? {
                holds::Word::Yes(hold) => Some(hold),
                holds::Word::No(error) => return Ok(Done::plain(Err(error))),
            },
            None => None,
        };
        if !charge.paid && !ledger.take_use(&charge.exception, charge.budget.calls)? {
            return Ok(Done::plain(Err(AdmissionError::Exhausted)));
        }
        if let Some(hold) = yes {
            holds::spend(ledger, &hold, (check.at, &check.decision))?;
        }
    }
    let position = ledger.append(entry)?;
    Ok(Done { value: Ok(position), record: Some(position.seq) })
}

impl Store {
    /// Records a change of the policies. If they were loaded, calls that were decided under another epoch than
    /// this one are refused as stale from the return on; publish the new set after it.
    ///
    /// # Errors
    /// The store cannot be written now.
    pub async fn policy(&self, change: PolicyChange) -> Result<Position, JournalError> {
        let epoch = (change.event == PolicyEvent::Loaded).then_some(change.epoch);
        let entry = Entry::of(&Record::Policy(change))?;
        let work = self.ask(Terms::PATIENT, move |ledger| {
            if let Some(epoch) = epoch {
                ledger.set("epoch", epoch.cast_signed())?;
                ledger.memory.epoch = epoch;
            }
            Ok(Done::plain(ledger.append(&entry)?))
        });
        work.await.map_err(|Unavailable(why)| JournalError::Unavailable(why))
    }
}
