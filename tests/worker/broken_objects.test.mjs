// Durable Objects out of order: what is not about money answers as if nothing were wrong.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { answerText, startUpstream } from "../upstream/index.mjs";
import { catalogOf, chat, modelOf, providerAt } from "./documents.mjs";
import { startRouter } from "./harness.mjs";

/** The registry cannot take documents when it is out of order, so the built-in demo provider answers. */
const DEMO = "demo/fast";

for (const how of ["throw", "hang"]) {
  describe(`objects that ${how}`, () => {
    for (const bindings of [["HEALTH_HUB"], ["SESSION"], ["HEALTH_HUB", "SESSION"]]) {
      test(`${bindings.join(" and ")}: chat answers at once, whole and streamed`, { timeout: 60_000 }, async () => {
        const router = await startRouter({ broken: { bindings, how } });
        try {
          await router.call("/v1/chat/completions", chat(DEMO));
          for (const body of [chat(DEMO), chat(DEMO, { session_id: "s" }), chat(DEMO, { stream: true, session_id: "s" })]) {
            const answer = await router.call("/v1/chat/completions", body, { timeoutMs: 10_000 });
            assert.equal(answer.status, 200, `${JSON.stringify(body)}: ${answer.failed} ${answer.text}`);
            assert.ok(answer.took < 3_000, `took ${answer.took} ms`);
          }
        } finally {
          await router.stop();
        }
      });
    }

    test("REGISTRY: the bundled catalog and the start key serve", { timeout: 60_000 }, async () => {
      const router = await startRouter({ broken: { bindings: ["REGISTRY"], how } });
      try {
        assert.equal((await router.call("/healthz")).status, 200);
        const answer = await router.call("/v1/chat/completions", chat(DEMO), { timeoutMs: 15_000 });
        assert.equal(answer.status, 200, `${answer.failed} ${answer.text}`);
      } finally {
        await router.stop();
      }
    });
  });
}

test("a hub out of order does not change fallback", { timeout: 60_000 }, async () => {
  const upstream = await startUpstream();
  const router = await startRouter({ broken: { bindings: ["HEALTH_HUB"], how: "throw" } });
  try {
    await router.importCatalog(catalogOf(providerAt("p", upstream), { models: [modelOf("p", "down"), modelOf("p", "up")], routes: [{ id: "r", targets: [{ model: "p/down" }, { model: "p/up", order: 1 }] }] }));
    upstream.script({ rules: [{ when: { model: "down" }, acts: { do: "error", fixture: "openai/engine_overloaded" } }] });
    for (let turn = 0; turn < 3; turn += 1) {
      const answer = await router.call("/v1/chat/completions", chat("clawrouter/r"));
      assert.equal(answer.json?.choices?.[0]?.message?.content, answerText(20), answer.text);
    }
    assert.ok(upstream.calls.filter((call) => call.model === "down").length <= 2);
  } finally {
    await router.stop();
    await upstream.close();
  }
});
