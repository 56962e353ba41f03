//! The admin page's shell: static assets of this Worker with the strict headers.

use super::config;
use super::incoming::Incoming;
use super::reply::Reply;
use crate::wire::ApiError;
use web_sys::{Response, ResponseInit};
use worker::Env;

/// No inline script, no inline style, no foreign origin, no DOM sink for strings.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'; object-src 'none'; require-trusted-types-for 'script'; \
    trusted-types 'none'";

/// Headers of everything under `/admin`, API included.
pub(super) const SECURITY_HEADERS: &[(&str, &str)] = &[
    ("content-security-policy", CSP),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    (
        "permissions-policy",
        "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    ),
];

/// Files beside the one document. Any other path is a screen's, whatever it ends with: ids of models and requests contain dots.
const FILES: &[&str] = &[
    "/admin/build.json",
    "/admin/icon.svg",
    "/admin/sample.json",
    "/admin/theme.js",
];

/// Serves `/admin` and every screen path with the page's one document; files are served by the platform before this is asked.
pub(super) async fn serve(incoming: &Incoming) -> Reply {
    if incoming.method != "GET" && incoming.method != "HEAD" {
        return Err(ApiError::method_not_allowed("GET, HEAD"));
    }
    let path = incoming.path.as_str();
    let file = if path.starts_with("/admin/assets/") || FILES.contains(&path) {
        path
    } else {
        "/admin/index.html"
    };
    let asset = fetch(&incoming.env, &incoming.origin, file)
        .await
        .map_err(|_| missing())?;
    if asset.status() != 200 {
        return Err(missing());
    }
    let init = ResponseInit::new();
    init.set_headers(&asset.headers());
    let response =
        Response::new_with_opt_readable_stream_and_init(asset.body().as_ref(), &init).map_err(|_| missing())?;
    secure(&response, incoming.origin.starts_with("https:"));
    if file == "/admin/index.html" {
        let _ = response.headers().set("cache-control", "no-cache");
    }
    Ok(response)
}

/// Sets the security headers.
pub(super) fn secure(response: &Response, https: bool) {
    let headers = response.headers();
    for (name, value) in SECURITY_HEADERS {
        let _ = headers.set(name, value);
    }
    if https {
        let _ = headers.set("strict-transport-security", "max-age=31536000");
    }
}

async fn fetch(env: &Env, origin: &str, file: &str) -> worker::Result<Response> {
    Ok(env
        .assets(config::ASSETS)?
        .fetch(format!("{origin}{file}"), None)
        .await?
        .into())
}

fn missing() -> ApiError {
    ApiError::not_found("This file is not part of the admin page; build it with `npm run build`.".to_owned())
}
