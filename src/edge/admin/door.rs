//! The door: admin token, session cookie or Cloudflare Access; never open when none is configured.

use super::{Admin, registry_call};
use crate::access::access_jwt::{AccessConfig, JwtError, PresentedJwt};
use crate::access::admin::{AdminSession, AdminToken, Origin, cookie_of, same_site, set_cookie};
use crate::access::roles::{Actor, AuthKind, Role, leaves_to_members};
use crate::catalog::registry::Author;
use crate::edge::incoming::Incoming;
use crate::edge::isolate::World;
use crate::edge::objects::registry::{SessionCall, SignInVerdict};
use crate::edge::reply::{self, Reply};
use crate::edge::{access_keys, clock, config};
use crate::wire::{ApiError, headers, session};
use serde::Deserialize;
use serde_json::json;

/// Who signs in by the one local token.
const LOCAL_ADMIN: &str = "local-admin";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    token: String,
}

/// `POST session`: exchanges the admin token for a cookie.
pub(super) async fn sign_in(incoming: &Incoming) -> Reply {
    if access_config(incoming)?.is_some() {
        return Err(ApiError::not_found(
            "Sign in through Cloudflare Access: open the admin page in a browser.",
        ));
    }
    let token = admin_token(incoming).ok_or_else(not_configured)?;
    from_the_page(incoming)?;
    let body = incoming.body(4_096).await?;
    let sign_in: SignIn = serde_json::from_slice(&body)
        .map_err(|_| ApiError::invalid_request("Send {\"token\": \"…\"}.", Some("token")))?;
    let id = session::hex(&clock::random::<32>().map_err(|_| ApiError::internal("There is no randomness."))?);
    let call = SessionCall {
        hash: hash(&id),
        address: incoming
            .header("cf-connecting-ip")
            .unwrap_or_else(|| "local".to_owned()),
        right: token.opens_for(&sign_in.token),
        everywhere: false,
        author: author(incoming, LOCAL_ADMIN),
    };
    let verdict: SignInVerdict = registry_call(incoming, "/sessions/sign-in", &call).await?;
    if !verdict.signed_in {
        return Err(ApiError::new(
            "invalid_admin_token",
            "This is not the admin token; `npm start` prints it, `wrangler secret put ADMIN_TOKEN` sets it.",
        ));
    }
    let actor = Actor {
        name: LOCAL_ADMIN.to_owned(),
        role: Role::Admin,
        auth: AuthKind::Session,
    };
    let body = about(incoming, &crate::edge::world::current(incoming).await, &actor).to_string();
    let cookie = ("set-cookie".to_owned(), set_cookie(is_https(incoming), &id));
    reply::text_of(200, "application/json", &body, &[cookie])
}

/// Who is asking.
///
/// # Errors
/// 401 that says how to sign in; 403 for a cookie that does not come from the page; 503 when nothing is configured.
pub(super) async fn actor(incoming: &Incoming) -> Result<Actor, ApiError> {
    let access = access_config(incoming)?;
    let token = admin_token(incoming);
    if let Some(presented) = incoming.header("authorization") {
        let right = headers::bearer(&presented)
            .zip(token.as_ref())
            .is_some_and(|(presented, token)| token.opens_for(presented));
        if right {
            return Ok(Actor {
                name: LOCAL_ADMIN.to_owned(),
                role: Role::Admin,
                auth: AuthKind::Token,
            });
        }
        return Err(ApiError::new("invalid_admin_token", "This is not the admin token.").with("sign_in", "token"));
    }
    if let Some(config) = access {
        return by_access(incoming, &config).await;
    }
    if token.is_none() {
        return Err(not_configured());
    }
    by_cookie(incoming).await
}

async fn by_access(incoming: &Incoming, config: &AccessConfig) -> Result<Actor, ApiError> {
    let sign_in = || {
        ApiError::new("sign_in_required", "Your Access session has ended; reload the page.").with("sign_in", "access")
    };
    let assertion = incoming.header("cf-access-jwt-assertion").ok_or_else(sign_in)?;
    let now = clock::now();
    let presented = PresentedJwt::parse(&assertion).map_err(JwtError::answer)?;
    let actor = presented.judge(config, now).map_err(JwtError::answer)?;
    if !access_keys::signed(config, &presented, now).await {
        return Err(sign_in());
    }
    if incoming.method != "GET" && incoming.method != "HEAD" {
        from_the_page(incoming)?;
    }
    Ok(actor)
}

