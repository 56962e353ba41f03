//! Bounds and references of a provider.

use super::findings::At;
use super::{Names, VIRTUAL_PROVIDER};
use crate::catalog::document::{Auth, DocumentErrorCode, Provider, Transport, pointer_segment};
use crate::catalog::endpoint::{self, EndpointRefusal, Rules};
use crate::catalog::template::{self, Part};
use crate::wire::Millis;

/// Headers that the runtime or the connection owns; a document cannot set them.
const OWNED_HEADERS: [&str; 9] = [
    "host",
    "content-length",
    "content-type",
    "connection",
    "transfer-encoding",
    "upgrade",
    "te",
    "trailer",
    "cookie",
];
/// Top-level fields of a body that rules and hints cannot touch.
const ROUTERS_FIELDS: [&str; 4] = ["model", "messages", "input", "stream"];
/// Longest header value, bytes.
const MAX_HEADER_VALUE: usize = 8 * 1024;

pub(super) fn check(at: &mut At<'_>, provider: &Provider, names: &Names<'_>) {
    let id = provider.id.as_str();
    if id == VIRTUAL_PROVIDER {
        at.error(
            "/id",
            DocumentErrorCode::InvalidId,
            format!("{VIRTUAL_PROVIDER} is the router itself: choose another id"),
        );
    }
    if id.contains('/') {
        at.error(
            "/id",
            DocumentErrorCode::InvalidId,
            "a provider's id has no slash: models are named <provider>/<model>",
        );
    }
    check_address(at, provider);
    check_dialects(at, provider);
    check_auth(at, provider, names);
    check_headers(at, "/headers", &provider.headers);
    check_timeouts(at, provider);
    check_param_rules(at, provider);
    check_cache_hint(at, provider);
    if let Some(defaults) = &provider.defaults {
        super::model::check_capabilities(at, "/defaults/capabilities", &defaults.capabilities);
        super::model::check_tokens(at, "/defaults/context_window", defaults.context_window);
        super::model::check_tokens(at, "/defaults/max_output_tokens", defaults.max_output_tokens);
        super::model::check_price(at, "/defaults/price", &defaults.price);
    }
}

fn check_address(at: &mut At<'_>, provider: &Provider) {
    at.at_most("/allowed_hosts", provider.allowed_hosts.len(), 64);
    for (index, pattern) in provider.allowed_hosts.iter().enumerate() {
        if !endpoint::is_host_pattern(pattern) {
            let message = "must be a host name, an address, or *. and a name; without scheme, port and path";
            at.error(
                format_args!("/allowed_hosts/{index}"),
                DocumentErrorCode::InvalidValue,
                message,
            );
        }
    }
    if let Transport::Binding { name } = &provider.transport {
        if !template::is_variable_name(name) {
            let message = "must be the binding's name in wrangler.toml: A-Z, 0-9 and _";
            at.error("/transport/name", DocumentErrorCode::InvalidValue, message);
        }
        if provider.base_url.is_some() && provider.allowed_hosts.is_empty() {
            let message = "a binding whose URL chooses the host needs `allowed_hosts`; leave `base_url` out if the binding knows its destination";
            return at.error("/allowed_hosts", DocumentErrorCode::MissingField, message);
        }
    }
    match (&provider.base_url, &provider.transport) {
        (Some(url), _) => check_base_url(at, provider, url),
        (None, Transport::Fetch) if provider.enabled => {
            at.error(
                "/base_url",
                DocumentErrorCode::MissingField,
                EndpointRefusal::NoAddress.to_string(),
            );
        }
        (None, _) => {}
    }
}

/// What can be known before the deployment is: the form, and addresses that no deployment may call. The rest is checked at each call.
fn check_base_url(at: &mut At<'_>, provider: &Provider, url: &str) {
    match template::parse(url) {
        Err(bad) => at.error("/base_url", DocumentErrorCode::InvalidValue, bad.to_string()),
        Ok(parts) => {
            if let Some(refusal) = refused_address(provider, &parts, true) {
                at.error("/base_url", DocumentErrorCode::RefusedAddress, refusal.to_string());
            }
        }
    }
}

