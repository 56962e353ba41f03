// Secured local endpoints: which addresses are refused, what is discovered, how a local model is called.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { answerText, startUpstream } from "../upstream/index.mjs";
import { chat } from "./documents.mjs";
import { startRouter } from "./harness.mjs";

let upstream;
let router;
before(async () => {
  upstream = await startUpstream({ models: ["qwen3:8b", "org/llama-4"] });
  router = await startRouter({ vars: { LOCAL_OPENAI_BASE_URL: `${upstream.url}/v1`, LOCAL_OPENAI_API_KEY: "sk-local-secret" } });
});
after(async () => {
  await router?.stop();
  await upstream?.close();
});

const discover = (body) => router.admin("POST", "local/discover", body);

describe("by environment", () => {
  test("its models are listed under their own names", async () => {
    const ids = (await router.call("/v1/models")).json.data.map((model) => model.id);
    for (const id of ["local/qwen3:8b", "local/org/llama-4"]) assert.ok(ids.includes(id), `${id} not in ${ids}`);
  });

  test("a call is forwarded under the plain name, with the credential, streamed upstream, whole to the caller", async () => {
    upstream.reset();
    const answer = await router.call("/v1/chat/completions", chat("local/qwen3:8b"));
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.json.object, "chat.completion");
    assert.equal(answer.json.choices[0].message.content, answerText(20));
    assert.equal(answer.json.choices[0].finish_reason, "stop");
    const call = upstream.calls.find((one) => one.path.endsWith("/chat/completions"));
    assert.deepEqual([call.model, call.credential, call.body.stream], ["qwen3:8b", "sk-local-secret", true]);
  });

  test("tool calls are put together again", async () => {
    const tool = { name: "weather", arguments: '{"city":"Zürich"}' };
    upstream.script({ do: "answer", tool_calls: [tool, tool], tool_piece: 3 });
    const answer = await router.call("/v1/chat/completions", chat("local/qwen3:8b", { tools: [{ type: "function", function: { name: "weather", parameters: {} } }] }));
    assert.deepEqual(answer.json.choices[0].message.tool_calls.map((call) => call.function), [tool, tool], answer.text);
    assert.equal(answer.json.choices[0].finish_reason, "tool_calls");
    upstream.reset();
  });

  test("streams", async () => {
    const answer = await router.stream("/v1/chat/completions", chat("local/org/llama-4"));
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.events.at(-1).data, "[DONE]");
  });

  test("it is priced, as free", async () => {
    const { json } = await router.call("/v1/models/local/qwen3:8b");
    assert.ok(json.pricing, JSON.stringify(json));
  });
});

describe("discovery", () => {
  test("lists the models of a server on loopback", async () => {
    const { status, json, text } = await discover({ base_url: `${upstream.url}/v1` });
    assert.equal(status, 200, text);
    assert.equal(json.ok, true, text);
    assert.ok(json.models.some((model) => model.upstream === "qwen3:8b"));
  });

  for (const [name, base_url] of [
    ["link-local", "http://169.254.169.254/v1"], ["metadata by name", "http://metadata.google.internal/v1"], ["IPv6 link-local", "http://[fe80::1]/v1"], ["user information", "http://user:pass@127.0.0.1:9/v1"],
    ["fragment", "http://127.0.0.1:9/v1#x"], ["other protocol", "file:///etc/passwd"], ["public plain http", "http://example.com/v1"], ["no URL", "not a url"], ["IPv4 in IPv6 metadata", "http://[::ffff:169.254.169.254]/v1"],
    ["decimal metadata", "http://2852039166/v1"], ["octal metadata", "http://0251.0376.0251.0376/v1"], ["unspecified", "http://0.0.0.0:9/v1"],
  ]) {
    test(`${name} is refused without a call`, async () => {
      const answer = await discover({ base_url });
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.json.ok, false, answer.text);
      assert.equal(answer.json.checks.find((check) => check.id === "address")?.ok, false, answer.text);
    });
  }

  test("a server that redirects is refused, and the target is not called", async () => {
    const elsewhere = await startUpstream();
    const rude = await startUpstream({ script: { do: "redirect", to: `${elsewhere.url}/v1/models` } });
    const answer = await discover({ base_url: `${rude.url}/v1` });
    assert.equal(answer.json.ok, false, answer.text);
    assert.equal(elsewhere.calls.length, 0);
    await rude.close();
    await elsewhere.close();
  });

  test("a dead or silent server is said to be so, in time", async () => {
    const silent = await startUpstream({ script: { do: "silence" } });
    for (const base_url of ["http://127.0.0.1:9/v1", `${silent.url}/v1`]) {
      const answer = await discover({ base_url });
      assert.equal(answer.json?.ok, false, answer.text);
      assert.ok(answer.took < 15_000);
    }
  });
});

test("a provider behind a binding is called through it, never over the network", async () => {
  const paths = [];
  const box = async (request) => {
    paths.push(new URL(request.url).pathname);
    return fetch(request.url.replace("http://127.0.0.1:11434", upstream.url), { method: request.method, headers: request.headers, ...(request.method === "POST" ? { body: await request.text() } : {}) });
  };
  const bound = await startRouter({ around: (worker) => { worker.serviceBindings = { ...worker.serviceBindings, LOCAL_LLM: box }; return []; }, catalog: { providers: [{
    id: "box", transport: { kind: "binding", name: "LOCAL_LLM" }, base_url: "http://127.0.0.1:11434/v1", auth: { scheme: "none" }, allowed_hosts: ["127.0.0.1"],
    dialects: { chat: "/v1/chat/completions", models: "/v1/models" }, discover: { models: true },
  }] } });
  try {
    const answer = await bound.call("/v1/chat/completions", chat("box/qwen3:8b"));
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.json.choices[0].message.content, answerText(20));
    const ids = (await bound.call("/v1/models")).json.data.map((model) => model.id);
    assert.ok(ids.includes("box/qwen3:8b"), ids.join(" "));
    assert.ok(paths.includes("/v1/chat/completions") && paths.includes("/v1/models"), paths.join(" "));
  } finally {
    await bound.stop();
  }
});
