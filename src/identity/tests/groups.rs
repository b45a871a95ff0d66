//! People by tokens: what an identity provider's groups are worth.

use serde_json::json;

use super::{House, IDP, OTHER, Signer, issuer, say};
use crate::{
    domain::{Duty, GroupEntry, Registry},
    identity::{Identity, IssuerSettings},
};

fn house() -> House {
    let people = IssuerSettings { people: true, ..issuer(IDP) };
    let house = House::with(vec![people, issuer(OTHER)], Signer::es256("k1"));
    let mut registry = Registry::clone(&house.registry.load());
    let entry = |duties: &[Duty], role: &str| GroupEntry {
        duties: duties.iter().copied().collect(),
        roles: [role.into()].into(),
    };
    registry.groups.insert("asking".into(), entry(&[Duty::Request], "asker"));
    // A registry that was not read from a file gives no more than a file could.
    registry.groups.insert("chiefs".into(), entry(&[Duty::Approve, Duty::Own, Duty::Administer], "chief"));
    house.registry.store(registry.into());
    house
}

#[tokio::test]
async fn a_token_with_a_known_group_makes_a_person_with_the_duties_of_the_moment() {
    let house = house();
    let show = async |claims| say(house.show(&house.token(&claims)).await);
    assert_eq!(show(json!({"sub": "nina@corp", "groups": ["asking", "others"]})).await, "nina@corp {Request}");
    assert_eq!(show(json!({"sub": "alice@corp", "groups": ["asking"]})).await, "alice@corp {Request, Audit}");
    assert_eq!(
        show(json!({"sub": "nina@corp", "groups": ["chiefs"]})).await,
        "nina@corp {Administer}",
        "own and approve: never"
    );
    assert_eq!(show(json!({"sub": "nina@corp", "groups": ["others"]})).await, "Unregistered");
    assert_eq!(show(json!({"sub": "nina@corp"})).await, "Unregistered");
    assert_eq!(show(json!({"sub": "gone@corp", "groups": ["asking"]})).await, "Unregistered", "inactive is inactive");
    assert_eq!(show(json!({"sub": "administrator"})).await, "Unregistered", "the first administrator has a key");
    assert_eq!(
        show(json!({"sub": "agent-1", "groups": ["asking"]})).await,
        "agent-1 [reader]",
        "an agent is no person"
    );
    let many: Vec<String> = (0..257).map(|n| format!("g{n}")).collect();
    assert_eq!(show(json!({"sub": "nina@corp", "groups": many})).await, "Invalid");
}

#[tokio::test]
async fn groups_are_asked_for_at_each_act_and_count_for_those_an_agent_acts_for() {
    let house = house();
    let token = house.token(&json!({"sub": "nina@corp", "groups": ["asking"]}));
    assert_eq!(say(house.show(&token).await), "nina@corp {Request}");
    let mut registry = Registry::clone(&house.registry.load());
    registry.groups.remove(&"asking".into());
    house.registry.store(registry.into());
    assert_eq!(say(house.show(&token).await), "Unregistered", "the group lost its duties");
    let acting = json!({"sub": "alice@corp", "act": {"sub": "agent-1"}, "groups": ["chiefs"]});
    assert_eq!(say(house.show(&house.token(&acting)).await), "agent-1 [reader] for alice@corp [chief, staff]");
}

#[tokio::test]
async fn an_issuer_that_does_not_speak_for_people_makes_nobody_a_person() {
    let house = house();
    house.publish(OTHER, &[&house.signer]);
    let token = house.token(&json!({"iss": OTHER, "sub": "alice@corp", "groups": ["asking"]}));
    assert_eq!(say(house.show(&token).await), "Unregistered");
    let acting = json!({"iss": OTHER, "sub": "alice@corp", "act": {"sub": "agent-1"}, "groups": ["chiefs"]});
    assert_eq!(say(house.show(&house.token(&acting)).await), "agent-1 [reader] for alice@corp [staff]");
}

#[tokio::test]
async fn how_a_person_signed_in_is_what_an_issuer_that_speaks_for_people_says() {
    let house = house();
    let claims = json!({"sub": "alice@corp", "groups": ["asking"], "amr": ["pwd", "hwk"], "acr": "urn:strong",
        "auth_time": house.now().timestamp() - 60});
    let Ok(Identity::Person(alice)) = house.show(&house.token(&claims)).await else { panic!("alice is a person") };
    let sign_in = alice.sign_in.clone().expect("the token says how");
    assert_eq!(sign_in.methods, ["hwk".to_owned(), "pwd".to_owned()].into());
    assert_eq!(sign_in.class.as_deref(), Some("urn:strong"));
    assert_eq!(sign_in.at.map(|at| (house.now() - at).num_seconds()), Some(60));
    let (key, _) = house.key(crate::identity::KeyPrincipal::Person("alice@corp".into()), 1).await;
    let Ok(Identity::Person(by_key)) = house.show(&key).await else { panic!("alice is a person") };
    assert_eq!(by_key.sign_in, None, "a key says nothing");
    let many: Vec<String> = (0..33).map(|n| format!("m{n}")).collect();
    let claims = json!({"sub": "alice@corp", "groups": ["asking"], "amr": many});
    assert_eq!(say(house.show(&house.token(&claims)).await), "Invalid");
}