/// Why `provider` cannot be saved in this deployment: [`crate::catalog::Catalog::compile`] knows no deployment and lets plain http to
/// loopback and private addresses pass; a deployed Worker (`local` false) refuses it when it is saved. An address that begins with a
/// variable is checked at each call only.
///
/// # Errors
/// [`EndpointRefusal`]; it is about the field `/base_url`.
pub fn check_provider_address(provider: &Provider, local: bool) -> Result<(), EndpointRefusal> {
    let parts = provider.base_url.as_deref().and_then(|url| template::parse(url).ok());
    parts
        .and_then(|parts| refused_address(provider, &parts, local))
        .map_or(Ok(()), Err)
}

fn refused_address(provider: &Provider, parts: &[Part<'_>], local: bool) -> Option<EndpointRefusal> {
    if matches!(parts.first(), Some(Part::Variable(_))) {
        return None;
    }
    let rules = Rules {
        local,
        binding: matches!(provider.transport, Transport::Binding { .. }),
        credential: provider.auth != Auth::None,
        allowed_hosts: &provider.allowed_hosts,
    };
    // A variable may stand for a label, a port or a path: the address is good when it is good with one of these.
    let check_with = |stand_in: &str| {
        let filled = template::fill::<()>(parts, |_| Ok(stand_in.to_owned())).unwrap_or_default();
        endpoint::check(&filled, rules).err()
    };
    let refusal = check_with("x")?;
    check_with("1").map(|_| refusal)
}

fn check_dialects(at: &mut At<'_>, provider: &Provider) {
    let dialects = &provider.dialects;
    for (name, path) in [
        ("chat", &dialects.chat),
        ("responses", &dialects.responses),
        ("messages", &dialects.messages),
        ("embeddings", &dialects.embeddings),
        ("completions", &dialects.completions),
        ("models", &dialects.models),
    ] {
        let Some(path) = path else { continue };
        let refusal = match template::parse(path) {
            Err(bad) => Some(bad.to_string()),
            Ok(parts) => {
                let filled = template::fill::<()>(&parts, |_| Ok("x".to_owned())).unwrap_or_default();
                endpoint::check_path(&filled).err().map(|refusal| refusal.to_string())
            }
        };
        if let Some(message) = refusal {
            at.error(
                format_args!("/dialects/{name}"),
                DocumentErrorCode::InvalidValue,
                message,
            );
        }
    }
}

fn check_auth(at: &mut At<'_>, provider: &Provider, names: &Names<'_>) {
    match &provider.auth {
        Auth::Header { name } => check_header_name(at, "/auth/name", name),
        Auth::Query { name } => {
            if name.is_empty()
                || name.len() > 64
                || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
            {
                let message = "must be a parameter name of 1 to 64 letters, digits, - _ .";
                at.error("/auth/name", DocumentErrorCode::InvalidValue, message);
            }
        }
        Auth::AccessServiceToken {
            id_secret,
            secret_secret,
        } => {
            check_secret_name(at, "/auth/id_secret", id_secret);
            check_secret_name(at, "/auth/secret_secret", secret_secret);
        }
        Auth::Bearer | Auth::None => {}
    }
    let presents_a_key = matches!(provider.auth, Auth::Bearer | Auth::Header { .. } | Auth::Query { .. });
    match &provider.pool {
        Some(pool) if !names.pools.contains(pool.as_str()) => {
            at.error(
                "/pool",
                DocumentErrorCode::UnknownReference,
                format!("there is no credential pool {pool}"),
            );
        }
        None if presents_a_key
            && !provider.credential_optional
            && provider.transport == Transport::Fetch
            && provider.enabled =>
        {
            let message = "name the credential pool that pays, or set `auth` to {\"scheme\":\"none\"}";
            at.error("/pool", DocumentErrorCode::MissingField, message);
        }
        _ => {}
    }
}

pub(super) fn check_headers(at: &mut At<'_>, pointer: &str, headers: &std::collections::BTreeMap<String, String>) {
    at.at_most(pointer, headers.len(), 32);
    for (name, value) in headers {
        let here = format!("{pointer}/{}", pointer_segment(name));
        check_header_name(at, &here, name);
        if value.len() > MAX_HEADER_VALUE || !value.bytes().all(|b| (0x20..0x7f).contains(&b)) {
            let message = format!("a header value has at most {MAX_HEADER_VALUE} visible ASCII characters");
            at.error(&here, DocumentErrorCode::InvalidValue, message);
        } else if let Err(bad) = template::parse(value) {
            at.error(&here, DocumentErrorCode::InvalidValue, bad.to_string());
        }
    }
}

fn check_header_name(at: &mut At<'_>, pointer: &str, name: &str) {
    // RFC 9110 token.
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || name.len() > 128 || !name.bytes().all(token) {
        at.error(pointer, DocumentErrorCode::InvalidValue, "this is no header name");
    } else if OWNED_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
        at.error(
            pointer,
            DocumentErrorCode::InvalidValue,
            "the router sets this header itself",
        );
    }
}

