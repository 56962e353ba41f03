// Sentences of the contracts that no other file tries: what an upstream may say and must not be believed, limits of keys, usage
// that opens as its rows, keys as documents.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { answerText, startUpstream } from "../upstream/index.mjs";
import { catalogOf, chat, modelOf, providerAt } from "./documents.mjs";
import { startRouter } from "./harness.mjs";
import { checkAnswer, closeStages, setStage } from "./stage.mjs";

const CHAT = "/v1/chat/completions";

let router;
let upstream;
before(async () => {
  upstream = await startUpstream();
  router = await startRouter({ catalog: catalogOf(providerAt("p", upstream), { models: [modelOf("p", "m"), modelOf("p", "other")] }) });
});
after(async () => {
  await closeStages();
  await router?.stop();
  await upstream?.close();
});

const short = answerText(20);
const ok = { do: "answer" };
const EVENTS = { "content-type": "text/event-stream" };
const JSON_BODY = { "content-type": "application/json" };
const chunk = (index, delta, finish = null) => `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index, delta, finish_reason: finish }] })}\n\n`;
const events = (chunks, fields = {}) => ({ do: "raw", headers: EVENTS, chunks, every_ms: 30, ...fields });
const body = (text) => ({ do: "raw", headers: JSON_BODY, body: text });

async function keyOf(policy) {
  const put = await router.admin("PUT", `policies/${policy.id}`, policy, { "if-none-match": "*" });
  assert.equal(put.status, 201, put.text);
  return newKey(policy.id);
}

async function newKey(policy, fields = {}) {
  const minted = await router.admin("POST", "keys", { policy, ...fields });
  assert.equal(minted.status, 201, minted.text);
  return minted.json.key;
}

describe("what an upstream says", () => {
  const CASES = [
    ["a Retry-After beyond all numbers is a long wait, not none", { primary: [{ do: "error", status: 429, headers: { "retry-after": "999999999999999999999" }, body: { error: { message: "slow" } } }, ok] }, {}, { primary: 1, fallback: 1 }],
    ["a body without a word and without an end is no answer", { primary: body('{"choices":[{}]}') }, {}, { primary: 2, fallback: 1 }],
    ["a byte order mark before JSON is no mistake", { primary: body(`\ufeff{"choices":[{"index":0,"message":{"role":"assistant","content":${JSON.stringify(short)}},"finish_reason":"stop"}]}`) }, {}, { primary: 1, fallback: 0 }],
    ["what the provider keeps is asked of it once", { primary: [{ do: "error", status: 500 }, ok] }, { store: true }, { primary: 1, fallback: 1 }],
  ];
  for (const [name, setting, fields, expect] of CASES) {
    test(name, async () => {
      const stage = await setStage(router, setting);
      checkAnswer(stage, await stage.ask({ body: fields }), { content: short, ...expect });
      await stage.close();
    });
  }

  test("of two choices one that never ended is no whole answer", async () => {
    const cut = [chunk(0, { content: "a" }), chunk(1, { content: "b" }), chunk(0, {}, "stop")];
    for (const fields of [{ cut: "reset" }, {}]) {
      const stage = await setStage(router, { primary: events(cut, fields) });
      const answer = await stage.ask({ stream: true, body: { n: 2 } });
      assert.ok(answer.inBandError, answer.text);
      assert.equal(answer.done, false);
      await stage.close();
    }
    const stage = await setStage(router, { primary: events([...cut, chunk(1, {}, "stop")]) });
    const answer = await stage.ask({ stream: true, body: { n: 2 } });
    assert.equal(answer.inBandError, null);
    assert.equal(answer.done, true);
    await stage.close();
  });

  test("usage beyond any possible count does not empty a budget", async () => {
    const key = await keyOf({ id: "misreported", budgets: [{ window: "total", limit_usd: 5 }] });
    const stage = await setStage(router, { primary: { ...ok, usage: "always", usage_values: { prompt_tokens: 1e18, completion_tokens: 1e18 } } });
    for (const stream of [false, true, false]) checkAnswer(stage, await stage.ask({ stream, key }), { content: short });
    const { json } = await router.call("/v1/key", undefined, { key });
    assert.ok(Number(json.budgets[0].spent_usd) < 0.01, JSON.stringify(json));
    await stage.close();
  });

  test("all targets cool: one last attempt, not one for each", async () => {
    const stage = await setStage(router, { primary: { do: "error", fixture: "openai/rate_limit_retry_after_600" }, fallback: { do: "error", fixture: "openai/rate_limit_retry_after_30" } });
    await stage.ask();
    stage.next();
    checkAnswer(stage, await stage.ask(), { status: 429, primary: 0, fallback: 1 });
    await stage.close();
  });
});

