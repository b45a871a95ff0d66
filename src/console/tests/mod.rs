//! What the console promises.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use axum::{Router, body::Body};
use chrono::{DateTime, TimeDelta};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use tower_service::Service as _;

use super::{ControlRow, DecisionRow, Desk, ExceptionRow, HoldPage, Overview, Page, QuarantineRow, Sessions, router};
use crate::domain::{Clock, Credential, CredentialKind, HoldId, Person, Timestamp};

struct Hand(Mutex<Timestamp>);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

impl Hand {
    fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(DateTime::from_timestamp(1_800_000_000, 0).unwrap())))
    }
    fn turn(&self, by: TimeDelta) {
        *self.0.lock().unwrap() += by;
    }
}

struct Fake {
    page: Page,
    records: bool,
}

#[async_trait]
impl Overview for Fake {
    async fn page(&self, _: Option<&Person>) -> Option<Page> {
        Some(self.page.clone())
    }
    async fn record_login(&self) -> bool {
        self.records
    }
}

#[async_trait]
impl Desk for Fake {
    async fn hold(&self, by: &Arc<Person>, id: &HoldId) -> Option<HoldPage> {
        let text = || "<script>\"'".to_owned();
        Some(HoldPage {
            id: id.clone(),
            state: "open".to_owned(),
            exception: text(),
            owner: text(),
            rationale: text(),
            agent: text(),
            on_behalf_of: text(),
            tool: text(),
            arguments: Some(format!("<script>{}", "x".repeat(2_000))),
            expires: by.credential.expires,
            not_you: (by.id.as_str() == "rachel").then(text),
        })
    }
    async fn answer(&self, by: &Arc<Person>, _: &HoldId, yes: bool, reason: String) -> Result<(), String> {
        if yes && by.id.as_str() == "olivia" { Ok(()) } else { Err(format!("<no> {reason}")) }
    }
}

async fn get(router: &Router, path: &str, cookie: &str) -> (StatusCode, BTreeMap<String, String>, String) {
    let request = Request::get(path).header("cookie", cookie).body(Body::empty()).unwrap();
    let (parts, body) = router.clone().call(request).await.unwrap().into_parts();
    let headers =
        parts.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    (parts.status, headers, String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap())
}

/// T161
#[tokio::test]
async fn text_of_others_is_shown_literally_in_every_field() {
    let attacks = [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "' onmouseover='alert(1)",
        "<svg/onload=alert(1)>",
        "&lt;script&gt;",
        "\u{1b}]0;pwn\u{7}",
        "\u{202e}evil",
        "javascript:alert(1)",
        "</td></table><iframe>",
        "<!--",
    ];
    for attack in attacks {
        let clock = Hand::new();
        let (now, text) = (clock.now(), || attack.to_owned());
        let page = Page {
            frozen: Some(text()),
            exceptions: vec![ExceptionRow {
                id: text(),
                state: text(),
                owner: text(),
                agents: text(),
                tools: text(),
                ends: now,
                used: 1,
                calls: 2,
            }],
            controls: vec![ControlRow { id: text(), healthy: false, since: now }],
            decisions: vec![DecisionRow {
                at: now,
                id: text(),
                agent: text(),
                tool: text(),
                effect: text(),
                why: text(),
            }],
            quarantined: vec![QuarantineRow { tool: text(), why: text() }],
        };
        let html = super::page::overview(&page, now).unwrap();
        let clean = super::page::overview(&Page::default(), now).unwrap();
        if attack.contains(['<', '"', '\'', '\u{1b}', '\u{202e}']) {
            assert!(!html.contains(attack), "{attack}");
        }
        assert_eq!(html.matches("<script").count() + html.matches("<img").count() + html.matches("<iframe").count(), 0);
        assert!(!html.contains('\u{1b}') && !html.contains('\u{202e}') && !html.contains("style="));
        assert_eq!(clean.matches("None.").count(), 4);
    }
}

