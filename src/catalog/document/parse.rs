//! Text to documents: unknown fields are refused and the exact JSON path of what is wrong is named. Knows no other document.

use super::collection::{Collection, DocumentName, SETTINGS_ID};
use super::error::{DocumentError, DocumentErrorCode, pointer_segment};
use super::{CatalogDocument, FusionProfile, Model, Policy, Pool, Provider, Route, Settings};
use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};
use std::fmt::Write as _;

/// Largest single document, bytes: far above any real one, far below a row of the Registry (2 MB).
pub const MAX_DOCUMENT_BYTES: usize = 256 * 1024;
/// Largest whole catalog (import, bundled files, snapshot), bytes: below the 25 MiB of a KV value and what an isolate parses at a cold start.
pub const MAX_CATALOG_BYTES: usize = 8 * 1024 * 1024;

/// One parsed document of any collection.
#[derive(Clone, Debug, PartialEq)]
pub enum Document {
    /// Of [`Collection::Providers`].
    Provider(Provider),
    /// Of [`Collection::Models`].
    Model(Model),
    /// Of [`Collection::Pools`].
    Pool(Pool),
    /// Of [`Collection::Routes`].
    Route(Route),
    /// Of [`Collection::FusionProfiles`].
    FusionProfile(FusionProfile),
    /// Of [`Collection::Policies`].
    Policy(Policy),
    /// Of [`Collection::Settings`].
    Settings(Settings),
}

impl Document {
    /// Parses one document of `collection`.
    ///
    /// # Errors
    /// [`DocumentError`] whose path is a pointer into this document.
    pub fn parse(collection: Collection, text: &str) -> Result<Self, DocumentError> {
        if text.len() > MAX_DOCUMENT_BYTES {
            return Err(too_large(MAX_DOCUMENT_BYTES));
        }
        Ok(match collection {
            Collection::Providers => Self::Provider(parse_json(text)?),
            Collection::Models => Self::Model(parse_json(text)?),
            Collection::Pools => Self::Pool(parse_json(text)?),
            Collection::Routes => Self::Route(parse_json(text)?),
            Collection::FusionProfiles => Self::FusionProfile(parse_json(text)?),
            Collection::Policies => Self::Policy(parse_json(text)?),
            Collection::Settings => Self::Settings(parse_json(text)?),
        })
    }

    /// Collection and id.
    pub fn name(&self) -> DocumentName {
        let (collection, id) = match self {
            Self::Provider(it) => (Collection::Providers, it.id.as_str()),
            Self::Model(it) => (Collection::Models, it.id.as_str()),
            Self::Pool(it) => (Collection::Pools, it.id.as_str()),
            Self::Route(it) => (Collection::Routes, it.id.as_str()),
            Self::FusionProfile(it) => (Collection::FusionProfiles, it.id.as_str()),
            Self::Policy(it) => (Collection::Policies, it.id.as_str()),
            Self::Settings(_) => (Collection::Settings, SETTINGS_ID),
        };
        DocumentName::new(collection, id)
    }

    /// Canonical JSON: fields in the order of the types, defaults filled in, one line.
    pub fn to_json(&self) -> String {
        let text = match self {
            Self::Provider(it) => serde_json::to_string(it),
            Self::Model(it) => serde_json::to_string(it),
            Self::Pool(it) => serde_json::to_string(it),
            Self::Route(it) => serde_json::to_string(it),
            Self::FusionProfile(it) => serde_json::to_string(it),
            Self::Policy(it) => serde_json::to_string(it),
            Self::Settings(it) => serde_json::to_string(it),
        };
        // Documents have string keys and their floats are finite (JSON has no others), so writing them cannot fail.
        text.unwrap_or_default()
    }
}

impl CatalogDocument {
    /// Parses a whole catalog: an import, a file of `catalog/`, `CLAWROUTER_CATALOG`.
    ///
    /// # Errors
    /// [`DocumentError`] whose path is a pointer into the export format.
    pub fn parse(text: &str) -> Result<Self, DocumentError> {
        if text.len() > MAX_CATALOG_BYTES {
            return Err(too_large(MAX_CATALOG_BYTES));
        }
        parse_json(text)
    }
}

/// Parses any strict object type of this room and names the path of what is wrong.
///
/// # Errors
/// [`DocumentError`] whose path is a pointer into `text`.
pub fn parse_json<T: DeserializeOwned>(text: &str) -> Result<T, DocumentError> {
    // serde reads an array as an object whose names were left out; nobody means that.
    if text.trim_start().starts_with('[') {
        return Err(DocumentError {
            path: String::new(),
            message: "must be a JSON object".to_owned(),
            code: DocumentErrorCode::InvalidValue,
            document: None,
        });
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let parsed = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().clone();
        locate(&path, error.inner())
    })?;
    json.end().map_err(|error| locate_syntax(&error))?;
    Ok(parsed)
}

