//! One row for every refusal, and the URLs that must keep working.

use super::*;
use crate::catalog::document::Provider;
use crate::catalog::vault::{Credential, Secret};
use crate::catalog::{CredentialId, PoolId, Vault};
use proptest::prelude::*;

const DEPLOYED: Rules<'_> = Rules {
    local: false,
    binding: false,
    credential: true,
    allowed_hosts: &[],
};
const LOCAL: Rules<'_> = Rules {
    local: true,
    binding: false,
    credential: false,
    allowed_hosts: &[],
};
const LOCAL_WITH_KEY: Rules<'_> = Rules {
    local: true,
    binding: false,
    credential: true,
    allowed_hosts: &[],
};

fn binding(allowed_hosts: &[String]) -> Rules<'_> {
    Rules {
        local: false,
        binding: true,
        credential: false,
        allowed_hosts,
    }
}

#[test]
fn addresses_are_refused_for_their_reason() {
    let hosts = [
        "llm.internal".to_owned(),
        "*.corp.example".to_owned(),
        "10.0.0.5".to_owned(),
    ];
    let long = format!("https://example.com/{}", "a".repeat(MAX_URL));
    let table = [
        ("", DEPLOYED, "url_bad_scheme"),
        ("example.com", DEPLOYED, "url_bad_scheme"),
        ("ftp://example.com", DEPLOYED, "url_bad_scheme"),
        ("javascript://example.com", DEPLOYED, "url_bad_scheme"),
        ("https:/example.com", DEPLOYED, "url_bad_scheme"),
        ("https:example.com", DEPLOYED, "url_bad_scheme"),
        (long.as_str(), DEPLOYED, "url_too_long"),
        (" https://example.com", DEPLOYED, "url_bad_character"),
        ("https://exa mple.com", DEPLOYED, "url_bad_character"),
        ("https://example.com\\@evil.example", DEPLOYED, "url_bad_character"),
        ("https://example.com/\r\nx: y", DEPLOYED, "url_bad_character"),
        ("https://bücher.example", DEPLOYED, "url_bad_character"),
        ("https://user:secret@example.com", DEPLOYED, "url_user_info"),
        ("https://@example.com", DEPLOYED, "url_user_info"),
        ("https://127.0.0.1#@example.com", DEPLOYED, "url_fragment"),
        ("https://example.com/v1#top", DEPLOYED, "url_fragment"),
        ("https://example.com/v1?key=secret", DEPLOYED, "url_query"),
        ("https://", DEPLOYED, "url_bad_host"),
        ("https:///v1", DEPLOYED, "url_bad_host"),
        ("https://:443", DEPLOYED, "url_bad_host"),
        ("https://a..b", DEPLOYED, "url_bad_host"),
        ("https://1.2.3.999", DEPLOYED, "url_bad_host"),
        ("https://[fe80::1%25eth0]", DEPLOYED, "url_bad_host"),
        ("https://[::1", DEPLOYED, "url_bad_host"),
        ("https://[::1]x:80", DEPLOYED, "url_bad_host"),
        ("https://exam%70le.com", DEPLOYED, "url_bad_host"),
        ("https://example.com:0", DEPLOYED, "url_bad_port"),
        ("https://example.com:", DEPLOYED, "url_bad_port"),
        ("https://example.com:65536", DEPLOYED, "url_bad_port"),
        ("https://example.com:99999999999", DEPLOYED, "url_bad_port"),
        ("https://example.com:80:80", DEPLOYED, "url_bad_port"),
        ("https://example.com:+80", DEPLOYED, "url_bad_port"),
        ("https://example.com/a/../b", DEPLOYED, "url_bad_path"),
        ("https://example.com/a/%2E%2e/b", DEPLOYED, "url_bad_path"),
        ("https://example.com/./b", DEPLOYED, "url_bad_path"),
        ("https://example.com/a%2", DEPLOYED, "url_bad_path"),
        ("https://example.com/a%zz", DEPLOYED, "url_bad_path"),
        ("https://example.com/a|b", DEPLOYED, "url_bad_path"),
        ("https://example.com/{id}", DEPLOYED, "url_bad_path"),
        ("https://169.254.169.254/latest", DEPLOYED, "metadata_address"),
        ("http://169.254.169.254", LOCAL_WITH_KEY, "metadata_address"),
        ("http://2852039166/", LOCAL_WITH_KEY, "metadata_address"),
        ("http://[::ffff:169.254.169.254]", LOCAL_WITH_KEY, "metadata_address"),
        ("https://[fe80::1]:11434", LOCAL_WITH_KEY, "metadata_address"),
        ("https://metadata.google.internal", DEPLOYED, "metadata_address"),
        ("http://100.100.100.200", LOCAL_WITH_KEY, "metadata_address"),
        ("http://169.254.169.254", binding(&hosts), "metadata_address"),
        ("http://0.0.0.0:11434", LOCAL, "unroutable_address"),
        ("https://0", DEPLOYED, "unroutable_address"),
        ("https://[::]", DEPLOYED, "unroutable_address"),
        ("https://224.0.0.1", DEPLOYED, "unroutable_address"),
        ("http://example.com", DEPLOYED, "plain_http"),
        ("http://example.com", LOCAL_WITH_KEY, "plain_http"),
        ("http://8.8.8.8", LOCAL_WITH_KEY, "plain_http"),
        ("http://localhost.example.com", LOCAL, "plain_http"),
        ("http://gpu.corp.example", binding(&hosts), "plain_http"),
        ("http://127.0.0.1:11434", DEPLOYED, "plain_http_deployed"),
        ("http://192.168.1.5", DEPLOYED, "plain_http_deployed"),
        ("http://localhost", DEPLOYED, "plain_http_deployed"),
        ("http://192.168.1.5:11434", LOCAL, "credential_required"),
        ("http://gpu-box:11434", LOCAL, "credential_required"),
        ("https://example.com", LOCAL, "credential_required"),
        (
            "https://example.com",
            Rules {
                credential: false,
                ..DEPLOYED
            },
            "credential_required",
        ),
        ("https://other.internal", binding(&hosts), "host_not_allowed"),
        ("https://corp.example", binding(&hosts), "host_not_allowed"),
        ("https://evilcorp.example", binding(&hosts), "host_not_allowed"),
        ("https://10.0.0.6", binding(&hosts), "host_not_allowed"),
        ("https://llm.internal", binding(&[]), "host_not_allowed"),
        (
            "https://example.com",
            Rules {
                allowed_hosts: &hosts,
                ..DEPLOYED
            },
            "host_not_allowed",
        ),
    ];
    for (url, rules, code) in table {
        let refusal = check(url, rules).expect_err(url);
        assert_eq!(refusal.code(), code, "{url}");
        let sentence = refusal.to_string();
        assert!(
            sentence.len() > 10 && !sentence.contains("user:") && !sentence.contains("key=secret"),
            "{sentence}"
        );
    }
}

