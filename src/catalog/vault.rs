//! What a deployment's secrets make usable: credentials of pools and values of `${TEMPLATE}` variables.
//!
//! Reads no environment: names are looked up through a function that the shell gives.

use super::document::{Auth, Pool, PoolKey, Provider};
use super::ids::{CredentialId, PoolId};
use super::{Catalog, template};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fmt::Write as _;

/// Credentials of one pool; later ones are not used.
pub const MAX_CREDENTIALS: usize = 32;
/// Numbered secrets are looked for from `X_API_KEY_0` to `X_API_KEY_32`: an environment can only be asked name by name.
const MAX_NUMBERED: usize = 32;
/// Longest credential, bytes: a header value's bound.
const MAX_SECRET: usize = 8 * 1024;

/// A secret value. Never printed, never serialised.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value, for the one place that writes it into an upstream request.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// One usable credential of a pool.
#[derive(Clone, Debug, PartialEq)]
pub struct Credential {
    /// Label for people, from the pool document or the discovery rule.
    pub label: String,
    /// Fingerprint that names its state.
    pub id: CredentialId,
    /// The value.
    pub secret: Secret,
    /// Share of traffic, 1 by default.
    pub weight: u32,
    /// Credentials of one organisation share rate limits.
    pub quota_group: Option<String>,
    /// Model patterns that it may serve; `*` by default.
    pub models: Vec<String>,
    /// Local requests-per-minute bound; 0: none.
    pub rpm: u32,
    /// Local tokens-per-minute bound; 0: none.
    pub tpm: u32,
}

/// Everything that secrets decide, resolved once per catalog revision and isolate.
#[derive(Clone, Debug, Default)]
pub struct Vault {
    /// Usable credentials by pool, in configured order.
    pub pools: BTreeMap<PoolId, Vec<Credential>>,
    /// Values of `${NAME}` templates and of secrets that auth schemes name.
    pub variables: BTreeMap<String, Secret>,
    /// Names of Fetcher bindings that exist in this deployment.
    pub bindings: Vec<String>,
    /// True when the Worker runs locally (`ENVIRONMENT=local`): plain http to loopback is allowed.
    pub local: bool,
}

/// Values typed into the admin page, opened, by pool and label.
pub type SealedValues = BTreeMap<(PoolId, String), Secret>;

/// A template variable without a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the variable {name} has no value in this deployment")]
pub struct MissingVariable {
    /// Its name.
    pub name: String,
}

/// Resolves everything that secrets decide about `catalog`. `lookup` answers for variables, secrets and (already fetched) Secrets Store
/// bindings by name; `bindings` are the Fetcher bindings of this deployment; `local` is `ENVIRONMENT=local`.
pub fn resolve(
    catalog: &Catalog,
    lookup: &dyn Fn(&str) -> Option<String>,
    sealed: &SealedValues,
    bindings: Vec<String>,
    local: bool,
) -> Vault {
    let payees = providers_by_pool(catalog);
    let pools = catalog.pools.values().map(|pool| {
        let payee = payees.get(&pool.id).map_or(pool.id.as_str(), String::as_str);
        (pool.id.clone(), resolve_pool(pool, payee, lookup, sealed))
    });
    let variables = variable_names(catalog)
        .into_iter()
        .filter_map(|name| usable(&lookup(&name)?).map(|value| (name, Secret::new(value))));
    Vault {
        pools: pools.collect(),
        variables: variables.collect(),
        bindings,
        local,
    }
}

/// Fills a template with the vault's variables.
///
/// # Errors
/// [`MissingVariable`] for the first one without a value.
pub fn expand(template: &str, vault: &Vault) -> Result<String, MissingVariable> {
    // A malformed template never gets past `Catalog::compile`; as plain text its braces are refused wherever a URL is checked.
    let parts = template::parse(template).unwrap_or_else(|_| vec![template::Part::Text(template)]);
    template::fill(&parts, |name| {
        let value = vault.variables.get(name).map(|secret| secret.expose().to_owned());
        value.ok_or_else(|| MissingVariable { name: name.to_owned() })
    })
}

/// Names of all secrets and variables that `catalog` can use, sorted: for the start script and the documentation. A pool's `discover`
/// name stands for its list and numbered forms too (see [`discovered_names`]).
pub fn secret_names(catalog: &Catalog) -> Vec<String> {
    let mut names = variable_names(catalog);
    for pool in catalog.pools.values() {
        names.extend(pool.discover.clone());
        names.extend(pool.keys.iter().filter_map(|key| key.secret.clone()));
    }
    names.into_iter().collect()
}

/// Names of all Secrets Store bindings that pools of `catalog` use, sorted: the shell fetches them before [`resolve`].
pub fn store_names(catalog: &Catalog) -> Vec<String> {
    let keys = catalog.pools.values().flat_map(|pool| &pool.keys);
    keys.filter_map(|key| key.store.clone())
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}

/// Every name that discovery of `name` looks up: itself, two list forms, the numbered forms.
pub fn discovered_names(name: &str) -> Vec<String> {
    let numbered = (0..=MAX_NUMBERED).map(|number| format!("{name}_{number}"));
    [name.to_owned(), format!("{name}S"), format!("{name}_POOL")]
        .into_iter()
        .chain(numbered)
        .collect()
}

