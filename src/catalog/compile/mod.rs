//! Documents to one [`Catalog`]: every reference resolves, every bound holds, or the exact field that breaks it is named.
//!
//! Knows no secret and no caller: whether something can be executed is asked later, of the result.

mod findings;
mod fusion;
mod model;
mod policy;
mod pool;
mod provider;
mod route;
mod settings;

use super::document::{CatalogDocument, Collection, DocumentError, DocumentErrorCode, DocumentName, Model};
use super::{Catalog, ModelId, Price};
use findings::Findings;
pub use provider::check_provider_address;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Everything before the slash of a virtual model; no provider can have this id.
pub const VIRTUAL_PROVIDER: &str = "clawrouter";

impl Catalog {
    /// Compiles documents (bundled ones already merged with those of the Registry). A fallback that names nothing is skipped with a
    /// warning; everything else that is wrong is an error, and nothing is ever clamped.
    ///
    /// # Errors
    /// All errors that were found (at most 100), each with its path in the export format.
    pub fn compile(documents: CatalogDocument, revision: u64) -> Result<Self, Vec<DocumentError>> {
        let findings = check(&documents);
        if findings.errors.is_empty() {
            Ok(assemble(documents, revision, findings.warnings))
        } else {
            Err(findings.errors)
        }
    }

    /// [`Catalog::compile`] for a published snapshot, which must never take the router down: a document that is wrong (the bundled one it
    /// refers to left with a deployment, say) is left out with a warning, and so is what depends on it.
    pub fn compile_lenient(mut documents: CatalogDocument, revision: u64) -> Self {
        let mut left_out = Vec::new();
        loop {
            let findings = check(&documents);
            if findings.errors.is_empty() {
                left_out.extend(findings.warnings);
                return assemble(documents, revision, left_out);
            }
            let before = documents.names().len();
            for error in findings.errors {
                if let Some(name) = &error.document {
                    documents.remove(name);
                    left_out.push(format!("{name} is left out: {error}"));
                }
            }
            if documents.names().len() == before {
                // Only a catalog too large as a whole gets here: nothing of it can be trusted.
                documents = CatalogDocument::default();
            }
        }
    }

    /// Compiles what a write would make of a catalog. What is wrong in `written` documents always counts; what is wrong elsewhere counts
    /// only if it was right `before`, so that a document which a deployment broke cannot block every other write (or the kill switch).
    ///
    /// # Errors
    /// The errors that count.
    pub fn compile_change(
        before: &CatalogDocument,
        after: CatalogDocument,
        written: &[DocumentName],
        revision: u64,
    ) -> Result<Self, Vec<DocumentError>> {
        let mut errors = check(&after).errors;
        if errors.is_empty() {
            return Self::compile(after, revision);
        }
        let known = check(before).errors;
        errors.retain(|error| {
            let of_written = error
                .document
                .as_ref()
                .is_some_and(|document| written.contains(document));
            of_written || !known.iter().any(|old| is_same_error(old, error))
        });
        if errors.is_empty() {
            Ok(Self::compile_lenient(after, revision))
        } else {
            Err(errors)
        }
    }

    /// The model of that id: a static one, or `<provider>/<anything>` of a provider that discovers its models, which inherits the
    /// provider's `defaults` and is priced as declared there (zero when nothing is declared), never unpriced.
    pub fn model(&self, id: &str) -> Option<Arc<Model>> {
        if let Some(model) = self.models.get(id) {
            return Some(Arc::clone(model));
        }
        let (provider, upstream) = split_dynamic(id)?;
        let provider = self
            .providers
            .get(provider)
            .filter(|provider| provider.discover.models)?;
        let defaults = provider.defaults.as_ref();
        Some(Arc::new(Model {
            id: ModelId::parse(id).ok()?,
            provider: provider.id.clone(),
            upstream: upstream.to_owned(),
            display_name: None,
            capabilities: defaults.map_or_else(|| vec!["chat".to_owned()], |defaults| defaults.capabilities.clone()),
            context_window: defaults.map(|defaults| defaults.context_window),
            max_output_tokens: defaults.map(|defaults| defaults.max_output_tokens),
            price: Some(defaults.map_or_else(Price::default, |defaults| defaults.price.clone())),
            context_variants: Vec::new(),
            skills: std::collections::BTreeMap::new(),
            benchmarks: std::collections::BTreeMap::new(),
            performance: std::collections::BTreeMap::new(),
            availability: None,
            family: None,
            quantization: None,
            enabled: true,
        }))
    }

