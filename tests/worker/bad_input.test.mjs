// Bad input: each a designed error with status, code and a sentence, no upstream call, nothing leaked, Worker alive.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { startUpstream } from "../upstream/index.mjs";
import { catalogOf, chat, modelOf, providerAt } from "./documents.mjs";
import { ADMIN_TOKEN, secretValue, startRouter } from "./harness.mjs";

let upstream;
let router;
before(async () => {
  upstream = await startUpstream();
  router = await startRouter({ catalog: catalogOf(providerAt("p", upstream), providerAt("off", upstream, { enabled: false }), { models: [modelOf("p", "m"), modelOf("off", "m")] }) });
});
after(async () => {
  await router?.stop();
  await upstream?.close();
});
beforeEach(() => upstream.reset());
afterEach(async () => {
  assert.equal((await router.call("/healthz")).status, 200, "the Worker must live on");
});

function checkError(answer, status, code) {
  assert.equal(answer.status, status, answer.text.slice(0, 400));
  assert.equal(answer.json?.error?.code, code, answer.text.slice(0, 400));
  const { message, type, param, clawrouter } = answer.json.error;
  assert.ok(message.length > 10, "the message is a sentence");
  assert.equal(typeof type, "string");
  assert.ok(param === null || typeof param === "string");
  assert.equal(clawrouter.request_id, answer.headers["x-request-id"]);
  assert.match(answer.headers["content-type"], /^application\/json/);
  for (const secret of [secretValue(1), router.key, ADMIN_TOKEN]) assert.ok(!answer.text.includes(secret));
  assert.equal(upstream.calls.length, 0, "no upstream call for a refused request");
}

const CHAT = "/v1/chat/completions";
const user = { role: "user", content: "hi" };

describe("malformed JSON names line and column", () => {
  for (const [name, body, line, column] of [
    ["empty", "", 1, null], ["white space", "  \n ", null, null], ["cut off", '{"model":"p/m",', 1, null], ["trailing comma", '{\n  "model": "p/m",\n}', 3, 1],
    ["second document", '{"model":"p/m","messages":[]} x', 1, 31], ["single quotes", "{'model':'p/m'}", 1, 2], ["bare word", "hello", 1, null], ["invalid escape", '{"model":"\\x"}', 1, null],
    ["lone surrogate half", '{"model":"p/m","messages":[{"role":"user","content":"\\ud83c"}]', 1, null],
  ]) {
    test(name, async () => {
      const answer = await router.call(CHAT, body, { method: "POST", headers: { "content-type": "application/json" } });
      checkError(answer, 400, "invalid_json");
      if (line) assert.match(answer.json.error.message, new RegExp(`line ${line}\\b`));
      if (column) assert.match(answer.json.error.message, new RegExp(`column ${column}\\b`));
    });
  }

  test("bytes that are not UTF-8", async () => {
    const answer = await router.call(CHAT, Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]));
    checkError(answer, 400, "invalid_json");
  });

  test("nesting beyond 128", async () => {
    const answer = await router.call(CHAT, `{"model":"p/m","messages":${"[".repeat(200)}${"]".repeat(200)}}`);
    assert.equal(answer.status, 400, answer.text);
    assert.equal(upstream.calls.length, 0);
  });
});

describe("wrong types name the field", () => {
  for (const [body, status, code, param] of [
    ["[]", 400, "invalid_json", null], ['"text"', 400, "invalid_json", null], ["null", 400, "invalid_json", null], ["42", 400, "invalid_json", null],
    [{ messages: [user] }, 400, "model_required", "model"], [{ model: "", messages: [user] }, 400, "model_required", "model"], [{ model: "   ", messages: [user] }, 400, "model_required", "model"],
    [{ model: null, messages: [user] }, 400, "model_required", "model"], [{ model: 5, messages: [user] }, 400, "invalid_request", "model"], [{ model: ["p/m"], messages: [user] }, 400, "invalid_request", "model"],
    [{ model: "p/m" }, 400, "invalid_request", "messages"], [{ model: "p/m", messages: "hi" }, 400, "invalid_request", "messages"], [{ model: "p/m", messages: {} }, 400, "invalid_request", "messages"],
    [{ model: "p/m", messages: ["hi"] }, 400, "invalid_request", "messages[0]"], [{ model: "p/m", messages: [user], stream: "yes" }, 400, "invalid_request", "stream"],
    [{ model: "p/m", messages: [user], tools: {} }, 400, "invalid_request", "tools"], [{ model: "p/m", messages: [user], max_tokens: "many" }, 400, "invalid_request", "max_tokens"],
    [{ model: "p/m", messages: [user], n: -1 }, 400, "invalid_request", "n"], [{ model: "p/m", messages: [user], stream_options: 7 }, 400, "invalid_request", "stream_options"],
    [{ model: "p/m", messages: [user], clawrouter: { unknown_control: 1 } }, 400, "unsupported_parameter", "clawrouter.unknown_control"],
  ]) {
    test(`${JSON.stringify(body).slice(0, 90)} is ${status} ${code}${param ? ` at ${param}` : ""}`, async () => {
      const answer = await router.call(CHAT, typeof body === "string" ? body : JSON.stringify(body));
      checkError(answer, status, code);
      if (param) assert.ok((answer.json.error.param ?? "").startsWith(param), `param ${answer.json.error.param}`);
    });
  }
});

