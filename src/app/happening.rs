//! Events and incidents that people and agents report.

use async_trait::async_trait;
use http::HeaderMap;

use super::{house::House, view};
use crate::{
    api::{ApiError, Caller, ExceptionView, HappeningOperations, HappeningView, Stayed},
    domain::{Fault, Reason},
    exception::{Exception, Reported, Reporter},
    gateway::Cut,
    identity::{Identity, Shown},
};

impl House {
    /// How one stands after the report; without the record, which the reporter may not be entitled to read.
    async fn touched(&self, exception: &Exception) -> Result<ExceptionView, ApiError> {
        let view = self.viewed(exception).await?;
        Ok(ExceptionView { spec: None, analysis: None, removal_test: None, ..view })
    }
}

#[async_trait]
impl HappeningOperations for House {
    async fn identify(&self, headers: &HeaderMap) -> Result<Caller, ApiError> {
        match self.authenticator.authenticate(headers, Shown::Somewhere).await {
            Ok(Identity::Person(person)) => Ok(Caller::Person(person)),
            Ok(Identity::Agent(subject)) => Ok(Caller::Agent(subject)),
            Err(error) => match error.fault() {
                Fault::Caller | Fault::Refused => Err(ApiError::unauthenticated()),
                Fault::Unavailable | Fault::Internal => {
                    Err(ApiError::unavailable("the credential cannot be checked now"))
                }
            },
        }
    }

    async fn report_event(&self, by: &Caller, event: &str, reason: &str) -> Result<HappeningView, ApiError> {
        let (reporter, name) = match by {
            Caller::Agent(subject) => (Reporter::Agent(&subject.agent), subject.agent.to_string()),
            Caller::Person(person) => (Reporter::Person(person), person.id.to_string()),
        };
        let Reported { ended, rejected, refused } =
            self.desk.report(reporter, event, reason).await.map_err(view::desk_error)?;
        tracing::info!(event, reason, by = name, exceptions = ended.len(), "an event was reported");
        let mut view = HappeningView { event: event.to_owned(), ..HappeningView::default() };
        for exception in &ended {
            self.in_flight.cut(&Cut::Exception(exception.id.clone()), Reason::ExceptionRevoked);
        }
        for exception in &ended {
            view.ended.push(self.touched(exception).await?);
        }
        for exception in &rejected {
            view.rejected.push(self.touched(exception).await?);
        }
        view.refused = refused.into_iter().map(|(exception, why)| Stayed { exception, why }).collect();
        if view.ended.is_empty() && view.rejected.is_empty() && !view.refused.is_empty() {
            let why: Vec<_> = view.refused.into_iter().map(|stayed| stayed.why).collect();
            return Err(ApiError::forbidden(why.join("; ")));
        }
        Ok(view)
    }
}