/// T165
#[tokio::test]
async fn a_link_opens_one_session_which_ends_by_rest_by_age_and_by_signing_out() {
    let clock = Hand::new();
    let sessions = Arc::new(Sessions::new(Arc::clone(&clock) as Arc<dyn Clock>));
    let fake = Arc::new(Fake { page: Page::default(), records: true });
    let router = router(
        (Arc::clone(&fake) as Arc<dyn Overview>, fake),
        Arc::clone(&sessions),
        Arc::clone(&clock) as Arc<dyn Clock>,
    );
    assert_eq!(get(&router, "/", "").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(get(&router, "/login?token=x", "").await.0, StatusCode::UNAUTHORIZED);
    let link = format!("/login?token={}", sessions.issue().unwrap());
    let (status, headers, _) = get(&router, &link, "__Host-postern=chosen-before").await;
    assert_eq!((status, headers["location"].as_str()), (StatusCode::SEE_OTHER, "/"));
    for word in ["Secure", "HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(headers["set-cookie"].contains(word), "{word}");
    }
    let cookie = headers["set-cookie"].split(';').next().unwrap().to_owned();
    assert_eq!(get(&router, &link, "").await.0, StatusCode::UNAUTHORIZED, "a link works once");
    assert_eq!(get(&router, "/", "__Host-postern=chosen-before").await.0, StatusCode::UNAUTHORIZED);
    for _ in 0..33 {
        assert_eq!(get(&router, "/", &cookie).await.0, StatusCode::OK);
        clock.turn(TimeDelta::minutes(14));
    }
    clock.turn(TimeDelta::minutes(14));
    assert_eq!(get(&router, "/", &cookie).await.0, StatusCode::UNAUTHORIZED, "rest or age ends it");

    let cookie = format!("__Host-postern={}", sessions.open(&sessions.issue().unwrap()).unwrap());
    assert_eq!(get(&router, "/", &cookie).await.0, StatusCode::OK);
    let request = Request::post("/logout").header("cookie", &cookie).body(Body::empty()).unwrap();
    assert_eq!(router.clone().call(request).await.unwrap().status(), StatusCode::OK);
    assert_eq!(get(&router, "/", &cookie).await.0, StatusCode::UNAUTHORIZED);

    let late = sessions.issue().unwrap();
    clock.turn(TimeDelta::minutes(11));
    assert!(sessions.open(&late).is_none(), "a link ends");
}

/// T109
#[tokio::test]
async fn without_a_record_there_is_no_session() {
    let clock: Arc<dyn Clock> = Hand::new();
    let sessions = Arc::new(Sessions::new(Arc::clone(&clock)));
    let fake = Arc::new(Fake { page: Page::default(), records: false });
    let router = router((Arc::clone(&fake) as Arc<dyn Overview>, fake), Arc::clone(&sessions), clock);
    let link = format!("/login?token={}", sessions.issue().unwrap());
    let (status, headers, _) = get(&router, &link, "").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!headers.contains_key("set-cookie"));
}

fn person(id: &str, expires: Timestamp) -> Arc<Person> {
    let credential = Credential { id: "crd_1".parse().unwrap(), kind: CredentialKind::ApiKey, issued: None, expires };
    Arc::new(Person { id: id.into(), duties: [].into(), credential, sign_in: None })
}

/// T160, T161
#[tokio::test]
async fn a_hold_is_answered_only_by_the_form_of_the_persons_own_session() {
    let clock = Hand::new();
    let sessions = Arc::new(Sessions::new(Arc::clone(&clock) as Arc<dyn Clock>));
    let fake = Arc::new(Fake { page: Page::default(), records: true });
    let desk = Arc::clone(&fake) as Arc<dyn Desk>;
    let router = router((fake, desk), Arc::clone(&sessions), Arc::clone(&clock) as Arc<dyn Clock>);
    let end = clock.now() + TimeDelta::hours(1);
    let session = |link: Option<String>| format!("__Host-postern={}", sessions.open(&link.unwrap()).unwrap());
    let (olivia, rachel) =
        (session(sessions.issue_to(&person("olivia", end))), session(sessions.issue_to(&person("rachel", end))));
    let nobody = session(sessions.issue());
    for cookie in ["", nobody.as_str()] {
        assert_eq!(get(&router, "/holds/hold_1", cookie).await.0, StatusCode::UNAUTHORIZED, "a person must be known");
    }
    let (status, _, page) = get(&router, "/holds/hold_1", &olivia).await;
    assert_eq!(status, StatusCode::OK);
    assert!(!page.contains("<script") && page.contains(&"x".repeat(2_000)), "arguments are shown whole, literally");
    assert!(!get(&router, "/holds/hold_1", &rachel).await.2.contains("<form"));
    let token = page.split("name=\"token\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let post = async |cookie: &str, path: &str, body: String| {
        let request = Request::post(path)
            .header("cookie", cookie)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(body));
        router.clone().call(request.unwrap()).await.unwrap().status()
    };
    let form = |token: &str| format!("token={}&answer=approve&reason=all+right", token.replace(':', "%3A"));
    assert_eq!(post(&olivia, "/holds/hold_1", form("guess")).await, StatusCode::BAD_REQUEST);
    assert_eq!(post(&olivia, "/holds/hold_2", form(token)).await, StatusCode::BAD_REQUEST, "of another hold");
    assert_eq!(post(&rachel, "/holds/hold_1", form(token)).await, StatusCode::BAD_REQUEST, "of another session");
    assert_eq!(post("", "/holds/hold_1", form(token)).await, StatusCode::UNAUTHORIZED);
    assert_eq!(post(&olivia, "/holds/hold_1", form(token)).await, StatusCode::SEE_OTHER);
    let no = form(token).replace("approve", "deny");
    assert_eq!(post(&olivia, "/holds/hold_1", no).await, StatusCode::CONFLICT);
    sessions.forget(&"crd_1".parse().unwrap());
    assert_eq!(get(&router, "/holds/hold_1", &olivia).await.0, StatusCode::UNAUTHORIZED, "the key was revoked");
}
