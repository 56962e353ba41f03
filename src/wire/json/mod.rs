//! JSON as bytes with places in it: a bounded scanner, decoded names, and edits that touch nothing but the places they name.
//!
//! Why not a tree: a tree drops number spelling, key order and duplicate keys, and copies every prompt. Here a body is looked at
//! once, stays one immutable buffer, and leaves with only the named ranges replaced. Knows no dialect.

mod cursor;
mod edit;
mod raw;
mod read;
mod tally;

pub use cursor::{Cursor, JsonError, Kind, MAX_DEPTH, Text};
pub use edit::{Edit, Splice, apply, object_splices, rewrite};
pub use raw::RawJson;
pub use read::{decode, number_u64, quote, write_quoted};

use super::call::Field;
use std::ops::Range;

/// The members of the object that is the whole of `bytes`, in order, duplicates included.
///
/// # Errors
/// [`JsonError`] when `bytes` is not exactly one JSON object within [`MAX_DEPTH`].
pub fn scan(bytes: &[u8]) -> Result<Vec<Field>, JsonError> {
    let mut cursor = Cursor::new(bytes);
    let fields = members(&mut cursor)?;
    cursor.end()?;
    Ok(fields)
}

/// The members of the object that begins at `value.start`; ranges count from the beginning of `bytes`.
///
/// # Errors
/// [`JsonError`] when no JSON object begins there.
pub fn scan_object(bytes: &[u8], value: &Range<usize>) -> Result<Vec<Field>, JsonError> {
    let mut cursor = Cursor::at(bytes, value.start);
    members(&mut cursor)
}

fn members(cursor: &mut Cursor<'_>) -> Result<Vec<Field>, JsonError> {
    let mut fields = Vec::new();
    cursor.object()?;
    while let Some(key) = cursor.key()? {
        let value = cursor.skip()?;
        fields.push(Field {
            name: cursor.decode(&key).into_owned(),
            member: key.quoted().start..value.end,
            value,
        });
    }
    Ok(fields)
}

/// Looks a member up; of duplicates the last, as every common JSON reader does.
pub fn find<'f>(fields: &'f [Field], name: &str) -> Option<&'f Field> {
    fields.iter().rev().find(|field| field.name == name)
}

/// Line and column of a byte offset, both from 1; columns count characters.
pub fn position(bytes: &[u8], at: usize) -> (u32, u32) {
    let before = bytes.get(..at.min(bytes.len())).unwrap_or(bytes);
    let line = before.split(|b| *b == b'\n').count().saturating_sub(1);
    let column = before
        .iter()
        .rev()
        .take_while(|b| **b != b'\n')
        .filter(|b| (**b & 0xC0) != 0x80)
        .count();
    let counted = |n: usize| u32::try_from(n).unwrap_or(u32::MAX).saturating_add(1);
    (counted(line), counted(column))
}

#[cfg(test)]
mod tests;
