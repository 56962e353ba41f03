//! What secrets make usable: discovery order, labels, fingerprints, templates.

use super::*;
use crate::catalog::document::CatalogDocument;
use proptest::prelude::*;

const CATALOG: &str = r#"{"providers":[
    {"id":"acme","base_url":"https://acme.example","pool":"acme","dialects":{"chat":"/v1/${ACME_PATH}/chat"},"headers":{"x-org":"${ACME_ORG}"}},
    {"id":"box","base_url":"${BOX_URL}","auth":{"scheme":"access_service_token","id_secret":"BOX_ID","secret_secret":"BOX_SECRET"}}],
  "pools":[{"id":"acme","discover":"ACME_API_KEY"},
    {"id":"tokens","discover":"HUB_TOKEN"},
    {"id":"listed","keys":[{"label":"a","secret":"LISTED_A","weight":3,"quota_group":"org","models":["x*"],"rpm":5,"tpm":7},
       {"label":"b","store":"LISTED_STORE"},{"label":"c","sealed":true},{"label":"d","secret":"LISTED_A"}]}]}"#;

fn resolve_with(environment: &[(&str, &str)], sealed: &[(&str, &str, &str)]) -> Vault {
    let catalog = Catalog::compile(CatalogDocument::parse(CATALOG).unwrap(), 1).unwrap();
    let environment: BTreeMap<String, String> = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let sealed = sealed
        .iter()
        .map(|(pool, label, value)| ((PoolId::parse(pool).unwrap(), (*label).to_owned()), Secret::new(*value)))
        .collect();
    resolve(
        &catalog,
        &|name| environment.get(name).cloned(),
        &sealed,
        vec!["LLM".to_owned()],
        true,
    )
}

fn labels(vault: &Vault, pool: &str) -> Vec<(String, String)> {
    let credentials = vault.pools.get(pool).cloned().unwrap_or_default();
    credentials
        .into_iter()
        .map(|it| (it.label, it.secret.expose().to_owned()))
        .collect()
}

#[test]
fn pools_are_discovered_in_order() {
    type Case<'a> = (
        &'a str,
        &'a [(&'a str, &'a str)],
        &'a [(&'a str, &'a str, &'a str)],
        &'a [(&'a str, &'a str)],
    );
    let many = (0..40).map(|n| format!("m{n}")).collect::<Vec<_>>().join(",");
    let table: &[Case<'_>] = &[
        ("acme", &[], &[], &[]),
        ("acme", &[("ACME_API_KEY", "  ")], &[], &[]),
        ("acme", &[("ACME_API_KEY", " k1\n")], &[], &[("active", "k1")]),
        (
            "acme",
            &[
                ("ACME_API_KEY_2", "k4"),
                ("ACME_API_KEYS", "a, b"),
                ("ACME_API_KEY", "k1"),
                ("ACME_API_KEY_POOL", "c\n\nd"),
                ("ACME_API_KEY_10", "k5"),
            ],
            &[("acme", "pasted", "k6"), ("tokens", "other", "k7")],
            &[
                ("active", "k1"),
                ("ACME_API_KEYS[1]", "a"),
                ("ACME_API_KEYS[2]", "b"),
                ("ACME_API_KEY_POOL[1]", "c"),
                ("ACME_API_KEY_POOL[3]", "d"),
                ("ACME_API_KEY_2", "k4"),
                ("ACME_API_KEY_10", "k5"),
                ("pasted", "k6"),
            ],
        ),
        (
            "acme",
            &[("ACME_API_KEYS", "a,,b, a ,b"), ("ACME_API_KEY_1", "b")],
            &[],
            &[("ACME_API_KEYS[1]", "a"), ("ACME_API_KEYS[3]", "b")],
        ),
        (
            "acme",
            &[("ACME_API_KEY", "k1"), ("ACME_API_KEYS", "k1")],
            &[("acme", "pasted", "k1")],
            &[("active", "k1")],
        ),
        (
            "acme",
            &[("ACME_API_KEY", "k1")],
            &[("acme", "active", "k2")],
            &[("active", "k1"), ("active#2", "k2")],
        ),
        (
            "acme",
            &[("ACME_API_KEY", "k\u{7}1"), ("ACME_API_KEYS", "schlüssel")],
            &[],
            &[],
        ),
        (
            "acme",
            &[
                ("ACME_API_KEY_33", "beyond"),
                ("ACME_API_KEY_32", "last"),
                ("ACME_API_KEY_0", "first"),
            ],
            &[],
            &[("ACME_API_KEY_0", "first"), ("ACME_API_KEY_32", "last")],
        ),
        (
            "tokens",
            &[("HUB_TOKEN", "t1"), ("HUB_TOKENS", "t2"), ("HUB_TOKEN_POOL", "t3")],
            &[],
            &[("active", "t1"), ("HUB_TOKENS[1]", "t2"), ("HUB_TOKEN_POOL[1]", "t3")],
        ),
        (
            "listed",
            &[("LISTED_A", "v1"), ("LISTED_STORE", "v2")],
            &[("listed", "c", "v3")],
            &[("a", "v1"), ("b", "v2"), ("c", "v3")],
        ),
        ("listed", &[("LISTED_STORE", "v2")], &[], &[("b", "v2")]),
    ];
    for (pool, environment, sealed, expected) in table {
        let vault = resolve_with(environment, sealed);
        let expected: Vec<_> = expected
            .iter()
            .map(|(label, value)| ((*label).to_owned(), (*value).to_owned()))
            .collect();
        assert_eq!(labels(&vault, pool), expected, "{environment:?} {sealed:?}");
    }
    assert_eq!(
        labels(&resolve_with(&[("ACME_API_KEYS", many.as_str())], &[]), "acme").len(),
        MAX_CREDENTIALS
    );
}

