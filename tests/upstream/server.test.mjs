// Does the fault-injection upstream do on the wire what its script says? Observed by a raw client.
import assert from "node:assert/strict";
import { request } from "node:http";
import { after, before, beforeEach, describe, test } from "node:test";
import { answerText, fixture, fixtureNames, scenario, scenarioNames, startUpstream } from "./index.mjs";

let upstream;
before(async () => { upstream = await startUpstream({ models: ["a", "b"] }); });
after(() => upstream.close());
beforeEach(() => upstream.reset());

/** One call; never rejects: `{status, headers, text, chunks:[{at, text}], failed}`. */
function call({ path = "/v1/chat/completions", method = "POST", body = { model: "a", messages: [] }, headers = {}, leaveAfterChunks = Infinity } = {}) {
  return new Promise((resolve) => {
    const started = Date.now();
    const seen = { status: null, headers: {}, chunks: [], failed: null };
    const finish = () => resolve({ ...seen, text: Buffer.concat(seen.chunks.map((chunk) => chunk.bytes)).toString("utf8"), took: Date.now() - started });
    const req = request(upstream.url + path, { method, headers: { "content-type": "application/json", ...headers }, agent: false }, (response) => {
      seen.status = response.statusCode;
      seen.headers = response.headers;
      response.on("data", (bytes) => {
        seen.chunks.push({ at: Date.now() - started, bytes });
        if (seen.chunks.length >= leaveAfterChunks) req.destroy();
      });
      response.on("error", (error) => { seen.failed = error.code; });
      response.on("close", finish);
    });
    req.on("error", (error) => { seen.failed = error.code; finish(); });
    req.end(method === "GET" ? undefined : typeof body === "string" ? body : JSON.stringify(body));
  });
}

const streamed = (extra = {}) => ({ body: { model: "a", stream: true, messages: [{ role: "user", content: "hi" }], ...extra } });
const dataLines = (text) => text.split("\n\n").filter((block) => block.startsWith("data: ")).map((block) => block.slice(6));
const contentOf = (text) => dataLines(text).filter((line) => line !== "[DONE]").map((line) => {
  try { return JSON.parse(line).choices?.[0]?.delta?.content ?? ""; } catch { return ""; }
}).join("");

describe("plain answers", () => {
  test("a chat completion carries the deterministic text, the asked model and usage", async () => {
    upstream.script({ do: "answer", tokens: 30 });
    const { status, text } = await call();
    const body = JSON.parse(text);
    assert.equal(status, 200);
    assert.equal(body.choices[0].message.content, answerText(30));
    assert.equal(body.model, "a");
    assert.equal(body.usage.completion_tokens, 30);
  });

  for (const [usage, asked, expected] of [["asked", true, true], ["asked", false, false], ["always", false, true], ["never", true, false]]) {
    test(`a stream with usage ${usage}, ${asked ? "asked" : "not asked"} for: ${expected ? "one" : "no"} usage chunk`, async () => {
      upstream.script({ do: "answer", tokens: 5, usage });
      const { text } = await call(streamed(asked ? { stream_options: { include_usage: true } } : {}));
      assert.equal(contentOf(text), answerText(5));
      assert.equal(dataLines(text).at(-1), "[DONE]");
      assert.equal(dataLines(text).filter((line) => line.includes('"usage":{')).length, expected ? 1 : 0);
    });
  }

  test("tool calls are split over chunks and join to the given arguments", async () => {
    const calls = [{ name: "weather", arguments: '{"city":"Zürich"}' }, { name: "time", arguments: "{}" }];
    upstream.script({ do: "answer", tool_calls: calls, tool_piece: 3 });
    const { text } = await call(streamed());
    const joined = ["", ""];
    for (const line of dataLines(text).slice(0, -1)) {
      for (const part of JSON.parse(line).choices[0].delta.tool_calls ?? []) joined[part.index] += part.function.arguments;
    }
    assert.deepEqual(joined, calls.map((tool) => tool.arguments));
    assert.ok(text.includes('"finish_reason":"tool_calls"'));
  });

  test("models and embeddings answer; an unknown path is 404", async () => {
    assert.deepEqual(JSON.parse((await call({ method: "GET", path: "/v1/models" })).text).data.map((model) => model.id), ["a", "b"]);
    const embedded = JSON.parse((await call({ path: "/v1/embeddings", body: { model: "e", input: ["x", "yy"] } })).text);
    assert.deepEqual(embedded.data.map((entry) => entry.embedding[0]), [0.001, 0.002]);
    assert.equal((await call({ path: "/v1/nothing" })).status, 404);
  });

  test("messages and responses stream their own events", async () => {
    upstream.script({ do: "answer", tokens: 3 });
    const messages = await call({ path: "/v1/messages", ...streamed() });
    assert.match(messages.text, /event: message_start[\s\S]*text_delta[\s\S]*event: message_stop/);
    const responses = await call({ path: "/v1/responses", body: { model: "a", stream: true, input: "hi" } });
    assert.match(responses.text, /event: response.created[\s\S]*response.output_text.delta[\s\S]*event: response.completed/);
  });
});

