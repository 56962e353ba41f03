// The admin API's documents on the real Registry: revisions, refusals by name, history, import and export, sign-in.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { startUpstream } from "../upstream/index.mjs";
import { catalogOf, chat, modelOf, providerAt } from "./documents.mjs";
import { ADMIN_TOKEN, secretValue, startRouter } from "./harness.mjs";
import { send } from "./http.mjs";

let upstream;
let router;
before(async () => {
  upstream = await startUpstream();
  router = await startRouter({ catalog: catalogOf(providerAt("p", upstream), { models: [modelOf("p", "m")] }) });
});
after(async () => {
  await router?.stop();
  await upstream?.close();
});

const CREATE = { "if-none-match": "*" };
const match = (revision) => ({ "if-match": `"${revision}"` });
let fresh = 0;
const provider = (fields = {}) => ({ ...providerAt(`doc${++fresh}`, upstream).providers[0], pool: "p", ...fields });

describe("one document", () => {
  test("create, read, change, delete, each with its revision", async () => {
    const document = provider();
    const where = `providers/${document.id}`;
    const created = await router.admin("PUT", where, document, CREATE);
    assert.equal(created.status, 201, created.text);
    assert.deepEqual(created.json.document.base_url, document.base_url);
    const read = await router.admin("GET", where);
    assert.equal(read.headers.etag, `"${read.json.revision}"`);
    assert.deepEqual(read.json.document, created.json.document);
    const changed = await router.admin("PUT", where, { ...document, enabled: false }, match(read.json.revision));
    assert.equal(changed.status, 200, changed.text);
    assert.ok(changed.json.revision > read.json.revision);
    assert.equal(changed.json.document.enabled, false);
    const history = await router.admin("GET", `${where}/history`);
    assert.ok(history.json.items.length >= 2, history.text);
    assert.ok(JSON.stringify(history.json.items).includes("enabled"));
    const rolledBack = await router.admin("POST", `${where}/rollback`, { revision: created.json.revision });
    assert.equal(rolledBack.status, 200, rolledBack.text);
    assert.notEqual(rolledBack.json.document.enabled, false);
    const gone = await router.admin("DELETE", where, undefined, match(rolledBack.json.revision));
    assert.equal(gone.status, 200, gone.text);
    assert.equal((await router.admin("GET", where)).status, 404);
  });

  test("a stale revision is 412 with the newer document; none is 428; create over existing is refused", async () => {
    const document = provider();
    const where = `providers/${document.id}`;
    const { json: { revision } } = await router.admin("PUT", where, document, CREATE);
    await router.admin("PUT", where, { ...document, enabled: false }, match(revision));
    const stale = await router.admin("PUT", where, document, match(revision));
    assert.deepEqual([stale.status, stale.json.error.code], [412, "revision_mismatch"]);
    assert.equal(stale.json.error.clawrouter.current.document.enabled, false);
    const without = await router.admin("PUT", where, document);
    assert.deepEqual([without.status, without.json.error.code], [428, "revision_required"]);
    const again = await router.admin("PUT", where, document, CREATE);
    assert.ok([409, 412].includes(again.status), again.text);
  });

  test("of twenty writers with one revision exactly one wins", async () => {
    const document = provider();
    const where = `providers/${document.id}`;
    const { json: { revision } } = await router.admin("PUT", where, document, CREATE);
    const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => router.admin("PUT", where, { ...document, headers: { "x-writer": String(index) } }, match(revision))));
    assert.deepEqual(answers.map((answer) => answer.status).toSorted(), [200, ...Array(19).fill(412)]);
  });

  for (const [name, change, param] of [
    ["an unknown field", { colour: "red" }, "colour"], ["an unknown nested field", { timeouts: { header_ms: 1 } }, "timeouts"], ["a wrong type", { timeouts: { headers_ms: "soon" } }, "timeouts"],
    ["a pool that does not exist", { pool: "no-such-pool" }, "pool"], ["a scheme that does not exist", { auth: { scheme: "magic" } }, "auth"], ["another id than the path's", { id: "other" }, "id"],
    ["no address", { base_url: undefined }, "base_url"], ["user information in the address", { base_url: "https://user:pass@example.com" }, "base_url"], ["a fragment in the address", { base_url: "https://example.com/#x" }, "base_url"],
    ["a metadata address", { base_url: "http://169.254.169.254" }, "base_url"], ["another protocol", { base_url: "ftp://example.com" }, "base_url"], ["plain http off loopback", { base_url: "http://example.com" }, "base_url"],
  ]) {
    test(`${name} is 422 at ${param}`, async () => {
      const document = provider();
      const answer = await router.admin("PUT", `providers/${document.id}`, { ...document, ...change }, CREATE);
      assert.deepEqual([answer.status, answer.json.error.code], [422, "invalid_document"], answer.text);
      assert.ok((answer.json.error.param ?? "").replace(/^\//, "").includes(param), `param ${answer.json.error.param}`);
      assert.equal((await router.admin("GET", `providers/${document.id}`)).status, 404);
    });
  }

  test("an id with a slash is one encoded segment", async () => {
    const answer = await router.admin("GET", "models/p%2Fm");
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.json.document.id, "p/m");
  });

  test("lists page without loss or doubles", async () => {
    const seen = [];
    let cursor = "";
    for (let page = 0; page < 200 && cursor !== null; page += 1) {
      const { status, json, text } = await router.admin("GET", `models?limit=7${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
      assert.equal(status, 200, text);
      assert.ok(json.items.length <= 7);
      seen.push(...json.items.map((item) => item.document.id));
      cursor = json.next;
    }
    assert.equal(new Set(seen).size, seen.length);
    assert.ok(seen.includes("p/m") && seen.length > 10);
  });
});

describe("import and export", () => {
  test("an export imports to the same export, byte for byte, and holds no secret", async () => {
    const first = await router.admin("GET", "export");
    assert.equal(first.status, 200, first.text);
    const again = await router.admin("POST", "import", first.text);
    assert.equal(again.status, 200, again.text);
    assert.deepEqual(again.json.changed, []);
    assert.equal((await router.admin("GET", "export")).text, first.text);
    for (const secret of [secretValue(1), ADMIN_TOKEN, router.key]) assert.ok(!first.text.includes(secret));
  });

  test("an import is all or nothing", async () => {
    const document = provider();
    const answer = await router.admin("POST", "import", { providers: [document, { ...document, id: "broken", colour: "red" }] });
    assert.equal(answer.status, 422, answer.text);
    assert.equal((await router.admin("GET", `providers/${document.id}`)).status, 404);
  });

  for (const [name, body, status] of [["not JSON", "{", 400], ["a list", "[]", 422], ["an unknown key", '{"planets":[]}', 422], ["a wrong type", '{"providers":{}}', 422]]) {
    test(`${name} is ${status}`, async () => {
      const answer = await router.admin("POST", "import", body);
      assert.equal(answer.status, status, answer.text);
      assert.ok(answer.json.error.code);
    });
  }

  test("what was imported is used by the next call", async () => {
    const document = provider();
    await router.importCatalog({ providers: [document], models: [modelOf(document.id, "new")] });
    assert.equal((await router.call("/v1/chat/completions", chat(`${document.id}/new`))).status, 200);
  });
});

describe("who may", () => {
  const unauthenticated = (method, where, options = {}) => send(`${router.url}/admin/api/${where}`, { method, ...options });

  test("every path needs the admin", async () => {
    for (const [method, where] of [["GET", "me"], ["GET", "providers"], ["GET", "export"], ["POST", "import"], ["POST", "keys"], ["GET", "audit"], ["GET", "nothing"], ["PUT", "settings/default"]]) {
      for (const headers of [{}, { authorization: "Bearer wrong" }, { authorization: `Bearer ${ADMIN_TOKEN}x` }, { cookie: "session=forged" }]) {
        const answer = await unauthenticated(method, where, { headers, body: method === "GET" ? undefined : {} });
        assert.equal(answer.status, 401, `${method} ${where} ${JSON.stringify(headers)}: ${answer.text}`);
      }
    }
  });

  test("sign-in by token gives a strict cookie that reads, and writes only with the page's headers", async () => {
    const page = { "sec-fetch-site": "same-origin", "x-clawrouter-csrf": "1" };
    const elsewhere = await unauthenticated("POST", "session", { body: { token: ADMIN_TOKEN }, headers: { origin: "https://evil.example" } });
    assert.equal(elsewhere.status, 403, elsewhere.text);
    const wrong = await unauthenticated("POST", "session", { body: { token: "wrong" }, headers: page });
    assert.deepEqual([wrong.status, wrong.json.error.code], [401, "invalid_admin_token"]);
    const signedIn = await unauthenticated("POST", "session", { body: { token: ADMIN_TOKEN }, headers: page });
    assert.equal(signedIn.status, 200, signedIn.text);
    const [cookie] = signedIn.headers["set-cookie"];
    for (const flag of [/HttpOnly/i, /SameSite=Strict/i]) assert.match(cookie, flag);
    assert.ok(!cookie.includes(ADMIN_TOKEN));
    const bearer = { cookie: cookie.split(";")[0] };
    assert.equal((await unauthenticated("GET", "me", { headers: bearer })).status, 200);
    const key = (headers) => unauthenticated("POST", "keys", { body: { policy: "default" }, headers: { ...bearer, ...headers } });
    assert.equal((await key(page)).status, 201);
    for (const headers of [{}, { "x-clawrouter-csrf": "1" }, { "sec-fetch-site": "same-origin" }, { ...page, "sec-fetch-site": "cross-site" }, { ...page, "sec-fetch-site": "same-site" }, { ...page, "content-type": "text/plain" }, { "x-clawrouter-csrf": "1", origin: "https://evil.example" }]) {
      const answer = await key(headers);
      assert.ok([403, 415].includes(answer.status), `${JSON.stringify(headers)}: ${answer.status}`);
    }
    assert.equal((await unauthenticated("DELETE", "session", { headers: { ...bearer, ...page, "content-type": "application/json" } })).status, 204);
    assert.equal((await unauthenticated("GET", "me", { headers: bearer })).status, 401);
  });

  test("writes leave an audit row without secrets", async () => {
    const document = provider();
    await router.admin("PUT", `providers/${document.id}`, document, CREATE);
    const audit = await router.admin("GET", "audit?limit=50");
    assert.equal(audit.status, 200, audit.text);
    assert.ok(audit.json.items.some((row) => JSON.stringify(row).includes(document.id)));
    assert.ok(!audit.text.includes(ADMIN_TOKEN));
  });
});