#[test]
fn allowed_addresses_are_normalised() {
    let hosts = [
        "llm.internal".to_owned(),
        "*.corp.example".to_owned(),
        "0x0a000005".to_owned(),
    ];
    let table = [
        (
            "https://api.openai.com",
            DEPLOYED,
            "https://api.openai.com",
            Zone::Public,
        ),
        (
            "HTTPS://API.OpenAI.com:443/v1/",
            DEPLOYED,
            "https://api.openai.com",
            Zone::Public,
        ),
        (
            "https://example.com:8443/a/b//",
            DEPLOYED,
            "https://example.com:8443",
            Zone::Public,
        ),
        ("https://10.0.0.1", DEPLOYED, "https://10.0.0.1", Zone::Private),
        (
            "http://127.0.0.1:11434/v1",
            LOCAL,
            "http://127.0.0.1:11434",
            Zone::Loopback,
        ),
        ("http://2130706433:80", LOCAL, "http://127.0.0.1", Zone::Loopback),
        ("http://[::1]:1234", LOCAL, "http://[::1]:1234", Zone::Loopback),
        ("http://localhost.:1234", LOCAL, "http://localhost:1234", Zone::Loopback),
        (
            "http://192.168.1.5:11434",
            LOCAL_WITH_KEY,
            "http://192.168.1.5:11434",
            Zone::Private,
        ),
        (
            "https://localhost",
            Rules::default(),
            "https://localhost",
            Zone::Loopback,
        ),
        (
            "http://llm.internal:8000",
            binding(&hosts),
            "http://llm.internal:8000",
            Zone::Private,
        ),
        (
            "https://gpu.corp.example",
            binding(&hosts),
            "https://gpu.corp.example",
            Zone::Public,
        ),
        (
            "http://10.0.0.5:8000",
            binding(&hosts),
            "http://10.0.0.5:8000",
            Zone::Private,
        ),
    ];
    for (url, rules, origin, zone) in table {
        let endpoint = check(url, rules).unwrap_or_else(|refusal| panic!("{url}: {refusal}"));
        assert_eq!((endpoint.origin().as_str(), endpoint.zone), (origin, zone), "{url}");
    }
}

