//! A catalog's documents as one set: read, replaced, merged and written by (collection, id). Checks no reference.

use super::collection::{Collection, DocumentName, SETTINGS_ID};
use super::parse::Document;
use super::{CatalogDocument, FusionProfile, Model, Policy, Pool, Provider, Route};

/// Anything with an id that lives in an array of the export format.
trait Element: Clone {
    fn id(&self) -> &str;
}

macro_rules! elements {
    ($($kind:ty),*) => {
        $(impl Element for $kind {
            fn id(&self) -> &str {
                self.id.as_str()
            }
        })*
    };
}
elements!(Provider, Model, Pool, Route, FusionProfile, Policy);

impl CatalogDocument {
    /// The document of that name.
    pub fn get(&self, name: &DocumentName) -> Option<Document> {
        let id = name.id.as_str();
        match name.collection {
            Collection::Providers => find(&self.providers, id).map(Document::Provider),
            Collection::Models => find(&self.models, id).map(Document::Model),
            Collection::Pools => find(&self.pools, id).map(Document::Pool),
            Collection::Routes => find(&self.routes, id).map(Document::Route),
            Collection::FusionProfiles => find(&self.fusion_profiles, id).map(Document::FusionProfile),
            Collection::Policies => find(&self.policies, id).map(Document::Policy),
            Collection::Settings if id == SETTINGS_ID => self.settings.clone().map(Document::Settings),
            Collection::Settings => None,
        }
    }

    /// Adds the document, or replaces the one of that name in its place.
    pub fn put(&mut self, document: Document) {
        match document {
            Document::Provider(it) => replace(&mut self.providers, it),
            Document::Model(it) => replace(&mut self.models, it),
            Document::Pool(it) => replace(&mut self.pools, it),
            Document::Route(it) => replace(&mut self.routes, it),
            Document::FusionProfile(it) => replace(&mut self.fusion_profiles, it),
            Document::Policy(it) => replace(&mut self.policies, it),
            Document::Settings(it) => self.settings = Some(it),
        }
    }

    /// Takes the document of that name out; false when there was none.
    pub fn remove(&mut self, name: &DocumentName) -> bool {
        let id = name.id.as_str();
        match name.collection {
            Collection::Providers => take(&mut self.providers, id),
            Collection::Models => take(&mut self.models, id),
            Collection::Pools => take(&mut self.pools, id),
            Collection::Routes => take(&mut self.routes, id),
            Collection::FusionProfiles => take(&mut self.fusion_profiles, id),
            Collection::Policies => take(&mut self.policies, id),
            Collection::Settings => id == SETTINGS_ID && self.settings.take().is_some(),
        }
    }

    /// Names of all documents, collection by collection, in the order they stand.
    pub fn names(&self) -> Vec<DocumentName> {
        Collection::ALL
            .into_iter()
            .flat_map(|collection| self.names_in(collection))
            .collect()
    }

    /// Names of the documents of one collection, in the order they stand.
    pub fn names_in(&self, collection: Collection) -> Vec<DocumentName> {
        fn named<T: Element>(collection: Collection, elements: &[T]) -> Vec<DocumentName> {
            elements
                .iter()
                .map(|element| DocumentName::new(collection, element.id()))
                .collect()
        }
        match collection {
            Collection::Providers => named(collection, &self.providers),
            Collection::Models => named(collection, &self.models),
            Collection::Pools => named(collection, &self.pools),
            Collection::Routes => named(collection, &self.routes),
            Collection::FusionProfiles => named(collection, &self.fusion_profiles),
            Collection::Policies => named(collection, &self.policies),
            Collection::Settings if self.settings.is_some() => vec![DocumentName::new(collection, SETTINGS_ID)],
            Collection::Settings => Vec::new(),
        }
    }

    /// `base` with every document of `overlay` added or put in the place of its namesake.
    #[must_use]
    pub fn merge(mut base: Self, overlay: Self) -> Self {
        merge_into(&mut base.providers, overlay.providers);
        merge_into(&mut base.models, overlay.models);
        merge_into(&mut base.pools, overlay.pools);
        merge_into(&mut base.routes, overlay.routes);
        merge_into(&mut base.fusion_profiles, overlay.fusion_profiles);
        merge_into(&mut base.policies, overlay.policies);
        base.settings = overlay.settings.or(base.settings);
        base
    }

    /// The export: pretty JSON, elements by id, one newline at the end. What [`CatalogDocument::parse`] makes of it exports to the same bytes.
    pub fn export(&self) -> String {
        let mut sorted = self.clone();
        sorted.sort();
        // Documents have string keys and finite floats, so writing them cannot fail.
        let mut text = serde_json::to_string_pretty(&sorted).unwrap_or_default();
        text.push('\n');
        text
    }

