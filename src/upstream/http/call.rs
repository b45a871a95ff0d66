//! A request to an HTTP server of either era.

use std::sync::Arc;

use http::StatusCode;
use tokio::{sync::OwnedSemaphorePermit, time::timeout};

use super::{
    exchange::{Around, Lost, Reply},
    flight::PostFlight,
    keeper::HttpServer,
    passage::Passage,
    session::{Place, Session, SessionKey},
};
use crate::{
    catalog::ToolCall,
    mcp::{
        Era, Mirrors,
        client::{self, Answer, Speaker},
        code,
    },
    upstream::{
        CallEnd, Dispatch, FailureKind,
        conclude::conclude,
        errand::Errand,
        link::LinkFlight,
        rounds::{EarRef, Flight as _, Step, begin, resume},
    },
};

impl HttpServer {
    /// Sends a request to the server.
    pub(in crate::upstream) async fn send(&self, errand: Errand, dispatch: Dispatch) -> CallEnd {
        let Some(era) = self.era.load_full() else { return CallEnd::unsent(FailureKind::Down) };
        if !errand.known_to(*era) {
            return CallEnd::unsent(FailureKind::Unsupported);
        }
        let (cancelled, deadline) = (&dispatch.cancelled, dispatch.deadline);
        // What was begun has a seat already.
        let given = dispatch.input.as_ref().filter(|given| *era == Era::Legacy && given.state.is_some());
        let slot = match given {
            Some(_) => None,
            None => tokio::select! {
                biased;
                slot = self.slots.clone().acquire_owned() => slot.ok(),
                () = cancelled.cancelled() => return CallEnd::Cancelled,
                () = tokio::time::sleep_until(deadline) => return CallEnd::unsent(FailureKind::Busy),
            },
        };
        let attempt = async {
            match (*era, given, slot) {
                (Era::Legacy, Some(given), _) => resume(&self.lot, given, (&errand, &dispatch)).await,
                (Era::Legacy, None, Some(slot)) => self.legacy(&errand, &dispatch, slot).await,
                (Era::Modern, ..) => self.modern(&errand, &dispatch).await,
                (Era::Legacy, None, None) => CallEnd::unsent(FailureKind::Down),
            }
        };
        tokio::select! {
            biased;
            end = attempt => end,
            () = cancelled.cancelled() => CallEnd::Cancelled,
            () = tokio::time::sleep_until(deadline) => CallEnd::TimedOut,
        }
    }

    async fn modern(&self, errand: &Errand, dispatch: &Dispatch) -> CallEnd {
        match self.ask_modern(errand, dispatch).await {
            Ok(reply) => conclude(reply.answer, errand.method(), Era::Modern, &dispatch.capabilities),
            Err(Lost { kind, sent }) => CallEnd::Failed { kind, effect_possible: sent },
        }
    }

    /// Once more if the server refused the headers unread, for they come from a schema that may be old.
    async fn ask_modern(&self, errand: &Errand, dispatch: &Dispatch) -> Result<Reply, Lost> {
        let mirrors = self.mirroring.of(errand).map_err(Lost::before)?;
        let reply = self.exchange(errand, dispatch, &mirrors).await?;
        let Answer::Error(error) = &reply.answer else { return Ok(reply) };
        match (i32::try_from(error.code), errand) {
            (Ok(code::UNSUPPORTED_VERSION), _) => {
                self.wire.board.strange.notify_one();
                Ok(reply)
            }
            (Ok(code::HEADER_MISMATCH), Errand::Call(call)) => match self.fresh_mirrors(call).await {
                Some(fresh) if fresh != mirrors => self.exchange(errand, dispatch, &fresh).await,
                _ => Ok(reply),
            },
            _ => Ok(reply),
        }
    }

    async fn exchange(&self, errand: &Errand, dispatch: &Dispatch, mirrors: &Mirrors) -> Result<Reply, Lost> {
        let id = self.next();
        let request = client::carry(Speaker::MODERN, errand.carried(id, dispatch), mirrors);
        // A modern server stops when its stream is closed, which dropping the exchange does.
        let around = Around { speaker: Speaker::MODERN, ear: Some(EarRef::of(dispatch, errand.method())) };
        self.wire.exchange(id, &request, around).await
    }

    /// The mirrored headers of a tool after its list was read anew.
    async fn fresh_mirrors(&self, call: &ToolCall) -> Option<Arc<Mirrors>> {
        let board = &self.wire.board;
        let mut readings = board.readings.subscribe();
        board.stale.notify_one();
        timeout(self.settings.timeout, readings.changed()).await.ok()?.ok()?;
        self.mirroring.renew(call.tool(), board.offered()?.as_ref())
    }

    /// In the principal's session; once more in a new one if the server has forgotten it, and so did nothing.
    async fn legacy(&self, errand: &Errand, dispatch: &Dispatch, slot: OwnedSemaphorePermit) -> CallEnd {
        let key = SessionKey { who: dispatch.principal.clone(), declared: Some(dispatch.capabilities.clone()) };
        let (mut slot, mut again) = (slot, true);
        loop {
            let place = match self.place(&key).await {
                Ok(place) => place,
                Err(kind) => return CallEnd::unsent(kind),
            };
            let Some(session) = place.cell.get() else { return CallEnd::unsent(FailureKind::Closed) };
            self.set_level(session, dispatch).await;
            let id = self.next();
            let request = client::carry(session.speaker(), errand.carried(id, dispatch), &Mirrors::default());
            if let Some(conversation) = &session.conversation {
                let kept = (slot, Some(place.clone() as Arc<Place> as _));
                let flight = LinkFlight::new(&conversation.link, id, (errand, dispatch), kept, true);
                let Some(mut flight) = flight else { return CallEnd::unsent(FailureKind::Closed) };
                let step = flight.begin(request).await;
                return match step {
                    Err(kind) if !flight.sent() => CallEnd::unsent(kind),
                    step => begin(&self.lot, Passage::Link(flight), step, (errand, dispatch)),
                };
            }
            let mut flight = PostFlight::new(self.wire.clone(), place.clone(), id, slot);
            let ended = flight.begin(&request, EarRef::of(dispatch, errand.method())).await;
            if std::mem::take(&mut again) && forgotten(session, &ended) {
                self.sessions.forget(&key, &place);
                if let Some(kept) = flight.slot().give_back() {
                    slot = kept;
                    continue;
                }
            }
            return match ended {
                Ok((_, step)) => begin(&self.lot, Passage::Post(Box::new(flight)), Ok(step), (errand, dispatch)),
                Err(Lost { kind, sent }) => CallEnd::Failed { kind, effect_possible: sent },
            };
        }
    }

    /// Asks a legacy server for log messages, once for each level that is less severe than all before.
    async fn set_level(&self, session: &Session, dispatch: &Dispatch) {
        let Some(level) = dispatch.log_level.filter(|_| session.server.logging) else { return };
        if !session.level.lower(level) {
            return;
        }
        let id = self.next();
        let request = client::set_level(session.speaker(), id, level);
        // Without it the call has no log messages, and that is all.
        let _set = timeout(self.settings.timeout, self.ask_in(session, id, request)).await;
    }
}

/// Whether the server says that it does not know the session.
fn forgotten(session: &Session, ended: &Result<(StatusCode, Step), Lost>) -> bool {
    let not_found = match ended {
        Ok((status, _)) => *status == StatusCode::NOT_FOUND,
        Err(lost) => lost.kind == FailureKind::Status(404),
    };
    session.id.is_some() && not_found
}