/// First 16 hex digits of SHA-256(`provider:value`).
pub fn credential_id(provider: &str, value: &str) -> CredentialId {
    let digest = Sha256::digest(format!("{provider}:{value}"));
    let mut hex = String::with_capacity(16);
    for byte in digest.iter().take(8) {
        // Writing into a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    CredentialId(hex)
}

/// The provider whose name goes into a pool's fingerprints: the first one, by id, that the pool pays for.
fn providers_by_pool(catalog: &Catalog) -> BTreeMap<PoolId, String> {
    let mut payees = BTreeMap::new();
    for provider in catalog.providers.values() {
        if let Some(pool) = &provider.pool {
            payees.entry(pool.clone()).or_insert_with(|| provider.id.to_string());
        }
    }
    payees
}

fn variable_names(catalog: &Catalog) -> BTreeSet<String> {
    catalog
        .providers
        .values()
        .flat_map(|provider| provider_variables(provider))
        .collect()
}

fn provider_variables(provider: &Provider) -> BTreeSet<String> {
    let dialects = &provider.dialects;
    let paths = [
        &provider.base_url,
        &dialects.chat,
        &dialects.responses,
        &dialects.messages,
        &dialects.embeddings,
        &dialects.completions,
        &dialects.models,
    ];
    let texts = paths.into_iter().flatten().chain(provider.headers.values());
    let mut names: BTreeSet<String> = texts
        .flat_map(|text| template::parse(text).unwrap_or_default())
        .filter_map(|part| match part {
            template::Part::Variable(name) => Some(name.to_owned()),
            template::Part::Text(_) => None,
        })
        .collect();
    if let Auth::AccessServiceToken {
        id_secret,
        secret_secret,
    } = &provider.auth
    {
        names.extend([id_secret.clone(), secret_secret.clone()]);
    }
    names
}

/// Collects a pool's credentials: the first label of a value wins, a label taken by another value gets a number.
struct Collected<'a> {
    provider: &'a str,
    credentials: Vec<Credential>,
}

impl Collected<'_> {
    fn add(&mut self, key: PoolKey, value: Option<&str>) {
        let Some(value) = value.and_then(usable) else {
            return;
        };
        let id = credential_id(self.provider, &value);
        if self.credentials.len() >= MAX_CREDENTIALS || self.credentials.iter().any(|known| known.id == id) {
            return;
        }
        let taken = |label: &str| self.credentials.iter().any(|known| known.label == label);
        let label = if taken(&key.label) {
            let numbered = (2..=MAX_CREDENTIALS + 1).map(|number| format!("{}#{number}", key.label));
            numbered.into_iter().find(|label| !taken(label)).unwrap_or(key.label)
        } else {
            key.label
        };
        let models = if key.models.is_empty() {
            vec!["*".to_owned()]
        } else {
            key.models
        };
        self.credentials.push(Credential {
            label,
            id,
            secret: Secret::new(value),
            weight: key.weight,
            quota_group: key.quota_group,
            models,
            rpm: key.rpm,
            tpm: key.tpm,
        });
    }
}

fn resolve_pool(
    pool: &Pool,
    provider: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
    sealed: &SealedValues,
) -> Vec<Credential> {
    let mut collected = Collected {
        provider,
        credentials: Vec::new(),
    };
    let sealed_value = |label: &str| {
        let secret = sealed.get(&(pool.id.clone(), label.to_owned()))?;
        Some(secret.expose().to_owned())
    };
    for key in &pool.keys {
        let name = key.secret.as_deref().or(key.store.as_deref());
        let value = if key.sealed {
            sealed_value(&key.label)
        } else {
            name.and_then(lookup)
        };
        collected.add(key.clone(), value.as_deref());
    }
    if let Some(name) = &pool.discover {
        collected.add(unnamed_key("active"), lookup(name).as_deref());
        for list_name in [format!("{name}S"), format!("{name}_POOL")] {
            let list = lookup(&list_name).unwrap_or_default();
            for (position, value) in list.split([',', '\n']).enumerate() {
                collected.add(unnamed_key(&format!("{list_name}[{}]", position + 1)), Some(value));
            }
        }
        for number in 0..=MAX_NUMBERED {
            let numbered = format!("{name}_{number}");
            let value = lookup(&numbered);
            collected.add(unnamed_key(&numbered), value.as_deref());
        }
    }
    // A value pasted for a label that the document does not mention is meant to be used.
    for ((_, label), secret) in sealed.iter().filter(|((owner, _), _)| *owner == pool.id) {
        collected.add(unnamed_key(label), Some(secret.expose()));
    }
    collected.credentials
}

fn unnamed_key(label: &str) -> PoolKey {
    PoolKey {
        label: label.to_owned(),
        secret: None,
        store: None,
        sealed: false,
        weight: 1,
        quota_group: None,
        models: Vec::new(),
        rpm: 0,
        tpm: 0,
    }
}

/// The trimmed value, when it can stand in a header: anything else would fail each call in the runtime instead of being absent.
fn usable(value: &str) -> Option<String> {
    let value = value.trim();
    let good = !value.is_empty() && value.len() <= MAX_SECRET && value.bytes().all(|b| (0x20..0x7f).contains(&b));
    good.then(|| value.to_owned())
}

#[cfg(test)]
mod tests;
