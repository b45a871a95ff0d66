//! Who may answer for a single call that waits: its owner or an approver, and nobody who had a part in asking.

use super::{Desk, DeskError, Exception, separation};
use crate::domain::{Duty, ExceptionId, Person, PersonId};

impl Desk {
    /// Whether this person signed in strongly enough to say yes, to an exception or to a single call.
    ///
    /// # Errors
    /// What is missing, with the challenge that says how to get it.
    pub fn strong(&self, by: &Person) -> Result<(), DeskError> {
        match self.parts.assurance.get() {
            Some(assurance) => Ok(assurance.judge(by.sign_in.as_ref(), self.parts.clock.now())?),
            None => Ok(()),
        }
    }

    /// The exception, with why this person may not answer for a call under it, if so. `delegator` is the person whom
    /// the agent acts for in that call.
    ///
    /// # Errors
    /// There is no such exception, or the store cannot be read.
    pub async fn answerer(
        &self,
        id: &ExceptionId,
        person: &Person,
        delegator: Option<&PersonId>,
    ) -> Result<(Exception, Result<(), String>), DeskError> {
        let exception = self.show(id).await?;
        let registry = self.parts.registry.load();
        let who = &person.id;
        let may = if exception.requester == *who {
            Err(format!("`{who}` asked for the exception and cannot answer for a call under it"))
        } else if separation::is_beneficiary(&exception, who, &registry) || delegator == Some(who) {
            Err(format!("`{who}` operates the agent, or is whom it acts for, and cannot answer for its call"))
        } else if separation::is_owner(&exception, who, &registry) || registry.may(who, Duty::Approve) {
            Ok(())
        } else {
            Err(format!("`{who}` is not the owner of the exception and has no duty `approve` in people.yaml"))
        };
        Ok((exception, may))
    }
}
