//! Kept prompts and answers: encrypted objects in the optional R2 bucket. Which, how long and under which name is `account::content`.

use super::{clock, config, sealing};
use crate::account::content::{self, Content, PREFIX};
use crate::wire::{ApiError, Millis};
use futures::future::{Either, select};
use worker::{Bucket, Env, Result};

/// How long storing may take before the trace says that it did not work: the settlement waits for it.
const PATIENCE: Millis = Millis(3_000);

/// Folders of days that one sweep empties, and pages of a folder that it deletes; the next sweep goes on.
const FOLDERS: usize = 50;
const PAGES: usize = 10;

/// What this deployment lacks for keeping content; `None`: nothing.
pub(super) fn missing(env: &Env) -> Option<&'static str> {
    content::missing(env.bucket(config::CONTENT).is_ok(), sealing::is_configured(env))
}

/// The bucket, for people who want to read.
///
/// # Errors
/// 503 `content_not_configured` that says what is missing.
pub(super) fn bucket(env: &Env) -> std::result::Result<Bucket, ApiError> {
    if let Some(missing) = missing(env) {
        return Err(ApiError::new(
            "content_not_configured",
            format!("Prompts and answers cannot be kept or read: {missing}."),
        ));
    }
    env.bucket(config::CONTENT).map_err(|_| away())
}

/// Encrypts and stores; true when it is safe.
pub(super) async fn store(env: &Env, object: &str, content: &Content, expires_at: Millis) -> bool {
    let work = std::pin::pin!(put(env, object, content, expires_at));
    match select(work, std::pin::pin!(clock::sleep(PATIENCE))).await {
        Either::Left((Ok(()), _)) => true,
        Either::Left((Err(error), _)) => {
            worker::console_error!("content was not stored: {error}");
            false
        }
        Either::Right(_) => {
            worker::console_error!("content was not stored in time");
            false
        }
    }
}

async fn put(env: &Env, object: &str, content: &Content, expires_at: Millis) -> Result<()> {
    let plain = serde_json::to_vec(content)?;
    let sealed = sealing::seal_content(env, object, &plain)
        .await
        .ok_or("it could not be sealed")?;
    let expiry = [("expires_at".to_owned(), crate::wire::time::rfc3339(expires_at))];
    env.bucket(config::CONTENT)?
        .put(object, sealed)
        .custom_metadata(expiry)
        .execute()
        .await
        .map(drop)
}

/// Reads and decrypts; `None`: it is not there (any more).
///
/// # Errors
/// 503 when the bucket does not answer; 500 when `SEAL_KEY` is not the one it was stored under.
pub(super) async fn read(env: &Env, object: &str) -> std::result::Result<Option<Content>, ApiError> {
    let found = bucket(env)?.get(object).execute().await.map_err(|_| away())?;
    let Some(body) = found.as_ref().and_then(worker::Object::body) else {
        return Ok(None);
    };
    let sealed = body.bytes().await.map_err(|_| away())?;
    let plain = sealing::open_content(env, object, &sealed).await.ok_or_else(|| {
        ApiError::new(
            "content_not_configured",
            "This content was stored under another SEAL_KEY and cannot be opened with the present one.",
        )
    })?;
    serde_json::from_slice(&plain)
        .map(Some)
        .map_err(|_| ApiError::internal("the stored content is not readable"))
}

/// Deletes an object; one that is not there counts as deleted.
///
/// # Errors
/// 503 when the bucket does not answer.
pub(super) async fn delete(env: &Env, object: &str) -> std::result::Result<(), ApiError> {
    bucket(env)?.delete(object).await.map_err(|_| away())
}

/// Deletes what is older than `days`. True: there is more to delete.
///
/// # Errors
/// When the bucket does not answer.
pub(super) async fn sweep(env: &Env, days: u32, now: Millis) -> Result<bool> {
    let Ok(bucket) = env.bucket(config::CONTENT) else {
        return Ok(false);
    };
    let mut emptied = 0;
    let policies = bucket.list().prefix(PREFIX).delimiter("/").execute().await?;
    for policy in policies.delimited_prefixes() {
        let folders = bucket.list().prefix(policy).delimiter("/").execute().await?;
        for folder in folders.delimited_prefixes() {
            if !content::is_over(&folder, days, now) {
                continue;
            }
            emptied += 1;
            if emptied > FOLDERS || !empty(&bucket, &folder).await? {
                return Ok(true);
            }
        }
    }
    Ok(policies.truncated())
}

/// Deletes a folder's objects; false when some are left.
async fn empty(bucket: &Bucket, folder: &str) -> Result<bool> {
    for _ in 0..PAGES {
        let page = bucket.list().prefix(folder).execute().await?;
        let names: Vec<String> = page.objects().iter().map(worker::Object::key).collect();
        if !names.is_empty() {
            bucket.delete_multiple(names).await?;
        }
        if !page.truncated() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn away() -> ApiError {
    ApiError::new(
        "registry_unavailable",
        "The bucket of kept content does not answer at the moment; try again.",
    )
    .after(Millis(1_000))
}
