// The 16 public gateway crash scenarios as data: what the primary does, what the fallback does, how long the router may
// wait, and what its caller must see. Two time profiles: `full` is the published one, `fast` the same with short clocks.
import { answerText, token } from "./text.mjs";

/** Time profiles, all in milliseconds; `retry_after_s` is what the Retry-After header says. */
export const PROFILES = {
  full: { headers_ms: 10_000, first_token_ms: 10_000, stall_ms: 15_000, total_ms: 120_000, slow_ms: 20_000, stall_for_ms: 30_000, outage_ms: 60_000, interval_ms: 20, retry_after_s: 2, return_within_ms: 30_000 },
  fast: { headers_ms: 700, first_token_ms: 700, stall_ms: 900, total_ms: 30_000, slow_ms: 2_500, stall_for_ms: 4_000, outage_ms: 3_000, interval_ms: 4, retry_after_s: 1, return_within_ms: 15_000 },
};

const SHORT = 20;
const LONG = 60;
const CUT_AT = 40;

const unavailable = { do: "error", fixture: "openai/engine_overloaded" };
const short = { do: "answer", tokens: SHORT };

// Every entry: (times) => {what, primary, fallback, expect, stream?}. `primary` and `fallback` are scripts for two servers on
// two ports (a host that resets connections must not bench its neighbour). `expect.primary`/`.fallback` are [min, max] calls.
const SCENARIOS = {
  retry_after_once: (t) => ({
    what: "429 with Retry-After, once",
    primary: [{ do: "error", status: 429, headers: { "content-type": "application/json", "retry-after": String(t.retry_after_s) }, body: { error: { message: "Rate limit reached for requests", type: "requests", code: "rate_limit_exceeded" } } }, short],
    expect: { text: answerText(SHORT), primary: [2, 2], fallback: [0, 0], served_by: "primary", min_ms: t.retry_after_s * 1000, max_ms: t.retry_after_s * 1250 + 500 },
  }),
  persistent_429: () => ({
    what: "429 for ever",
    primary: [{ do: "error", fixture: "openai/rate_limit_retry_after_30" }],
    expect: { text: answerText(SHORT), primary: [1, 1], fallback: [1, 1], served_by: "fallback", max_ms: 1_500 },
  }),
  one_500: () => ({
    what: "one 500",
    primary: [{ do: "error", fixture: "openai/server_error" }, short],
    expect: { text: answerText(SHORT), primary: [2, 2], fallback: [0, 0], served_by: "primary", max_ms: 2_500 },
  }),
  outage_503: () => ({
    what: "503 outage",
    primary: [unavailable],
    expect: { text: answerText(SHORT), primary: [1, 2], fallback: [1, 1], served_by: "fallback", max_ms: 3_000 },
  }),
  tcp_reset: () => ({
    what: "TCP reset before the response headers, once",
    primary: [{ do: "reset" }, short],
    expect: { text: answerText(SHORT), primary: [2, 2], fallback: [0, 0], served_by: "primary", max_ms: 1_500 },
  }),
  silence: (t) => ({
    what: "accepts the connection and never answers",
    primary: [{ do: "silence" }],
    expect: { text: answerText(SHORT), primary: [1, 1], fallback: [1, 1], served_by: "fallback", min_ms: t.headers_ms * 0.9, max_ms: t.headers_ms * 1.5 + 1_000, primary_closed: true },
  }),
  slow_first_token: (t, stream) => ({
    what: "headers, role chunk and pings at once, first token far too late",
    primary: [stream ? { do: "answer", tokens: SHORT, first_token_ms: t.slow_ms, pings_ms: 200 } : { do: "answer", tokens: SHORT, head_ms: t.slow_ms }],
    expect: { text: answerText(SHORT), primary: [1, 1], fallback: [1, 1], served_by: "fallback", max_ms: t.first_token_ms * 1.5 + 1_000, primary_closed: true },
  }),
  cut_at_40_of_60: (t) => ({
    what: "connection reset after 40 of 60 tokens; the fallback continues a prefill",
    primary: [{ do: "answer", tokens: LONG, interval_ms: t.interval_ms, cut: { at: CUT_AT, how: "reset" } }],
    fallback: [{ do: "answer", tokens: LONG, interval_ms: t.interval_ms, prefill: "continue" }],
    expect: { text: answerText(LONG), primary: [1, 2], fallback: [0, 2] },
  }),
  stall_mid_stream: (t, stream) => ({
    what: "silence in the middle of the stream",
    primary: [stream ? { do: "answer", tokens: LONG, interval_ms: t.interval_ms, stall: { at: CUT_AT, ms: t.stall_for_ms } } : { do: "answer", tokens: LONG, stall: { ms: t.stall_for_ms } }],
    fallback: [{ do: "answer", tokens: LONG, prefill: "continue" }],
    expect: { text: answerText(LONG), max_ms: t.stall_ms * 2 + 3_000, primary_closed: true },
  }),
  malformed_event: (_t, stream) => ({
    what: "one event is not JSON",
    primary: stream ? [{ do: "answer", tokens: SHORT, insert: [{ at: 10, raw: 'data: {"id":"chatcmpl-1","choices":[{"delta":{"con\n\n' }] }] : [{ do: "raw", headers: { "content-type": "application/json" }, body: '{"id":"chatcmpl-1","choices":[{"mess' }, short],
    expect: { text: answerText(SHORT), primary: stream ? [1, 1] : [2, 2], fallback: [0, 0], served_by: "primary" },
  }),
  missing_done: (t) => ({
    what: "complete stream without [DONE]",
    primary: [{ do: "answer", tokens: SHORT, done: false }],
    expect: { text: answerText(SHORT), primary: [1, 1], fallback: [0, 0], served_by: "primary", max_ms: Math.max(1_500, t.interval_ms * SHORT + 1_000) },
  }),
  context_length_exceeded: () => ({
    what: "400 context_length_exceeded; the fallback has a larger window",
    primary: [{ do: "error", fixture: "openai/context_length_exceeded" }],
    expect: { text: answerText(SHORT), primary: [1, 1], fallback: [1, 1], served_by: "fallback" },
  }),
  content_filter: () => ({
    what: "400 content policy",
    primary: [{ do: "error", fixture: "openai/content_policy_violation" }],
    expect: { status: 400, error_code: "content_policy_violation", primary: [1, 1], fallback: [0, 0] },
  }),
  cut_prefill_rejected: (t) => ({
    what: "cut after 40 of 60 tokens; the fallback rejects an assistant prefill",
    primary: [{ do: "answer", tokens: LONG, interval_ms: t.interval_ms, cut: { at: CUT_AT, how: "reset" } }],
    fallback: [{ do: "answer", tokens: LONG, prefill: "reject" }],
    expect: { text: answerText(LONG), primary: [1, 2], fallback: [0, 3] },
  }),
  outage_and_return: (t) => ({
    what: "outage, then the primary is used again",
    primary: [{ do: "outage", for_ms: t.outage_ms, during: unavailable }, short],
    expect: { text: answerText(SHORT), returns: true },
  }),
  fallback_reported: () => ({
    what: "the answer names the model that gave it, with its usage",
    primary: [unavailable],
    fallback: [{ do: "answer", tokens: SHORT, usage_values: { prompt_tokens: 321, completion_tokens: 45, total_tokens: 366 } }],
    expect: { text: answerText(SHORT), primary: [1, 2], fallback: [1, 1], served_by: "fallback", usage: { prompt_tokens: 321, completion_tokens: 45, total_tokens: 366 } },
  }),
};

/** Names in the order of the published list. */
export function scenarioNames() {
  return Object.keys(SCENARIOS);
}

/** One scenario: `{name, what, times, primary, fallback, expect}`; `stream` says how the caller asks. */
export function scenario(name, profile = "fast", stream = true) {
  const build = SCENARIOS[name];
  if (!build) throw new Error(`no scenario "${name}"; known: ${scenarioNames().join(", ")}`);
  const times = PROFILES[profile];
  if (!times) throw new Error(`no profile "${profile}"; known: ${Object.keys(PROFILES).join(", ")}`);
  return { name, times, fallback: [short], ...build(times, stream) };
}

/** The text a caller has seen when a stream was cut after `count` tokens. */
export function seenAfter(count) {
  return Array.from({ length: count }, (_, index) => token(index)).join("");
}
