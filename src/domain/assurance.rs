//! How strongly a person signed in, and what is demanded of that (RFC 8176, RFC 9470).

use std::{collections::BTreeSet, time::Duration};

use serde::{Deserialize, Serialize};

use super::Timestamp;

/// How a person signed in, as the issuer of a token asserts it. A key asserts nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignIn {
    /// Methods (`amr`, RFC 8176).
    pub methods: BTreeSet<String>,
    /// The class (`acr`).
    pub class: Option<String>,
    /// When (`auth_time`).
    pub at: Option<Timestamp>,
}

/// What is demanded of a sign-in; nothing, unless it says so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assurance {
    /// One of these methods,
    pub methods: Vec<String>,
    /// or one of these classes.
    pub classes: Vec<String>,
    /// Not longer ago than this.
    pub max_age: Option<Duration>,
}

/// A sign-in is not what is demanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct TooWeak {
    /// What is missing, and how to get it.
    pub why: String,
    /// The value of `WWW-Authenticate` (RFC 9470 section 3).
    pub challenge: String,
}

impl Assurance {
    /// Whether anything is demanded.
    #[must_use]
    pub const fn is_demanded(&self) -> bool {
        !self.methods.is_empty() || !self.classes.is_empty() || self.max_age.is_some()
    }

    /// Holds a sign-in against it; none is that of a key.
    ///
    /// # Errors
    /// It is demanded, and not met.
    pub fn judge(&self, sign_in: Option<&SignIn>, now: Timestamp) -> Result<(), TooWeak> {
        if !self.is_demanded() {
            return Ok(());
        }
        let Some(sign_in) = sign_in else {
            let why = "this takes a second factor, and a key is none: use an access token of your identity provider";
            return Err(self.too_weak(why.to_owned()));
        };
        let wanted = [self.methods.as_slice(), &self.classes].concat();
        let by_method = self.methods.iter().any(|method| sign_in.methods.contains(method));
        let by_class = sign_in.class.as_ref().is_some_and(|class| self.classes.contains(class));
        if !wanted.is_empty() && !by_method && !by_class {
            let wanted = wanted.join("`, `");
            return Err(self.too_weak(format!("the token must assert one of `{wanted}`: sign in again with that")));
        }
        if let Some(most) = self.max_age {
            let age = sign_in.at.map(|at| now.signed_duration_since(at).to_std().unwrap_or_default());
            if age.is_none_or(|age| age > most) {
                let most = most.as_secs();
                let why = format!("the token must assert a sign-in (`auth_time`) of the last {most} s: sign in again");
                return Err(self.too_weak(why));
            }
        }
        Ok(())
    }

    fn too_weak(&self, why: String) -> TooWeak {
        let mut challenge = format!(
            "Bearer error=\"insufficient_user_authentication\", error_description=\"{}\"",
            why.replace('`', "'").replace(['"', '\\'], "")
        );
        if !self.classes.is_empty() {
            challenge.push_str(&format!(", acr_values=\"{}\"", self.classes.join(" ").replace(['"', '\\'], "")));
        }
        if let Some(most) = self.max_age {
            challenge.push_str(&format!(", max_age=\"{}\"", most.as_secs()));
        }
        TooWeak { why, challenge }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::{DateTime, TimeDelta};

    use super::{Assurance, SignIn};

    #[test]
    fn a_sign_in_is_taken_if_it_has_one_of_the_factors_and_is_fresh() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let demanded = Assurance {
            methods: vec!["mfa".into(), "hwk".into()],
            classes: vec!["urn:strong".into()],
            max_age: Some(Duration::from_mins(15)),
        };
        let signed = |methods: &[&str], class: Option<&str>, minutes: i64| SignIn {
            methods: methods.iter().map(|&method| method.to_owned()).collect(),
            class: class.map(str::to_owned),
            at: Some(now - TimeDelta::minutes(minutes)),
        };
        assert!(demanded.judge(Some(&signed(&["pwd", "hwk"], None, 5)), now).is_ok());
        assert!(demanded.judge(Some(&signed(&["pwd"], Some("urn:strong"), 5)), now).is_ok());
        assert!(demanded.judge(Some(&signed(&["pwd"], Some("urn:weak"), 5)), now).is_err());
        assert!(demanded.judge(Some(&signed(&["mfa"], None, 16)), now).is_err());
        assert!(demanded.judge(Some(&SignIn { at: None, ..signed(&["mfa"], None, 0) }), now).is_err());
        let refused = demanded.judge(None, now).unwrap_err();
        assert!(refused.challenge.starts_with("Bearer error=\"insufficient_user_authentication\""));
        assert!(refused.challenge.ends_with("acr_values=\"urn:strong\", max_age=\"900\""), "{}", refused.challenge);
        assert!(Assurance::default().judge(None, now).is_ok());
    }
}
