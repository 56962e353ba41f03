//! `POST /v1/chat/completions`: the body becomes a [`Call`] in one pass, and the fields that the router reads are checked by type.
//! What it does not read it does not judge: the upstream knows its own parameters better.

use super::call::{Call, CallKind, Field, Limits, Needs, SessionHint, SessionSource, SizeHints};
use super::conversation::{self, Conversation, Role};
use super::error::{Fault, WireError};
use super::json::{Cursor, Kind};
use super::object_view::ObjectView;
use super::{controls, session};
use bytes::Bytes;

/// Most choices that one request may ask for.
const MAX_CHOICES: u64 = 128;

/// Parses the body of a chat completion request.
///
/// # Errors
/// Every [`WireError`]; each names the field and what it must be.
pub fn parse(body: Bytes, limits: &Limits) -> Result<Call, WireError> {
    if body.len() as u64 > limits.max_body_bytes {
        return Err(WireError::TooLarge {
            limit: limits.max_body_bytes,
        });
    }
    let scan = Scan::read(&body, limits).map_err(|fault| fault.placed(&body))?;
    let top = ObjectView::top(&body, &scan.fields);
    let model = model(&top)?;
    if scan.conversation.messages.is_empty() {
        return Err(WireError::field("messages", "must be a list of at least one message"));
    }
    check_types(&top)?;
    let mut size = scan.size;
    let mut needs = scan.needs;
    read_tools(&top, limits, &mut size, &mut needs)?;
    read_output(&top, &mut size, &mut needs)?;
    let controls = controls::read(&top, &model)?;
    let session = match named_session(&top)? {
        Some(named) => Some(named),
        None => session::implicit(&body, &scan.conversation),
    };
    let last_role = scan.conversation.messages.last().map(|message| message.role);
    let continues_tool_loop =
        matches!(last_role, Some(Role::Tool | Role::Assistant)) || scan.conversation.in_tool_loop();
    let stream = top.boolean("stream")?.unwrap_or_default();
    let include_usage = match top.object("stream_options")? {
        Some(options) => options.boolean("include_usage")?.unwrap_or_default(),
        None => false,
    };
    let max_output_tokens = max_output_tokens(&top)?;
    let choices = top.whole("n", 1..=MAX_CHOICES)?.unwrap_or(1);
    Ok(Call {
        kind: CallKind::Chat,
        fields: scan.fields,
        model,
        stream,
        include_usage,
        max_output_tokens,
        choices: u32::try_from(choices).unwrap_or(u32::MAX),
        needs,
        conversation: scan.conversation,
        size,
        continues_tool_loop,
        session,
        controls,
        body,
    })
}

/// What the one pass over the body gives.
struct Scan {
    fields: Vec<Field>,
    conversation: Conversation,
    size: SizeHints,
    needs: Needs,
}

impl Scan {
    fn read(body: &[u8], limits: &Limits) -> Result<Self, Fault> {
        let mut scan = Self {
            fields: Vec::with_capacity(16),
            conversation: Conversation::default(),
            size: SizeHints::default(),
            needs: Needs::default(),
        };
        let mut cursor = Cursor::new(body);
        cursor.object()?;
        while let Some(key) = cursor.key()? {
            let name = cursor.decode(&key);
            cursor.kind()?;
            let start = cursor.offset();
            if name == "messages" {
                // Of duplicates the last one counts, as for every other field.
                (scan.size, scan.needs) = (SizeHints::default(), Needs::default());
                scan.conversation = conversation::read(&mut cursor, limits, &mut scan.size, &mut scan.needs)?;
            } else {
                cursor.skip()?;
            }
            let value = start..cursor.offset();
            scan.fields.push(Field {
                name: name.into_owned(),
                member: key.quoted().start..value.end,
                value,
            });
        }
        cursor.end()?;
        Ok(scan)
    }
}

/// The `model` of a body, trimmed.
pub(crate) fn model(top: &ObjectView<'_>) -> Result<String, WireError> {
    let model = top.string("model")?.unwrap_or_default();
    let model = model.trim();
    if model.is_empty() {
        return Err(WireError::ModelRequired);
    }
    if model.len() > controls::MAX_MODEL_NAME {
        let bound = format!(
            "must be a model name of at most {} characters",
            controls::MAX_MODEL_NAME
        );
        return Err(WireError::field("model", &bound));
    }
    Ok(model.to_owned())
}

