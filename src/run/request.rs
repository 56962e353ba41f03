//! One upstream request from a target, a credential and the caller's body: URL, headers, and the few ranges of the body that change.
//!
//! Everything here is data of the catalog: dialect paths, auth schemes, parameter rules, tier headers. No provider is known by name.

use super::machine::{CallId, UpstreamRequest};
use crate::catalog::document::Auth;
use crate::catalog::endpoint::{EndpointRefusal, provider_url};
use crate::catalog::{ContextVariant, Credential, Provider, Secret, Vault, vault};
use crate::route::Target;
use crate::wire::json::{self, Edit};
use crate::wire::pattern;
use crate::wire::session::sha256_hex;
use crate::wire::upstream_body::BodyChanges;
use crate::wire::{Call, CallKind};
use bytes::Bytes;

/// What is asked of whom, and how it differs from what the caller wrote.
#[derive(Clone, Debug)]
pub struct RequestShape<'a> {
    /// Who is asked.
    pub target: &'a Target,
    /// Who pays.
    pub credential: Option<&'a Credential>,
    /// Template variables and secrets of auth schemes.
    pub vault: &'a Vault,
    /// What the caller asked.
    pub call: &'a Call,
    /// Ask for a stream of events?
    pub stream: bool,
    /// Context tier, when the target has tiers.
    pub tier: Option<&'a ContextVariant>,
    /// Lower output limit than the caller's.
    pub max_output_tokens: Option<u64>,
    /// Top-level fields to drop (`None`) or rename, beyond the provider's rules.
    pub adjust: &'a [(String, Option<String>)],
    /// Begin of an answer that the model shall continue.
    pub prefill: Option<&'a str>,
    /// Session key, namespaced by tenant: by its hash the provider finds its prompt cache again, if its document says where.
    pub session: Option<&'a str>,
    /// Another provider wrote the answers that the conversation carries: what only that one can read is left out.
    pub foreign: bool,
}

/// Why no request can be built. Planning excludes such targets; should one come here it is passed over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The provider has no path for this kind of call.
    #[error("the provider has no {kind:?} endpoint")]
    NoEndpoint {
        /// Kind of call.
        kind: CallKind,
    },
    /// The endpoint breaks a rule of secured endpoints, or is not configured.
    #[error(transparent)]
    Endpoint(#[from] EndpointRefusal),
    /// A template or a secret does not resolve.
    #[error("the variable {name} is not set")]
    MissingVariable {
        /// Its name.
        name: String,
    },
}

/// Builds the request.
///
/// # Errors
/// [`RequestError`] when the provider cannot be called in this deployment.
pub fn build(call: CallId, shape: &RequestShape<'_>) -> Result<UpstreamRequest, RequestError> {
    Ok(UpstreamRequest {
        call,
        transport: shape.target.provider.transport.clone(),
        url: Secret::new(url(shape)?),
        headers: headers(shape)?,
        body: body(shape),
    })
}

/// The body for the upstream: the caller's bytes with only the named members changed.
pub fn body(shape: &RequestShape<'_>) -> Bytes {
    let call = shape.call;
    let upstream = upstream_name(shape);
    let mut edits = Vec::new();
    // First, so that a rule or a refusal that names the field overrules it.
    if let Some((name, value)) = cache_field(shape) {
        edits.push(Edit::Set(name.to_owned(), json::quote(&value)));
    }
    if let Some(limit) = shape.max_output_tokens {
        let written = ["max_completion_tokens", "max_tokens"]
            .into_iter()
            .filter(|name| json::find(&call.fields, name).is_some());
        edits.extend(written.map(|name| Edit::Set(name.to_owned(), limit.to_string())));
    }
    for rule in shape
        .target
        .provider
        .param_rules
        .iter()
        .filter(|rule| pattern::matches(&rule.models, upstream))
    {
        edits.extend(
            rule.rename
                .iter()
                .map(|(from, to)| Edit::Rename(from.clone(), to.clone())),
        );
        edits.extend(rule.drop.iter().map(|name| Edit::Remove(name.clone())));
    }
    edits.extend(shape.adjust.iter().map(|(name, instead)| match instead {
        Some(instead) => Edit::Rename(name.clone(), instead.clone()),
        None => Edit::Remove(name.clone()),
    }));
    let chat = call.kind == CallKind::Chat;
    let usage_refused = edits
        .iter()
        .any(|edit| matches!(edit, Edit::Remove(name) if name == "stream_options"));
    let continued: Vec<(usize, String)> = shape
        .prefill
        .map(|text| {
            (
                usize::MAX,
                format!(r#"{{"role":"assistant","content":{}}}"#, json::quote(text)),
            )
        })
        .into_iter()
        .collect();
    call.upstream_body(&BodyChanges {
        model: upstream,
        stream: chat.then_some(shape.stream),
        include_usage: chat && !usage_refused,
        keep_fields: &[],
        edits: &edits,
        messages: &continued,
        without_provider_state: shape.foreign,
    })
}

/// The body field that names the prompt cache, where the provider takes one and the caller wrote none.
fn cache_field<'a>(shape: &RequestShape<'a>) -> Option<(&'a str, String)> {
    let field = shape.target.provider.cache_hint.as_ref()?.field.as_deref()?;
    let wanted = shape.call.kind == CallKind::Chat && json::find(&shape.call.fields, field).is_none();
    let value = cache_name(shape).filter(|_| wanted)?;
    Some((field, value))
}

/// What calls of one session share at one provider: a hash, so that neither keys nor ids of callers leave, and no two providers can
/// compare notes. 32 characters: OpenAI takes at most 64.
fn cache_name(shape: &RequestShape<'_>) -> Option<String> {
    let session = shape.session?.as_bytes();
    let hash = sha256_hex(&[
        b"cache-hint\n",
        shape.target.provider.id.as_str().as_bytes(),
        b"\n",
        session,
    ]);
    hash.get(..32).map(str::to_owned)
}

