//! Typed reading of small JSON objects: each refusal names the path of the field and what it must be. `null` counts as absent.

use super::call::Field;
use super::error::WireError;
use super::json::{self, Cursor, Kind};
use std::borrow::Cow;
use std::ops::Range;

/// An object inside a text that has been scanned before.
pub(crate) struct ObjectView<'a> {
    bytes: &'a [u8],
    path: String,
    fields: Cow<'a, [Field]>,
}

/// One value inside such a text.
pub(crate) struct ValueView<'a> {
    bytes: &'a [u8],
    pub(crate) path: String,
    pub(crate) range: Range<usize>,
    pub(crate) kind: Kind,
}

impl<'a> ObjectView<'a> {
    /// The body itself.
    pub(crate) fn top(bytes: &'a [u8], fields: &'a [Field]) -> Self {
        Self {
            bytes,
            path: String::new(),
            fields: Cow::Borrowed(fields),
        }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// Is the member there at all, be it null?
    pub(crate) fn mentions(&self, name: &str) -> bool {
        json::find(&self.fields, name).is_some()
    }

    /// Every member that is not null: the last of duplicates.
    pub(crate) fn value(&self, name: &str) -> Option<ValueView<'a>> {
        let field = json::find(&self.fields, name)?;
        let path = if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        };
        let value = ValueView::new(self.bytes, path, field.value.clone());
        (value.kind != Kind::Null).then_some(value)
    }

    pub(crate) fn string(&self, name: &str) -> Result<Option<Cow<'a, str>>, WireError> {
        self.value(name).map(|value| value.string()).transpose()
    }

    pub(crate) fn boolean(&self, name: &str) -> Result<Option<bool>, WireError> {
        self.value(name).map(|value| value.boolean()).transpose()
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<f64>, WireError> {
        self.value(name).map(|value| value.number()).transpose()
    }

    pub(crate) fn whole(&self, name: &str, bounds: std::ops::RangeInclusive<u64>) -> Result<Option<u64>, WireError> {
        self.value(name).map(|value| value.whole(bounds)).transpose()
    }

    pub(crate) fn object(&self, name: &str) -> Result<Option<ObjectView<'a>>, WireError> {
        self.value(name).map(|value| value.object()).transpose()
    }

    /// A list of at most `max` strings; empty when absent.
    pub(crate) fn strings(&self, name: &str, max: usize) -> Result<Vec<String>, WireError> {
        let Some(value) = self.value(name) else {
            return Ok(Vec::new());
        };
        let items = value.items(max)?;
        items.iter().map(|item| item.string().map(Cow::into_owned)).collect()
    }

    /// Refuses members that are not in `known`, by name.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), WireError> {
        match self.fields.iter().find(|field| !known.contains(&field.name.as_str())) {
            None => Ok(()),
            Some(unknown) => {
                // A name from outside is cut, so that an error cannot be made as large as a body.
                let name: String = unknown.name.chars().take(64).collect();
                let param = format!("{}.{name}", self.path);
                let message = format!(
                    "`{param}` is not known here; `{}` may have: {}.",
                    self.path,
                    known.join(", ")
                );
                Err(WireError::UnsupportedParameter { param, message })
            }
        }
    }
}

impl<'a> ValueView<'a> {
    fn new(bytes: &'a [u8], path: String, range: Range<usize>) -> Self {
        let kind = Cursor::at(bytes, range.start).kind().unwrap_or(Kind::Null);
        Self {
            bytes,
            path,
            range,
            kind,
        }
    }

    pub(crate) fn must(&self, be: &str) -> WireError {
        WireError::field(self.path.clone(), be)
    }

    pub(crate) fn string(&self) -> Result<Cow<'a, str>, WireError> {
        let mut cursor = Cursor::at(self.bytes, self.range.start);
        match cursor.string() {
            Ok(text) => Ok(cursor.decode(&text)),
            Err(_) => Err(self.must("must be a string")),
        }
    }

    pub(crate) fn boolean(&self) -> Result<bool, WireError> {
        if self.kind != Kind::Bool {
            return Err(self.must("must be true or false"));
        }
        Ok(self.bytes.get(self.range.start) == Some(&b't'))
    }

    /// The value as it was written.
    pub(crate) fn text(&self) -> Cow<'a, str> {
        let raw = self.bytes.get(self.range.clone());
        String::from_utf8_lossy(raw.unwrap_or_default())
    }

    pub(crate) fn number(&self) -> Result<f64, WireError> {
        match self.text().parse::<f64>().ok() {
            Some(number) if self.kind == Kind::Number && number.is_finite() => Ok(number),
            _ => Err(self.must("must be a number")),
        }
    }

    pub(crate) fn whole(&self, bounds: std::ops::RangeInclusive<u64>) -> Result<u64, WireError> {
        let number = if self.kind == Kind::Number {
            json::number_u64(self.bytes, &self.range)
        } else {
            None
        };
        number.filter(|number| bounds.contains(number)).ok_or_else(|| {
            let (least, most) = (bounds.start(), bounds.end());
            if *most == u64::MAX {
                self.must(&format!("must be a whole number of at least {least}"))
            } else {
                self.must(&format!("must be a whole number from {least} to {most}"))
            }
        })
    }

    pub(crate) fn object(&self) -> Result<ObjectView<'a>, WireError> {
        match json::scan_object(self.bytes, &self.range) {
            Ok(fields) => Ok(ObjectView {
                bytes: self.bytes,
                path: self.path.clone(),
                fields: Cow::Owned(fields),
            }),
            Err(_) => Err(self.must("must be an object")),
        }
    }

    /// The elements of a list of at most `max`.
    pub(crate) fn items(&self, max: usize) -> Result<Vec<ValueView<'a>>, WireError> {
        let mut cursor = Cursor::at(self.bytes, self.range.start);
        let mut items = Vec::new();
        if cursor.array().is_err() {
            return Err(self.must("must be a list"));
        }
        while cursor.item().unwrap_or(false) {
            if items.len() >= max {
                return Err(self.must(&format!("has more than {max} elements")));
            }
            let Ok(range) = cursor.skip() else { break };
            items.push(ValueView::new(
                self.bytes,
                format!("{}[{}]", self.path, items.len()),
                range,
            ));
        }
        Ok(items)
    }
}
