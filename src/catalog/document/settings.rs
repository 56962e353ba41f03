//! Deployment-wide settings.

use crate::wire::Millis;
use serde::{Deserialize, Serialize};

/// The settings document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Name shown on the admin page.
    pub deployment_name: String,
    /// Largest request body, bytes; at most 32 MiB.
    pub max_body_bytes: u64,
    /// Browser origins allowed on `/v1/*`; empty: none.
    pub cors_origins: Vec<String>,
    /// Ask the Registry on each call whether the key still holds.
    pub strict_revocation: bool,
    /// Idle time after which a session pin is forgotten.
    pub session_ttl_ms: Millis,
    /// Pins kept per tenant; the least recently used go first.
    pub sessions_per_tenant: u32,
    /// Policy that the admin page's test prompts are charged to.
    pub admin_policy: String,
    /// Days that usage rows are kept before they are rolled up.
    pub usage_days: u32,
    /// Patterns of the policies under which members make keys for themselves; empty: only admins make keys.
    pub member_policies: Vec<String>,
    /// Days that prompts and answers are kept where a policy keeps them (`retain_content`).
    pub content_days: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            deployment_name: "clawrouter".to_owned(),
            max_body_bytes: 8 * 1024 * 1024,
            cors_origins: Vec::new(),
            strict_revocation: false,
            session_ttl_ms: Millis(30 * 60 * 1000),
            sessions_per_tenant: 10_000,
            admin_policy: "default".to_owned(),
            usage_days: 30,
            member_policies: Vec::new(),
            content_days: 7,
        }
    }
}