describe("79 preferences that no target meets are the request's own mistake", () => {
  for (const [name, fields] of Object.entries({
    max_price: { provider: { max_price: { prompt: 0.001, completion: 0.001 } } },
    zdr: { provider: { zdr: true } },
    only: { provider: { only: ["nobody"] } },
    quantizations: { provider: { quantizations: ["int4"] } },
    "a capability beside a preference": { provider: { only: ["p1"] }, messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "data:image/png;base64,iVBORw0KGgo=" } }] }] },
  })) {
    test(name, async () => {
      const stage = await setStage(router, {});
      const answer = await stage.ask({ body: fields });
      assert.ok([400, 404].includes(answer.status), answer.text);
      assert.equal(answer.headers["retry-after"], undefined);
      assert.match(answer.json.error.message, /no target|No eligible target/);
      assert.equal(stage.primary.calls.length + stage.fallback.calls.length, 0);
      await stage.close();
    });
  }
});

describe("limits", () => {
  test("a refusal tells the limit in the same headers as an answer", async () => {
    const key = await keyOf({ id: "once-a-minute", rate: { rpm: 1 } });
    assert.equal((await router.call(CHAT, chat("p/m"), { key })).headers["x-ratelimit-remaining-requests"], "0");
    for (const ask of [router.call, router.stream]) {
      const refused = await ask(CHAT, chat("p/m"), { key });
      assert.deepEqual([refused.status, refused.json.error.code], [429, "rate_limited"]);
      assert.equal(refused.headers["x-ratelimit-limit-requests"], "1");
      assert.equal(refused.headers["x-ratelimit-remaining-requests"], "0");
      assert.match(refused.headers["x-ratelimit-reset-requests"], /^\d+s$/);
      assert.match(refused.headers["retry-after"], /^\d+$/);
    }
    assert.equal((await router.call(CHAT, chat("p/m"), { key: await newKey("once-a-minute") })).status, 429, "all keys together");
  });

  test("of each key on its own", async () => {
    const key = await keyOf({ id: "each-twice", key_rate: { rpm: 2 } });
    const other = await newKey("each-twice");
    for (const one of [key, other, key, other]) assert.equal((await router.call(CHAT, chat("p/m"), { key: one })).status, 200);
    const refused = await router.call(CHAT, chat("p/m"), { key });
    assert.equal(refused.status, 429);
    assert.match(refused.json.error.message, /this key/);
    assert.equal(refused.headers["x-ratelimit-limit-requests"], "2");
  });

  test("0 is refused by name", async () => {
    const answer = await router.admin("PUT", "policies/none-at-all", { id: "none-at-all", key_rate: { rpm: 0 } }, { "if-none-match": "*" });
    assert.deepEqual([answer.status, answer.json.error.param], [422, "/key_rate/rpm"]);
  });
});