/// A session that the body names: `session_id`, the session part of `metadata.user_id`, `prompt_cache_key`.
fn named_session(top: &ObjectView<'_>) -> Result<Option<SessionHint>, WireError> {
    let own = top
        .string("session_id")?
        .and_then(|id| session::named(&id, SessionSource::Body));
    if own.is_some() {
        return Ok(own);
    }
    let metadata = top.object("metadata")?;
    let user_id = metadata.and_then(|metadata| metadata.string("user_id").ok().flatten());
    let by_user = user_id.and_then(|id| session::named(session::session_part(&id)?, SessionSource::UserId));
    if by_user.is_some() {
        return Ok(by_user);
    }
    Ok(top
        .string("prompt_cache_key")?
        .and_then(|id| session::named(&id, SessionSource::PromptCacheKey)))
}

/// Well-known parameters whose sort of value every provider agrees on.
const TYPES: &[(&str, &[Kind], &str)] = &[
    ("temperature", &[Kind::Number], "must be a number"),
    ("top_p", &[Kind::Number], "must be a number"),
    ("frequency_penalty", &[Kind::Number], "must be a number"),
    ("presence_penalty", &[Kind::Number], "must be a number"),
    ("seed", &[Kind::Number], "must be a whole number"),
    ("top_logprobs", &[Kind::Number], "must be a whole number"),
    ("logprobs", &[Kind::Bool], "must be true or false"),
    (
        "stop",
        &[Kind::String, Kind::Array],
        "must be a string or a list of strings",
    ),
    (
        "tool_choice",
        &[Kind::String, Kind::Object],
        "must be a string or an object",
    ),
    ("parallel_tool_calls", &[Kind::Bool], "must be true or false"),
    ("metadata", &[Kind::Object], "must be an object"),
    ("user", &[Kind::String], "must be a string"),
    ("reasoning_effort", &[Kind::String], "must be a string"),
    ("service_tier", &[Kind::String], "must be a string"),
    ("store", &[Kind::Bool], "must be true or false"),
];

fn check_types(top: &ObjectView<'_>) -> Result<(), WireError> {
    for (name, kinds, must) in TYPES {
        if let Some(value) = top.value(name)
            && !kinds.contains(&value.kind)
        {
            return Err(value.must(must));
        }
    }
    Ok(())
}

fn read_tools(top: &ObjectView<'_>, limits: &Limits, size: &mut SizeHints, needs: &mut Needs) -> Result<(), WireError> {
    for field in ["tools", "functions"] {
        let Some(list) = top.value(field) else { continue };
        let items = list.items(limits.max_tools)?;
        if let Some(wrong) = items.iter().find(|item| item.kind != Kind::Object) {
            return Err(wrong.must("must be an object"));
        }
        size.tools = size
            .tools
            .saturating_add(u32::try_from(items.len()).unwrap_or(u32::MAX));
        size.add_json(&list.range);
        needs.tools |= !items.is_empty();
    }
    Ok(())
}

fn read_output(top: &ObjectView<'_>, size: &mut SizeHints, needs: &mut Needs) -> Result<(), WireError> {
    if let Some(format) = top.value("response_format") {
        let object = format.object()?;
        if object.string("type")?.as_deref() == Some("json_schema") {
            needs.json_schema = true;
            size.add_json(&format.range);
        }
    }
    let modalities = top.strings("modalities", 16)?;
    needs.audio |= top.has("audio") || modalities.iter().any(|modality| modality == "audio");
    Ok(())
}

/// `max_completion_tokens`, else `max_tokens`. Local servers read -1 as "no bound", so it is let through as none.
fn max_output_tokens(top: &ObjectView<'_>) -> Result<Option<u64>, WireError> {
    for field in ["max_completion_tokens", "max_tokens"] {
        let Some(value) = top.value(field) else { continue };
        let unbounded = value.kind == Kind::Number && value.number()?.to_bits() == (-1.0_f64).to_bits();
        if !unbounded {
            return value.whole(1..=u64::MAX).map(Some);
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
