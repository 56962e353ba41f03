//! The collections of documents and their names. Knows no document's content.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A collection of documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Collection {
    /// Providers.
    Providers,
    /// Models.
    Models,
    /// Credential pools.
    Pools,
    /// Configured routes.
    Routes,
    /// Fusion profiles.
    FusionProfiles,
    /// Policies.
    Policies,
    /// The single document [`SETTINGS_ID`].
    Settings,
}

/// Id of the only document in [`Collection::Settings`].
pub const SETTINGS_ID: &str = "default";

impl Collection {
    /// All of them, in the order of the export format.
    pub const ALL: [Self; 7] = [
        Self::Providers,
        Self::Models,
        Self::Pools,
        Self::Routes,
        Self::FusionProfiles,
        Self::Policies,
        Self::Settings,
    ];

    /// Name in URLs: `fusion-profiles`.
    pub fn url_name(self) -> &'static str {
        match self {
            Self::FusionProfiles => "fusion-profiles",
            other => other.field_name(),
        }
    }

    /// Name in the export format and in JSON paths: `fusion_profiles`.
    pub fn field_name(self) -> &'static str {
        match self {
            Self::Providers => "providers",
            Self::Models => "models",
            Self::Pools => "pools",
            Self::Routes => "routes",
            Self::FusionProfiles => "fusion_profiles",
            Self::Policies => "policies",
            Self::Settings => "settings",
        }
    }

    /// One of it, for sentences: `fusion profile`.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Providers => "provider",
            Self::Models => "model",
            Self::Pools => "pool",
            Self::Routes => "route",
            Self::FusionProfiles => "fusion profile",
            Self::Policies => "policy",
            Self::Settings => "settings",
        }
    }

    /// Most documents of it in one catalog: what an isolate can hold and compile at a cold start.
    pub fn max_documents(self) -> usize {
        match self {
            Self::Models => 10_000,
            Self::Policies => 5_000,
            Self::Routes => 2_000,
            Self::Providers | Self::Pools => 1_000,
            Self::FusionProfiles => 200,
            Self::Settings => 1,
        }
    }

    /// The collection that a URL segment names.
    pub fn from_url_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|collection| collection.url_name() == name)
    }
}

impl fmt::Display for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url_name())
    }
}

/// Names one document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DocumentName {
    /// Where it is kept.
    pub collection: Collection,
    /// Its id; [`SETTINGS_ID`] for settings.
    pub id: String,
}

impl DocumentName {
    /// Names the document `id` of `collection`.
    pub fn new(collection: Collection, id: impl Into<String>) -> Self {
        Self {
            collection,
            id: id.into(),
        }
    }
}

/// `providers/openai`
impl fmt::Display for DocumentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.collection, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_again() {
        for collection in Collection::ALL {
            assert_eq!(Collection::from_url_name(collection.url_name()), Some(collection));
            let json = serde_json::to_value(collection).unwrap();
            assert_eq!(json, collection.field_name(), "serde and field_name agree");
        }
        assert_eq!(Collection::from_url_name("fusion_profiles"), None);
        assert_eq!(DocumentName::new(Collection::Models, "a/b").to_string(), "models/a/b");
    }
}
