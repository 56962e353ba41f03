//! What compiles, what is only skipped, and what a deployed Worker or a single write is refused. Every error has its row in `errors`.

mod errors;

use super::*;
use crate::catalog::{PicoUsd, PolicyId, ProfileId, RouteId, bundled};
use serde_json::{Value, json};

fn base() -> Value {
    json!({
        "providers":[
            {"id":"acme","base_url":"https://acme.example","pool":"acme"},
            {"id":"local","base_url":"${LOCAL_URL}","pool":"acme","discover":{"models":true},
             "defaults":{"capabilities":["chat","tools"],"context_window":8192,"max_output_tokens":1024,"price":{"input":0,"output":0}}},
            {"id":"bare","base_url":"https://bare.example","pool":"acme","discover":{"models":true}}],
        "models":[
            {"id":"acme/a","provider":"acme","upstream":"a","capabilities":["chat"]},
            {"id":"acme/b","provider":"acme","upstream":"b","capabilities":["chat"]}],
        "pools":[{"id":"acme","discover":"ACME_API_KEY"}],
        "routes":[{"id":"smart","targets":[{"model":"acme/a"},{"model":"acme/b","order":1}]}],
        "fusion_profiles":[{"id":"default","enabled":true,"advisers":[{"model":"local/qwen3:8b"}],"synthesizer":{"model":"acme/a"}}],
        "policies":[{"id":"default"}],
        "settings":{}
    })
}

/// The base with the value at `pointer` (an object member or an array element) set.
fn with(pointer: &str, value: Value) -> CatalogDocument {
    let mut document = base();
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    let parent = document.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer}"));
    match parent {
        Value::Array(items) => items.insert(last.parse().unwrap(), value),
        Value::Object(members) => drop(members.insert(last.to_owned(), value)),
        other => panic!("{pointer} is in {other}"),
    }
    CatalogDocument::parse(&document.to_string()).unwrap_or_else(|error| panic!("{pointer}: {error}"))
}

#[test]
fn what_is_allowed_compiles() {
    #[rustfmt::skip]
    let table = [
        ("/providers/0/base_url", json!("http://127.0.0.1:11434/v1")),
        ("/providers/0/base_url", json!("https://${ACCOUNT}.acme.example/v1/${PROJECT}")),
        ("/providers/0/base_url", json!("http://127.0.0.1:${PORT}")),
        ("/providers/0/base_url", json!("${WHATEVER}")),
        ("/providers/3", json!({"id":"svc","transport":{"kind":"binding","name":"LLM"},"auth":{"scheme":"none"}})),
        ("/providers/3", json!({"id":"demo","transport":{"kind":"demo"},"auth":{"scheme":"none"}})),
        ("/providers/3", json!({"id":"off","enabled":false})),
        ("/providers/3", json!({"id":"lo","base_url":"http://[::1]:8080","auth":{"scheme":"none"}})),
        ("/pools/0/keys", json!([{"label":"a","secret":"A"},{"label":"b","store":"B"},{"label":"c","sealed":true}])),
        ("/fusion_profiles/1", json!({"id":"off","synthesizer":{"model":"acme/a"}})),
        ("/fusion_profiles/0/judge", json!({"model":"acme/b"})),
        ("/fusion_profiles/0/judge", json!({"model":"local/qwen3:8b","enabled":false})),
        ("/fusion_profiles/0/quorum", json!(1)),
        ("/settings/cors_origins", json!(["https://a.example:8443", "http://localhost:5173"])),
        ("/policies/0/budgets", json!([{"window":"day","limit_usd":1},{"window":"day","limit_usd":2,"scope":"key"}])),
    ];
    for (pointer, value) in table {
        let catalog = Catalog::compile(with(pointer, value.clone()), 7);
        let catalog = catalog.unwrap_or_else(|errors| panic!("{pointer} = {value}: {errors:#?}"));
        assert_eq!(
            (catalog.revision, catalog.warnings.len()),
            (7, 0),
            "{:?}",
            catalog.warnings
        );
    }
    let judge = json!({"model":"local/qwen3:8b"});
    let mut documents = with("/fusion_profiles/0/judge", judge);
    documents.fusion_profiles[0].allow_self_judge = true;
    assert!(Catalog::compile(documents, 1).is_ok());
}