#[test]
fn credentials_carry_their_documents_figures() {
    let vault = resolve_with(&[("LISTED_A", "v1"), ("ACME_API_KEY", "k")], &[]);
    let listed = &vault.pools["listed"][0];
    assert_eq!((listed.weight, listed.rpm, listed.tpm), (3, 5, 7));
    assert_eq!(
        (listed.quota_group.as_deref(), listed.models.clone()),
        (Some("org"), vec!["x*".to_owned()])
    );
    let found = &vault.pools["acme"][0];
    assert_eq!((found.weight, found.models.clone()), (1, vec!["*".to_owned()]));
    assert_eq!(format!("{found:?}").matches("Secret(…)").count(), 1);
    assert!((vault.local, vault.bindings.as_slice()) == (true, &["LLM".to_owned()][..]));
}

#[test]
fn fingerprints_name_provider_and_value() {
    // printf 'openai:sk-test' | sha256sum
    assert_eq!(credential_id("openai", "sk-test").0, "930c6aa16cd10b46");
    assert_ne!(credential_id("openai", "sk-test"), credential_id("azure", "sk-test"));
    let vault = resolve_with(&[("ACME_API_KEY", "k"), ("LISTED_A", "k")], &[]);
    assert_eq!(vault.pools["acme"][0].id, credential_id("acme", "k"));
    assert_eq!(
        vault.pools["listed"][0].id,
        credential_id("listed", "k"),
        "a pool that pays for nobody names itself"
    );
}

#[test]
fn templates_are_filled_or_name_what_is_missing() {
    let vault = resolve_with(
        &[
            ("ACME_ORG", "o1"),
            ("BOX_URL", "https://box"),
            ("BOX_ID", "i"),
            ("ACME_API_KEY", "k"),
            ("UNUSED", "u"),
        ],
        &[],
    );
    let names: Vec<_> = vault.variables.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["ACME_ORG", "BOX_ID", "BOX_URL"],
        "only what the catalog names, no pool's key"
    );
    let table = [
        ("plain", Ok("plain")),
        ("${BOX_URL}/x/${ACME_ORG}", Ok("https://box/x/o1")),
        ("${ACME_PATH}", Err("ACME_PATH")),
        ("${ACME_ORG}${UNUSED}", Err("UNUSED")),
        ("${broken", Ok("${broken")),
    ];
    for (template, expected) in table {
        let filled = expand(template, &vault);
        assert_eq!(
            filled.as_deref().map_err(|missing| missing.name.as_str()),
            expected,
            "{template}"
        );
    }
}

#[test]
fn wanted_names_are_listed() {
    let catalog = Catalog::compile(CatalogDocument::parse(CATALOG).unwrap(), 1).unwrap();
    assert_eq!(
        secret_names(&catalog),
        [
            "ACME_API_KEY",
            "ACME_ORG",
            "ACME_PATH",
            "BOX_ID",
            "BOX_SECRET",
            "BOX_URL",
            "HUB_TOKEN",
            "LISTED_A"
        ]
    );
    assert_eq!(store_names(&catalog), ["LISTED_STORE"]);
    let forms = discovered_names("X_API_KEY");
    assert_eq!(forms[..4], ["X_API_KEY", "X_API_KEYS", "X_API_KEY_POOL", "X_API_KEY_0"]);
    assert_eq!(forms.last().map(String::as_str), Some("X_API_KEY_32"));
}

proptest! {
    #[test]
    fn any_list_gives_distinct_usable_credentials(list in "[a-c ,\n\u{e9}]{0,60}", single in "[a-c]{0,2}") {
        let vault = resolve_with(&[("ACME_API_KEYS", &list), ("ACME_API_KEY", &single)], &[]);
        let credentials = &vault.pools["acme"];
        let labels: BTreeSet<_> = credentials.iter().map(|it| it.label.clone()).collect();
        let ids: BTreeSet<_> = credentials.iter().map(|it| it.id.clone()).collect();
        prop_assert_eq!(labels.len(), credentials.len());
        prop_assert_eq!(ids.len(), credentials.len());
        prop_assert!(credentials.iter().all(|it| usable(it.secret.expose()).as_deref() == Some(it.secret.expose())));
    }
}
