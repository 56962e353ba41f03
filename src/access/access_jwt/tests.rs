//! Which tokens open the door, for whom, and when the team is asked for its keys.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: Millis = Millis(1_795_197_600_000);

fn encode(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let word = group
            .iter()
            .fold(0_usize, |word, byte| (word << 8) | usize::from(*byte))
            << (8 * (3 - group.len()));
        for place in 0..=group.len() {
            out.push(char::from(ALPHABET[(word >> (18 - 6 * place)) & 63]));
        }
    }
    out
}

fn token(header: &Value, claims: &Value) -> String {
    format!(
        "{}.{}.{}",
        encode(header.to_string().as_bytes()),
        encode(claims.to_string().as_bytes()),
        encode(b"signature")
    )
}

fn config() -> AccessConfig {
    let read = AccessConfig::parse(|name| {
        let value = match name {
            "ACCESS_TEAM_DOMAIN" => "Acme",
            "ACCESS_AUD" => "aud1, aud2",
            "ACCESS_ADMINS" => "ann@acme.com",
            "ACCESS_OPERATORS" => "ops.acme.com @sre.acme.com",
            _ => return None,
        };
        Some(value.to_owned())
    });
    read.expect("complete").expect("configured")
}

fn claims() -> Value {
    json!({"iss": "https://acme.cloudflareaccess.com", "aud": ["aud1"], "exp": 1_795_197_700, "nbf": 1_795_197_000, "email": "Ann@Acme.com"})
}

#[test]
fn configuration_is_whole_or_refused() {
    fn check(vars: &[(&str, &str)], expected: Result<Option<&str>, &str>) {
        let read = AccessConfig::parse(|name| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()));
        let got = read
            .map(|config| config.map(|config| config.keys_url()))
            .map_err(|error| error.message);
        assert_eq!(
            got,
            expected.map(|url| url.map(str::to_owned)).map_err(str::to_owned),
            "{vars:?}"
        );
    }
    let (team, aud, admins) = (
        ("ACCESS_TEAM_DOMAIN", "acme"),
        ("ACCESS_AUD", "a"),
        ("ACCESS_ADMINS", "x@y.z"),
    );
    let url = "https://acme.cloudflareaccess.com/cdn-cgi/access/certs";
    check(&[], Ok(None));
    check(&[admins], Ok(None));
    check(&[team, aud, admins], Ok(Some(url)));
    check(
        &[
            ("ACCESS_TEAM_DOMAIN", "https://acme.cloudflareaccess.com/"),
            aud,
            admins,
        ],
        Ok(Some(url)),
    );
    check(
        &[team],
        Err("Cloudflare Access is half configured: set `ACCESS_AUD` as well."),
    );
    check(
        &[aud],
        Err("Cloudflare Access is half configured: set `ACCESS_TEAM_DOMAIN` as well."),
    );
    check(
        &[team, aud],
        Err("Cloudflare Access is half configured: set `ACCESS_ADMINS` as well."),
    );
}

#[test]
fn addresses_have_roles() {
    let config = config();
    for (email, role) in [
        ("ann@acme.com", Some(Role::Admin)),
        ("ANN@ACME.COM", Some(Role::Admin)),
        ("bob@ops.acme.com", Some(Role::Operator)),
        ("eve@sre.acme.com", Some(Role::Operator)),
        ("eve@evil-sre.acme.com", Some(Role::Member)),
        ("ann@acme.com@evil.com", Some(Role::Member)),
        ("nobody", None),
    ] {
        assert_eq!(config.role_of(email), role, "{email}");
    }
    let closed = AccessConfig {
        roles: vec![(Role::Admin, vec!["ann@acme.com".to_owned()])],
        ..config
    };
    assert_eq!(closed.role_of("bob@acme.com"), None);
}

#[test]
fn tokens_are_judged_by_every_claim() {
    fn check(change: &[(&str, Value)], expected: Result<Role, JwtError>) {
        let mut claims = claims();
        for (name, value) in change {
            claims[*name] = value.clone();
        }
        let presented =
            PresentedJwt::parse(&token(&json!({"alg": "RS256", "kid": "k"}), &claims)).expect("well-formed");
        assert_eq!(
            presented.judge(&config(), NOW).map(|actor| actor.role),
            expected,
            "{change:?}"
        );
    }
    check(&[], Ok(Role::Admin));
    check(&[("aud", json!("aud2"))], Ok(Role::Admin));
    check(&[("email", json!("bob@ops.acme.com"))], Ok(Role::Operator));
    check(
        &[("iss", json!("https://acme.cloudflareaccess.com/"))],
        Err(JwtError::Issuer),
    );
    check(
        &[("iss", json!("https://other.cloudflareaccess.com"))],
        Err(JwtError::Issuer),
    );
    check(&[("aud", json!(["other"]))], Err(JwtError::Audience));
    check(&[("aud", json!([]))], Err(JwtError::Audience));
    check(&[("exp", json!(1_795_197_541))], Ok(Role::Admin));
    check(&[("exp", json!(1_795_197_540))], Err(JwtError::Time));
    check(&[("exp", Value::Null)], Err(JwtError::Time));
    check(&[("exp", json!(1e300))], Err(JwtError::Time));
    check(&[("nbf", json!(1_795_197_660))], Ok(Role::Admin));
    check(&[("nbf", json!(1_795_197_661))], Err(JwtError::Time));
    check(&[("nbf", Value::Null)], Ok(Role::Admin));
    check(&[("email", Value::Null)], Err(JwtError::NotAPerson));
    check(
        &[("email", json!("")), ("common_name", json!("service.access"))],
        Err(JwtError::NotAPerson),
    );
}