#[test]
fn a_deployed_worker_refuses_plain_http_when_it_is_saved() {
    let table = [
        (
            r#""base_url":"http://127.0.0.1:11434/v1","pool":"p""#,
            Ok(()),
            Err("plain_http_deployed"),
        ),
        (
            r#""base_url":"http://${HOST}:80","pool":"p""#,
            Ok(()),
            Err("plain_http_deployed"),
        ),
        (
            r#""base_url":"http://x.example","pool":"p""#,
            Err("plain_http"),
            Err("plain_http"),
        ),
        (r#""base_url":"${URL}","pool":"p""#, Ok(()), Ok(())),
        (r#""base_url":"https://x.example","pool":"p""#, Ok(()), Ok(())),
        (r#""transport":{"kind":"binding","name":"LLM"}"#, Ok(()), Ok(())),
        (
            r#""transport":{"kind":"binding","name":"VPC"},"base_url":"http://10.0.0.5","allowed_hosts":["10.0.0.5"]"#,
            Ok(()),
            Ok(()),
        ),
    ];
    for (fields, local, deployed) in table {
        let provider = serde_json::from_str(&format!(r#"{{"id":"p",{fields}}}"#)).unwrap();
        for (runs_locally, expected) in [(true, local), (false, deployed)] {
            let saved = check_provider_address(&provider, runs_locally);
            assert_eq!(
                saved.map_err(|refusal| refusal.code()),
                expected,
                "{fields} local {runs_locally}"
            );
        }
    }
}

#[test]
fn unresolved_fallbacks_are_skipped_with_a_warning() {
    let mut documents = with("/routes/0/targets/2", json!({"model":"acme/gone","order":2}));
    documents.routes[0].context_targets = vec![ModelId::parse("acme/gone").unwrap(), ModelId::parse("acme/b").unwrap()];
    let repeated = documents.routes[0].targets[0].clone();
    documents.routes[0].targets.push(repeated);
    documents.fusion_profiles[0].synthesizer.fallbacks = vec![ModelId::parse("acme/gone").unwrap()];
    documents.policies[0].fallbacks = vec![ModelId::parse("acme/gone").unwrap()];
    let catalog = Catalog::compile(documents, 1).unwrap();
    assert_eq!(catalog.warnings.len(), 5, "{:#?}", catalog.warnings);
    assert!(catalog.warnings[0].contains("routes/smart") && catalog.warnings[0].contains("acme/gone"));
    let route = &catalog.routes[&RouteId::parse("smart").unwrap()];
    let targets: Vec<_> = route.targets.iter().map(|target| target.model.as_str()).collect();
    assert_eq!(targets, ["acme/a", "acme/b"]);
    assert_eq!(route.context_targets.len(), 1);
    assert!(
        catalog.fusion_profiles[&ProfileId::parse("default").unwrap()]
            .synthesizer
            .fallbacks
            .is_empty()
    );
    assert!(
        catalog.policies[&PolicyId::parse("default").unwrap()]
            .fallbacks
            .is_empty()
    );
}

#[test]
fn a_published_catalog_never_takes_the_router_down() {
    let mut documents = CatalogDocument::parse(&base().to_string()).unwrap();
    documents.pools.clear();
    let catalog = Catalog::compile_lenient(documents, 3);
    assert!(
        catalog.providers.is_empty()
            && catalog.models.is_empty()
            && catalog.routes.is_empty()
            && catalog.fusion_profiles.is_empty()
    );
    assert_eq!(
        (catalog.policies.len(), catalog.revision),
        (1, 3),
        "what does not depend on it stays"
    );
    assert!(
        catalog
            .warnings
            .iter()
            .any(|warning| warning.starts_with("providers/acme is left out")),
        "{:#?}",
        catalog.warnings
    );
}

#[test]
fn a_write_answers_only_for_what_it_breaks() {
    let good = CatalogDocument::parse(&base().to_string()).unwrap();
    let broken = with(
        "/models/0",
        json!({"id":"gone/x","provider":"gone","upstream":"x","capabilities":["chat"]}),
    );
    let route = DocumentName::new(Collection::Routes, "smart");
    let model = DocumentName::new(Collection::Models, "gone/x");
    let paths = |before: &CatalogDocument, after: &CatalogDocument, written: &DocumentName| {
        let change = Catalog::compile_change(before, after.clone(), std::slice::from_ref(written), 9);
        let errors = change.map_err(|errors| errors.into_iter().map(|error| error.path).collect::<Vec<_>>());
        errors.map(|catalog| catalog.models.len())
    };
    let mut disabled = broken.clone();
    disabled.routes[0].enabled = false;
    // Shifts the broken document to another index.
    disabled.models.rotate_left(1);
    let mut worse = broken.clone();
    worse.routes[0].targets.clear();
    let mut without_pool = good.clone();
    without_pool.pools.clear();
    assert_eq!(paths(&good, &good, &route), Ok(2));
    assert_eq!(
        paths(&broken, &disabled, &route),
        Ok(2),
        "an old error elsewhere does not count, its document is left out"
    );
    assert_eq!(
        paths(&broken, &broken, &model),
        Err(vec!["/models/0/provider".to_owned()]),
        "the written document always counts"
    );
    assert_eq!(
        paths(&broken, &worse, &route),
        Err(vec!["/routes/0/targets".to_owned()])
    );
    assert_eq!(
        paths(&good, &broken, &route),
        Err(vec!["/models/0/provider".to_owned()]),
        "a new error anywhere counts"
    );
    assert_eq!(
        paths(&good, &without_pool, &route).map_err(|paths| paths.len()),
        Err(3),
        "what depends on it is named"
    );
}

#[test]
fn dynamic_models_inherit_and_are_never_unpriced() {
    let catalog = Catalog::compile(CatalogDocument::parse(&base().to_string()).unwrap(), 1).unwrap();
    let model = catalog.model("local/org/qwen3:8b").unwrap();
    assert_eq!(
        (model.upstream.as_str(), model.provider.as_str(), model.id.as_str()),
        ("org/qwen3:8b", "local", "local/org/qwen3:8b")
    );
    assert_eq!(
        (model.context_window, model.max_output_tokens),
        (Some(8192), Some(1024))
    );
    assert_eq!(model.capabilities, ["chat", "tools"]);
    assert!(model.price.as_ref().is_some_and(Price::is_free) && model.enabled);
    let bare = catalog.model("bare/anything").unwrap();
    assert_eq!(
        (bare.capabilities.as_slice(), bare.price.clone()),
        (&["chat".to_owned()][..], Some(Price::default()))
    );
    assert_eq!(catalog.model("acme/a").unwrap().upstream, "a");
    for absent in ["acme/x", "local", "local/", "nobody/x", "", "local/a b", "/x"] {
        assert_eq!(catalog.model(absent), None, "{absent}");
    }
    let mut documents = CatalogDocument::parse(&base().to_string()).unwrap();
    documents.providers[1].defaults.as_mut().unwrap().price.input = PicoUsd(5);
    let priced = Catalog::compile(documents, 1).unwrap().model("local/x").unwrap();
    assert_eq!(priced.price.as_ref().map(|price| price.input), Some(PicoUsd(5)));
}

#[test]
fn virtual_names_are_known() {
    for (name, expected) in [
        ("clawrouter/auto", true),
        ("clawrouter/fusion:x", true),
        ("clawrouter/", true),
        ("clawrouter", false),
        ("openai/clawrouter/x", false),
        ("clawrouters/x", false),
    ] {
        assert_eq!(Catalog::is_virtual(name), expected, "{name}");
    }
}

#[test]
fn drafts_are_checked_by_their_bounds_alone() {
    let mut profile = bundled().unwrap().fusion_profiles.remove(0);
    profile.synthesizer.model = ModelId::parse("nobody/x").unwrap();
    assert_eq!(check_fusion_draft(&profile), Ok(()));
    profile.max_output_tokens = 1;
    let errors = check_fusion_draft(&profile).unwrap_err();
    assert_eq!(
        errors.iter().map(|error| error.path.as_str()).collect::<Vec<_>>(),
        ["/max_output_tokens"]
    );
}
