// Kept prompts and answers: only where policy, bucket and key agree; encrypted; read and deleted by admins, each with an audit row.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, describe, test } from "node:test";
import { answerText, startUpstream } from "../upstream/index.mjs";
import { accessDouble } from "./access.mjs";
import { catalogOf, chat, modelOf, providerAt } from "./documents.mjs";
import { startRouter } from "./harness.mjs";
import { contentOf, send } from "./http.mjs";

const CHAT = "/v1/chat/completions";
const MARK = "a sentence that must be encrypted";
const SEAL_KEY = Buffer.alloc(32, 7).toString("base64");

const { setting, assertion } = accessDouble({ admins: "root@example.com", operators: "ops@example.com" });

let upstream;
let router;
const keys = {};
before(async () => {
  upstream = await startUpstream();
  router = await startRouter({
    vars: { SEAL_KEY, ...setting.vars },
    around: (worker) => {
      worker.r2Buckets = { CONTENT: "content" };
      return setting.around(worker);
    },
    catalog: catalogOf(providerAt("p", upstream), { models: [modelOf("p", "m", { context_window: 2_000_000 })], policies: [{ id: "keeps", retain_content: true }, { id: "forgets" }] }),
  });
  for (const policy of ["keeps", "forgets"]) keys[policy] = (await router.admin("POST", "keys", { policy })).json.key;
});
after(async () => {
  await router?.stop();
  await upstream?.close();
});

const body = (extra = {}) => ({ ...chat("p/m"), messages: [{ role: "user", content: MARK }], ...extra });

async function traceOf(id) {
  for (let turn = 0; turn < 100; turn += 1) {
    const found = await router.admin("GET", `requests/${encodeURIComponent(id)}`);
    if (found.status === 200) return found.json;
    await sleep(50);
  }
  assert.fail("no trace");
}
const content = (id, method = "GET") => router.admin(method, `requests/${encodeURIComponent(id)}/content`);