    /// True for `clawrouter/…`: a name that this router decides about, never an upstream's.
    pub fn is_virtual(name: &str) -> bool {
        name.split_once('/')
            .is_some_and(|(provider, _)| provider == VIRTUAL_PROVIDER)
    }
}

/// The same thing wrong with the same document, wherever it stands in its array.
fn is_same_error(a: &DocumentError, b: &DocumentError) -> bool {
    (&a.document, a.pointer(), a.code, &a.message) == (&b.document, b.pointer(), b.code, &b.message)
}

/// Provider and upstream name of `<provider>/<anything>`.
fn split_dynamic(id: &str) -> Option<(&str, &str)> {
    id.split_once('/').filter(|(_, upstream)| !upstream.is_empty())
}

/// What references are resolved against.
struct Names<'a> {
    providers: BTreeSet<&'a str>,
    discovering: BTreeSet<&'a str>,
    models: BTreeSet<&'a str>,
    pools: BTreeSet<&'a str>,
    policies: BTreeSet<&'a str>,
}

impl<'a> Names<'a> {
    fn of(documents: &'a CatalogDocument) -> Self {
        let providers = || documents.providers.iter();
        Self {
            providers: providers().map(|provider| provider.id.as_str()).collect(),
            discovering: providers()
                .filter(|it| it.discover.models)
                .map(|provider| provider.id.as_str())
                .collect(),
            models: documents.models.iter().map(|model| model.id.as_str()).collect(),
            pools: documents.pools.iter().map(|pool| pool.id.as_str()).collect(),
            policies: documents.policies.iter().map(|policy| policy.id.as_str()).collect(),
        }
    }

    /// Is it a model that [`Catalog::model`] would find?
    fn has_model(&self, id: &ModelId) -> bool {
        self.models.contains(id.as_str())
            || split_dynamic(id.as_str()).is_some_and(|(provider, _)| self.discovering.contains(provider))
    }
}

/// How a model reference may fail.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reference {
    /// Must resolve.
    Required,
    /// Is skipped when it does not resolve.
    Fallback,
}

/// Checks one model reference; a virtual model is an error in any place.
fn check_model(at: &mut findings::At<'_>, names: &Names<'_>, pointer: &str, model: &ModelId, reference: Reference) {
    if Catalog::is_virtual(model.as_str()) {
        let message = format!(
            "{model} is a virtual model; name a model of a provider here, so that no request can go in circles"
        );
        at.error(pointer, DocumentErrorCode::VirtualModel, message);
    } else if !names.has_model(model) {
        if reference == Reference::Required {
            let message = format!("there is no model {model} in the catalog");
            at.error(pointer, DocumentErrorCode::UnknownReference, message);
        } else {
            at.warn(format_args!(
                "{pointer}: fallback {model} is skipped, there is no such model in the catalog"
            ));
        }
    }
}