describe("faults", () => {
  test("errors by fixture keep status, headers and body", async () => {
    for (const name of fixtureNames().filter((known) => !known.startsWith("stream_events/"))) {
      upstream.script({ do: "error", fixture: name });
      const { status, text, headers } = await call();
      const wanted = fixture(name);
      assert.equal(status, wanted.status, name);
      assert.equal(text, typeof wanted.body === "string" ? wanted.body : JSON.stringify(wanted.body), name);
      for (const [header, value] of Object.entries(wanted.headers)) assert.equal(headers[header], value, name);
    }
  });

  test("acts are played in order and the last one repeats", async () => {
    upstream.script([{ do: "error", status: 429 }, { do: "answer" }]);
    assert.deepEqual([(await call()).status, (await call()).status, (await call()).status], [429, 200, 200]);
  });

  test("rules choose by model, credential, path, stream and prefill", async () => {
    upstream.script({ rules: [
      { when: { credential: "k1" }, acts: { do: "error", status: 401 } }, { when: { model: "slow" }, acts: { do: "error", status: 503 } },
      { when: { prefill: true }, acts: { do: "error", status: 400 } }, { when: { stream: true }, acts: { do: "error", status: 418 } },
    ] });
    assert.equal((await call({ headers: { authorization: "Bearer k1" } })).status, 401);
    assert.equal((await call({ headers: { "x-api-key": "k1" } })).status, 401);
    assert.equal((await call({ body: { model: "slow" } })).status, 503);
    assert.equal((await call({ body: { model: "a", messages: [{ role: "assistant", content: "x" }] } })).status, 400);
    assert.equal((await call(streamed())).status, 418);
    assert.equal((await call()).status, 200);
  });

  test("a reset before the headers is a connection reset", async () => {
    upstream.script({ do: "reset" });
    assert.equal((await call()).failed, "ECONNRESET");
  });

  for (const how of ["reset", "truncate", "end"]) {
    test(`a cut by ${how} delivers exactly the tokens before it`, async () => {
      upstream.script({ do: "answer", tokens: 60, cut: { at: 40, how } });
      const { text, failed } = await call(streamed());
      assert.equal(contentOf(text), answerText(60).slice(0, answerText(40).length));
      assert.equal(text.includes('"finish_reason":"stop"'), false);
      assert.equal(failed, how === "end" ? null : "ECONNRESET");
    });
  }

  test("silence, late first token with pings, and stalls take their time", async () => {
    upstream.script({ do: "answer", tokens: 3, first_token_ms: 120, pings_ms: 30 });
    const late = await call(streamed());
    assert.ok(late.took >= 115, `${late.took}`);
    assert.ok(late.text.includes(": ping"));
    upstream.script({ do: "answer", tokens: 4, stall: { at: 2, ms: 100 } });
    const stalled = await call(streamed());
    assert.ok(stalled.took >= 95);
    assert.equal(contentOf(stalled.text), answerText(4));
  });

  test("an outage ends after its time", async () => {
    upstream.script([{ do: "outage", for_ms: 80, during: { do: "error", status: 503 } }, { do: "answer" }]);
    assert.equal((await call()).status, 503);
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.equal((await call()).status, 200);
  });

  test("prefill: continue gives the rest, reject gives 400", async () => {
    const prefix = answerText(60).slice(0, 50);
    const body = { model: "a", messages: [{ role: "user", content: "hi" }, { role: "assistant", content: prefix }] };
    upstream.script([{ do: "answer", tokens: 60, prefill: "continue" }, { do: "answer", tokens: 60, prefill: "reject" }]);
    assert.equal(prefix + JSON.parse((await call({ body })).text).choices[0].message.content, answerText(60));
    assert.equal((await call({ body })).status, 400);
  });

  test("dribble and burst change packets, not bytes", async () => {
    upstream.script([{ do: "answer", tokens: 14 }, { do: "answer", tokens: 14, dribble: { bytes: 1 } }, { do: "answer", tokens: 14, burst: 100 }]);
    const [plain, dribbled, burst] = [await call(streamed()), await call(streamed()), await call(streamed())];
    const normal = ({ text }) => text.replaceAll(/chatcmpl-\d+/g, "id");
    assert.equal(normal(dribbled), normal(plain));
    assert.equal(normal(burst), normal(plain));
    assert.ok(dribbled.chunks.length > plain.chunks.length);
    assert.equal(burst.chunks.length, 1);
  });

  test("inserted events, html, redirect, empty choices, flood", async () => {
    upstream.script([
      { do: "answer", tokens: 2, insert: [{ at: "start", fixture: "stream_events/anthropic_overloaded" }, { at: 1, raw: "data: {oops\n\n" }] },
      { do: "html" }, { do: "redirect", to: "https://example.com/" }, { do: "empty_choices" }, { do: "flood", bytes: 100_000 },
    ]);
    const inserted = await call(streamed());
    assert.ok(inserted.text.startsWith("event: error\ndata: {"));
    assert.ok(inserted.text.includes("data: {oops\n\n"));
    assert.match((await call()).headers["content-type"], /html/);
    assert.equal((await call()).headers.location, "https://example.com/");
    assert.deepEqual(JSON.parse((await call()).text).choices, []);
    assert.equal((await call(streamed())).text.length, 100_006);
  });

  test("a typing error in a script is refused", () => {
    for (const wrong of [{ do: "anser" }, { do: "answer", token: 3 }, { rules: [{ when: { modle: "x" }, acts: { do: "answer" } }] }, { do: "error", fixture: "openai/nope" }]) {
      assert.throws(() => upstream.script(wrong), /unknown|no option|no fixture/);
    }
  });
});