pub(super) fn check_secret_name(at: &mut At<'_>, pointer: &str, name: &str) {
    if !template::is_variable_name(name) {
        let message = "must be the name of a Worker secret (A-Z, 0-9 and _), never its value";
        at.error(pointer, DocumentErrorCode::InvalidValue, message);
    }
}

fn check_timeouts(at: &mut At<'_>, provider: &Provider) {
    let timeouts = &provider.timeouts;
    for (name, Millis(value), most) in [
        ("headers_ms", timeouts.headers_ms, 600_000),
        ("first_token_ms", timeouts.first_token_ms, 600_000),
        ("first_token_reasoning_ms", timeouts.first_token_reasoning_ms, 600_000),
        ("stall_ms", timeouts.stall_ms, 600_000),
        ("total_ms", timeouts.total_ms, 3_600_000),
    ] {
        at.within(format_args!("/timeouts/{name}"), value, 10..=most);
    }
}

fn check_cache_hint(at: &mut At<'_>, provider: &Provider) {
    let Some(hint) = &provider.cache_hint else { return };
    if hint.field.is_none() && hint.header.is_none() {
        let message =
            "names a `field` of the body, a `header`, or both; leave it out for a provider that takes neither";
        at.error("/cache_hint", DocumentErrorCode::MissingField, message);
    }
    if let Some(header) = &hint.header {
        check_header_name(at, "/cache_hint/header", header);
        let presented = ["authorization", "accept", "user-agent"];
        if presented.contains(&header.to_ascii_lowercase().as_str()) {
            let message = "the router sets this header itself";
            at.error("/cache_hint/header", DocumentErrorCode::InvalidValue, message);
        }
    }
    if let Some(field) = &hint.field {
        at.text("/cache_hint/field", field, 64);
        if ROUTERS_FIELDS.contains(&field.as_str()) {
            let message = format!("`{field}` belongs to the router: it cannot carry a hint");
            at.error("/cache_hint/field", DocumentErrorCode::InvalidValue, message);
        }
    }
}

fn check_param_rules(at: &mut At<'_>, provider: &Provider) {
    at.at_most("/param_rules", provider.param_rules.len(), 64);
    for (index, rule) in provider.param_rules.iter().enumerate() {
        at.text(format_args!("/param_rules/{index}/models"), &rule.models, 200);
        at.at_most(format_args!("/param_rules/{index}/rename"), rule.rename.len(), 64);
        at.at_most(format_args!("/param_rules/{index}/drop"), rule.drop.len(), 64);
        for (from, to) in &rule.rename {
            let pointer = format!("/param_rules/{index}/rename/{}", pointer_segment(from));
            at.text(&pointer, from, 64);
            at.text(&pointer, to, 64);
            if rule.drop.contains(from) {
                at.error(
                    &pointer,
                    DocumentErrorCode::Duplicate,
                    "one rule cannot both rename and drop this field",
                );
            }
        }
        for (place, field) in rule.drop.iter().enumerate() {
            at.text(format_args!("/param_rules/{index}/drop/{place}"), field, 64);
        }
        for field in rule.rename.keys().chain(&rule.drop) {
            if ROUTERS_FIELDS.contains(&field.as_str()) {
                let message = format!("`{field}` belongs to the router: a rule cannot rename or drop it");
                at.error(
                    format_args!("/param_rules/{index}"),
                    DocumentErrorCode::InvalidValue,
                    message,
                );
            }
        }
    }
}