fn check(documents: &CatalogDocument) -> Findings {
    let mut findings = Findings::default();
    check_counts_and_ids(documents, &mut findings);
    let names = Names::of(documents);
    for (index, provider) in documents.providers.iter().enumerate() {
        provider::check(
            &mut findings.at(Collection::Providers, index, provider.id.as_str()),
            provider,
            &names,
        );
    }
    for (index, model) in documents.models.iter().enumerate() {
        model::check(
            &mut findings.at(Collection::Models, index, model.id.as_str()),
            model,
            &names,
        );
    }
    for (index, pool) in documents.pools.iter().enumerate() {
        pool::check(&mut findings.at(Collection::Pools, index, pool.id.as_str()), pool);
    }
    for (index, route) in documents.routes.iter().enumerate() {
        route::check(
            &mut findings.at(Collection::Routes, index, route.id.as_str()),
            route,
            &names,
        );
    }
    for (index, profile) in documents.fusion_profiles.iter().enumerate() {
        let mut at = findings.at(Collection::FusionProfiles, index, profile.id.as_str());
        fusion::check_bounds(&mut at, profile);
        fusion::check_references(&mut at, profile, &names);
    }
    for (index, policy) in documents.policies.iter().enumerate() {
        policy::check(
            &mut findings.at(Collection::Policies, index, policy.id.as_str()),
            policy,
            &names,
        );
    }
    if let Some(settings) = &documents.settings {
        settings::check(
            &mut findings.at(Collection::Settings, 0, super::document::SETTINGS_ID),
            settings,
            &names,
        );
    }
    findings
}

/// Checks the bounds of a fusion profile alone, without a catalog: for drafts, whose models may not exist yet.
///
/// # Errors
/// Errors with paths into the profile.
pub fn check_fusion_draft(profile: &super::FusionProfile) -> Result<(), Vec<DocumentError>> {
    let mut findings = Findings::default();
    fusion::check_bounds(
        &mut findings.at(Collection::FusionProfiles, 0, profile.id.as_str()),
        profile,
    );
    if findings.errors.is_empty() {
        Ok(())
    } else {
        Err(findings
            .errors
            .into_iter()
            .map(DocumentError::within_document)
            .collect())
    }
}

fn check_counts_and_ids(documents: &CatalogDocument, findings: &mut Findings) {
    for collection in Collection::ALL {
        let names = documents.names_in(collection);
        let most = collection.max_documents();
        if let Some(name) = names.get(most) {
            let mut at = findings.at(collection, most, &name.id);
            at.error(
                "",
                DocumentErrorCode::TooLarge,
                format!("at most {most} {collection} are accepted"),
            );
        }
        let mut seen = BTreeSet::new();
        for (index, name) in names.iter().enumerate() {
            if !seen.insert(name.id.as_str()) {
                let message = format!("there are two {collection} with the id {}", name.id);
                findings
                    .at(collection, index, &name.id)
                    .error("/id", DocumentErrorCode::Duplicate, message);
            }
        }
    }
}

fn assemble(documents: CatalogDocument, revision: u64, warnings: Vec<String>) -> Catalog {
    let names = Names::of(&documents);
    let routes = documents
        .routes
        .iter()
        .map(|route| route::resolved(route, &names))
        .collect::<Vec<_>>();
    let profiles = documents
        .fusion_profiles
        .iter()
        .map(|it| fusion::resolved(it, &names))
        .collect::<Vec<_>>();
    let policies = documents
        .policies
        .iter()
        .map(|it| policy::resolved(it, &names))
        .collect::<Vec<_>>();
    Catalog {
        revision,
        routes: routes.into_iter().map(|it| (it.id.clone(), Arc::new(it))).collect(),
        fusion_profiles: profiles.into_iter().map(|it| (it.id.clone(), Arc::new(it))).collect(),
        policies: policies.into_iter().map(|it| (it.id.clone(), Arc::new(it))).collect(),
        providers: documents
            .providers
            .into_iter()
            .map(|it| (it.id.clone(), Arc::new(it)))
            .collect(),
        models: documents
            .models
            .into_iter()
            .map(|it| (it.id.clone(), Arc::new(it)))
            .collect(),
        pools: documents
            .pools
            .into_iter()
            .map(|it| (it.id.clone(), Arc::new(it)))
            .collect(),
        settings: Arc::new(documents.settings.unwrap_or_default()),
        warnings,
    }
}

#[cfg(test)]
mod tests;
