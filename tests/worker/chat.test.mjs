// Chat completions through the real Worker: whose bytes arrive where, and when.
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";
import { answerText, startUpstream } from "../upstream/index.mjs";
import { catalogOf, chat, modelOf, providerAt } from "./documents.mjs";
import { secretValue, startRouter } from "./harness.mjs";
import { begin, contentOf, finishOf } from "./http.mjs";

let upstream;
let router;
before(async () => {
  upstream = await startUpstream();
  router = await startRouter({ catalog: catalogOf(providerAt("p", upstream, { timeouts: { headers_ms: 3000, first_token_ms: 3000, stall_ms: 3000, total_ms: 30_000 } }), { models: [modelOf("p", "m"), modelOf("p", "free", { price: null })] }) });
});
after(async () => {
  await router?.stop();
  await upstream?.close();
});
beforeEach(() => upstream.reset());

const CHAT = "/v1/chat/completions";
const dataOf = (text) => text.split("\n\n").filter((block) => block.includes("data: ")).map((block) => block.slice(block.indexOf("data: ") + 6));

describe("the caller's bytes reach the upstream with only the model replaced", () => {
  // § stands for the model: `p/m` from the caller, `m` at the upstream.
  const bodies = {
    "compact": '{"model":"§","messages":[{"role":"user","content":"hi"}]}',
    "white space and key order": '{\n  "messages" : [ { "content":"hi" ,\t"role":"user" } ],\r\n  "temperature" : 0.70 ,\n  "model"\n:\n"§" }',
    "unknown fields, nested and odd": '{"x_vendor":{"a":[1,{"b":null}],"":""},"model":"§","messages":[{"role":"user","content":"hi","x":{"y":1e400}}]}',
    "numbers that a double cannot hold": '{"seed":12345678901234567890123,"model":"§","messages":[{"role":"user","content":"hi"}],"top_p":0.1000000000000000055511151231257827,"n":1}',
    "unicode escapes, kept as written": '{"model":"§","messages":[{"role":"user","content":"\\u00e9 é \\ud83c\\udf88 🎈 \\/ \\u002f \\u0000"}],"user":"\\u0041"}',
    "the word model elsewhere": '{"metadata":{"model":"p/m"},"messages":[{"role":"user","content":"\\"model\\":\\"p/m\\""}],"model":"§"}',
    "a key spelt with an escape": '{"mod\\u0065l":"§","messages":[{"role":"user","content":"hi"}]}',
    "images and tools": '{"model":"§","messages":[{"role":"user","content":[{"type":"text","text":"what"},{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]}],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"b":{"type":"integer"},"a":{"type":"integer"}}}}}],"tool_choice":"auto"}',
    "tool results": '{"model":"§","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\\"a\\": 1}"}}]},{"role":"tool","tool_call_id":"c1","content":"42"}]}',
    "structured output": '{"model":"§","messages":[{"role":"user","content":"hi"}],"response_format":{"type":"json_schema","json_schema":{"name":"x","strict":true,"schema":{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"string"}},"required":["z","a"],"additionalProperties":false}}}}',
  };
  for (const [name, template] of Object.entries(bodies)) {
    test(name, async () => {
      if (template.includes("image_url")) await router.importCatalog({ models: [modelOf("p", "m", { capabilities: ["chat", "tools", "json_schema", "vision"] })] });
      const { status, text } = await router.call(CHAT, template.replace("§", "p/m"));
      assert.equal(status, 200, text);
      assert.equal(upstream.calls.length, 1);
      assert.equal(upstream.calls[0].raw.toString("utf8"), template.replace("§", "m"));
    });
  }

  test("the router's own fields are taken out, everything else stays", async () => {
    const { status, text } = await router.call(CHAT, '{"model":"p/m", "clawrouter":{"trace":true} ,"messages":[{"role":"user","content":"hi"}],"session_id":"s1","x":1,"models":[]}');
    assert.equal(status, 200, text);
    assert.deepEqual(Object.keys(upstream.calls[0].body), ["model", "messages", "x"]);
  });

  test("a model given twice never executes another model than the one that was decided on", async () => {
    const { status } = await router.call(CHAT, '{"model":"p/free","model":"p/m","messages":[{"role":"user","content":"hi"}]}');
    if (status === 200) assert.equal(upstream.calls[0].body.model, "m");
    else assert.deepEqual([status, upstream.calls.length], [400, 0]);
  });

  test("our credential goes to the upstream, the caller's does not", async () => {
    await router.call(CHAT, chat("p/m"), { headers: { "x-api-key": "caller-second-key", cookie: "a=b", "x-forwarded-for": "1.2.3.4" } });
    const [{ headers, credential }] = upstream.calls;
    assert.equal(credential, secretValue(1));
    const sent = JSON.stringify(headers);
    for (const secret of [router.key, "caller-second-key", "a=b"]) assert.ok(!sent.includes(secret), sent);
  });
});