describe("a policy that keeps content", () => {
  for (const stream of [false, true]) {
    test(`${stream ? "streamed" : "whole"}: both sides, encrypted, until they are deleted`, async () => {
      const answer = stream ? await router.stream(CHAT, body(), { key: keys.keeps }) : await router.call(CHAT, body(), { key: keys.keeps });
      assert.equal(answer.status, 200, answer.text);
      const id = answer.headers["x-request-id"];
      const trace = await traceOf(id);
      assert.equal(trace.content.kept, true, JSON.stringify(trace.content));
      assert.match(trace.content.object, /^content\/keeps\/\d{4}-\d\d-\d\d\//);
      assert.ok(Date.parse(trace.content.expires_at) > Date.now() + 7 * 86_400_000 - 1);
      const stored = Buffer.from(await (await (await router.bucket("CONTENT")).get(trace.content.object)).arrayBuffer());
      assert.ok(stored.length > 100 && !stored.includes(MARK) && !stored.includes(answerText(3)));
      const read = await content(id);
      assert.equal(read.status, 200, read.text);
      assert.ok(read.json.request.text.includes(MARK) && !read.json.request.truncated);
      if (stream) assert.ok(read.json.response.text.endsWith("data: [DONE]\n\n") && contentOf(answer.events).length > 0);
      else assert.equal(JSON.parse(read.json.response.text).choices[0].message.content, answer.json.choices[0].message.content);
      assert.equal((await content(id, "DELETE")).status, 204);
      const gone = await content(id);
      assert.deepEqual([gone.status, gone.json.error.clawrouter.reason], [404, "content_deleted"]);
      const acts = (await router.admin("GET", `audit?limit=100&q=${id}`)).json.items.map((row) => row.action);
      assert.deepEqual(acts.toSorted(), ["delete_content", "read_content", "read_content"]);
    });
  }

  test("keeps at most 1 MiB of a side and says that it was cut", async () => {
    const answer = await router.call(CHAT, body({ messages: [{ role: "user", content: "x".repeat(1_500_000) }] }), { key: keys.keeps });
    assert.equal(answer.status, 200, answer.text.slice(0, 300));
    await traceOf(answer.headers["x-request-id"]);
    const { request } = (await content(answer.headers["x-request-id"])).json;
    assert.deepEqual([request.truncated, request.text.length, request.bytes > 1_500_000], [true, 1_048_576, true]);
  });

  test("a request id that repeats, or holds slashes, overwrites nothing", async () => {
    const ask = async (text) => {
      await router.call(CHAT, body({ messages: [{ role: "user", content: text }] }), { key: keys.keeps, headers: { "x-request-id": "same/../id" } });
      const objects = async () => (await (await router.bucket("CONTENT")).list({ prefix: "content/keeps/" })).objects.map((object) => object.key).filter((key) => key.includes("same"));
      for (let turn = 0; turn < 100; turn += 1) {
        const found = await objects();
        if (found.length >= (text === "one" ? 1 : 2)) return found;
        await sleep(50);
      }
      return objects();
    };
    assert.equal((await ask("one")).length, 1);
    assert.equal((await ask("two")).length, 2);
  });
});

test("a member reads what their own key sent, and deletes nothing; an operator reads nobody's", async () => {
  const [ann, bob] = ["ann@example.com", "bob@example.com"];
  const { key } = (await router.admin("POST", "keys", { policy: "keeps", principal: ann })).json;
  const id = (await router.call(CHAT, body(), { key })).headers["x-request-id"];
  await traceOf(id);
  const as = async (email, method) => {
    const headers = { "cf-access-jwt-assertion": assertion(email), "sec-fetch-site": "same-origin", "x-clawrouter-csrf": "1", "content-type": "application/json" };
    const answer = await send(`${router.url}/admin/api/requests/${encodeURIComponent(id)}/content`, { method, headers });
    return [answer.status, answer.json?.error?.code, answer.text.includes(MARK)];
  };
  assert.deepEqual(await as(ann, "GET"), [200, undefined, true]);
  assert.deepEqual(await as(bob, "GET"), [404, "not_found", false]);
  assert.deepEqual(await as("ops@example.com", "GET"), [403, "role_required", false]);
  for (const email of [ann, bob, "ops@example.com"]) assert.deepEqual(await as(email, "DELETE"), [403, "role_required", false]);
  assert.deepEqual((await as("root@example.com", "GET"))[0], 200);
  const readers = (await router.admin("GET", `audit?limit=100&q=${id}`)).json.items.filter((row) => row.action === "read_content").map((row) => row.actor);
  assert.deepEqual(readers.toSorted(), [ann, "root@example.com"]);
});

test("what is too old is deleted, and nothing else", async () => {
  const bucket = await router.bucket("CONTENT");
  const today = new Date().toISOString().slice(0, 10);
  const [old, young, foreign] = ["content/keeps/2020-01-01/a.1", `content/keeps/${today}/b.2`, "content/keeps/else/c.3"];
  for (const name of [old, young, foreign]) await bucket.put(name, "x");
  // The Registry looks whenever its alarm rings, and a publication sets it.
  await router.admin("POST", "keys", { policy: "forgets" });
  for (let turn = 0; turn < 100 && (await bucket.head(old)) !== null; turn += 1) await sleep(100);
  assert.deepEqual([await bucket.head(old), (await bucket.head(young))?.key, (await bucket.head(foreign))?.key], [null, young, foreign]);
});

test("another policy keeps nothing, and the trace says so", async () => {
  const answer = await router.call(CHAT, body(), { key: keys.forgets });
  const trace = await traceOf(answer.headers["x-request-id"]);
  assert.deepEqual(trace.content, { kept: false, why: "policy forgets keeps metadata only" });
  const none = await content(answer.headers["x-request-id"]);
  assert.deepEqual([none.status, none.json.error.clawrouter.reason], [404, "content_not_kept"]);
});