describe("models that cannot be used", () => {
  for (const model of ["nobody/knows", "p/unknown", "m", "clawrouter/none", "clawrouter/fusion:none", "../etc/passwd", "p/m\u0000", "é".repeat(300)]) {
    test(`${JSON.stringify(model.slice(0, 30))} is 404 model_not_found`, async () => {
      const answer = await router.call(CHAT, chat(model));
      assert.ok([404, 400].includes(answer.status), answer.text);
      checkError(answer, answer.status, answer.status === 404 ? answer.json.error.code === "route_not_found" ? "route_not_found" : "model_not_found" : "invalid_request");
    });
  }

  test("a disabled provider is 404 with the reason", async () => {
    const answer = await router.call(CHAT, chat("off/m"));
    checkError(answer, 404, "model_not_found");
    assert.equal(answer.json.error.clawrouter.reason, "provider_disabled");
  });
});

describe("sizes", () => {
  test("a body above the limit is 413, announced or not", async () => {
    const big = JSON.stringify(chat("p/m", { padding: "x".repeat(9 * 1024 * 1024) }));
    checkError(await router.call(CHAT, big), 413, "request_too_large");
    checkError(await router.call(CHAT, big, { headers: { "content-length": undefined, "transfer-encoding": "chunked" } }), 413, "request_too_large");
  });
  test("a body just below the limit passes", async () => {
    const answer = await router.call(CHAT, chat("p/m", { padding: "x".repeat(7 * 1024 * 1024) }));
    assert.equal(answer.status, 200, answer.text.slice(0, 300));
    upstream.reset();
  });
  for (const [name, body] of [["messages", { model: "p/m", messages: Array(2049).fill(user) }], ["tools", { model: "p/m", messages: [user], tools: Array(513).fill({ type: "function", function: { name: "f" } }) }]]) {
    test(`too many ${name} is 400`, async () => {
      const answer = await router.call(CHAT, body);
      checkError(answer, 400, "invalid_request");
      assert.ok(answer.json.error.param.startsWith(name));
    });
  }
});

describe("keys: one message for every way of being wrong", () => {
  const wrong = ["", "x", "clawrouter-test-testkid1", "clawrouter-test-testkid1-wrongwrongwrongwrongwrong", "clawrouter-live-nokid-Xq8vR2mT5nB7cL9wK3jH6pZ4", "clawrouter-test-testkid1-Xq8vR2mT5nB7cL9wK3jH6pZ", "sk-openai-style"];
  test("401 invalid_api_key, the same text for all", async () => {
    const messages = new Set();
    for (const key of [null, ...wrong]) {
      const answer = await router.call(CHAT, chat("p/m"), { key });
      checkError(answer, 401, "invalid_api_key");
      if (key) assert.ok(!answer.text.includes(key));
      messages.add(answer.json.error.message);
    }
    assert.equal(messages.size, 1, [...messages].join(" | "));
  });

  for (const name of ["x-api-key", "x-goog-api-key", "api-key"]) {
    test(`the key is accepted as ${name}`, async () => {
      assert.equal((await router.call("/v1/models", undefined, { key: null, headers: { [name]: router.key } })).status, 200);
    });
  }

  test("the first header that parses as our key wins", async () => {
    const answer = await router.call("/v1/models", undefined, { key: "sk-something-else", headers: { "x-api-key": router.key } });
    assert.equal(answer.status, 200);
  });

  test("a caller key is no admin token and the other way round", async () => {
    assert.equal((await router.call("/admin/api/providers")).status, 401);
    assert.equal((await router.call("/v1/models", undefined, { key: ADMIN_TOKEN })).status, 401);
  });
});
