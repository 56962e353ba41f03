//! What an upstream is sent: URL, headers, body.

use super::*;
use crate::catalog::{CredentialId, Model, Provider};
use crate::wire::call::Limits;
use crate::wire::chat;
use serde_json::{Value, json};
use std::sync::Arc;

fn target(provider: &Value, upstream: &str) -> Target {
    let mut document = json!({"id": "x", "base_url": "https://x.example/api", "dialects": {"chat": "/v1/chat/completions"}, "pool": "x"});
    for (name, value) in provider.as_object().unwrap() {
        document[name] = value.clone();
    }
    let provider: Provider = serde_json::from_value(document).unwrap();
    let model: Model =
        serde_json::from_value(json!({"id": "x/m", "provider": "x", "upstream": upstream, "capabilities": ["chat"]}))
            .unwrap();
    Target {
        pool: provider.pool.clone(),
        model: Arc::new(model),
        provider: Arc::new(provider),
        allowed_credentials: Vec::new(),
        order: 0,
        context_window: None,
        context_variants: Vec::new(),
        index: 0,
        last_resort: false,
    }
}

fn credential() -> Credential {
    Credential {
        label: "a".to_owned(),
        id: CredentialId("0".to_owned()),
        secret: Secret::new("s/ecret+1"),
        weight: 1,
        quota_group: None,
        models: Vec::new(),
        rpm: 0,
        tpm: 0,
    }
}

fn vault() -> Vault {
    let variables = [("CF_ID", "id"), ("CF_SECRET", "hush"), ("SITE", "https://me.example")];
    Vault {
        pools: [(crate::catalog::PoolId::parse("x").unwrap(), vec![credential()])].into(),
        variables: variables
            .map(|(name, value)| (name.to_owned(), Secret::new(value)))
            .into(),
        ..Vault::default()
    }
}

fn call(body: &str) -> Call {
    chat::parse(Bytes::copy_from_slice(body.as_bytes()), &Limits::default()).expect(body)
}

fn shape<'a>(target: &'a Target, call: &'a Call, vault: &'a Vault, credential: &'a Credential) -> RequestShape<'a> {
    RequestShape {
        target,
        credential: Some(credential),
        vault,
        call,
        stream: call.stream,
        tier: None,
        max_output_tokens: None,
        adjust: &[],
        prefill: None,
        session: None,
        foreign: false,
    }
}

const PLAIN: &str = r#"{"model":"x/m", "messages":[{"role":"user","content":"hi"}],"big":12345678901234567890}"#;

#[test]
fn credentials_are_presented_as_the_provider_wants() {
    let check = |auth: Value, url: &str, expected: &[(&str, &str)]| {
        let (target, call, vault, credential) = (
            target(&json!({ "auth": auth }), "m"),
            call(PLAIN),
            vault(),
            credential(),
        );
        let request = build(CallId(3), &shape(&target, &call, &vault, &credential)).unwrap();
        assert_eq!(request.call, CallId(3));
        assert_eq!(request.url.expose(), url);
        for (name, value) in expected {
            let sent = request
                .headers
                .iter()
                .find(|(known, _)| known == name)
                .map(|(_, value)| value.expose());
            assert_eq!(sent, Some(*value), "{name}");
        }
        let carries = request
            .headers
            .iter()
            .filter(|(_, value)| value.expose().contains("s/ecret"))
            .count();
        assert_eq!(carries, usize::from(!url.contains('?')), "the credential is sent once");
        assert!(!format!("{request:?}").contains("s/ecret"), "Debug shows no secret");
    };
    let url = "https://x.example/api/v1/chat/completions";
    check(
        json!({"scheme": "bearer"}),
        url,
        &[
            ("authorization", "Bearer s/ecret+1"),
            ("content-type", "application/json"),
        ],
    );
    check(
        json!({"scheme": "header", "name": "X-Api-Key"}),
        url,
        &[("x-api-key", "s/ecret+1")],
    );
    check(
        json!({"scheme": "query", "name": "key"}),
        &format!("{url}?key=s%2Fecret%2B1"),
        &[],
    );
    check(
        json!({"scheme": "access_service_token", "id_secret": "CF_ID", "secret_secret": "CF_SECRET"}),
        url,
        &[
            ("cf-access-client-id", "id"),
            ("cf-access-client-secret", "hush"),
            ("authorization", "Bearer s/ecret+1"),
        ],
    );
}

#[test]
fn what_is_missing_is_named() {
    let check = |provider: Value, expected: &str| {
        let (target, call, vault, credential) = (target(&provider, "m"), call(PLAIN), vault(), credential());
        let error = build(CallId(0), &shape(&target, &call, &vault, &credential)).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    };
    check(json!({"dialects": {}}), "Chat");
    check(json!({"headers": {"x-site": "${NOWHERE}"}}), "NOWHERE");
    check(json!({"base_url": "https://${NOWHERE}/"}), "NOWHERE");
}

#[test]
fn headers_of_provider_and_tier_are_sent() {
    let provider = json!({"headers": {"X-Site": "${SITE}", "anthropic-beta": "files"}});
    let (target, call, vault, credential) = (target(&provider, "m"), call(PLAIN), vault(), credential());
    let tier: ContextVariant =
        serde_json::from_value(json!({"max_input": 9, "add_header": {"Anthropic-Beta": "long"}})).unwrap();
    let mut shape = shape(&target, &call, &vault, &credential);
    shape.tier = Some(&tier);
    let request = build(CallId(0), &shape).unwrap();
    let sent = |name: &str| {
        request
            .headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.expose().to_owned())
    };
    assert_eq!(sent("x-site").as_deref(), Some("https://me.example"));
    assert_eq!(sent("anthropic-beta").as_deref(), Some("files,long"));
    assert_eq!(sent("accept").as_deref(), Some("application/json"));
}