    fn sort(&mut self) {
        fn by_id<T: Element>(elements: &mut [T]) {
            elements.sort_by(|a, b| a.id().cmp(b.id()));
        }
        by_id(&mut self.providers);
        by_id(&mut self.models);
        by_id(&mut self.pools);
        by_id(&mut self.routes);
        by_id(&mut self.fusion_profiles);
        by_id(&mut self.policies);
    }
}

fn find<T: Element>(elements: &[T], id: &str) -> Option<T> {
    elements.iter().find(|element| element.id() == id).cloned()
}

fn replace<T: Element>(elements: &mut Vec<T>, new: T) {
    match elements.iter_mut().find(|element| element.id() == new.id()) {
        Some(old) => *old = new,
        None => elements.push(new),
    }
}

fn take<T: Element>(elements: &mut Vec<T>, id: &str) -> bool {
    let before = elements.len();
    elements.retain(|element| element.id() != id);
    elements.len() != before
}

/// One pass over each side: an overlay of thousands of models is merged at every cold start.
fn merge_into<T: Element>(base: &mut Vec<T>, overlay: Vec<T>) {
    if overlay.is_empty() {
        return;
    }
    let mut places: std::collections::HashMap<String, usize> = base
        .iter()
        .enumerate()
        .map(|(place, element)| (element.id().to_owned(), place))
        .collect();
    for element in overlay {
        if let Some(old) = places.get(element.id()).and_then(|place| base.get_mut(*place)) {
            *old = element;
        } else {
            places.insert(element.id().to_owned(), base.len());
            base.push(element);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents(text: &str) -> CatalogDocument {
        CatalogDocument::parse(text).unwrap()
    }

    const BASE: &str = r#"{"providers":[{"id":"b"},{"id":"a"}],"pools":[{"id":"p","discover":"KEY"}],
        "models":[{"id":"a/x","provider":"a","upstream":"x","capabilities":[],"price":{"input":0.10,"output":"2.50"}}],
        "routes":[{"id":"r","targets":[]}],"fusion_profiles":[{"id":"f","synthesizer":{"model":"a/x"}}],
        "policies":[{"id":"d","budgets":[{"window":"month","limit_usd":12.50}]}],"settings":{}}"#;

    #[test]
    fn every_collection_is_read_replaced_and_removed_by_name() {
        let mut set = documents(BASE);
        let names = set.names();
        assert_eq!(names.len(), 8);
        for name in names {
            let document = set.get(&name).unwrap();
            assert_eq!(document.name(), name);
            assert_eq!(
                Document::parse(name.collection, &document.to_json()).unwrap(),
                document,
                "canonical JSON reads back"
            );
            assert!(set.remove(&name));
            assert!(!set.remove(&name));
            assert_eq!(set.get(&name), None);
            set.put(document.clone());
            set.put(document.clone());
            assert_eq!(set.get(&name), Some(document));
        }
        assert_eq!(set.names().len(), 8);
        assert_eq!(set.get(&DocumentName::new(Collection::Settings, "other")), None);
        assert!(!set.remove(&DocumentName::new(Collection::Settings, "other")));
    }

    #[test]
    fn overlay_replaces_in_place_and_adds() {
        let overlay = documents(r#"{"providers":[{"id":"c"},{"id":"b","enabled":false}],"settings":{"usage_days":7}}"#);
        let merged = CatalogDocument::merge(documents(BASE), overlay);
        let ids: Vec<_> = merged
            .providers
            .iter()
            .map(|provider| (provider.id.as_str(), provider.enabled))
            .collect();
        assert_eq!(ids, [("b", false), ("a", true), ("c", true)]);
        assert_eq!(merged.settings.map(|settings| settings.usage_days), Some(7));
        assert_eq!(merged.models.len(), 1);
    }

    #[test]
    fn export_import_export_is_byte_identical() {
        let first = documents(BASE).export();
        let second = documents(&first).export();
        assert_eq!(first, second);
        assert!(first.ends_with("}\n") && !first.ends_with("\n\n"));
        assert!(
            first.contains(r#""input": 0.1,"#)
                && first.contains(r#""output": 2.5"#)
                && first.contains(r#""limit_usd": 12.5"#)
        );
        let reordered = CatalogDocument {
            providers: documents(BASE).providers.into_iter().rev().collect(),
            ..documents(BASE)
        };
        assert_eq!(reordered.export(), first, "order of input does not matter");
    }
}
