// An upstream that is dead, wrong or rude, with no fallback to turn to: the caller gets a designed error in time, nothing leaks.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { startUpstream } from "../upstream/index.mjs";
import { QUICK, catalogOf, chat, modelOf, providerAt } from "./documents.mjs";
import { secretValue, startRouter } from "./harness.mjs";

let router;
before(async () => { router = await startRouter(); });
after(() => router?.stop());

let cases = 0;

/** A provider of its own (fresh cooldowns) on an upstream of its own (fresh host), playing `script`. */
async function withUpstream(script, run, { dead = false } = {}) {
  const upstream = await startUpstream({ script: script ?? undefined });
  const id = `u${++cases}`;
  try {
    await router.importCatalog(catalogOf(providerAt(id, upstream), { models: [modelOf(id, "m")] }));
    if (dead) await upstream.close();
    return await run(upstream, `${id}/m`);
  } finally {
    if (!dead) await upstream.close();
  }
}

const CHAT = "/v1/chat/completions";
const bearer = { do: "error", status: 401, body: { error: { message: `Incorrect API key provided: ${secretValue(1)}`, code: "invalid_api_key" } } };

const CASES = [
  // name, script, status, code, longest time in ms
  ["dead", null, 502, "upstream_error", 3000, { dead: true }],
  ["HTML with status 200", { do: "html" }, 502, "upstream_error", 4000],
  ["HTML with status 502", { do: "error", fixture: "others/bare_502_html" }, 502, "upstream_error", 4000],
  ["silence", { do: "silence" }, 504, "upstream_timeout", QUICK.headers_ms * 2 + 1500],
  ["headers and then silence", { do: "headers_then_silence", pings_ms: 50 }, 504, "upstream_timeout", 4000],
  ["a reset, every time", { do: "reset" }, 502, "upstream_error", 4000],
  ["a redirect", { do: "redirect", to: "https://login.example/sign-in?next=1" }, 502, "upstream_error", 4000],
  ["a redirect with 307 to metadata", { do: "redirect", to: "http://169.254.169.254/latest/meta-data", status: 307 }, 502, "upstream_error", 4000],
  ["an empty list of choices", { do: "empty_choices" }, 502, "upstream_error", 4000],
  ["an error object with status 200", { do: "error", fixture: "others/error_in_200" }, 502, "upstream_error", 4000],
  ["its own 401", bearer, 502, "upstream_credentials_exhausted", 3000],
  ["its own 402", { do: "error", fixture: "others/openrouter_credits" }, 502, "upstream_credentials_exhausted", 3000],
  ["503 for ever", { do: "error", fixture: "openai/engine_overloaded" }, 503, "overloaded", 6000],
  ["429 for ever", { do: "error", fixture: "openai/rate_limit_retry_after_30" }, 429, "rate_limited", 3000],
  ["one line without end", { do: "flood", bytes: 9_000_000 }, 502, "upstream_error", 6000],
];

for (const stream of [false, true]) {
  describe(stream ? "streamed" : "whole", () => {
    for (const [name, script, status, code, maxMs, options] of CASES) {
      if (!stream && name === "one line without end") continue;
      test(`${name}: ${status} ${code}`, async () => {
        await withUpstream(script, async (upstream, model) => {
          const answer = await router.call(CHAT, chat(model, { stream }), { timeoutMs: 20_000 });
          assert.equal(answer.failed, null, answer.failed);
          assert.equal(answer.status, status, answer.text.slice(0, 500));
          assert.equal(answer.json?.error?.code, code, answer.text.slice(0, 500));
          assert.match(answer.headers["content-type"], /^application\/json/, "an error before the first content is no stream");
          assert.ok(answer.took < maxMs, `took ${answer.took} ms`);
          for (const leak of [secretValue(1), "169.254", "login.example", "nginx", "It works!", upstream.url]) assert.ok(!answer.text.includes(leak), `leaks ${leak}: ${answer.text}`);
          if (status === 429 || status === 503) assert.match(answer.headers["retry-after"] ?? "", /^\d+$/);
        }, options);
      });
    }
  });
}

test("a caller's own mistake comes back unchanged, once", async () => {
  for (const fixture of ["openai/invalid_messages", "openai/content_policy_violation", "openai/context_length_exceeded", "anthropic/prompt_too_long"]) {
    await withUpstream({ do: "error", fixture }, async (upstream, model) => {
      const answer = await router.call(CHAT, chat(model));
      assert.equal(answer.status, 400, fixture);
      assert.equal(upstream.calls.length, 1, fixture);
      assert.ok(answer.json.error.message, fixture);
    });
  }
});

test("nothing secret was printed", () => {
  for (const secret of [secretValue(1), router.key, "Say something."]) assert.ok(!router.logs().includes(secret));
});