#[test]
fn tokens_are_taken_apart() {
    fn check(token: &str, expected: JwtError) {
        assert_eq!(PresentedJwt::parse(token).err(), Some(expected), "{token}");
    }
    let good = json!({"alg": "RS256", "kid": "k"});
    check("", JwtError::Malformed);
    check("a.b", JwtError::Malformed);
    check("a.b.c.d", JwtError::Malformed);
    check(
        &token(&json!({"alg": "none", "kid": "k"}), &claims()),
        JwtError::Algorithm,
    );
    check(
        &token(&json!({"alg": "HS256", "kid": "k"}), &claims()),
        JwtError::Algorithm,
    );
    check(&token(&json!({"alg": "RS256"}), &claims()), JwtError::UnknownKey);
    check(&token(&good, &json!({"iss": 7})), JwtError::Malformed);
    check(&format!("{}=", token(&good, &claims())), JwtError::Malformed);
    check(&"a".repeat(MAX_TOKEN + 1), JwtError::Malformed);
    let whole = token(&good, &claims());
    let presented = PresentedJwt::parse(&whole).expect("well-formed");
    assert_eq!(
        (presented.kid.as_str(), presented.signature.as_slice()),
        ("k", b"signature".as_slice())
    );
    assert_eq!(
        presented.signing_input,
        whole.rsplit_once('.').expect("three parts").0.as_bytes()
    );
}

#[test]
fn refusals_say_how_to_get_in() {
    assert_eq!(JwtError::Signature.answer().status, 401);
    assert_eq!(JwtError::Issuer.answer().message, JwtError::Signature.answer().message);
    assert_eq!(JwtError::NoRole.answer().status, 403);
}

#[test]
fn keys_are_asked_for_when_needed_and_seldom() {
    let published = |kids: &[&str]| {
        let keys: Vec<Value> = kids
            .iter()
            .map(|kid| json!({"kid": kid, "kty": "RSA", "alg": "RS256", "n": "AQAB", "e": "AQAB"}))
            .collect();
        json!({"keys": keys}).to_string().into_bytes()
    };
    let after = |minutes: u64| NOW.plus(Millis(minutes * 60_000));
    let mut keys = SigningKeys::default();
    assert_eq!(keys.lookup("a", NOW), KeyLookup::Ask);
    keys.asked(NOW);
    assert_eq!(keys.lookup("a", NOW), KeyLookup::Refuse, "the team did not answer");
    keys.replace(&published(&["a"]), NOW);
    assert!(matches!(keys.lookup("a", NOW), KeyLookup::Use(_)));
    assert_eq!(keys.lookup("b", NOW), KeyLookup::Refuse, "asked a moment ago");
    assert_eq!(keys.lookup("b", after(1)), KeyLookup::Ask);
    assert!(matches!(keys.lookup("a", after(59)), KeyLookup::Use(_)));
    assert_eq!(keys.lookup("a", after(60)), KeyLookup::Ask);
    keys.asked(after(60));
    keys.replace(b"<html>", after(60));
    assert!(
        matches!(keys.lookup("a", after(60)), KeyLookup::Use(_)),
        "a known key outlives an outage of the team"
    );
    keys.asked(after(62));
    keys.replace(&published(&["b"]), after(62));
    assert_eq!(keys.lookup("a", after(62)), KeyLookup::Refuse, "withdrawn");
    keys.replace(
        &json!({"keys": [{"kid": "c", "kty": "EC"}]}).to_string().into_bytes(),
        after(62),
    );
    assert!(
        matches!(keys.lookup("b", after(62)), KeyLookup::Use(_)),
        "no RSA key, no change"
    );
}

proptest! {
    #[test]
    fn base64url_is_read_back(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        prop_assert_eq!(base64url(&encode(&bytes)), Some(bytes));
    }

    #[test]
    fn base64url_has_one_spelling(text in "[A-Za-z0-9_-]{0,12}") {
        if let Some(bytes) = base64url(&text) {
            prop_assert_eq!(encode(&bytes), text);
        }
    }

    #[test]
    fn any_token_is_survived(token in "[A-Za-z0-9_.-]{0,60}") {
        let _ = PresentedJwt::parse(&token).map(|presented| presented.judge(&config(), NOW));
    }
}
