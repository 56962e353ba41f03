//! Names the network host of a provider, the key of host-level health.

use crate::catalog::vault::expand;
use crate::catalog::{Provider, Transport, Vault};

/// Host and port of the provider's resolved base URL, lower case; `binding:<name>` or `demo` where no URL decides.
/// A template that does not resolve stays as it is: such a provider is never called.
pub fn host_of(provider: &Provider, vault: &Vault) -> String {
    match &provider.transport {
        Transport::Binding { name } => return format!("binding:{name}"),
        Transport::Demo => return "demo".to_owned(),
        Transport::Fetch => {}
    }
    let template = provider.base_url.as_deref().unwrap_or_default();
    let url = expand(template, vault).unwrap_or_else(|_| template.to_owned());
    let after_scheme = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
    let authority = after_scheme.split(['/', '?', '#']).next().unwrap_or_default();
    // User information is refused when a catalog is compiled; should it ever come here, it is not kept.
    authority.rsplit('@').next().unwrap_or_default().to_ascii_lowercase()
}
