//! One row for every way in which a catalog can be wrong.

use super::{base, with};
use crate::catalog::document::CatalogDocument;
use crate::catalog::document::DocumentErrorCode::{
    Duplicate, InvalidId, InvalidValue, MissingField, OutOfBounds, RefusedAddress, TooLarge, UnknownReference,
    VirtualModel,
};
use crate::catalog::{Catalog, ProfileId};
use serde_json::{Value, json};

#[test]
#[expect(clippy::too_many_lines, reason = "one row for every error")]
fn every_error_names_its_field() {
    let provider = |rest: Value| {
        let mut provider = json!({"id":"x","base_url":"https://x.example","pool":"acme"});
        for (name, value) in rest.as_object().unwrap() {
            provider[name] = value.clone();
        }
        provider
    };
    let model = |rest: Value| {
        let mut model = json!({"id":"acme/x","provider":"acme","upstream":"x","capabilities":["chat"]});
        for (name, value) in rest.as_object().unwrap() {
            model[name] = value.clone();
        }
        model
    };
    let price = |rest: Value| {
        let mut price = json!({"input":1,"output":1});
        for (name, value) in rest.as_object().unwrap() {
            price[name] = value.clone();
        }
        model(json!({ "price": price }))
    };
    let tier = |above: u64| json!({"above_input_tokens":above,"input":1,"output":1});
    let key = |label: &str| json!({"label":label,"secret":"A"});
    let long = "x".repeat(9000);
    #[rustfmt::skip]
    let table = vec![
        // Providers.
        ("/providers/0", provider(json!({"id":"clawrouter"})), "/providers/0/id", InvalidId),
        ("/providers/0", provider(json!({"id":"a/b"})), "/providers/0/id", InvalidId),
        ("/providers/0", provider(json!({"id":"local"})), "/providers/2/id", Duplicate),
        ("/providers/0", json!({"id":"x","pool":"acme"}), "/providers/0/base_url", MissingField),
        ("/providers/0", provider(json!({"cache_hint":{}})), "/providers/0/cache_hint", MissingField),
        ("/providers/0", provider(json!({"cache_hint":{"field":"messages"}})), "/providers/0/cache_hint/field", InvalidValue),
        ("/providers/0", provider(json!({"cache_hint":{"header":"cookie"}})), "/providers/0/cache_hint/header", InvalidValue),
        ("/providers/0", provider(json!({"cache_hint":{"header":"Authorization"}})), "/providers/0/cache_hint/header", InvalidValue),
        ("/providers/0", provider(json!({"base_url":"http://x.example"})), "/providers/0/base_url", RefusedAddress),
        ("/providers/0", provider(json!({"base_url":"https://169.254.169.254"})), "/providers/0/base_url", RefusedAddress),
        ("/providers/0", provider(json!({"base_url":"https://u:p@x.example"})), "/providers/0/base_url", RefusedAddress),
        ("/providers/0", provider(json!({"base_url":"http://x${A}.example"})), "/providers/0/base_url", RefusedAddress),
        ("/providers/0", provider(json!({"base_url":"https://x.example/${A"})), "/providers/0/base_url", InvalidValue),
        ("/providers/0", provider(json!({"auth":{"scheme":"none"}})), "/providers/0/base_url", RefusedAddress),
        ("/providers/0", provider(json!({"allowed_hosts":["y.example"]})), "/providers/0/base_url", RefusedAddress),
        ("/providers/0", provider(json!({"allowed_hosts":["x.example","https://x.example"]})), "/providers/0/allowed_hosts/1", InvalidValue),
        ("/providers/0", provider(json!({"transport":{"kind":"binding","name":"LLM"}})), "/providers/0/allowed_hosts", MissingField),
        ("/providers/0", json!({"id":"x","transport":{"kind":"binding","name":"llm"}}), "/providers/0/transport/name", InvalidValue),
        ("/providers/0", provider(json!({"dialects":{"chat":"v1"}})), "/providers/0/dialects/chat", InvalidValue),
        ("/providers/0", provider(json!({"dialects":{"models":"/${a}"}})), "/providers/0/dialects/models", InvalidValue),
        ("/providers/0", provider(json!({"dialects":{"responses":"/../x"}})), "/providers/0/dialects/responses", InvalidValue),
        ("/providers/0", provider(json!({"pool":"nobody"})), "/providers/0/pool", UnknownReference),
        ("/providers/0", json!({"id":"x","base_url":"https://x.example"}), "/providers/0/pool", MissingField),
        ("/providers/0", provider(json!({"auth":{"scheme":"header","name":"a b"}})), "/providers/0/auth/name", InvalidValue),
        ("/providers/0", provider(json!({"auth":{"scheme":"header","name":"Host"}})), "/providers/0/auth/name", InvalidValue),
        ("/providers/0", provider(json!({"auth":{"scheme":"query","name":"a&b"}})), "/providers/0/auth/name", InvalidValue),
        (
            "/providers/0",
            provider(json!({"auth":{"scheme":"access_service_token","id_secret":"ID","secret_secret":"the value"}})),
            "/providers/0/auth/secret_secret",
            InvalidValue,
        ),
        ("/providers/0", provider(json!({"headers":{"cookie":"a"}})), "/providers/0/headers/cookie", InvalidValue),
        ("/providers/0", provider(json!({"headers":{"x/y":"a"}})), "/providers/0/headers/x~1y", InvalidValue),
        ("/providers/0", provider(json!({"headers":{"x":"a\nb"}})), "/providers/0/headers/x", InvalidValue),
        ("/providers/0", provider(json!({"headers":{"x":long}})), "/providers/0/headers/x", InvalidValue),
        ("/providers/0", provider(json!({"headers":{"x":"${y}"}})), "/providers/0/headers/x", InvalidValue),
        ("/providers/0", provider(json!({"timeouts":{"stall_ms":0}})), "/providers/0/timeouts/stall_ms", OutOfBounds),
        ("/providers/0", provider(json!({"timeouts":{"total_ms":3_600_001}})), "/providers/0/timeouts/total_ms", OutOfBounds),
        ("/providers/0", provider(json!({"param_rules":[{"models":""}]})), "/providers/0/param_rules/0/models", InvalidValue),
        ("/providers/0", provider(json!({"param_rules":[{"models":"*","drop":["messages"]}]})), "/providers/0/param_rules/0", InvalidValue),
        (
            "/providers/0",
            provider(json!({"param_rules":[{"models":"*","drop":["n"],"rename":{"n":"m"}}]})),
            "/providers/0/param_rules/0/rename/n",
            Duplicate,
        ),
        (
            "/providers/0",
            provider(json!({"defaults":{"capabilities":["fly"],"context_window":1,"max_output_tokens":1}})),
            "/providers/0/defaults/capabilities/0",
            InvalidValue,
        ),
        (
            "/providers/0",
            provider(json!({"defaults":{"capabilities":[],"context_window":0,"max_output_tokens":1}})),
            "/providers/0/defaults/context_window",
            OutOfBounds,
        ),
        // Models.
        ("/models/0", model(json!({"id":"other/x"})), "/models/0/id", InvalidId),
        ("/models/0", model(json!({"id":"acme/"})), "/models/0/id", InvalidId),
        ("/models/0", model(json!({"id":"acme/b"})), "/models/2/id", Duplicate),
        ("/models/0", model(json!({"id":"nobody/x","provider":"nobody"})), "/models/0/provider", UnknownReference),
        ("/models/0", model(json!({"upstream":" "})), "/models/0/upstream", InvalidValue),
        ("/models/0", model(json!({"family":"a\u{0}b"})), "/models/0/family", InvalidValue),
        ("/models/0", model(json!({"capabilities":["chat","tool"]})), "/models/0/capabilities/1", InvalidValue),
        ("/models/0", model(json!({"capabilities":["chat","chat"]})), "/models/0/capabilities/1", Duplicate),
        ("/models/0", model(json!({"context_window":0})), "/models/0/context_window", OutOfBounds),
        ("/models/0", model(json!({"max_output_tokens":100_000_001})), "/models/0/max_output_tokens", OutOfBounds),
        ("/models/0", price(json!({"effective":"May 2026"})), "/models/0/price/effective", InvalidValue),
        ("/models/0", price(json!({"effective":"2026-13-01"})), "/models/0/price/effective", InvalidValue),
        ("/models/0", price(json!({"source":""})), "/models/0/price/source", InvalidValue),
        ("/models/0", price(json!({"tiers":[tier(2), tier(2)]})), "/models/0/price/tiers/1/above_input_tokens", OutOfBounds),
        ("/models/0", price(json!({"tiers":[tier(0)]})), "/models/0/price/tiers/0/above_input_tokens", OutOfBounds),
        (
            "/models/0",
            model(json!({"context_variants":[{"max_input":10},{"max_input":20}]})),
            "/models/0/context_variants/1/max_input",
            OutOfBounds,
        ),
        (
            "/models/0",
            model(json!({"context_variants":[{"max_input":10,"add_header":{"host":"x"}}]})),
            "/models/0/context_variants/0/add_header/host",
            InvalidValue,
        ),
        ("/models/0", model(json!({"skills":{"coding":1.5}})), "/models/0/skills/coding", OutOfBounds),
        ("/models/0", model(json!({"benchmarks":{"x":101}})), "/models/0/benchmarks/x", OutOfBounds),
        ("/models/0", model(json!({"performance":{"latency":{"p50":-1}}})), "/models/0/performance/latency/p50", OutOfBounds),
        ("/models/0", model(json!({"availability":2})), "/models/0/availability", OutOfBounds),
        // Pools.
        ("/pools/0", json!({"id":"p","discover":"sk-live-123"}), "/pools/0/discover", InvalidValue),
        ("/pools/0", json!({"id":"p","keys":(0..33).map(|n| key(&n.to_string())).collect::<Vec<_>>()}), "/pools/0/keys", TooLarge),
        ("/pools/0", json!({"id":"p","keys":[key("a"), key("a")]}), "/pools/0/keys/1/label", Duplicate),
        ("/pools/0", json!({"id":"p","keys":[{"label":"a"}]}), "/pools/0/keys/0", InvalidValue),
        ("/pools/0", json!({"id":"p","keys":[{"label":"a","secret":"A","sealed":true}]}), "/pools/0/keys/0", InvalidValue),
        ("/pools/0", json!({"id":"p","keys":[{"label":"","secret":"A"}]}), "/pools/0/keys/0/label", InvalidValue),
        ("/pools/0", json!({"id":"p","keys":[{"label":"a","secret":"sk-1"}]}), "/pools/0/keys/0/secret", InvalidValue),
        ("/pools/0", json!({"id":"p","keys":[{"label":"a","secret":"A","weight":1001}]}), "/pools/0/keys/0/weight", OutOfBounds),
        // Routes.
        ("/routes/0", json!({"id":"auto","targets":[{"model":"acme/a"}]}), "/routes/0/id", InvalidId),
        ("/routes/0", json!({"id":"fusion:x","targets":[{"model":"acme/a"}]}), "/routes/0/id", InvalidId),
        ("/routes/0", json!({"id":"r","targets":[]}), "/routes/0/targets", OutOfBounds),
        (
            "/routes/0",
            json!({"id":"r","targets":(0..17).map(|n| json!({"model":"acme/a","context_window":n+1})).collect::<Vec<_>>()}),
            "/routes/0/targets",
            TooLarge,
        ),
        ("/routes/0", json!({"id":"r","targets":[{"model":"acme/gone"}]}), "/routes/0/targets/0/model", UnknownReference),
        (
            "/routes/0",
            json!({"id":"r","targets":[{"model":"acme/a","order":1},{"model":"acme/gone"}]}),
            "/routes/0/targets/1/model",
            UnknownReference,
        ),
        ("/routes/0", json!({"id":"r","targets":[{"model":"acme/a"},{"model":"clawrouter/fusion"}]}), "/routes/0/targets/1/model", VirtualModel),
        ("/routes/0", json!({"id":"r","targets":[{"model":"acme/a"}],"context_targets":["clawrouter/smart"]}), "/routes/0/context_targets/0", VirtualModel),
        ("/routes/0", json!({"id":"r","targets":[{"model":"acme/a","pool":"nobody"}]}), "/routes/0/targets/0/pool", UnknownReference),
        ("/routes/0", json!({"id":"r","targets":[{"model":"acme/a"}],"retry":{"max_attempts":0}}), "/routes/0/retry/max_attempts", OutOfBounds),
        ("/routes/0", json!({"id":"r","targets":[{"model":"acme/a"}],"hedge":{"budget":1.1}}), "/routes/0/hedge/budget", OutOfBounds),
        ("/routes/0", json!({"id":"r","targets":[{"model":"acme/a"}],"deadline_ms":1}), "/routes/0/deadline_ms", OutOfBounds),
        // Fusion profiles.
        ("/fusion_profiles/0/id", json!("a:b"), "/fusion_profiles/0/id", InvalidId),
        ("/fusion_profiles/0/advisers", json!([]), "/fusion_profiles/0/advisers", OutOfBounds),
        (
            "/fusion_profiles/0/advisers",
            json!((0..9).map(|n| json!({"model":format!("local/{n}")})).collect::<Vec<_>>()),
            "/fusion_profiles/0/advisers",
            OutOfBounds,
        ),
        ("/fusion_profiles/0/advisers/1", json!({"model":"local/qwen3:8b"}), "/fusion_profiles/0/advisers/1/model", Duplicate),
        ("/fusion_profiles/0/advisers/1", json!({"model":"clawrouter/smart"}), "/fusion_profiles/0/advisers/1/model", VirtualModel),
        ("/fusion_profiles/0/advisers/1", json!({"model":"acme/gone"}), "/fusion_profiles/0/advisers/1/model", UnknownReference),
        ("/fusion_profiles/0/advisers/1", json!({"model":"acme/b","temperature":2.1}), "/fusion_profiles/0/advisers/1/temperature", OutOfBounds),
        ("/fusion_profiles/0/advisers/1", json!({"model":"acme/b","role":""}), "/fusion_profiles/0/advisers/1/role", InvalidValue),
        ("/fusion_profiles/0/judge", json!({"model":"local/qwen3:8b"}), "/fusion_profiles/0/judge/model", Duplicate),
        ("/fusion_profiles/0/judge", json!({"model":"clawrouter/auto"}), "/fusion_profiles/0/judge/model", VirtualModel),
        ("/fusion_profiles/0/judge", json!({"model":"acme/gone"}), "/fusion_profiles/0/judge/model", UnknownReference),
        ("/fusion_profiles/0/synthesizer", json!({"model":"clawrouter/fusion"}), "/fusion_profiles/0/synthesizer/model", VirtualModel),
        ("/fusion_profiles/0/synthesizer", json!({"model":"acme/gone"}), "/fusion_profiles/0/synthesizer/model", UnknownReference),
        (
            "/fusion_profiles/0/synthesizer",
            json!({"model":"acme/a","fallbacks":["clawrouter/smart"]}),
            "/fusion_profiles/0/synthesizer/fallbacks/0",
            VirtualModel,
        ),
        (
            "/fusion_profiles/0/synthesizer",
            json!({"model":"acme/a","fallbacks":["acme/b","acme/a"]}),
            "/fusion_profiles/0/synthesizer/fallbacks/1",
            Duplicate,
        ),
        ("/fusion_profiles/0/adviser_timeout_ms", json!(999), "/fusion_profiles/0/adviser_timeout_ms", OutOfBounds),
        ("/fusion_profiles/0/adviser_timeout_ms", json!(120_001), "/fusion_profiles/0/adviser_timeout_ms", OutOfBounds),
        ("/fusion_profiles/0/adviser_first_token_ms", json!(499), "/fusion_profiles/0/adviser_first_token_ms", OutOfBounds),
        ("/fusion_profiles/0/quorum", json!(0), "/fusion_profiles/0/quorum", OutOfBounds),
        ("/fusion_profiles/0/quorum", json!(2), "/fusion_profiles/0/quorum", OutOfBounds),
        ("/fusion_profiles/0/straggler_grace_ms", json!(60_001), "/fusion_profiles/0/straggler_grace_ms", OutOfBounds),
        ("/fusion_profiles/0/max_output_tokens", json!(63), "/fusion_profiles/0/max_output_tokens", OutOfBounds),
        ("/fusion_profiles/0/max_output_tokens", json!(4097), "/fusion_profiles/0/max_output_tokens", OutOfBounds),
        ("/fusion_profiles/0/max_input_chars", json!(999), "/fusion_profiles/0/max_input_chars", OutOfBounds),
        ("/fusion_profiles/0/max_input_chars", json!(200_001), "/fusion_profiles/0/max_input_chars", OutOfBounds),
        ("/fusion_profiles/0/max_proposal_chars", json!(255), "/fusion_profiles/0/max_proposal_chars", OutOfBounds),
        ("/fusion_profiles/0/max_proposal_chars", json!(20_001), "/fusion_profiles/0/max_proposal_chars", OutOfBounds),
        ("/fusion_profiles/0/temperature", json!(2.01), "/fusion_profiles/0/temperature", OutOfBounds),
        ("/fusion_profiles/0/temperature", json!(-0.1), "/fusion_profiles/0/temperature", OutOfBounds),
        ("/fusion_profiles/0/max_cost_usd", json!(0), "/fusion_profiles/0/max_cost_usd", OutOfBounds),
        ("/fusion_profiles/0/deadline_ms", json!(999), "/fusion_profiles/0/deadline_ms", OutOfBounds),
        ("/fusion_profiles/0/early_flush_ms", json!(60_001), "/fusion_profiles/0/early_flush_ms", OutOfBounds),
        // Policies.
        ("/policies/0/allow", json!({"models":["a",""]}), "/policies/0/allow/models/1", InvalidValue),
        ("/policies/0/deny", json!({"virtual":[""]}), "/policies/0/deny/virtual/0", InvalidValue),
        (
            "/policies/0/budgets",
            json!([{"window":"day","limit_usd":1},{"window":"day","limit_usd":2,"hard":false}]),
            "/policies/0/budgets/1",
            Duplicate,
        ),
        ("/policies/0/rate", json!({"rpm":0}), "/policies/0/rate/rpm", OutOfBounds),
        ("/policies/0/pools", json!({"nobody":["a"]}), "/policies/0/pools/nobody", UnknownReference),
        ("/policies/0/fallbacks", json!(["clawrouter/auto"]), "/policies/0/fallbacks/0", VirtualModel),
        ("/policies/1", json!({"id":"default"}), "/policies/1/id", Duplicate),
        // Settings.
        ("/settings/max_body_bytes", json!(33_554_433), "/settings/max_body_bytes", OutOfBounds),
        ("/settings/session_ttl_ms", json!(999), "/settings/session_ttl_ms", OutOfBounds),
        ("/settings/sessions_per_tenant", json!(0), "/settings/sessions_per_tenant", OutOfBounds),
        ("/settings/usage_days", json!(0), "/settings/usage_days", OutOfBounds),
        ("/settings/deployment_name", json!(""), "/settings/deployment_name", InvalidValue),
        ("/settings/admin_policy", json!("nobody"), "/settings/admin_policy", UnknownReference),
        ("/settings/cors_origins", json!(["https://a.example", "https://a.example/"]), "/settings/cors_origins/1", InvalidValue),
        ("/settings/cors_origins", json!(["*"]), "/settings/cors_origins/0", InvalidValue),
        ("/settings/cors_origins", json!(["http://a.example"]), "/settings/cors_origins/0", InvalidValue),
    ];
    for (pointer, value, path, code) in table {
        let documents = with(pointer, value.clone());
        let errors = Catalog::compile(documents.clone(), 1).expect_err(&format!("{pointer} = {value}"));
        let found: Vec<_> = errors.iter().map(|error| (error.path.as_str(), error.code)).collect();
        assert_eq!(found, [(path, code)], "{pointer}: {errors:#?}");
        assert!(errors[0].document.is_some() && !errors[0].message.is_empty());

        let lenient = Catalog::compile_lenient(documents, 1);
        assert!(
            !lenient.warnings.is_empty()
                && Catalog::compile_lenient(CatalogDocument::default(), 1)
                    .warnings
                    .is_empty()
        );
    }
}

#[test]
fn errors_are_bounded() {
    let mut documents = CatalogDocument::parse(&base().to_string()).unwrap();
    let model = documents.models[0].clone();
    documents.models = (0..300).map(|_| model.clone()).collect();
    assert_eq!(Catalog::compile(documents.clone(), 1).unwrap_err().len(), 100);
    assert_eq!(
        Catalog::compile_lenient(documents, 1).models.len(),
        0,
        "of repeated ids none can be trusted"
    );
    let mut many = CatalogDocument::parse(&base().to_string()).unwrap();
    many.fusion_profiles = (0..201)
        .map(|n| crate::catalog::FusionProfile {
            id: ProfileId::parse(&format!("p{n}")).unwrap(),
            ..many.fusion_profiles[0].clone()
        })
        .collect();
    assert_eq!(Catalog::compile(many, 1).unwrap_err()[0].code, TooLarge);
}
