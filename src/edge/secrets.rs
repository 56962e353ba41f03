//! What of this deployment's environment a catalog may use: Secrets Store values and Fetcher bindings.

use crate::catalog::document::Transport;
use crate::catalog::{Catalog, vault};
use js_sys::Reflect;
use std::collections::BTreeMap;
use worker::Env;

/// Values of the Secrets Store bindings that pools name; a binding that is missing is a credential that is missing.
pub(super) async fn from_stores(env: &Env, catalog: &Catalog) -> BTreeMap<String, String> {
    let mut values = BTreeMap::new();
    for name in vault::store_names(catalog) {
        if let Ok(store) = env.secret_store(&name)
            && let Ok(Some(value)) = store.get().await
        {
            values.insert(name, value);
        }
    }
    values
}

/// Bindings that providers name and this deployment has.
pub(super) fn bindings(env: &Env, catalog: &Catalog) -> Vec<String> {
    let named = catalog
        .providers
        .values()
        .filter_map(|provider| match &provider.transport {
            Transport::Binding { name } => Some(name.clone()),
            Transport::Fetch | Transport::Demo => None,
        });
    named
        .filter(|name| Reflect::get(env, &name.as_str().into()).is_ok_and(|binding| binding.is_object()))
        .collect()
}