describe("records", () => {
  test("a call records headers, credential, raw bytes, body and timing", async () => {
    const raw = '{ "model":"a",  "big": 12345678901234567890 }';
    await call({ body: raw, headers: { authorization: "Bearer sk-1", "x-extra": "1" } });
    const [record] = upstream.calls;
    assert.equal(record.raw.toString(), raw);
    assert.equal(record.credential, "sk-1");
    assert.equal(record.headers["x-extra"], "1");
    assert.equal(record.model, "a");
    assert.equal(record.closedByClientAt, null);
    assert.ok(record.endedAt >= record.at);
  });

  test("a client that leaves is noticed at once", async () => {
    upstream.script({ do: "answer", tokens: 1000, interval_ms: 5 });
    await call({ ...streamed(), leaveAfterChunks: 3 });
    const left = Date.now();
    const closedAt = await upstream.until((calls) => calls[0]?.closedByClientAt, 1000);
    assert.ok(closedAt - left < 200);
  });

  test("the high-water mark counts concurrent calls", async () => {
    upstream.script({ do: "answer", head_ms: 40 });
    await Promise.all([call(), call(), call()]);
    assert.equal(upstream.highWater(), 3);
  });

  test("the control door scripts, lists and forgets from outside", async () => {
    assert.equal((await call({ path: "/_script", body: { do: "error", status: 451 } })).status, 200);
    assert.equal((await call()).status, 451);
    assert.equal((await call({ path: "/_script", body: { do: "nope" } })).status, 400);
    const listed = JSON.parse((await call({ path: "/_calls", method: "GET" })).text);
    assert.equal(listed.calls.length, 1);
    assert.equal(Buffer.from(listed.calls[0].raw_base64, "base64").toString(), JSON.stringify({ model: "a", messages: [] }));
    await call({ path: "/_reset" });
    assert.equal((await call()).status, 200);
  });
});

test("there are 16 scenarios and every script of every profile compiles", () => {
  assert.equal(scenarioNames().length, 16);
  for (const name of scenarioNames()) {
    for (const profile of ["fast", "full"]) {
      for (const stream of [true, false]) {
        const { primary, fallback } = scenario(name, profile, stream);
        upstream.script(primary);
        upstream.script(fallback);
      }
    }
  }
});
