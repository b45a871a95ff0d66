//! Modern requests: headers that repeat the body, and the headers that a tool's schema wants.

use http::{HeaderName, HeaderValue};
use tokio::time::timeout;

use super::{
    bridge::Bridge,
    gateway::Headers,
    hear::{Final, Reply, Wanted, reply},
    lost::Lost,
    running::Running,
    said::{Asked, Ident, Mirror},
    tools::{self, PAGES},
};
use crate::{
    domain::limits,
    mcp::{IdKey, code, headers},
};

/// The method whose stream is kept.
pub(super) const LISTEN: &str = "subscriptions/listen";

impl Mirror {
    /// The headers that every modern message has.
    pub(super) fn headers(&self, method: &str) -> Headers {
        let version = HeaderValue::from_str(&self.version).ok();
        let all: [(HeaderName, Option<HeaderValue>); 3] = [
            (headers::VERSION, version),
            (headers::METHOD, headers::value(method)),
            (headers::NAME, self.name.as_deref().and_then(headers::value)),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

impl Bridge {
    /// A modern request. Its stream is closed when the client cancels it, and nothing more is written for it.
    pub(super) async fn ask_modern(&self, asked: Asked, mirror: Mirror, running: Running) {
        let cancelled = running.cancelled.clone();
        let mut wanted = Wanted::new(vec![asked.id.clone()]);
        let ended = tokio::select! {
            biased;
            () = cancelled.cancelled() => return,
            ended = self.modern(&asked, &mirror, &mut wanted) => ended,
        };
        self.finish(running, ended, &wanted).await;
    }

    async fn modern(&self, asked: &Asked, mirror: &Mirror, wanted: &mut Wanted) -> Result<Final, Lost> {
        match asked.method.as_str() {
            LISTEN => self.listen(asked, mirror, wanted).await,
            "tools/call" => self.call(asked, mirror, wanted).await,
            "tools/list" => {
                let ended = self.once(asked, mirror, Headers::new(), wanted).await?;
                for message in &ended.messages {
                    let _more = self.tools.learn(message);
                }
                Ok(ended)
            }
            _ => self.once(asked, mirror, Headers::new(), wanted).await,
        }
    }

    /// A tool call. If its headers are not what the tool wants, the tools are listed and it is sent once more: what
    /// was refused for its headers was not called.
    async fn call(&self, asked: &Asked, mirror: &Mirror, wanted: &mut Wanted) -> Result<Final, Lost> {
        let first = self.tools.headers(mirror);
        let ended = self.once(asked, mirror, first.clone(), wanted).await?;
        if ended.code != Some(code::HEADER_MISMATCH.into()) {
            return Ok(ended);
        }
        let learned = timeout(limits::CALL_TIME, self.relist(mirror, &first)).await;
        let Ok(Some(again)) = learned else { return Ok(ended) };
        tracing::info!(tool = mirror.name, "the tool wants headers; the call is sent again");
        *wanted = Wanted::new(vec![asked.id.clone()]);
        self.once(asked, mirror, again, wanted).await
    }

    /// Sends a request, with these headers beside its own.
    async fn once(&self, asked: &Asked, mirror: &Mirror, more: Headers, wanted: &mut Wanted) -> Result<Final, Lost> {
        let mut headers = mirror.headers(&asked.method);
        headers.extend(more);
        let response = self.gateway.post(headers, asked.body.clone()).await?;
        self.hear(response, wanted, None).await
    }

    /// Lists the tools until the headers of this call are others than before.
    async fn relist(&self, call: &Mirror, before: &Headers) -> Option<Headers> {
        let raw = serde_json::value::RawValue::from_string("1".to_owned()).ok()?;
        let id = Ident { key: IdKey::Number(1), raw };
        let list = Mirror { version: call.version.clone(), name: None, arguments: None, meta: None };
        let mut cursor = None;
        for _ in 0..PAGES {
            let body = tools::list(call.meta.as_deref(), cursor.as_deref());
            let response = self.gateway.post(list.headers("tools/list"), body).await.ok()?;
            let mut wanted = Wanted::new(vec![id.clone()]);
            let ended = match reply(response).await.ok()? {
                Reply::Whole(status, body) => wanted.whole(status, &body).ok()?,
                Reply::Events(mut events) => wanted.follow(&mut events, None).await.ok()?,
            };
            cursor = ended.messages.first().and_then(|page| self.tools.learn(page));
            let headers = self.tools.headers(call);
            if headers != *before {
                return Some(headers);
            }
            cursor.as_ref()?;
        }
        None
    }
}
