// Keys and policies: minted once, shown once, revoked at once; what a policy allows is what is listed and what runs.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { startUpstream } from "../upstream/index.mjs";
import { catalogOf, chat, modelOf, providerAt } from "./documents.mjs";
import { startRouter } from "./harness.mjs";

let upstream;
let router;
before(async () => {
  upstream = await startUpstream();
  router = await startRouter({
    catalog: catalogOf(providerAt("p", upstream), providerAt("q", upstream), {
      models: [modelOf("p", "small"), modelOf("p", "large"), modelOf("q", "other")],
      routes: [{ id: "both", targets: [{ model: "p/large" }, { model: "q/other", order: 1 }] }],
      policies: [
        { id: "only-p", allow: { providers: ["p"] } }, { id: "only-small", allow: { models: ["p/small"] } }, { id: "not-large", deny: { models: ["*/large"] } },
        { id: "no-virtual", allow: { virtual: [] } }, { id: "closed", enabled: false }, { id: "everything" },
      ],
    }),
  });
});
after(async () => {
  await router?.stop();
  await upstream?.close();
});

async function mint(policy, fields = {}) {
  const answer = await router.admin("POST", "keys", { policy, ...fields });
  assert.equal(answer.status, 201, answer.text);
  return answer.json;
}

const models = async (key) => (await router.call("/v1/models", undefined, { key })).json.data.map((model) => model.id);
const ask = (key, model) => router.call("/v1/chat/completions", chat(model), { key });

describe("a key", () => {
  test("works at once, is listed without its secret, and is revoked", async () => {
    const { kid, key } = await mint("everything", { label: "ci" });
    assert.match(key, /^clawrouter-(live|test)-[A-Za-z0-9_]{4,}-[A-Za-z0-9_]{24,}$/);
    assert.equal((await ask(key, "p/small")).status, 200);
    const secret = key.split("-").at(-1);
    const listed = await router.admin("GET", "keys?limit=100");
    assert.ok(listed.json.items.some((row) => row.kid === kid));
    for (const where of ["keys?limit=100", "export", "audit?limit=100"]) assert.ok(!(await router.admin("GET", where)).text.includes(secret), where);
    const revoked = await router.admin("POST", `keys/${kid}/revoke`, {});
    assert.equal(revoked.status, 200, revoked.text);
    const refused = await ask(key, "p/small");
    assert.deepEqual([refused.status, refused.json.error.code], [403, "key_revoked"]);
    assert.ok(!router.logs().includes(secret));
  });

  test("an expired one is refused", async () => {
    const minted = await router.admin("POST", "keys", { policy: "everything", expires: new Date(Date.now() + 1200).toISOString() });
    assert.equal(minted.status, 201, minted.text);
    assert.equal((await ask(minted.json.key, "p/small")).status, 200);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    assert.ok([401, 403].includes((await ask(minted.json.key, "p/small")).status));
  });

  test("of a policy that does not exist cannot be minted", async () => {
    const answer = await router.admin("POST", "keys", { policy: "no-such" });
    assert.ok([404, 422].includes(answer.status), answer.text);
  });
});

describe("a policy", () => {
  const CASES = [
    ["only-p", ["p/small", "p/large"], [["q/other", 403, "provider_not_allowed"]]],
    ["only-small", ["p/small"], [["p/large", 403, "model_not_allowed"], ["q/other", 403, "model_not_allowed"]]],
    ["not-large", ["p/small", "q/other"], [["p/large", 403, "model_not_allowed"]]],
    ["everything", ["p/small", "p/large", "q/other", "clawrouter/both"], []],
  ];
  for (const [policy, allowed, refused] of CASES) {
    test(`${policy}: listed is callable, unlisted is refused`, async () => {
      const { key } = await mint(policy);
      const listed = await models(key);
      for (const model of allowed) {
        assert.ok(listed.includes(model), `${model} not in ${listed}`);
        assert.equal((await ask(key, model)).status, 200, model);
      }
      upstream.reset();
      for (const [model, status, code] of refused) {
        assert.ok(!listed.includes(model), `${model} listed`);
        const answer = await ask(key, model);
        assert.deepEqual([answer.status, answer.json.error.code], [status, code], answer.text);
      }
      assert.equal(upstream.calls.length, 0);
    });
  }

  test("a route runs on what the policy leaves of it", async () => {
    const { key } = await mint("not-large");
    const answer = await ask(key, "clawrouter/both");
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.headers["x-clawrouter-target"], "q/other");
  });

  test("virtual models can be taken away", async () => {
    const { key } = await mint("no-virtual");
    assert.ok(!(await models(key)).some((model) => model.startsWith("clawrouter/")));
    assert.ok([403, 404].includes((await ask(key, "clawrouter/both")).status));
  });

  test("disabled refuses its keys", async () => {
    const { key } = await mint("closed");
    const answer = await ask(key, "p/small");
    assert.deepEqual([answer.status, answer.json.error.code], [403, "policy_disabled"]);
  });

  test("changed, it holds for the next call", async () => {
    const { key } = await mint("only-p");
    assert.equal((await ask(key, "q/other")).status, 403);
    await router.importCatalog({ policies: [{ id: "only-p", allow: { providers: ["p", "q"] } }] });
    assert.equal((await ask(key, "q/other")).status, 200);
  });
});