#[test]
fn paths_are_joined_with_one_version_segment() {
    let table = [
        (
            "https://x.com",
            "/v1/chat/completions",
            "https://x.com/v1/chat/completions",
        ),
        (
            "https://x.com/",
            "/v1/chat/completions",
            "https://x.com/v1/chat/completions",
        ),
        (
            "https://x.com/v1",
            "/v1/chat/completions",
            "https://x.com/v1/chat/completions",
        ),
        ("https://x.com/v1/", "/v1/models", "https://x.com/v1/models"),
        (
            "https://x.com/openai/v1",
            "/v1/models",
            "https://x.com/openai/v1/models",
        ),
        ("https://x.com/v1beta", "/v1beta/models", "https://x.com/v1beta/models"),
        ("https://x.com/v1", "/v1", "https://x.com/v1"),
        ("https://x.com/v1", "/v1?x=1", "https://x.com/v1?x=1"),
        ("https://x.com/v1", "/v10/models", "https://x.com/v1/v10/models"),
        ("https://x.com/v1", "/v2/models", "https://x.com/v1/v2/models"),
        ("https://x.com/api", "/api/models", "https://x.com/api/api/models"),
        ("https://x.com/v", "/v/models", "https://x.com/v/v/models"),
        (
            "https://x.com",
            "/d/chat?api-version=2024-10-21",
            "https://x.com/d/chat?api-version=2024-10-21",
        ),
    ];
    for (base, path, expected) in table {
        let endpoint = check(base, DEPLOYED).unwrap();
        assert_eq!(endpoint.join(path), expected, "{base} + {path}");
    }
}

#[test]
fn dialect_paths_are_checked() {
    let table = [
        ("/v1/chat/completions", Ok(())),
        ("/", Ok(())),
        ("/a%20b/c:generate?alt=sse&x=/y", Ok(())),
        ("", Err("url_bad_path")),
        ("v1", Err("url_bad_path")),
        ("//evil.example/v1", Err("url_bad_path")),
        ("/a/../b", Err("url_bad_path")),
        ("/a/%2e%2E", Err("url_bad_path")),
        ("/a?x=<y>", Err("url_bad_path")),
        ("/a#b", Err("url_fragment")),
        ("/a b", Err("url_bad_character")),
    ];
    for (path, expected) in table {
        assert_eq!(check_path(path).map_err(|refusal| refusal.code()), expected, "{path}");
    }
    for (pattern, good) in [
        ("a.example", true),
        ("*.a.example", true),
        ("*", false),
        ("*.", false),
        ("a.*", false),
        ("10.0.0.1", true),
    ] {
        assert_eq!(is_host_pattern(pattern), good, "{pattern}");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "one row for every way to configure an address")]