async fn by_cookie(incoming: &Incoming) -> Result<Actor, ApiError> {
    let sign_in = || ApiError::new("sign_in_required", "Sign in with the admin token.").with("sign_in", "token");
    let cookies = incoming.header("cookie").ok_or_else(sign_in)?;
    let id = cookie_of(is_https(incoming), &cookies).ok_or_else(sign_in)?;
    let call = SessionCall {
        hash: hash(id),
        address: String::new(),
        right: false,
        everywhere: false,
        author: author(incoming, ""),
    };
    let session: Option<AdminSession> = registry_call(incoming, "/sessions/check", &call).await?;
    let session = session.ok_or_else(sign_in)?;
    if incoming.method != "GET" && incoming.method != "HEAD" {
        from_the_page(incoming)?;
    }
    Ok(Actor {
        name: session.name,
        role: session.role,
        auth: AuthKind::Session,
    })
}

/// `DELETE session`: ends this session, or everybody's.
pub(super) async fn sign_out(admin: &Admin<'_>) -> Reply {
    let https = is_https(admin.incoming);
    let cookies = admin.incoming.header("cookie").unwrap_or_default();
    let call = SessionCall {
        hash: cookie_of(https, &cookies).map(hash).unwrap_or_default(),
        address: String::new(),
        right: false,
        everywhere: admin.query("everywhere").as_deref() == Some("1"),
        author: admin.author(None),
    };
    let (): () = admin.registry("/sessions/end", &call).await?;
    reply::empty(204, &[("set-cookie".to_owned(), set_cookie(https, ""))])
}

/// `GET me`
pub(super) fn me(admin: &Admin<'_>) -> Reply {
    reply::json(200, &about(admin.incoming, &admin.world, &admin.actor))
}

fn about(incoming: &Incoming, world: &World, actor: &Actor) -> serde_json::Value {
    let environment = if config::is_local(&incoming.env) {
        "local"
    } else {
        "production"
    };
    let policies: Vec<&str> = world
        .catalog
        .policies
        .keys()
        .map(crate::catalog::PolicyId::as_str)
        .filter(|policy| leaves_to_members(&world.catalog.settings.member_policies, policy))
        .collect();
    let is_idle_member = actor.role == Role::Member && policies.is_empty();
    let capabilities: Vec<&str> = actor
        .role
        .capabilities()
        .into_iter()
        .filter(|name| !is_idle_member || *name != "keys.mint")
        .collect();
    let missing = crate::edge::contents::missing(&incoming.env);
    json!({
        "actor": actor.name, "role": actor.role, "auth": actor.auth, "environment": environment,
        "deployment": format!("{} · {environment}", world.catalog.settings.deployment_name),
        "version": env!("CARGO_PKG_VERSION"), "catalog_revision": world.catalog.revision,
        "capabilities": capabilities, "sealing": crate::edge::sealing::is_configured(&incoming.env), "member_policies": policies,
        "content": {"available": missing.is_none(), "why": missing},
    })
}

/// Did somebody show a credential that opens nothing, or try to act through somebody else's browser? A missing cookie is no attempt.
pub(super) fn is_failed_sign_in(incoming: &Incoming, error: &ApiError) -> bool {
    match error.code.as_str() {
        "invalid_admin_token" | "cross_site_request" | "role_required" => true,
        "sign_in_required" => incoming.header("cf-access-jwt-assertion").is_some(),
        _ => false,
    }
}

fn from_the_page(incoming: &Incoming) -> Result<(), ApiError> {
    let header = |name: &str| incoming.header(name);
    let (fetch_site, origin, content_type, csrf) = (
        header("sec-fetch-site"),
        header("origin"),
        header("content-type"),
        header("x-clawrouter-csrf"),
    );
    let origin = Origin {
        fetch_site: fetch_site.as_deref(),
        origin: origin.as_deref(),
        content_type: content_type.as_deref(),
        csrf: csrf.as_deref(),
    };
    same_site(origin, &incoming.origin)
}

fn admin_token(incoming: &Incoming) -> Option<AdminToken> {
    let variable = |name: &str| config::variable(&incoming.env, name);
    AdminToken::configured(
        variable("ADMIN_TOKEN").as_deref(),
        variable("ADMIN_TOKEN_SHA256").as_deref(),
    )
}

fn access_config(incoming: &Incoming) -> Result<Option<AccessConfig>, ApiError> {
    AccessConfig::parse(|name| config::variable(&incoming.env, name))
}

fn is_https(incoming: &Incoming) -> bool {
    incoming.origin.starts_with("https:")
}

fn hash(id: &str) -> String {
    session::sha256_hex(&[id.as_bytes()])
}

fn author(incoming: &Incoming, actor: &str) -> Author {
    Author {
        actor: actor.to_owned(),
        request_id: incoming.request_id.clone(),
        at: clock::now(),
        note: None,
    }
}

fn not_configured() -> ApiError {
    ApiError::new(
        "admin_auth_not_configured",
        "Nobody can sign in yet: run `npx wrangler secret put ADMIN_TOKEN` (at least 16 characters), or configure Cloudflare Access.",
    )
}