test("every usage group opens as the rows that add up to it", async () => {
  const key = await keyOf({ id: "opened", deny: { models: ["p/other"] }, budgets: [{ window: "total", limit_usd: 5 }] });
  const stage = await setStage(router, { primary: { do: "error", status: 503 } });
  for (const model of ["p/m", "p/other", "no/such", stage.model]) await router.call(CHAT, chat(model), { key });
  await stage.close();
  const names = ["requests", "errors", "calls", "input_tokens", "output_tokens", "cached_tokens", "cost_usd"];
  const deadline = Date.now() + 3000;
  for (const group of ["policy", "key", "model", "provider", "day"]) {
    let report;
    do report = (await router.admin("GET", `usage?group=${group}`)).json;
    while (report.total.requests < 4 && Date.now() < deadline);
    for (const one of report.groups) {
      const sums = Object.fromEntries(names.map((name) => [name, 0]));
      for (let next = ""; next !== null;) {
        const page = (await router.admin("GET", `requests?${one.filter}&limit=50${next && `&cursor=${encodeURIComponent(next)}`}`)).json;
        for (const row of page.items) {
          const failed = row.status >= 400 && row.status !== 499;
          const requests = 1 + (row.repeats ?? 0);
          const counted = row.counted ?? { ...row, requests, errors: failed ? requests : 0, calls: row.attempts.length };
          for (const name of names) sums[name] += Number(counted[name]);
        }
        next = page.next;
      }
      for (const name of names) assert.ok(Math.abs(sums[name] - Number(one[name])) < 1e-9, `${group} ${one.id}: ${name} is ${one[name]}, its rows say ${sums[name]}`);
    }
  }
});

describe("a key is a document", () => {
  test("read, changed, paused, brought back, deleted for good", async () => {
    await keyOf({ id: "documented" });
    const { kid, key } = (await router.admin("POST", "keys", { policy: "documented", label: "ci", principal: "ann@example.com" })).json;
    const where = `keys/${kid}`;
    const works = async () => (await router.call(CHAT, chat("p/m"), { key })).status;
    const read = await router.admin("GET", where);
    assert.equal(read.status, 200, read.text);
    assert.deepEqual([read.headers.etag, read.json.document.label, read.json.document.enabled], ['"1"', "ci", true]);
    assert.equal(await works(), 200);

    const paused = await router.admin("PUT", where, { ...read.json.document, label: "paused", enabled: false }, { "if-match": read.headers.etag });
    assert.deepEqual([paused.status, paused.json.revision, paused.headers.etag], [200, 2, '"2"'], paused.text);
    assert.equal(await works(), 403);
    const stale = await router.admin("PUT", where, read.json.document, { "if-match": '"1"' });
    assert.deepEqual([stale.status, stale.json.error.clawrouter.current.document.label], [412, "paused"]);
    assert.equal((await router.admin("PUT", where, read.json.document)).status, 428);
    const unknown = await router.admin("PUT", where, { ...read.json.document, secret_sha256: "00" }, { "if-match": '"2"' });
    assert.deepEqual([unknown.status, unknown.json.error.param], [422, "/secret_sha256"]);
    assert.equal((await router.admin("PUT", where, { ...read.json.document, policy: "no-such" }, { "if-match": '"2"' })).status, 422);

    const back = await router.admin("POST", `${where}/rollback`, { revision: 1, note: "was needed" });
    assert.deepEqual([back.status, back.json.document.label, back.json.document.enabled], [200, "ci", true], back.text);
    assert.equal(await works(), 200);
    assert.equal((await router.admin("DELETE", where)).status, 428);
    const gone = await router.admin("DELETE", where, undefined, { "if-match": back.headers.etag });
    assert.deepEqual([gone.status, gone.json.deleted], [200, true], gone.text);
    assert.equal(await works(), 403);
    assert.equal((await router.admin("POST", `${where}/rollback`, { revision: 1 })).status, 409, "no key comes back");

    const history = await router.admin("GET", `${where}/history`);
    assert.deepEqual(history.json.items.map((item) => [item.revision, item.deleted]), [[4, true], [3, false], [2, false], [1, false]]);
    assert.equal(history.json.items[1].note, "was needed");
    const secret = key.split("-").at(-1);
    for (const answer of [read, paused, history, await router.admin("GET", "audit?limit=100")]) {
      assert.ok(!answer.text.includes(secret) && !answer.text.includes("secret_sha256"));
    }
  });

  test("of nobody is 404", async () => {
    for (const [method, where] of [["GET", "keys/nobody"], ["GET", "keys/nobody/history"], ["DELETE", "keys/nobody"]]) {
      assert.equal((await router.admin(method, where, undefined, { "if-match": '"1"' })).status, 404, `${method} ${where}`);
    }
  });
});