fn providers_become_urls_or_reasons() {
    let key = Credential {
        label: "active".to_owned(),
        id: CredentialId("0".repeat(16)),
        secret: Secret::new("k"),
        weight: 1,
        quota_group: None,
        models: Vec::new(),
        rpm: 0,
        tpm: 0,
    };
    let mut vault = Vault {
        local: true,
        ..Vault::default()
    };
    for (name, value) in [
        ("BASE", "http://127.0.0.1:11434/v1"),
        ("LAN", "http://192.168.1.9"),
        ("META", "http://169.254.169.254"),
        ("DEPLOYMENT", "gpt"),
        ("CLIMB", "../.."),
        ("ID", "i"),
        ("SECRET", "s"),
    ] {
        vault.variables.insert(name.to_owned(), Secret::new(value));
    }
    vault.pools.insert(PoolId::parse("full").unwrap(), vec![key]);
    vault.pools.insert(PoolId::parse("empty").unwrap(), Vec::new());
    let table = [
        (
            r#""base_url":"${BASE}","pool":"empty","credential_optional":true"#,
            "/v1/models",
            Ok("http://127.0.0.1:11434/v1/models"),
        ),
        (
            r#""base_url":"${LAN}","pool":"empty","credential_optional":true"#,
            "/v1/models",
            Err("credential_required"),
        ),
        (
            r#""base_url":"${LAN}","pool":"full""#,
            "/v1/models",
            Ok("http://192.168.1.9/v1/models"),
        ),
        (
            r#""base_url":"${LAN}","pool":"missing""#,
            "/v1/models",
            Err("credential_required"),
        ),
        (
            r#""base_url":"${META}","pool":"full""#,
            "/v1/models",
            Err("metadata_address"),
        ),
        (
            r#""base_url":"${NOT_SET}","pool":"full""#,
            "/v1/models",
            Err("missing_variable"),
        ),
        (
            r#""base_url":"https://a.example","pool":"full""#,
            "/d/${DEPLOYMENT}/chat",
            Ok("https://a.example/d/gpt/chat"),
        ),
        (
            r#""base_url":"https://a.example","pool":"full""#,
            "/d/${NOT_SET}/chat",
            Err("missing_variable"),
        ),
        (
            r#""base_url":"https://a.example","pool":"full""#,
            "/d/${CLIMB}/chat",
            Err("url_bad_path"),
        ),
        (
            r#""base_url":"https://a.example","auth":{"scheme":"none"}"#,
            "/v1",
            Err("credential_required"),
        ),
        (
            r#""base_url":"https://a.example","auth":{"scheme":"access_service_token","id_secret":"ID","secret_secret":"SECRET"}"#,
            "/v1",
            Ok("https://a.example/v1"),
        ),
        (
            r#""base_url":"https://a.example","auth":{"scheme":"access_service_token","id_secret":"ID","secret_secret":"NO"}"#,
            "/v1",
            Err("credential_required"),
        ),
        (r#""pool":"full""#, "/v1", Err("no_address")),
        (
            r#""transport":{"kind":"demo"},"auth":{"scheme":"none"}"#,
            "/v1",
            Ok("https://demo.invalid/v1"),
        ),
        (
            r#""transport":{"kind":"binding","name":"LOCAL_LLM"},"auth":{"scheme":"none"}"#,
            "/v1",
            Ok("http://local-llm.internal/v1"),
        ),
        (
            r#""transport":{"kind":"binding","name":"VPC"},"auth":{"scheme":"none"},"base_url":"http://10.0.0.5:8000","allowed_hosts":["10.0.0.5"]"#,
            "/v1",
            Ok("http://10.0.0.5:8000/v1"),
        ),
        (
            r#""transport":{"kind":"binding","name":"VPC"},"auth":{"scheme":"none"},"base_url":"http://10.0.0.5:8000""#,
            "/v1",
            Err("host_not_allowed"),
        ),
    ];
    for (fields, path, expected) in table {
        let provider: Provider = serde_json::from_str(&format!(r#"{{"id":"p",{fields}}}"#)).unwrap();
        let url = provider_url(&provider, &vault, None, path);
        assert_eq!(url.as_deref().map_err(EndpointRefusal::code), expected, "{fields}");
    }
}

#[test]
fn a_routes_own_pool_decides_about_the_credential() {
    let provider: Provider = serde_json::from_str(r#"{"id":"p","base_url":"https://a.example"}"#).unwrap();
    let pool = PoolId::parse("other").unwrap();
    let vault = Vault::default();
    assert!(provider_endpoint(&provider, &vault, Some(&pool)).is_err());
}

proptest! {
    #[test]
    fn any_text_is_answered(url in "\\PC{0,60}", local: bool, binding: bool, credential: bool) {
        let _ = check(&url, Rules { local, binding, credential, allowed_hosts: &[] });
        let _ = check_path(&url);
    }

    #[test]
    fn accepted_urls_keep_their_promises(
        scheme in "https?",
        authority in "([a-z0-9.@:\\[\\]x-]{1,20})|([0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3}\\.[0-9]{1,3})",
        path in "[/a-z0-9.%?#]{0,12}",
        local: bool,
        credential: bool,
    ) {
        let rules = Rules { local, binding: false, credential, allowed_hosts: &[] };
        if let Ok(endpoint) = check(&format!("{scheme}://{authority}/{path}"), rules) {
            prop_assert!(endpoint.zone <= Zone::Public);
            prop_assert!(endpoint.scheme == Scheme::Https || (local && endpoint.zone < Zone::Public));
            prop_assert!(credential || endpoint.zone == Zone::Loopback);
            let base = format!("{}{}", endpoint.origin(), endpoint.path);
            prop_assert!(!base.contains('@') || endpoint.path.contains('@'));
            prop_assert_eq!(check(&base, rules), Ok(endpoint.clone()), "reads back");
            prop_assert!(endpoint.join("/v1/models").starts_with(&base));
        }
    }
}
