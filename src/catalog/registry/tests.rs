use super::draft::Draft;
use super::list::PageQuery;
use super::*;
use crate::wire::ApiError;
use serde_json::{Value, json};

fn author() -> Author {
    Author {
        actor: "ann@example.com".to_owned(),
        request_id: "req_1".to_owned(),
        at: Millis(1_000),
        note: Some("why".to_owned()),
    }
}

fn registry() -> Registry {
    Registry::new(0, [])
}

/// With the one policy `team`, at revision 1.
fn registry_of_team() -> Registry {
    let mut registry = registry();
    put(&mut registry, Collection::Policies, "team", POLICY, Condition::Absent).unwrap();
    registry
}

fn shown(value: impl Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

fn name(collection: Collection, id: &str) -> DocumentName {
    DocumentName::new(collection, id)
}

const POLICY: &str = r#"{"id":"team","allow":{"providers":["demo"]}}"#;

fn put(
    registry: &mut Registry,
    collection: Collection,
    id: &str,
    text: &str,
    condition: Condition,
) -> Result<Change, (u16, String)> {
    registry
        .put(&name(collection, id), text, condition, &author())
        .map_err(|error| {
            let error = ApiError::from(error);
            (error.status, error.param.unwrap_or_default())
        })
}

#[test]
fn writes_need_the_revision_that_was_read() {
    let mut registry = registry();
    let mut write = |text: &str, condition| {
        put(&mut registry, Collection::Policies, "team", text, condition).map(|change| change.revision)
    };
    assert_eq!(write(POLICY, Condition::Unstated), Err((428, String::new())));
    assert_eq!(write(POLICY, Condition::Revision(0)), Err((404, String::new())));
    assert_eq!(write(POLICY, Condition::Absent), Ok(1));
    assert_eq!(write(POLICY, Condition::Absent), Err((412, String::new())));
    assert_eq!(write(POLICY, Condition::Revision(0)), Err((412, String::new())));
    assert_eq!(write(POLICY, Condition::Revision(1)), Ok(2));
}

#[test]
fn what_a_deleted_policy_spent_is_still_asked_for() {
    let mut registry = registry();
    let policy = |id: &str| format!(r#"{{"id":"{id}"}}"#);
    for id in ["a", "b", "c"] {
        put(&mut registry, Collection::Policies, id, &policy(id), Condition::Absent).unwrap();
    }
    for (id, revision) in [("a", 1), ("c", 3)] {
        let name = name(Collection::Policies, id);
        registry
            .delete(&name, Condition::Revision(revision), 0, &author())
            .unwrap();
    }
    assert_eq!(registry.retired_policies(), ["c", "a"], "the latest first");
    put(
        &mut registry,
        Collection::Policies,
        "a",
        &policy("a"),
        Condition::Absent,
    )
    .unwrap();
    assert_eq!(registry.retired_policies(), ["c"]);
}

#[test]
fn a_stale_write_answers_with_the_newer_document() {
    let mut registry = registry_of_team();
    let error = registry
        .put(
            &name(Collection::Policies, "team"),
            POLICY,
            Condition::Revision(9),
            &author(),
        )
        .unwrap_err();
    let current: Value = serde_json::from_str(ApiError::from(error).details["current"].text()).unwrap();
    assert_eq!(
        (current["revision"].clone(), current["document"]["id"].clone()),
        (json!(1), json!("team"))
    );
}

#[test]
fn what_is_wrong_is_named_by_its_path_in_the_document() {
    let mut registry = registry();
    let cases = [
        (
            Collection::Policies,
            "team",
            r#"{"id":"team","colour":1}"#,
            422,
            "/colour",
        ),
        (Collection::Policies, "team", r#"{"id":"other"}"#, 422, "/id"),
        (
            Collection::FusionProfiles,
            "f",
            r#"{"id":"f","enabled":true,"advisers":[{"model":"demo/fast"}],"synthesizer":{"model":"clawrouter/fusion"}}"#,
            422,
            "/synthesizer/model",
        ),
        (
            Collection::Routes,
            "r",
            r#"{"id":"r","targets":[{"model":"nobody/x"}]}"#,
            422,
            "/targets/0/model",
        ),
        (
            Collection::Settings,
            "default",
            r#"{"max_body_bytes":99999999999}"#,
            422,
            "/max_body_bytes",
        ),
    ];
    for (collection, id, text, status, path) in cases {
        let present = registry.revision_of(&name(collection, id));
        let condition = present.map_or(Condition::Absent, Condition::Revision);
        let found = put(&mut registry, collection, id, text, condition).unwrap_err();
        assert_eq!(found, (status, path.to_owned()), "{text}");
    }
    assert_eq!(registry.revision(), 0, "nothing was written");
}

#[test]
fn bundled_documents_are_overridden_restored_and_never_deleted() {
    let mut registry = registry();
    let demo = name(Collection::Providers, "demo");
    assert_eq!(registry.revision_of(&demo), Some(0));
    let disabled = registry
        .document(&demo)
        .unwrap()
        .to_json()
        .replace("\"enabled\":true", "\"enabled\":false");
    registry
        .put(&demo, &disabled, Condition::Revision(0), &author())
        .unwrap();
    assert_eq!(
        (
            shown(registry.stored(&demo))["source"].clone(),
            shown(registry.stored(&demo))["document"]["enabled"].clone()
        ),
        (json!("admin"), json!(false))
    );
    let refused = registry
        .delete(&demo, Condition::Revision(1), 0, &author())
        .unwrap_err();
    assert!(matches!(refused, RegistryError::Conflict { .. }));
    registry.rollback(&demo, None, &author()).unwrap();
    assert_eq!(shown(registry.stored(&demo))["document"]["enabled"], json!(true));
}

#[test]
fn a_deleted_document_is_gone_and_can_be_written_anew() {
    let mut registry = registry_of_team();
    let change = registry
        .delete(
            &name(Collection::Policies, "team"),
            Condition::Revision(1),
            0,
            &author(),
        )
        .unwrap();
    assert_eq!(
        (change.rows[0].json.clone(), change.history[0].json.clone()),
        (None, None)
    );
    assert_eq!(registry.revision_of(&name(Collection::Policies, "team")), None);
    let again = registry
        .put(
            &name(Collection::Policies, "team"),
            POLICY,
            Condition::Absent,
            &author(),
        )
        .unwrap();
    assert_eq!(again.revision, 3);
}

#[test]
fn drafts_affect_nobody_until_enabled_and_the_switch_turns_off() {
    let mut registry = registry();
    let text = r#"{"id":"mine","advisers":[{"model":"demo/fast"}],"synthesizer":{"model":"demo/smart"}}"#;
    let draft = Draft::parse(&registry, "mine", text, &author()).unwrap();
    assert!(registry.document(&draft::profile_name("mine")).is_none());
    let view = shown(registry.draft_view("mine", Some(&draft)).unwrap());
    assert_eq!(
        (view["live"].clone(), view["draft"]["id"].clone()),
        (Value::Null, json!("mine"))
    );
    registry.enable("mine", Some(&draft), 0, &author()).unwrap();
    assert_eq!(
        shown(registry.stored(&draft::profile_name("mine")))["document"]["enabled"],
        json!(true)
    );
    let stale = registry.enable("mine", Some(&draft), 0, &author()).unwrap_err();
    assert!(matches!(stale, RegistryError::Stale { .. }));
    registry.disable("mine", &author()).unwrap();
    assert_eq!(
        shown(registry.stored(&draft::profile_name("mine")))["document"]["enabled"],
        json!(false)
    );
    let bad = Draft::parse(
        &registry,
        "mine",
        &text.replace("\"advisers\"", "\"temperature\":3,\"advisers\""),
        &author(),
    )
    .unwrap_err();
    assert_eq!(ApiError::from(bad).param.as_deref(), Some("/temperature"));
}

#[test]
fn import_of_an_export_changes_nothing_and_a_difference_is_all_or_nothing() {
    let mut registry = registry();
    let export = registry.export();
    assert_eq!(registry.import(&export, &author()).unwrap().rows, []);
    assert_eq!(registry.export(), export);
    let two = r#"{"policies":[{"id":"a"},{"id":"b"}]}"#;
    assert_eq!(registry.import(two, &author()).unwrap().rows.len(), 2);
    let half_wrong = r#"{"policies":[{"id":"c"}],"routes":[{"id":"r","targets":[{"model":"nobody/x"}]}]}"#;
    let error = ApiError::from(registry.import(half_wrong, &author()).unwrap_err());
    assert_eq!(error.status, 422);
    assert_eq!(registry.revision_of(&name(Collection::Policies, "c")), None);
}

#[test]
fn pages_follow_each_other_and_filter() {
    let registry = registry();
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let page = shown(registry.page(
            Collection::Models,
            &PageQuery {
                limit: 7,
                cursor,
                q: Some("GPT".to_owned()),
            },
        ));
        seen.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|item| item["document"]["id"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    let all = registry
        .documents()
        .names_in(Collection::Models)
        .into_iter()
        .filter(|name| name.id.contains("gpt"))
        .count();
    assert!(all > 7 && seen.len() == all && seen.is_sorted());
}

#[test]
fn a_snapshot_compiles_to_the_same_catalog_after_a_round_trip() {
    let registry = registry_of_team();
    let snapshot = Snapshot::of(&registry, Vec::new());
    let read = Snapshot::parse(&snapshot.to_json()).unwrap();
    assert_eq!(read, snapshot);
    let catalog = read.compile();
    assert!(catalog.revision == 1 && catalog.policies.contains_key("team") && catalog.providers.contains_key("demo"));
    assert!(Snapshot::parse("{").is_err());
}

#[test]
fn a_document_that_a_deployment_broke_blocks_no_other_write_and_not_the_kill_switch() {
    let broken = Row {
        name: name(Collection::Models, "gone/x"),
        revision: 4,
        json: Some(r#"{"id":"gone/x","provider":"gone","upstream":"x","capabilities":["chat"]}"#.to_owned()),
        updated_at: Millis(0),
        updated_by: "ann".to_owned(),
    };
    let mut registry = Registry::new(4, [broken]);
    let write = put(&mut registry, Collection::Policies, "team", POLICY, Condition::Absent);
    assert_eq!(write.map(|change| change.revision), Ok(5));
    assert!(registry.disable("demo", &author()).is_ok());
    let again = r#"{"id":"gone/x","provider":"gone","upstream":"y","capabilities":["chat"]}"#;
    let refused = put(
        &mut registry,
        Collection::Models,
        "gone/x",
        again,
        Condition::Revision(4),
    );
    assert_eq!(
        refused,
        Err((422, "/provider".to_owned())),
        "the written document itself must be right"
    );
    assert!(
        registry
            .delete(
                &name(Collection::Models, "gone/x"),
                Condition::Revision(4),
                0,
                &author()
            )
            .is_ok()
    );
}

#[test]
fn errors_of_an_import_point_into_the_import() {
    let wrong = r#"{"policies":[{"id":"default"},{"id":"c","rate":{"rpm":0}}],"settings":{"usage_days":0}}"#;
    let RegistryError::Invalid { errors } = registry().import(wrong, &author()).unwrap_err() else {
        panic!()
    };
    let paths: Vec<_> = errors.iter().map(|error| error.path.as_str()).collect();
    assert_eq!(paths, ["/policies/1/rate/rpm", "/settings/usage_days"]);
}

#[test]
fn a_snapshot_of_newer_code_is_read_document_by_document() {
    let text = r#"{"revision":9,"sealed":[{"pool":"p","label":"a","ciphertext":"c"}],"documents":{
        "policies":[{"id":"a"},{"id":"b","new_field":1}],"robots":[],"settings":{"usage_days":7}}}"#;
    let snapshot = Snapshot::parse(text).unwrap();
    assert_eq!(
        (snapshot.revision, snapshot.sealed.len(), snapshot.unreadable.len()),
        (9, 1, 2)
    );
    let catalog = snapshot.compile();
    assert!(catalog.policies.contains_key("a") && !catalog.policies.contains_key("b"));
    assert!(catalog.settings.usage_days == 7 && catalog.warnings == snapshot.unreadable);
}
