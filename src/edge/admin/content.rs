//! Kept prompts and answers: read by admins and by whoever's key sent them, deleted by admins. Every reading and deletion leaves an
//! audit row first.

use super::{Admin, observe};
use crate::access::roles::Act;
use crate::account::trace::ContentNote;
use crate::catalog::registry::AuditRow;
use crate::edge::reply::{self, Reply};
use crate::edge::{clock, contents};
use crate::wire::ApiError;
use crate::wire::time::rfc3339;
use serde_json::json;

/// `GET requests/{id}/content`
pub(super) async fn read(admin: &Admin<'_>, id: &str) -> Reply {
    let (note, object) = kept(admin, id).await?;
    audited(admin, "read_content", id).await?;
    let content = contents::read(&admin.incoming.env, &object).await?.ok_or_else(gone)?;
    reply::json(
        200,
        &json!({"request_id": content.request_id, "at": rfc3339(content.at), "expires_at": note.expires_at.map(rfc3339),
            "request": content.request, "response": content.response}),
    )
}

/// `DELETE requests/{id}/content`
pub(super) async fn delete(admin: &Admin<'_>, id: &str) -> Reply {
    admin.may(Act::ReadContent)?;
    let (_, object) = kept(admin, id).await?;
    audited(admin, "delete_content", id).await?;
    contents::delete(&admin.incoming.env, &object).await?;
    reply::empty(204, &[])
}

/// Where a request's content is, if it was kept and its time is not over.
async fn kept(admin: &Admin<'_>, id: &str) -> Result<(ContentNote, String), ApiError> {
    let whose = admin.actor.reads_content_of()?;
    contents::bucket(&admin.incoming.env)?;
    let only_keys = match whose {
        None => None,
        Some(principal) => Some(observe::kids(observe::keys_of(admin, principal).await?)),
    };
    let note = observe::visible(admin, id, only_keys).await?.trace.content;
    if note.expires_at.is_some_and(|end| end <= clock::now()) {
        return Err(gone());
    }
    match note.object.clone().filter(|_| note.kept) {
        Some(object) => Ok((note, object)),
        None => {
            let why = note.why.unwrap_or_else(|| "its policy keeps metadata only".to_owned());
            Err(
                ApiError::not_found(format!("The content of this request was not kept: {why}."))
                    .because("content_not_kept"),
            )
        }
    }
}

/// Written before anything is shown or deleted: without the row there is no reading.
async fn audited(admin: &Admin<'_>, action: &str, id: &str) -> Result<(), ApiError> {
    let object = format!("requests/{id}/content");
    let row = AuditRow::of(&admin.author(None), action, &object, None, Vec::new());
    admin.registry("/audit/append", &row).await
}

fn gone() -> ApiError {
    ApiError::not_found("The content of this request was deleted.").because("content_deleted")
}
