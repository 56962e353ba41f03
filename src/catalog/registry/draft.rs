//! Drafts of fusion profiles: saved for everybody to see, in force for nobody.

use super::list::Stored;
use super::{Author, Change, Condition, Difference, Registry, RegistryError, diff, parse_named};
use crate::catalog::compile::check_fusion_draft;
use crate::catalog::document::{Collection, Document, DocumentName, FusionProfile};
use crate::wire::Millis;
use crate::wire::json::RawJson;
use crate::wire::time::rfc3339;
use serde::{Deserialize, Serialize};

/// A saved draft.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    /// Canonical JSON of the profile.
    pub json: String,
    /// Revision of the live profile on which it was based; 0: bundled or none.
    pub base_revision: u64,
    /// When.
    pub updated_at: Millis,
    /// By whom.
    pub updated_by: String,
}

impl Draft {
    /// Checks and canonicalises a draft. It may name models that do not exist yet: readiness says so; only its own bounds must hold.
    ///
    /// # Errors
    /// [`RegistryError::Invalid`] with paths into the profile.
    pub fn parse(registry: &Registry, id: &str, text: &str, author: &Author) -> Result<Self, RegistryError> {
        let name = profile_name(id);
        let document = parse_named(&name, text)?;
        if let Document::FusionProfile(profile) = &document {
            check_fusion_draft(profile).map_err(|errors| RegistryError::Invalid { errors })?;
        }
        Ok(Self {
            json: document.to_json(),
            base_revision: registry.revision_of(&name).unwrap_or(0),
            updated_at: author.at,
            updated_by: author.actor.clone(),
        })
    }

    /// The profile in it.
    pub fn profile(&self) -> Option<FusionProfile> {
        serde_json::from_str(&self.json).ok()
    }
}

/// A draft beside the profile in force.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DraftView {
    /// The draft; the profile in force when there is none.
    pub draft: RawJson,
    /// Revision of the live profile on which it was based.
    pub base_revision: u64,
    /// The profile in force.
    pub live: Option<Stored>,
    /// When the draft was saved, RFC 3339.
    pub updated_at: Option<String>,
    /// By whom.
    pub updated_by: Option<String>,
    /// What it changes.
    pub changes: Vec<Difference>,
}

/// The document name of a profile.
pub fn profile_name(id: &str) -> DocumentName {
    DocumentName::new(Collection::FusionProfiles, id)
}

impl Registry {
    /// What the admin page shows: the draft, or the live profile when there is none.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`] when there is neither.
    pub fn draft_view(&self, id: &str, draft: Option<&Draft>) -> Result<DraftView, RegistryError> {
        let name = profile_name(id);
        let live = self.stored(&name);
        let shown = match (draft, &live) {
            (Some(draft), _) => RawJson::of_text(&draft.json),
            (None, None) => return Err(RegistryError::NotFound { name }),
            (None, Some(live)) => live.document.clone(),
        };
        let changes = draft.map(|_| {
            let before = live.as_ref().map(|live| live.document.clone());
            diff(&before.unwrap_or_default(), &shown)
        });
        Ok(DraftView {
            draft: shown,
            base_revision: draft.map_or_else(|| self.revision_of(&name).unwrap_or(0), |draft| draft.base_revision),
            live,
            updated_at: draft.map(|draft| rfc3339(draft.updated_at)),
            updated_by: draft.map(|draft| draft.updated_by.clone()),
            changes: changes.unwrap_or_default(),
        })
    }

    /// Publishes the draft (or the live profile) as enabled.
    ///
    /// # Errors
    /// [`RegistryError::Stale`] when the live profile is not the one that the writer has seen; else as [`Registry::put`].
    pub fn enable(
        &mut self,
        id: &str,
        draft: Option<&Draft>,
        base_revision: u64,
        author: &Author,
    ) -> Result<Change, RegistryError> {
        let name = profile_name(id);
        let condition = if self.revision_of(&name).is_some() {
            Condition::Revision(base_revision)
        } else {
            Condition::Absent
        };
        self.meet(&name, condition)?;
        let live = || self.document(&name).map(|document| document.to_json());
        let Some(json) = draft.map(|draft| draft.json.clone()).or_else(live) else {
            return Err(RegistryError::NotFound { name });
        };
        self.switch(&name, &json, true, "enable", author)
    }

    /// The kill switch: takes the live profile out of force at once.
    ///
    /// # Errors
    /// [`RegistryError::NotFound`].
    pub fn disable(&mut self, id: &str, author: &Author) -> Result<Change, RegistryError> {
        let name = profile_name(id);
        let Some(live) = self.document(&name) else {
            return Err(RegistryError::NotFound { name });
        };
        self.switch(&name, &live.to_json(), false, "disable", author)
    }

    fn switch(
        &mut self,
        name: &DocumentName,
        json: &str,
        enabled: bool,
        action: &'static str,
        author: &Author,
    ) -> Result<Change, RegistryError> {
        match parse_named(name, json)? {
            Document::FusionProfile(profile) => self.replace(
                Document::FusionProfile(FusionProfile { enabled, ..profile }),
                action,
                author,
            ),
            _ => Err(RegistryError::NotFound { name: name.clone() }),
        }
    }
}