#[test]
fn only_what_must_change_changes() {
    fn check(caller: &str, rules: &Value, change: impl for<'a> Fn(&mut RequestShape<'a>), expected: &str) {
        let provider = json!({ "param_rules": rules });
        let (target, call, vault, credential) = (target(&provider, "up"), call(caller), vault(), credential());
        let mut shape = shape(&target, &call, &vault, &credential);
        change(&mut shape);
        assert_eq!(std::str::from_utf8(&body(&shape)).unwrap(), expected);
    }
    check(PLAIN, &json!([]), |_| {}, &PLAIN.replace("x/m", "up"));
    let asked = r#"{"model":"a","max_tokens":9,"temperature":1,"messages":[{"role":"user","content":"q"}]}"#;
    check(
        asked,
        &json!([{"models": "u*", "rename": {"max_tokens": "max_completion_tokens"}, "drop": ["temperature"]}, {"models": "v*", "drop": ["messages"]}]),
        |_| {},
        r#"{"model":"up","max_completion_tokens":9,"messages":[{"role":"user","content":"q"}]}"#,
    );
    check(
        asked,
        &json!([{"models": "*", "rename": {"max_tokens": "max_completion_tokens"}}]),
        |shape| shape.max_output_tokens = Some(5),
        r#"{"model":"up","max_completion_tokens":5,"temperature":1,"messages":[{"role":"user","content":"q"}]}"#,
    );
    check(
        asked,
        &json!([]),
        |shape| shape.prefill = Some("I \"begin"),
        r#"{"model":"up","max_tokens":9,"temperature":1,"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"I \"begin"}]}"#,
    );
    check(
        asked,
        &json!([]),
        |shape| shape.stream = true,
        r#"{"model":"up","max_tokens":9,"temperature":1,"messages":[{"role":"user","content":"q"}],"stream":true,"stream_options":{"include_usage":true}}"#,
    );
    check(
        asked,
        &json!([{"models": "*", "drop": ["stream_options"]}]),
        |shape| shape.stream = true,
        r#"{"model":"up","max_tokens":9,"temperature":1,"messages":[{"role":"user","content":"q"}],"stream":true}"#,
    );
}

#[test]
fn a_session_names_its_prompt_cache_where_the_provider_takes_that() {
    let vault = vault();
    let credential = credential();
    let written = PLAIN.replacen('{', r#"{"prompt_cache_key":"mine","#, 1);
    let field = json!({"cache_hint": {"field": "prompt_cache_key"}});
    let ruled = json!({"cache_hint": {"field": "prompt_cache_key"}, "param_rules": [{"models": "*", "drop": ["prompt_cache_key"]}]});
    let sent = |provider: &Value, body: &str, session: Option<&str>, adjust: &[(String, Option<String>)]| {
        let (target, call) = (target(provider, "m"), call(body));
        let request = RequestShape {
            adjust,
            session,
            ..shape(&target, &call, &vault, &credential)
        };
        let built = build(CallId(0), &request).unwrap();
        let body: Value = serde_json::from_slice(&built.body).unwrap();
        let affinity = built.headers.iter().find(|(name, _)| name == "x-session-affinity");
        (
            body["prompt_cache_key"].as_str().map(str::to_owned),
            affinity.map(|(_, value)| value.expose().to_owned()),
        )
    };
    // Told where the document says so, in its spelling; invented for nobody else, and for nobody without a session.
    let (key, header) = sent(&field, PLAIN, Some("kid/s"), &[]);
    let key = key.unwrap();
    assert!(key.len() == 32 && key.bytes().all(|b| b.is_ascii_hexdigit()), "{key}");
    assert_eq!(header, None);
    assert_eq!(sent(&json!({}), PLAIN, Some("kid/s"), &[]), (None, None));
    assert_eq!(sent(&field, PLAIN, None, &[]), (None, None));
    // The same session is the same cache, another one is another.
    assert_eq!(sent(&field, PLAIN, Some("kid/s"), &[]).0.as_deref(), Some(key.as_str()));
    assert_ne!(sent(&field, PLAIN, Some("kid/t"), &[]).0.as_deref(), Some(key.as_str()));
    let (none, header) = sent(
        &json!({"cache_hint": {"header": "X-Session-Affinity"}}),
        PLAIN,
        Some("kid/s"),
        &[],
    );
    assert_eq!((none, header), (None, Some(key.clone())));
    let (_, elsewhere) = sent(
        &json!({"id": "y", "cache_hint": {"header": "x-session-affinity"}}),
        PLAIN,
        Some("kid/s"),
        &[],
    );
    assert_ne!(elsewhere, Some(key));
    // The caller's own word stays; a rule or a refusal outranks the hint.
    assert_eq!(sent(&field, &written, Some("kid/s"), &[]).0.as_deref(), Some("mine"));
    assert_eq!(
        sent(&json!({}), &written, Some("kid/s"), &[]).0.as_deref(),
        Some("mine")
    );
    assert_eq!(sent(&ruled, PLAIN, Some("kid/s"), &[]).0, None);
    let refused = [("prompt_cache_key".to_owned(), None)];
    assert_eq!(sent(&field, PLAIN, Some("kid/s"), &refused).0, None);
}
