//! Edits of a JSON object: only the ranges concerned change, commas stay right, every other byte stays.

use super::Field;
use super::read::quote;
use bytes::{Bytes, BytesMut};
use std::ops::Range;

/// A change to one member of an object, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Gives the member (every duplicate of it) this value, in JSON; appends it when it is absent.
    Set(String, String),
    /// Removes the member and its duplicates.
    Remove(String),
    /// Gives the member another name; removes it instead when a member of that name exists.
    Rename(String, String),
}

/// Replace `range` by `with`. An empty range inserts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Splice {
    /// Bytes that go.
    pub range: Range<usize>,
    /// Bytes that come.
    pub with: Vec<u8>,
}

/// `body`, an object whose members are `fields`, after `edits`. Without any effect the same buffer comes back, uncopied.
pub fn rewrite(body: &Bytes, fields: &[Field], edits: &[Edit]) -> Bytes {
    let mut splices = Vec::new();
    let open = body.iter().position(|b| *b == b'{').unwrap_or(0);
    object_splices(body, open, fields, edits, &mut splices);
    apply(body, splices)
}

/// Adds to `splices` what `edits` mean for the object that opens at byte `open` of `body` and has these `fields`.
pub fn object_splices(body: &[u8], open: usize, fields: &[Field], edits: &[Edit], splices: &mut Vec<Splice>) {
    let present = |name: &str| fields.iter().any(|field| field.name == name);
    let mut kept_before = false;
    let mut previous_end = None;
    for (index, field) in fields.iter().enumerate() {
        let change = Change::of(field, edits, &present);
        if change.removed {
            let range = match (kept_before, previous_end, fields.get(index + 1)) {
                // With a kept member before, the comma before goes along; otherwise the comma after.
                (true, Some(end), _) => end..field.member.end,
                (_, _, Some(next)) => field.member.start..next.member.start,
                _ => field.member.clone(),
            };
            splices.push(Splice {
                range,
                with: Vec::new(),
            });
        } else {
            kept_before = true;
            if let Some(name) = change.name {
                // The name ends at the last quote before the value; between them are only a colon and white space.
                let head = field.member.start..field.value.start;
                let name_end = body
                    .get(head.clone())
                    .and_then(|head| head.iter().rposition(|b| *b == b'"'))
                    .map_or(head.end, |at| head.start + at + 1);
                splices.push(Splice {
                    range: head.start..name_end,
                    with: quote(name).into_bytes(),
                });
            }
            if let Some(value) = change.value
                && body.get(field.value.clone()) != Some(value.as_bytes())
            {
                splices.push(Splice {
                    range: field.value.clone(),
                    with: value.as_bytes().to_vec(),
                });
            }
        }
        previous_end = Some(field.member.end);
    }
    append(open, fields, edits, kept_before, splices);
}

/// Appends the members that `Set` names and the object lacks, each name once, the last value winning.
fn append(open: usize, fields: &[Field], edits: &[Edit], mut kept_before: bool, splices: &mut Vec<Splice>) {
    let present = |name: &str| fields.iter().any(|field| field.name == name);
    let at = fields.last().map_or(open + 1, |last| last.member.end);
    let mut with = String::new();
    for (index, edit) in edits.iter().enumerate() {
        let Edit::Set(name, value) = edit else { continue };
        let later = edits.iter().skip(index + 1);
        let overruled = later
            .clone()
            .any(|other| matches!(other, Edit::Set(n, _) | Edit::Remove(n) if n == name));
        if present(name) || overruled {
            continue;
        }
        let renamed = edits.iter().find_map(|other| match other {
            Edit::Rename(from, to) if from == name => Some(to),
            _ => None,
        });
        if renamed.is_some_and(|to| present(to)) {
            continue;
        }
        if std::mem::replace(&mut kept_before, true) {
            with.push(',');
        }
        with.push_str(&quote(renamed.unwrap_or(name)));
        with.push(':');
        with.push_str(value);
    }
    if !with.is_empty() {
        splices.push(Splice {
            range: at..at,
            with: with.into_bytes(),
        });
    }
}

/// All edits of one member together.
struct Change<'e> {
    removed: bool,
    name: Option<&'e str>,
    value: Option<&'e str>,
}

impl<'e> Change<'e> {
    fn of(field: &Field, edits: &'e [Edit], present: &impl Fn(&str) -> bool) -> Self {
        let mut change = Self {
            removed: false,
            name: None,
            value: None,
        };
        for edit in edits {
            match edit {
                Edit::Set(name, value) if *name == field.name => {
                    change.removed = false;
                    change.value = Some(value);
                }
                Edit::Remove(name) if *name == field.name => change.removed = true,
                Edit::Rename(from, to) if *from == field.name && from != to => {
                    if present(to) {
                        change.removed = true;
                    } else {
                        change.name = Some(to);
                    }
                }
                _ => {}
            }
        }
        change
    }
}

/// Carries out splices in order of their place; at one place in order of the list. They must not overlap (what overlaps is cut).
pub fn apply(body: &Bytes, mut splices: Vec<Splice>) -> Bytes {
    if splices.is_empty() {
        return body.clone();
    }
    splices.sort_by_key(|splice| splice.range.start);
    let added: usize = splices.iter().map(|splice| splice.with.len()).sum();
    let mut out = BytesMut::with_capacity(body.len() + added);
    let mut at = 0;
    for splice in &splices {
        out.extend_from_slice(body.get(at..splice.range.start).unwrap_or_default());
        out.extend_from_slice(&splice.with);
        at = at.max(splice.range.end);
    }
    out.extend_from_slice(body.get(at..).unwrap_or_default());
    out.freeze()
}
