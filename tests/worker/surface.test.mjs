// Everything of the caller API that is not the chat itself: listings, documents, embeddings, methods, headers.
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { startUpstream } from "../upstream/index.mjs";
import { catalogOf, chat, modelOf, providerAt } from "./documents.mjs";
import { startRouter } from "./harness.mjs";

let upstream;
let router;
before(async () => {
  upstream = await startUpstream();
  router = await startRouter({
    catalog: catalogOf(
      providerAt("p", upstream), providerAt("off", upstream, { enabled: false }), providerAt("poor", upstream, { pool: { keys: [{ label: "none", secret: "NOT_SET_ANYWHERE" }] } }),
      { models: [modelOf("p", "m"), modelOf("p", "embed", { capabilities: ["embeddings"] }), modelOf("off", "m"), modelOf("poor", "m"), modelOf("p", "disabled", { enabled: false })] },
      { routes: [{ id: "smart", targets: [{ model: "p/m" }] }] },
    ),
  });
});
after(async () => {
  await router?.stop();
  await upstream?.close();
});
beforeEach(() => upstream.reset());

describe("listings", () => {
  test("/v1/models lists what can be executed and nothing else", async () => {
    const { status, json } = await router.call("/v1/models");
    assert.equal(status, 200);
    assert.equal(json.object, "list");
    const ids = json.data.map((model) => model.id);
    for (const wanted of ["p/m", "p/embed", "clawrouter/smart"]) assert.ok(ids.includes(wanted), `${wanted} missing in ${ids}`);
    for (const unwanted of ["off/m", "poor/m", "p/disabled"]) assert.ok(!ids.includes(unwanted), `${unwanted} listed`);
    for (const model of json.data) {
      assert.equal(model.object, "model");
      assert.equal(typeof model.created, "number");
      assert.equal(typeof model.owned_by, "string");
    }
  });

  test("every listed chat model answers, every unlisted one is 404", async () => {
    const { json } = await router.call("/v1/models");
    const chatModels = json.data.filter((model) => model.capabilities.includes("chat") && /^(p|demo|clawrouter)\//.test(model.id));
    assert.ok(chatModels.length >= 2);
    for (const model of chatModels) assert.equal((await router.call("/v1/chat/completions", chat(model.id))).status, 200, model.id);
    for (const hidden of ["off/m", "poor/m", "p/disabled", "nobody/knows"]) {
      const { status, json: error } = await router.call("/v1/chat/completions", chat(hidden));
      assert.ok([403, 404].includes(status), `${hidden}: ${status}`);
      assert.ok(error.error.code, hidden);
    }
  });

  test("/v1/models/{id} with the id as path or as one segment", async () => {
    for (const id of ["p/m", "p%2Fm"]) {
      const { status, json } = await router.call(`/v1/models/${id}`);
      assert.equal(status, 200, id);
      assert.equal(json.id, "p/m");
      assert.equal(json.context_window, 128_000);
    }
    const missing = await router.call("/v1/models/no/such");
    assert.deepEqual([missing.status, missing.json.error.code], [404, "model_not_found"]);
  });

  test("/v1/catalog says why a model cannot run", async () => {
    const { status, json } = await router.call("/v1/catalog");
    assert.equal(status, 200);
    const models = Object.fromEntries(json.models.map((model) => [model.id, model]));
    assert.equal(models["p/m"].executable, true);
    for (const blocked of ["off/m", "poor/m", "p/disabled"].filter((id) => models[id])) assert.equal(models[blocked].executable, false, blocked);
  });

  test("/healthz and /v1 need no key; every listing does", async () => {
    for (const path of ["/healthz", "/v1"]) assert.equal((await router.call(path, undefined, { key: null })).status, 200, path);
    for (const path of ["/v1/models", "/v1/models/p/m", "/v1/catalog"]) {
      const { status, json } = await router.call(path, undefined, { key: null });
      assert.deepEqual([status, json.error.code], [401, "invalid_api_key"], path);
    }
  });
});

describe("POST /v1/route", () => {
  test("explains without an upstream call", async () => {
    for (const model of ["p/m", "clawrouter/smart"]) {
      const { status, json, text } = await router.call("/v1/route", chat(model));
      assert.equal(status, 200, text);
      assert.ok(text.includes("p/m"));
      assert.equal(typeof json, "object");
    }
    assert.equal(upstream.calls.length, 0);
  });

  test("the same request gives the same explanation", async () => {
    const [one, two] = [await router.call("/v1/route", chat("clawrouter/smart")), await router.call("/v1/route", chat("clawrouter/smart"))];
    const plain = (text) => text.replaceAll(/"(request_id|at|as_of|now)":"[^"]*"/g, "");
    assert.equal(plain(one.text), plain(two.text));
  });
});

describe("embeddings", () => {
  test("pass through with only the model replaced", async () => {
    const body = '{ "input":["a","\\u00e9"], "model":"p/embed", "dimensions":3 }';
    const { status, json } = await router.call("/v1/embeddings", body);
    assert.equal(status, 200);
    assert.equal(json.data.length, 2);
    assert.equal(upstream.calls[0].path, "/v1/embeddings");
    assert.equal(upstream.calls[0].raw.toString(), body.replace("p/embed", "embed"));
  });

  test("a chat model has no embeddings and an embedding model no chat", async () => {
    for (const [path, body] of [["/v1/embeddings", { model: "p/m", input: "x" }], ["/v1/chat/completions", chat("p/embed")]]) {
      const { status, json } = await router.call(path, body);
      assert.ok([400, 404].includes(status), `${path}: ${status}`);
      assert.ok(json.error.code);
    }
    assert.equal(upstream.calls.length, 0);
  });
});

describe("methods, paths, media types", () => {
  for (const [method, path, status, code] of [
    ["GET", "/v1/chat/completions", 405, "method_not_allowed"], ["DELETE", "/v1/chat/completions", 405, "method_not_allowed"], ["POST", "/v1/models", 405, "method_not_allowed"],
    ["GET", "/v1/embeddings", 405, "method_not_allowed"], ["GET", "/v1/nothing", 404, "not_found"], ["POST", "/v1/chat/completion", 404, "not_found"], ["GET", "/v1/route", 405, "method_not_allowed"],
  ]) {
    test(`${method} ${path} is ${status} ${code}`, async () => {
      const answer = await router.call(path, method === "POST" ? chat("p/m") : undefined, { method });
      assert.equal(answer.status, status, answer.text);
      assert.equal(answer.json.error.code, code);
      if (status === 405) assert.ok(answer.headers.allow, "405 names the allowed methods");
    });
  }

  for (const [type, status] of [["text/plain", 415], ["application/x-www-form-urlencoded", 415], ["application/json; charset=utf-8", 200], ["application/JSON", 200], [undefined, 200]]) {
    test(`content-type ${type ?? "absent"} is ${status}`, async () => {
      const answer = await router.call("/v1/chat/completions", JSON.stringify(chat("p/m")), { headers: { "content-type": type } });
      assert.equal(answer.status, status, answer.text);
      if (status === 415) assert.equal(answer.json.error.code, "unsupported_media_type");
    });
  }
});

describe("headers", () => {
  test("browsers of other origins get nothing by default", async () => {
    const simple = await router.call("/v1/models", undefined, { headers: { origin: "https://evil.example" } });
    assert.equal(simple.headers["access-control-allow-origin"], undefined);
    const preflight = await router.call("/v1/chat/completions", undefined, { method: "OPTIONS", key: null, headers: { origin: "https://evil.example", "access-control-request-method": "POST" } });
    assert.equal(preflight.headers["access-control-allow-origin"], undefined);
  });

  for (const id of ["abc", "A-1._~:/+@=x", "x".repeat(128)]) {
    test(`x-request-id ${id.slice(0, 20)} is echoed`, async () => {
      assert.equal((await router.call("/v1/models", undefined, { headers: { "x-request-id": id } })).headers["x-request-id"], id);
    });
  }
  for (const id of ["has space", "x".repeat(129), "quote\"", "semi;colon", "<script>"]) {
    test(`x-request-id ${JSON.stringify(id.slice(0, 20))} is 400 and never reflected`, async () => {
      const answer = await router.call("/v1/models", undefined, { headers: { "x-request-id": id } });
      assert.deepEqual([answer.status, answer.json.error.code], [400, "invalid_request_id"]);
      assert.ok(!answer.text.includes(id));
      assert.match(answer.headers["x-request-id"], /^[A-Za-z0-9._~:/+@=-]{1,128}$/);
      assert.notEqual(answer.headers["x-request-id"], id);
    });
  }
  test("without one, each response has its own", async () => {
    const ids = await Promise.all(["/v1/models", "/v1/models", "/v1/nothing", "/healthz"].map(async (path) => (await router.call(path)).headers["x-request-id"]));
    for (const id of ids) assert.match(id ?? "", /^[A-Za-z0-9._~:/+@=-]{1,128}$/);
    assert.equal(new Set(ids).size, ids.length);
  });

  test("hop-by-hop, cookies and the server name of an upstream stay behind", async () => {
    upstream.script({ do: "answer", headers: { "set-cookie": "session=upstream", server: "upstream/1.0", "x-powered-by": "u", "keep-alive": "timeout=99", "proxy-authenticate": "Basic", trailer: "x", upgrade: "h2c", "x-vendor": "kept" } });
    for (const stream of [false, true]) {
      const { headers } = await router.call("/v1/chat/completions", chat("p/m", { stream }));
      for (const name of ["set-cookie", "server", "proxy-authenticate", "trailer", "upgrade"]) assert.equal(headers[name], undefined, name);
      assert.notEqual(headers["keep-alive"], "timeout=99");
    }
  });
});
