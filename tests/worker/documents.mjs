// Catalog documents for tests: providers that point at the fault-injection upstream. Knows the export format and nothing else.
import { secretName } from "./harness.mjs";

/** Timeouts short enough for tests, all milliseconds. */
export const QUICK = { headers_ms: 700, first_token_ms: 700, first_token_reasoning_ms: 700, stall_ms: 900, total_ms: 30_000 };

/** A provider at `upstream.url`, its pool of `keys` credentials (numbers of test secrets), spread into `{providers, pools}`. */
export function providerAt(id, upstream, { keys = [1], timeouts = QUICK, pool = {}, ...fields } = {}) {
  return {
    providers: [{
      id, dialects: { chat: "/v1/chat/completions", embeddings: "/v1/embeddings", models: "/v1/models" }, base_url: upstream.url,
      auth: { scheme: "bearer" }, pool: id, timeouts, ...fields,
    }],
    pools: [{ id, strategy: "fill_first", sticky: "none", keys: keys.map((index) => ({ label: `k${index}`, secret: secretName(index) })), ...pool }],
  };
}

/** A priced chat model `<provider>/<name>` whose upstream name is `<name>`. */
export function modelOf(provider, name, fields = {}) {
  return {
    id: `${provider}/${name}`, provider, upstream: name, capabilities: ["chat", "tools", "json_schema"], context_window: 128_000, max_output_tokens: 4096,
    price: { input: 1, output: 2, effective: "2026-01-01", source: "test" }, ...fields,
  };
}

/** Joins partial catalog documents into one. */
export function catalogOf(...parts) {
  const joined = {};
  for (const part of parts) {
    for (const [name, entries] of Object.entries(part)) joined[name] = Array.isArray(entries) ? [...(joined[name] ?? []), ...entries] : entries;
  }
  return joined;
}

/** A chat body with one user message. */
export function chat(model, extra = {}) {
  return { model, messages: [{ role: "user", content: "Say something." }], ...extra };
}