describe("the upstream's answer reaches the caller", () => {
  test("a whole body byte for byte", async () => {
    const body = '{ "id":"x", "object":"chat.completion",\n "choices":[ {"index":0,"message":{"role":"assistant","content":"h\\u00e9 \\ud83c\\udf88","vendor":{"n":12345678901234567890}},"finish_reason":"stop"} ],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5,"x":1.10} }\n';
    upstream.script({ do: "raw", headers: { "content-type": "application/json" }, body });
    const answer = await router.call(CHAT, chat("p/m"));
    assert.equal(answer.status, 200);
    assert.equal(answer.text, body);
    assert.match(answer.headers["content-type"], /^application\/json/);
    assert.equal(answer.headers["x-clawrouter-target"], "p/m");
    assert.equal(answer.headers["x-clawrouter-attempts"], "1");
  });

  test("stream events unchanged and in order, as they come", async () => {
    upstream.script({ do: "answer", tokens: 30, interval_ms: 15 });
    const answer = await router.stream(CHAT, chat("p/m", { stream_options: { include_usage: true } }));
    assert.equal(answer.status, 200, answer.text);
    assert.match(answer.headers["content-type"], /^text\/event-stream/);
    assert.equal(contentOf(answer.events), answerText(30));
    assert.equal(finishOf(answer.events), "stop");
    assert.equal(answer.events.at(-1).data, "[DONE]");
    const spread = answer.events.at(-1).at - answer.events[1].at;
    assert.ok(spread > 300, `30 tokens 15 ms apart arrived within ${spread} ms: the stream was held back`);
    const direct = await fetch(`${upstream.url}${CHAT}`, { method: "POST", body: upstream.calls[0].raw });
    upstream.script({ do: "answer", tokens: 30 });
    const plain = (text) => dataOf(text).map((line) => line.replace(/chatcmpl-\d+/, "id"));
    assert.deepEqual(plain(answer.text), plain(await direct.text()));
  });

  for (const asked of [true, false]) {
    test(`usage is asked of the upstream and ${asked ? "passed on" : "stripped"} when the caller ${asked ? "asked" : "did not ask"}`, async () => {
      const answer = await router.stream(CHAT, chat("p/m", asked ? { stream_options: { include_usage: true } } : {}));
      assert.equal(upstream.calls[0].body.stream_options?.include_usage, true);
      const withUsage = answer.events.filter((event) => event.json?.usage);
      assert.equal(withUsage.length, asked ? 1 : 0, answer.text);
      const emptyChoices = answer.events.filter((event) => event.json && event.json.choices.length === 0);
      assert.equal(emptyChoices.length, asked ? 1 : 0);
      assert.equal(answer.events.at(-1).data, "[DONE]");
      assert.equal(contentOf(answer.events), answerText(20));
    });
  }

  test("other stream_options of the caller survive", async () => {
    await router.stream(CHAT, chat("p/m", { stream_options: { include_obfuscation: false } }));
    assert.deepEqual(upstream.calls[0].body.stream_options, { include_obfuscation: false, include_usage: true });
  });

  for (const [name, act] of Object.entries({
    "single bytes": { do: "answer", tokens: 12, dribble: { bytes: 1 } },
    "everything in one packet": { do: "answer", tokens: 50, burst: 1000 },
    "events split inside a character": { do: "answer", tokens: 14, dribble: { bytes: 7 } },
  })) {
    test(`a stream that arrives as ${name}`, async () => {
      upstream.script(act);
      const answer = await router.stream(CHAT, chat("p/m"));
      assert.equal(contentOf(answer.events), answerText(act.tokens));
      assert.equal(answer.events.at(-1).data, "[DONE]");
      assert.ok(!answer.text.includes("\ufffd"));
    });
  }

  test("tool calls split over chunks arrive whole", async () => {
    const tool = { name: "weather", arguments: '{"city":"Zürich","days":3}' };
    upstream.script({ do: "answer", tool_calls: [tool, tool], tool_piece: 2 });
    const answer = await router.stream(CHAT, chat("p/m", { tools: [{ type: "function", function: { name: "weather", parameters: { type: "object" } } }] }));
    const joined = ["", ""];
    for (const event of answer.events) for (const part of event.json?.choices?.[0]?.delta?.tool_calls ?? []) joined[part.index] += part.function.arguments;
    assert.deepEqual(joined, [tool.arguments, tool.arguments]);
    assert.equal(finishOf(answer.events), "tool_calls");
  });

  test("a large answer and a large request pass", async () => {
    upstream.script({ do: "answer", tokens: 3, pad_bytes: 3_000_000 });
    const answer = await router.call(CHAT, { model: "p/m", messages: [{ role: "user", content: "x".repeat(300_000) }] });
    assert.equal(answer.status, 200, answer.text.slice(0, 300));
    assert.equal(answer.json.choices[0].message.content.length, answerText(3).length + 3_000_000);
  });

  test("16 streams at once do not mix", async () => {
    const models = Array.from({ length: 16 }, (_, index) => modelOf("p", `m${index}`));
    await router.importCatalog({ models });
    upstream.script({ rules: models.map(({ upstream: model }, seed) => ({ when: { model }, acts: { do: "answer", tokens: 40, interval_ms: 3, seed } })) });
    const texts = await Promise.all(models.map(async ({ id }) => contentOf((await router.stream(CHAT, chat(id))).events)));
    assert.deepEqual(texts, models.map((_, seed) => answerText(40, seed)));
    assert.ok(upstream.highWater() > 1);
  });
});

describe("a caller that hangs up", () => {
  test("in the middle of a stream: the upstream's socket closes at once", async () => {
    upstream.script({ do: "answer", tokens: 2000, interval_ms: 5 });
    const answer = await router.stream(CHAT, chat("p/m"), { leaveAfter: 1500 });
    const closedAt = await upstream.until((calls) => calls[0]?.closedByClientAt, 3000);
    assert.ok(closedAt - answer.leftAt < 300, `closed after ${closedAt - answer.leftAt} ms`);
  });

  test("while a whole answer is awaited: the upstream's socket closes", async () => {
    upstream.script({ do: "answer", head_ms: 2500 });
    const request = begin(router.url + CHAT, { body: chat("p/m"), headers: { authorization: `Bearer ${router.key}` } });
    await upstream.until((calls) => calls.length === 1);
    const leftAt = request.leave();
    const closedAt = await upstream.until((calls) => calls[0].closedByClientAt, 2000);
    assert.ok(closedAt - leftAt < 500, `closed after ${closedAt - leftAt} ms`);
  });

  test("the Worker answers the next one", async () => {
    assert.equal((await router.call(CHAT, chat("p/m"))).status, 200);
  });
});
