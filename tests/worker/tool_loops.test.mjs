// An agent's tool loop on the real Worker: its model stays, the route decides whether another one may take over, and money is told in numbers.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startUpstream } from "../upstream/index.mjs";
import { catalogOf, chat, modelOf, providerAt } from "./documents.mjs";
import { startRouter } from "./harness.mjs";

const LOOP = [
  { role: "user", content: "What is the time?" },
  { role: "assistant", content: null, tool_calls: [{ id: "c1", type: "function", function: { name: "clock", arguments: "{}" } }] },
  { role: "tool", tool_call_id: "c1", content: "noon" },
];
const TARGETS = [{ model: "p/a", order: 0 }, { model: "q/b", order: 1 }];

let primary;
let other;
let router;
before(async () => {
  [primary, other] = await Promise.all([startUpstream(), startUpstream()]);
  router = await startRouter({
    catalog: catalogOf(providerAt("p", primary), providerAt("q", other, { keys: [2] }), {
      models: [modelOf("p", "a"), modelOf("q", "b")],
      routes: [{ id: "free", targets: TARGETS }, { id: "strict", targets: TARGETS, swap_in_tool_loop: false }],
      policies: [{ id: "exact", budgets: [{ window: "total", limit_usd: 0.000000001 }] }],
    }),
  });
});
after(async () => {
  await router?.stop();
  await Promise.all([primary?.close(), other?.close()]);
});

const turn = (route, session_id, messages) => router.call("/v1/chat/completions", { ...chat(`clawrouter/${route}`), messages, session_id, clawrouter: { trace: true } });
const down = { do: "error", fixture: "openai/engine_overloaded" };

for (const [route, status] of [["free", 200], ["strict", 503]]) {
  test(`an outage inside a tool loop: ${route}`, async () => {
    primary.script({ do: "answer" });
    const begun = await turn(route, `outage-${route}`, LOOP.slice(0, 1));
    assert.equal(begun.headers["x-clawrouter-target"], "p/a", begun.text);
    primary.script(down);
    other.reset();
    const told = await turn(route, `outage-${route}`, LOOP);
    assert.equal(told.status, status, told.text);
    assert.equal(other.calls.length, status === 200 ? 1 : 0);
    const trace = told.headers["x-clawrouter-trace"];
    assert.equal(trace.includes("model-swapped"), status === 200, trace);
    if (status !== 200) assert.match(told.json.error.message, /keeps this tool loop with p\/a/);
    const row = await found(told);
    assert.equal(row.explanation.tool_loop.rule, route === "free" ? "kept_until_it_fails" : "same_model_only");
    assert.deepEqual(row.spans.filter((span) => span.model_swapped).map((span) => span.target), status === 200 ? ["q/b"] : []);
    await router.admin("POST", "pools/p/reset", { target: "p/a" });
  });
}

/** A trace, once it is stored. */
async function found(answer) {
  for (const deadline = Date.now() + 5000; ; ) {
    const trace = await router.admin("GET", `requests/${encodeURIComponent(answer.headers["x-request-id"])}`);
    if (trace.status === 200) return trace.json;
    assert.ok(Date.now() < deadline, trace.text);
  }
}

test("every amount of money is a number with its own digits", async () => {
  const explained = await router.admin("POST", "route/explain", chat("clawrouter/free"));
  const sessions = await router.admin("GET", "sessions");
  const policy = await router.admin("GET", "policies/exact");
  const amounts = [explained, sessions, policy].flatMap(({ text }) => [...text.matchAll(/"(\w+_usd)":([^,}]+)/g)].map(([, name, value]) => [name, value]));
  assert.ok(amounts.length >= 4, JSON.stringify(amounts));
  for (const [name, value] of amounts) assert.match(value, /^(\d+(\.\d{1,9})?|null)$/, name);
  assert.ok(policy.text.includes('"limit_usd":0.000000001'), policy.text);
});