fn locate(path: &Path, error: &serde_json::Error) -> DocumentError {
    if error.is_syntax() || error.is_eof() {
        return locate_syntax(error);
    }
    let text = error.to_string();
    // serde_json appends " at line L column C", which means nothing to someone who holds the document as fields.
    let message = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(before, _)| before);
    let (code, field) = if let Some(field) = quoted_after(message, "unknown field `") {
        (DocumentErrorCode::UnknownField, Some(field))
    } else if let Some(field) = quoted_after(message, "missing field `") {
        (DocumentErrorCode::MissingField, Some(field))
    } else if let Some(field) = quoted_after(message, "duplicate field `") {
        (DocumentErrorCode::Duplicate, Some(field))
    } else {
        (DocumentErrorCode::InvalidValue, None)
    };
    let mut pointer = pointer_of(path);
    // The path ends at an unknown field, except inside a tagged object (`transport`, `auth`), and before a missing or repeated one.
    if let Some(field) = field {
        let last = format!("/{}", pointer_segment(field));
        if code != DocumentErrorCode::UnknownField || !pointer.ends_with(&last) {
            pointer.push_str(&last);
        }
    }
    DocumentError {
        path: pointer,
        message: in_words_of_json(message),
        code,
        document: None,
    }
}

/// serde tells what it expected in words of Rust.
fn in_words_of_json(message: &str) -> String {
    let Some((found, expected)) = message.split_once(", expected ") else {
        return message.to_owned();
    };
    let thing = expected.strip_prefix("a ").unwrap_or(expected);
    let expected = match thing.split_whitespace().next() {
        Some("struct" | "map" | "internally" | "adjacently") => "an object",
        Some("sequence") => "a list",
        Some("tuple") => "a list of that length",
        Some("unit") => "null",
        Some("enum") => "one of its words",
        _ => expected,
    };
    format!("{found}, expected {expected}")
}

fn locate_syntax(error: &serde_json::Error) -> DocumentError {
    DocumentError {
        path: String::new(),
        message: format!("this is not JSON: {error}"),
        code: DocumentErrorCode::InvalidJson,
        document: None,
    }
}

fn too_large(bytes: usize) -> DocumentError {
    DocumentError {
        path: String::new(),
        message: format!("at most {bytes} bytes are accepted"),
        code: DocumentErrorCode::TooLarge,
        document: None,
    }
}

fn quoted_after<'a>(message: &'a str, before: &str) -> Option<&'a str> {
    let (_, rest) = message.split_once(before)?;
    rest.split_once('`').map(|(name, _)| name)
}