fn upstream_name<'a>(shape: &RequestShape<'a>) -> &'a str {
    shape
        .tier
        .and_then(|tier| tier.upstream.as_deref())
        .unwrap_or(&shape.target.model.upstream)
}

fn url(shape: &RequestShape<'_>) -> Result<String, RequestError> {
    let provider = &shape.target.provider;
    let kind = shape.call.kind;
    let path = match kind {
        CallKind::Chat => provider.dialects.chat.as_deref(),
        CallKind::Embeddings => provider.dialects.embeddings.as_deref(),
    };
    let path = path.ok_or(RequestError::NoEndpoint { kind })?;
    let mut url = provider_url(provider, shape.vault, shape.target.pool.as_ref(), path)?;
    add_query_key(&mut url, provider, shape.credential);
    Ok(url)
}

/// A GET of the provider's own listing, authenticated like any other call.
///
/// # Errors
/// [`RequestError`] when the provider cannot be called in this deployment.
pub fn listing(call: CallId, provider: &Provider, vault: &Vault) -> Result<UpstreamRequest, RequestError> {
    let path = provider.dialects.models.as_deref().unwrap_or("/v1/models");
    let credential = provider
        .pool
        .as_ref()
        .and_then(|pool| vault.pools.get(pool))
        .and_then(|pool| pool.first());
    let mut url = provider_url(provider, vault, None, path)?;
    add_query_key(&mut url, provider, credential);
    let mut headers = authentication(provider, credential, vault)?;
    headers.push(("accept".to_owned(), Secret::new("application/json")));
    Ok(UpstreamRequest {
        call,
        transport: provider.transport.clone(),
        url: Secret::new(url),
        headers,
        body: Bytes::new(),
    })
}

/// The headers in which a credential is presented.
fn authentication(
    provider: &Provider,
    credential: Option<&Credential>,
    vault: &Vault,
) -> Result<Vec<(String, Secret)>, RequestError> {
    let secret = credential.map(|credential| credential.secret.expose());
    let mut headers = Vec::new();
    let mut set = |name: &str, value: &str| headers.push((name.to_ascii_lowercase(), Secret::new(value)));
    match (&provider.auth, secret) {
        (Auth::Bearer | Auth::AccessServiceToken { .. }, Some(secret)) => {
            set("authorization", &format!("Bearer {secret}"));
        }
        (Auth::Header { name }, Some(secret)) => set(name, secret),
        _ => {}
    }
    if let Auth::AccessServiceToken {
        id_secret,
        secret_secret,
    } = &provider.auth
    {
        set("cf-access-client-id", &variable(id_secret, vault)?);
        set("cf-access-client-secret", &variable(secret_secret, vault)?);
    }
    Ok(headers)
}

/// The query parameter in which a credential is presented.
fn add_query_key(url: &mut String, provider: &Provider, credential: Option<&Credential>) {
    if let (Auth::Query { name }, Some(credential)) = (&provider.auth, credential) {
        url.push(if url.contains('?') { '&' } else { '?' });
        url.push_str(name);
        url.push('=');
        percent_encode(url, credential.secret.expose());
    }
}

fn headers(shape: &RequestShape<'_>) -> Result<Vec<(String, Secret)>, RequestError> {
    let provider = &shape.target.provider;
    let mut headers = Vec::with_capacity(6 + provider.headers.len());
    let mut set = |name: &str, value: String| headers.push((name.to_ascii_lowercase(), Secret::new(value)));
    set("content-type", "application/json".to_owned());
    set(
        "accept",
        if shape.stream {
            "text/event-stream"
        } else {
            "application/json"
        }
        .to_owned(),
    );
    set(
        "user-agent",
        concat!("clawrouter/", env!("CARGO_PKG_VERSION")).to_owned(),
    );
    headers.extend(authentication(provider, shape.credential, shape.vault)?);
    let mut set = |name: &str, value: String| headers.push((name.to_ascii_lowercase(), Secret::new(value)));
    for (name, value) in &provider.headers {
        set(name, filled(value, shape)?);
    }
    if let Some(header) = provider.cache_hint.as_ref().and_then(|hint| hint.header.as_deref())
        && let Some(value) = cache_name(shape)
    {
        set(header, value);
    }
    for (name, value) in shape.tier.iter().flat_map(|tier| &tier.add_header) {
        add_tier_header(&mut headers, name, value);
    }
    Ok(headers)
}

/// List headers (`anthropic-beta`) keep what the provider document already says.
fn add_tier_header(headers: &mut Vec<(String, Secret)>, name: &str, value: &str) {
    let name = name.to_ascii_lowercase();
    match headers.iter_mut().find(|(known, _)| *known == name) {
        Some((_, present)) => *present = Secret::new(format!("{},{value}", present.expose())),
        None => headers.push((name, Secret::new(value))),
    }
}

/// A header value with its templates filled.
fn filled(text: &str, shape: &RequestShape<'_>) -> Result<String, RequestError> {
    vault::expand(text, shape.vault).map_err(|missing| RequestError::MissingVariable { name: missing.name })
}

fn variable(name: &str, vault: &Vault) -> Result<String, RequestError> {
    let value = vault.variables.get(name);
    value
        .map(|value| value.expose().to_owned())
        .ok_or_else(|| RequestError::MissingVariable { name: name.to_owned() })
}

fn percent_encode(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            for nibble in [byte >> 4, byte & 15] {
                out.push(
                    char::from_digit(u32::from(nibble), 16)
                        .unwrap_or('0')
                        .to_ascii_uppercase(),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests;
