//! `${NAME}` templates in base URLs, dialect paths and header values. Knows no value; [`super::Vault`] has them.

/// Longest template text, characters; a header value's bound is the largest user of it.
pub const MAX_TEMPLATE: usize = 8 * 1024;
/// Longest variable name: what Workers accept as a secret's name with room to spare.
const MAX_NAME: usize = 128;

/// A part of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// Text as it stands.
    Text(&'a str),
    /// The name inside `${…}`.
    Variable(&'a str),
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTemplate {
    /// `${` without `}`.
    #[error("`${{` is never closed by `}}`")]
    Unclosed,
    /// What stands between the braces is no name.
    #[error("`${{{0}}}` is no variable: a name has A-Z, 0-9 and _ and starts with a letter")]
    BadName(String),
    /// Longer than [`MAX_TEMPLATE`].
    #[error("longer than {MAX_TEMPLATE} bytes")]
    TooLong,
}

/// Takes a template apart. `$` without a brace is text.
///
/// # Errors
/// [`BadTemplate`]
pub fn parse(text: &str) -> Result<Vec<Part<'_>>, BadTemplate> {
    if text.len() > MAX_TEMPLATE {
        return Err(BadTemplate::TooLong);
    }
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, behind) = after.split_once('}').ok_or(BadTemplate::Unclosed)?;
        if !is_variable_name(name) {
            return Err(BadTemplate::BadName(name.chars().take(40).collect()));
        }
        if !before.is_empty() {
            parts.push(Part::Text(before));
        }
        parts.push(Part::Variable(name));
        rest = behind;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    Ok(parts)
}

/// True for names that a Worker variable or secret can have here: `OPENAI_API_KEY`.
pub fn is_variable_name(name: &str) -> bool {
    name.len() <= MAX_NAME
        && name.bytes().next().is_some_and(|first| first.is_ascii_uppercase())
        && name
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// Fills a template; `value` gives each variable's value.
///
/// # Errors
/// The error of the first variable without a value; a malformed template is text with nothing to fill in, refused by [`parse`] long before.
pub fn fill<E>(parts: &[Part<'_>], mut value: impl FnMut(&str) -> Result<String, E>) -> Result<String, E> {
    let mut filled = String::new();
    for part in parts {
        match part {
            Part::Text(text) => filled.push_str(text),
            Part::Variable(name) => filled.push_str(&value(name)?),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::Part::{Text, Variable};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn templates_are_text_and_names() {
        let table = [
            ("", Ok(vec![])),
            ("plain $ {text}", Ok(vec![Text("plain $ {text}")])),
            ("${A}", Ok(vec![Variable("A")])),
            (
                "https://${HOST_1}/v1",
                Ok(vec![Text("https://"), Variable("HOST_1"), Text("/v1")]),
            ),
            ("${A}${B}", Ok(vec![Variable("A"), Variable("B")])),
            ("$${A}", Ok(vec![Text("$"), Variable("A")])),
            ("${A", Err(BadTemplate::Unclosed)),
            ("${}", Err(BadTemplate::BadName(String::new()))),
            ("${a}", Err(BadTemplate::BadName("a".to_owned()))),
            ("${1A}", Err(BadTemplate::BadName("1A".to_owned()))),
            ("${A-B}", Err(BadTemplate::BadName("A-B".to_owned()))),
            ("${${A}}", Err(BadTemplate::BadName("${A".to_owned()))),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text), expected, "{text}");
        }
        assert_eq!(parse(&"x".repeat(MAX_TEMPLATE + 1)), Err(BadTemplate::TooLong));
        assert!(!is_variable_name(&"A".repeat(MAX_NAME + 1)));
    }

    proptest! {
        #[test]
        fn filling_with_the_names_gives_the_text_back(text in "([a-z$ {}]|\\$\\{[A-Z]{1,4}\\}){0,20}") {
            if let Ok(parts) = parse(&text) {
                let filled = fill(&parts, |name| Ok::<_, ()>(format!("${{{name}}}")));
                prop_assert_eq!(filled, Ok(text));
            }
        }
    }
}
