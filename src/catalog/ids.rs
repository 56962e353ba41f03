//! Names of things. A name in here is well-formed; whether it exists is the catalog's business.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a text is no id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id has 1 to 200 characters of A-Z a-z 0-9 . _ ~ : / @ + - and starts with a letter or digit")]
pub struct BadId;

fn well_formed(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= 200
        && bytes.next().is_some_and(|first| first.is_ascii_alphanumeric())
        && bytes.all(|b| b.is_ascii_alphanumeric() || b"._~:/@+-".contains(&b))
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Parses an id.
            ///
            /// # Errors
            /// [`BadId`] when the text breaks the rule that error states.
            pub fn parse(text: &str) -> Result<Self, BadId> {
                if well_formed(text) { Ok(Self(text.to_owned())) } else { Err(BadId) }
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadId;
            fn try_from(text: String) -> Result<Self, BadId> {
                if well_formed(&text) { Ok(Self(text)) } else { Err(BadId) }
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

id! {
    /// `openai`, `local`, `gpu-box`.
    ProviderId
}
id! {
    /// `openai/gpt-4.1-mini`: provider id, slash, name.
    ModelId
}
id! {
    /// A credential pool.
    PoolId
}
id! {
    /// A configured fallback route; callers name it `clawrouter/<route>`.
    RouteId
}
id! {
    /// A fusion profile; `default` answers to `clawrouter/fusion`, others to `clawrouter/fusion:<id>`.
    ProfileId
}
id! {
    /// A policy.
    PolicyId
}

/// First 16 hex digits of SHA-256(`provider:secret`): names a credential's state without telling the secret.
/// Replacing the secret makes a new id, so old cooldowns vanish with it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CredentialId(pub String);
