//! What a client can do for a tool server that asks it back.

use serde_json::value::RawValue;

use super::{ParseError, emit, members};

/// Something that a client may be asked for, or may have to understand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// `elicitation/create`.
    Elicitation,
    /// `sampling/createMessage`.
    Sampling,
    /// `roots/list`.
    Roots,
    /// The extension `io.modelcontextprotocol/tasks`.
    Tasks,
}

/// The extension for tasks (SEP-2663).
pub const TASKS: &str = "io.modelcontextprotocol/tasks";

impl Feature {
    /// The member of the capabilities that declares it; the extension is declared within `extensions`.
    #[must_use]
    pub const fn member(self) -> &'static str {
        match self {
            Self::Elicitation => "elicitation",
            Self::Sampling => "sampling",
            Self::Roots => "roots",
            Self::Tasks => TASKS,
        }
    }

    fn of(member: &str) -> Option<Self> {
        [Self::Elicitation, Self::Sampling, Self::Roots].into_iter().find(|feature| feature.member() == member)
    }
}

/// The capabilities of a client: JSON members in order, as they were sent.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capabilities {
    members: Vec<(Box<str>, Box<str>)>,
    extensions: Vec<(Box<str>, Box<str>)>,
}

impl Capabilities {
    /// Reads a JSON object of capabilities.
    ///
    /// # Errors
    /// Anything but an object whose `extensions`, if there, is an object.
    pub fn read(raw: &RawValue) -> Result<Self, ParseError> {
        let mut read = Self::default();
        for (key, value) in members(raw.get())? {
            if key == "extensions" {
                let inner = members(value.get())?;
                read.extensions = inner.iter().map(|(key, value)| (key.as_ref().into(), value.get().into())).collect();
            } else {
                read.members.push((key.as_ref().into(), value.get().into()));
            }
        }
        Ok(read)
    }

    /// Whether nothing is declared.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.members.is_empty() && self.extensions.is_empty()
    }

    /// Whether the client declared this.
    #[must_use]
    pub fn has(&self, feature: Feature) -> bool {
        let place = if feature == Feature::Tasks { &self.extensions } else { &self.members };
        place.iter().any(|(key, _)| **key == *feature.member())
    }

    /// The value of a member.
    #[must_use]
    pub fn get(&self, member: &str) -> Option<&str> {
        self.members.iter().find(|(key, _)| **key == *member).map(|(_, value)| &**value)
    }

    /// Whether the client takes elicitation by URL: it must say so; without a word only forms are meant.
    #[must_use]
    pub fn elicits_by_url(&self) -> bool {
        let declared = self.get("elicitation").and_then(|text| members(text).ok());
        declared.is_some_and(|modes| modes.iter().any(|(key, _)| key == "url"))
    }

    /// The same without the features that are not kept. What is no [`Feature`] stays.
    #[must_use]
    pub fn only(&self, keep: impl Fn(Feature) -> bool) -> Self {
        let stays = |key: &str| Feature::of(key).is_none_or(&keep);
        Self {
            members: self.members.iter().filter(|(key, _)| stays(key)).cloned().collect(),
            extensions: self
                .extensions
                .iter()
                .filter(|(key, _)| **key != *TASKS || keep(Feature::Tasks))
                .cloned()
                .collect(),
        }
    }

    /// The same with elicitation only by forms or only by pages, where the client declared that too.
    #[must_use]
    pub fn eliciting(&self, forms: bool, pages: bool) -> Self {
        let member = Feature::Elicitation.member();
        let mut some = self.clone();
        if forms && pages {
            return some;
        }
        let Some(declared) = some.members.iter_mut().find(|(key, _)| **key == *member) else { return some };
        let modes = members(&declared.1).unwrap_or_default();
        // Without a word of modes, forms are meant.
        let any = (forms && modes.is_empty())
            || modes.iter().any(|(key, _)| (forms && key == "form") || (pages && key == "url"));
        let kept = modes.iter().filter(|(key, _)| match key.as_ref() {
            "form" => forms,
            "url" => pages,
            _ => true,
        });
        let kept: Vec<_> = kept.map(|(key, value)| (key.as_ref(), value.get().as_bytes())).collect();
        match String::from_utf8(emit::object(&kept).into()) {
            Ok(kept) if any => declared.1 = kept.into(),
            _ => some.members.retain(|(key, _)| **key != *member),
        }
        some
    }

    /// The JSON object.
    #[must_use]
    pub fn json(&self) -> Vec<u8> {
        let pieces = |pairs: &'_ [(Box<str>, Box<str>)]| -> Vec<(String, Vec<u8>)> {
            pairs.iter().map(|(key, value)| (key.to_string(), value.as_bytes().to_vec())).collect()
        };
        let mut all = pieces(&self.members);
        if !self.extensions.is_empty() {
            let inner = pieces(&self.extensions);
            let inner: Vec<_> = inner.iter().map(|(key, value)| (key.as_str(), value.as_slice())).collect();
            all.push(("extensions".to_owned(), emit::object(&inner).into()));
        }
        let all: Vec<_> = all.iter().map(|(key, value)| (key.as_str(), value.as_slice())).collect();
        emit::object(&all).into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::{Capabilities, Feature};

    #[test]
    fn a_server_learns_only_of_the_features_that_are_kept() {
        let text = r#"{"sampling":{"tools":{}},"elicitation":{"url":{}},"x":1.50,"extensions":{"io.modelcontextprotocol/tasks":{},"io.modelcontextprotocol/ui":{"mimeTypes":[]}}}"#;
        let all = Capabilities::read(&RawValue::from_string(text.to_owned()).unwrap()).unwrap();
        assert!(
            all.has(Feature::Tasks) && all.has(Feature::Sampling) && all.elicits_by_url() && !all.has(Feature::Roots)
        );
        assert_eq!(all.json(), text.as_bytes());
        let some = all.only(|feature| feature == Feature::Elicitation);
        let kept =
            r#"{"elicitation":{"url":{}},"x":1.50,"extensions":{"io.modelcontextprotocol/ui":{"mimeTypes":[]}}}"#;
        assert_eq!(some.json(), kept.as_bytes());
        for (declared, forms, pages, told) in [
            (r#"{"form":{},"url":{}}"#, true, false, Some(r#"{"form":{}}"#)),
            (r#"{"form":{},"url":{}}"#, false, true, Some(r#"{"url":{}}"#)),
            (r#"{"form":{},"url":{}}"#, false, false, None),
            (r#"{"url":{}}"#, true, false, None),
            ("{}", true, false, Some("{}")),
            ("{}", false, true, None),
        ] {
            let text = format!(r#"{{"elicitation":{declared}}}"#);
            let all = Capabilities::read(&RawValue::from_string(text).unwrap()).unwrap();
            assert_eq!(all.eliciting(forms, pages).get("elicitation"), told, "{declared} {forms} {pages}");
            assert_eq!(all.eliciting(true, true), all);
        }
        assert!(Capabilities::read(&RawValue::from_string("[]".to_owned()).unwrap()).is_err());
    }
}