fn pointer_of(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => _ = write!(pointer, "/{index}"),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                pointer.push('/');
                pointer.push_str(&pointer_segment(key));
            }
            Segment::Unknown => {}
        }
    }
    pointer
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_wrong_type_is_told_in_words_of_json() {
        for (text, path, message) in [
            ("5", "", "invalid type: integer `5`, expected an object"),
            (
                r#"{"id":"p","allow":5}"#,
                "/allow",
                "invalid type: integer `5`, expected an object",
            ),
            (
                r#"{"id":"p","fallbacks":{}}"#,
                "/fallbacks",
                "invalid type: map, expected a list",
            ),
            (r#"{"id":5}"#, "/id", "invalid type: integer `5`, expected a string"),
        ] {
            let error = Document::parse(Collection::Policies, text).unwrap_err();
            assert_eq!((error.path.as_str(), error.message.as_str()), (path, message), "{text}");
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "one row for every error")]
    fn what_is_wrong_is_named_by_its_path() {
        use Collection::{FusionProfiles, Models, Policies, Pools, Providers, Routes, Settings};
        use DocumentErrorCode::{Duplicate, InvalidJson, InvalidValue, MissingField, UnknownField};
        let model =
            |rest: &str| format!(r#"{{"id":"a/b","provider":"a","upstream":"b","capabilities":["chat"]{rest}}}"#);
        let table = [
            (Models, model(r#","colour":1"#), "/colour", UnknownField),
            (
                Models,
                model(r#","price":{"input":1,"output":2,"reasoning":3}"#),
                "/price/reasoning",
                UnknownField,
            ),
            (
                Models,
                model(r#","price":{"input":"x","output":2}"#),
                "/price/input",
                InvalidValue,
            ),
            (Models, model(r#","price":{"input":1}"#), "/price/output", MissingField),
            (
                Models,
                model(
                    r#","price":{"input":1,"output":2,"tiers":[{"above_input_tokens":1,"input":1,"output":1},{"above_input_tokens":1,"input":-1,"output":1}]}"#,
                ),
                "/price/tiers/1/input",
                InvalidValue,
            ),
            (
                Models,
                model(r#","skills":{"coding":"high"}"#),
                "/skills/coding",
                InvalidValue,
            ),
            (
                Models,
                r#"{"id":"a/b","provider":"a","capabilities":[]}"#.to_owned(),
                "/upstream",
                MissingField,
            ),
            (
                Models,
                r#"{"id":"bad id","provider":"a","upstream":"b","capabilities":[]}"#.to_owned(),
                "/id",
                InvalidValue,
            ),
            (
                Models,
                r#"{"id":"a/b","id":"a/c","provider":"a","upstream":"b","capabilities":[]}"#.to_owned(),
                "/id",
                Duplicate,
            ),
            (
                Models,
                model(r#","price":{"input":1,"output":1,"price":1}"#),
                "/price/price",
                UnknownField,
            ),
            (
                Providers,
                r#"{"id":"a","transport":{"kind":"fetch","name":"X"}}"#.to_owned(),
                "/transport/name",
                UnknownField,
            ),
            (
                Providers,
                r#"{"id":"a","transport":{"kind":"carrier_pigeon"}}"#.to_owned(),
                "/transport/kind",
                InvalidValue,
            ),
            (
                Providers,
                r#"{"id":"a","transport":{"kind":"binding"}}"#.to_owned(),
                "/transport/name",
                MissingField,
            ),
            (
                Providers,
                r#"{"id":"a","auth":{"scheme":"none","name":"x"}}"#.to_owned(),
                "/auth/name",
                UnknownField,
            ),
            (
                Providers,
                r#"{"id":"a","auth":{"scheme":"header"}}"#.to_owned(),
                "/auth/name",
                MissingField,
            ),
            (
                Providers,
                r#"{"id":"a","timeouts":{"stall_ms":"soon"}}"#.to_owned(),
                "/timeouts/stall_ms",
                InvalidValue,
            ),
            (
                Providers,
                r#"{"id":"a","timeouts":{"stall":1}}"#.to_owned(),
                "/timeouts/stall",
                UnknownField,
            ),
            (
                Providers,
                r#"{"id":"a","param_rules":[{"models":"*"},{"models":"*","keep":[]}]}"#.to_owned(),
                "/param_rules/1/keep",
                UnknownField,
            ),
            (
                Providers,
                r#"{"id":"a","budget":"lots"}"#.to_owned(),
                "/budget",
                InvalidValue,
            ),
            (
                Pools,
                r#"{"id":"p","keys":[{"label":"a","value":"sk-live"}]}"#.to_owned(),
                "/keys/0/value",
                UnknownField,
            ),
            (
                Routes,
                r#"{"id":"r","targets":[{"model":"a/b"},{"model":"a/b","order":-1}]}"#.to_owned(),
                "/targets/1/order",
                InvalidValue,
            ),
            (
                FusionProfiles,
                r#"{"id":"f","synthesizer":{"model":"a/b","temperature":1}}"#.to_owned(),
                "/synthesizer/temperature",
                UnknownField,
            ),
            (
                Policies,
                r#"{"id":"p","budgets":[{"window":"year","limit_usd":1}]}"#.to_owned(),
                "/budgets/0/window",
                InvalidValue,
            ),
            (
                Policies,
                r#"{"id":"p","budgets":[{"window":"month","limit_usd":1.0000000001}]}"#.to_owned(),
                "/budgets/0/limit_usd",
                InvalidValue,
            ),
            (Settings, r#"{"theme":"dark"}"#.to_owned(), "/theme", UnknownField),
            (Settings, "{".to_owned(), "", InvalidJson),
            (Settings, "{} {}".to_owned(), "", InvalidJson),
            (Settings, "[]".to_owned(), "", InvalidValue),
        ];
        for (collection, text, path, code) in table {
            let error = Document::parse(collection, &text).expect_err(&text);
            assert_eq!((error.path.as_str(), error.code), (path, code), "{text}: {error:?}");
            assert!(!error.message.contains("at line") || code == InvalidJson, "{error:?}");
        }
        let whole = r#"{"models":[],"fusion_profiles":[{"id":"f","synthesizer":{"model":"a/b"},"quorums":1}]}"#;
        let error = CatalogDocument::parse(whole).unwrap_err();
        assert_eq!(
            (error.path.as_str(), error.code),
            ("/fusion_profiles/0/quorums", UnknownField)
        );
        assert_eq!(CatalogDocument::parse(r#"{"keys":[]}"#).unwrap_err().path, "/keys");
    }

    #[test]
    fn sizes_are_bounded() {
        let long = " ".repeat(MAX_DOCUMENT_BYTES + 1);
        assert_eq!(
            Document::parse(Collection::Settings, &long).unwrap_err().code,
            DocumentErrorCode::TooLarge
        );
        let deep = format!(r#"{{"cors_origins":{}"#, "[".repeat(10_000));
        assert!(Document::parse(Collection::Settings, &deep).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "\\PC{0,200}", pick in 0_usize..7) {
            let _ = Document::parse(Collection::ALL[pick], &text);
            let _ = CatalogDocument::parse(&text);
        }
    }
}