describe("2.11 return to the primary", () => {
  for (const [name, options] of Object.entries({ "no session": {}, "a named session": { headers: { "x-session-id": "returns" } } })) {
    test(name, async () => {
      const stage = await setStage(router, { primary: [{ do: "error", status: 503 }, { do: "error", status: 503 }, ok] });
      checkAnswer(stage, await stage.ask(options), { content: short, servedBy: "fallback" });
      const deadline = Date.now() + 15_000;
      let answer;
      do {
        await new Promise((resolve) => setTimeout(resolve, 500));
        answer = await stage.ask(options);
      } while (answer.servedBy !== "primary" && Date.now() < deadline);
      assert.equal(answer.servedBy, "primary");
      await stage.close();
    });
  }

  test("a primary without a usable key: its fallback is one, and no session stays there", async () => {
    const options = { headers: { "x-session-id": "began-in-the-outage" } };
    const stage = await setStage(router, { primary: { do: "error", fixture: "openai/invalid_api_key" } });
    await stage.ask();
    const answer = await stage.ask(options);
    checkAnswer(stage, answer, { content: short, servedBy: "fallback", headers: { "x-clawrouter-fallback-index": "1" } });
    stage.next({ primary: ok });
    await router.admin("POST", `pools/${stage.pool}/reset`, {});
    checkAnswer(stage, await stage.ask(options), { content: short, servedBy: "primary" });
    await stage.close();
  });
});

describe("an upstream's 400", () => {
  test("without a word is anybody's guess: the next target is asked", async () => {
    for (const text of ["", "<html>400 Bad Request</html>"]) {
      const stage = await setStage(router, { primary: { do: "raw", status: 400, body: text } });
      checkAnswer(stage, await stage.ask(), { content: short, primary: [1, 2], fallback: 1 });
      await stage.close();
    }
  });

  test("too long to keep is text, not broken JSON", async () => {
    const stage = await setStage(router, { primary: { do: "error", status: 400, body: { error: { message: "x".repeat(200_000) } } } });
    const answer = await stage.ask();
    assert.equal(answer.status, 400);
    assert.match(answer.headers["content-type"], /^text\/plain/);
    await stage.close();
  });
});

test("what a budget cannot pay is not listed, once the Ledger has said so", async () => {
  const key = await keyOf({ id: "empty-purse", budgets: [{ window: "total", limit_usd: 0 }] });
  assert.equal((await router.call(CHAT, chat("p/m"), { key })).status, 402);
  const listed = (await router.call("/v1/models", undefined, { key })).json.data.map((model) => model.id);
  assert.ok(!listed.includes("p/m"), `${listed}`);
});

test("what a deleted policy spent is still told", async () => {
  const key = await keyOf({ id: "deleted-later" });
  assert.equal((await router.call(CHAT, chat("p/m"), { key })).status, 200);
  const requests = async () => (await router.admin("GET", "usage?group=policy")).json.groups.find((group) => group.id === "deleted-later")?.requests;
  assert.equal(await requests(), 1);
  for (const { kid } of (await router.admin("GET", "keys?policy=deleted-later")).json.items) await router.admin("POST", `keys/${kid}/revoke`, {});
  const { headers } = await router.admin("GET", "policies/deleted-later");
  assert.equal((await router.admin("DELETE", "policies/deleted-later", undefined, { "if-match": headers.etag })).status, 200);
  assert.equal(await requests(), 1);
  assert.equal((await router.admin("GET", "requests?policy=deleted-later")).json.items.length, 1);
});
