//! The endpoint of a provider in a deployment: templates filled, rules applied. Knows the provider's document and the vault, no call.

use super::{Endpoint, EndpointRefusal, Rules, check, check_path};
use crate::catalog::document::{Auth, Provider, Transport};
use crate::catalog::{PoolId, Vault, vault};

/// The endpoint of `provider` as this deployment would call it, paid by `pool` (a route's override, or the provider's own).
///
/// # Errors
/// [`EndpointRefusal`], which is also the reason why the provider's models are not executable.
pub fn provider_endpoint(
    provider: &Provider,
    vault: &Vault,
    pool: Option<&PoolId>,
) -> Result<Endpoint, EndpointRefusal> {
    let own_names;
    let (url, allowed_hosts) = match (&provider.base_url, &provider.transport) {
        (Some(template), _) => (expand(template, vault)?, provider.allowed_hosts.as_slice()),
        (None, Transport::Fetch) => return Err(EndpointRefusal::NoAddress),
        // A binding that knows its own destination needs a URL only for its form; the name is one that no public DNS has.
        (None, Transport::Binding { name }) => {
            let host = format!("{}.internal", name.to_ascii_lowercase().replace('_', "-"));
            let url = format!("http://{host}");
            own_names = [host];
            (url, own_names.as_slice())
        }
        (None, Transport::Demo) => ("https://demo.invalid".to_owned(), [].as_slice()),
    };
    let rules = Rules {
        local: vault.local,
        binding: matches!(provider.transport, Transport::Binding { .. }),
        credential: has_credential(provider, vault, pool),
        allowed_hosts,
    };
    check(&url, rules)
}

/// The URL of a dialect path of `provider`, templates filled.
///
/// # Errors
/// As [`provider_endpoint`], and when the path's own variables are missing or its filled form is no path.
pub fn provider_url(
    provider: &Provider,
    vault: &Vault,
    pool: Option<&PoolId>,
    path: &str,
) -> Result<String, EndpointRefusal> {
    let endpoint = provider_endpoint(provider, vault, pool)?;
    let path = expand(path, vault)?;
    check_path(&path)?;
    Ok(endpoint.join(&path))
}

fn expand(template: &str, vault: &Vault) -> Result<String, EndpointRefusal> {
    vault::expand(template, vault).map_err(|missing| EndpointRefusal::MissingVariable { name: missing.name })
}

fn has_credential(provider: &Provider, vault: &Vault, pool: Option<&PoolId>) -> bool {
    match &provider.auth {
        // Nothing leaves the Worker, so nothing has to be presented.
        _ if provider.transport == Transport::Demo => true,
        Auth::None => false,
        Auth::AccessServiceToken {
            id_secret,
            secret_secret,
        } => vault.variables.contains_key(id_secret) && vault.variables.contains_key(secret_secret),
        Auth::Bearer | Auth::Header { .. } | Auth::Query { .. } => pool
            .or(provider.pool.as_ref())
            .and_then(|pool| vault.pools.get(pool))
            .is_some_and(|credentials| !credentials.is_empty()),
    }
}
