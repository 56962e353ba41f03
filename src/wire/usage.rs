//! Token counts as providers spell them.

use super::event::Usage;
use super::json;
use super::object_view::ObjectView;
use std::ops::Range;

/// Most tokens that one count can be: far above the largest window, times the most answers of a call. More is a mistake of the
/// upstream, which must not empty a budget; then the tokens are counted here.
const MOST_TOKENS: u64 = 100_000_000;

/// Reads a `usage` object; `None` when it is no object or names no count.
pub(crate) fn read(bytes: &[u8], value: &Range<usize>) -> Option<Usage> {
    let fields = json::scan_object(bytes, value).ok()?;
    let usage = ObjectView::top(bytes, &fields);
    let input = first(&usage, &["prompt_tokens", "input_tokens"]);
    let output = first(&usage, &["completion_tokens", "output_tokens"]);
    let total = first(&usage, &["total_tokens"]);
    input.or(output).or(total)?;
    if [input, output, total]
        .into_iter()
        .flatten()
        .any(|count| count > MOST_TOKENS)
    {
        return None;
    }
    let input_details = details(&usage, &["prompt_tokens_details", "input_tokens_details"]);
    let output_details = details(&usage, &["completion_tokens_details", "output_tokens_details"]);
    let detail =
        |object: &Option<ObjectView<'_>>, names: &[&str]| object.as_ref().and_then(|object| first(object, names));
    let cached = detail(&input_details, &["cached_tokens"]).or_else(|| {
        first(
            &usage,
            &["prompt_cache_hit_tokens", "cache_read_input_tokens", "cached_tokens"],
        )
    });
    let cache_write = detail(&input_details, &["cache_write_tokens", "cache_creation_tokens"])
        .or_else(|| first(&usage, &["cache_creation_input_tokens"]));
    let reasoning = detail(&output_details, &["reasoning_tokens"]).or_else(|| first(&usage, &["reasoning_tokens"]));

    // Embeddings name no completion; then the total is the input.
    let input = input
        .or(if output.is_none() { total } else { None })
        .unwrap_or_default();
    let mut output = output.unwrap_or_default();
    let reasoning = reasoning.unwrap_or_default().min(MOST_TOKENS);
    // Some providers count reasoning beside the completion instead of inside it; their total tells.
    if reasoning > 0 && total == input.checked_add(output).and_then(|sum| sum.checked_add(reasoning)) {
        output = output.saturating_add(reasoning);
    }
    Some(Usage {
        input_tokens: input,
        output_tokens: output,
        cached_tokens: cached.unwrap_or_default().min(input),
        cache_write_tokens: cache_write.unwrap_or_default().min(input),
        reasoning_tokens: reasoning.min(output),
    })
}

fn first(object: &ObjectView<'_>, names: &[&str]) -> Option<u64> {
    names
        .iter()
        .find_map(|name| object.value(name)?.whole(0..=u64::MAX).ok())
}

fn details<'a>(usage: &ObjectView<'a>, names: &[&str]) -> Option<ObjectView<'a>> {
    names.iter().find_map(|name| usage.object(name).ok().flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_usage() {
        fn check(json: &str, expected: Option<(u64, u64, u64, u64, u64)>) {
            let got = read(json.as_bytes(), &(0..json.len()));
            let got = got.map(|u| {
                (
                    u.input_tokens,
                    u.output_tokens,
                    u.cached_tokens,
                    u.cache_write_tokens,
                    u.reasoning_tokens,
                )
            });
            assert_eq!(got, expected, "{json}");
        }
        check("{}", None);
        check("null", None);
        check("7", None);
        check(
            "{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":15}",
            Some((10, 5, 0, 0, 0)),
        );
        check(
            "{\"prompt_tokens\":10,\"completion_tokens\":5,\"prompt_tokens_details\":{\"cached_tokens\":4},\
             \"completion_tokens_details\":{\"reasoning_tokens\":3}}",
            Some((10, 5, 4, 0, 3)),
        );
        check("{\"prompt_tokens\":10,\"total_tokens\":10}", Some((10, 0, 0, 0, 0)));
        check("{\"total_tokens\":10}", Some((10, 0, 0, 0, 0)));
        check(
            "{\"prompt_tokens\":10,\"completion_tokens\":5,\"prompt_cache_hit_tokens\":8}",
            Some((10, 5, 8, 0, 0)),
        );
        check(
            "{\"input_tokens\":10,\"output_tokens\":5,\"input_tokens_details\":{\"cached_tokens\":2}}",
            Some((10, 5, 2, 0, 0)),
        );
        // Reasoning beside the completion.
        check(
            "{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":40,\"completion_tokens_details\":{\"reasoning_tokens\":25}}",
            Some((10, 30, 0, 0, 25)),
        );
        check(
            "{\"prompt_tokens\":1,\"completion_tokens\":null,\"prompt_tokens_details\":null}",
            Some((1, 0, 0, 0, 0)),
        );
        check("{\"prompt_tokens\":10,\"cached_tokens\":99}", Some((10, 0, 10, 0, 0)));
        // No call has so many tokens.
        check("{\"prompt_tokens\":10,\"completion_tokens\":1000000000000000000}", None);
        check(
            "{\"prompt_tokens\":100000000,\"completion_tokens\":1}",
            Some((100_000_000, 1, 0, 0, 0)),
        );
    }
}
