//! Bounds and references of the settings.

use super::Names;
use super::findings::At;
use crate::catalog::Settings;
use crate::catalog::document::DocumentErrorCode;
use crate::catalog::endpoint::{self, Rules, Scheme, Zone};

pub(super) fn check(at: &mut At<'_>, settings: &Settings, names: &Names<'_>) {
    at.text("/deployment_name", &settings.deployment_name, 100);
    at.within("/max_body_bytes", settings.max_body_bytes, 1024..=32 * 1024 * 1024);
    at.at_most("/cors_origins", settings.cors_origins.len(), 64);
    for (index, origin) in settings.cors_origins.iter().enumerate() {
        if !is_origin(origin) {
            let message = "must be an origin as browsers send it, such as https://app.example.com, without path";
            at.error(
                format_args!("/cors_origins/{index}"),
                DocumentErrorCode::InvalidValue,
                message,
            );
        }
    }
    // One second to thirty days.
    at.within(
        "/session_ttl_ms",
        settings.session_ttl_ms.0,
        1_000..=30 * 24 * 3_600_000,
    );
    at.within("/sessions_per_tenant", settings.sessions_per_tenant, 1..=1_000_000);
    at.within("/usage_days", settings.usage_days, 1..=3_650);
    at.patterns("/member_policies", &settings.member_policies, 64);
    at.within("/content_days", settings.content_days, 1..=365);
    if !names.policies.contains(settings.admin_policy.as_str()) {
        let message = format!("there is no policy {}", settings.admin_policy);
        at.error("/admin_policy", DocumentErrorCode::UnknownReference, message);
    }
}

fn is_origin(origin: &str) -> bool {
    let rules = Rules {
        local: true,
        credential: true,
        ..Rules::default()
    };
    endpoint::check(origin, rules).is_ok_and(|parsed| {
        parsed.origin() == origin && (parsed.scheme == Scheme::Https || parsed.zone == Zone::Loopback)
    })
}
