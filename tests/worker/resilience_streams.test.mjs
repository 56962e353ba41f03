// Resilience on the real Worker: what happens to a stream before and after its first content. Numbers are those of the case table.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { answerText } from "../upstream/index.mjs";
import { startRouter } from "./harness.mjs";
import { checkAnswer, closeStages, setStage } from "./stage.mjs";

let router;
before(async () => { router = await startRouter(); });
after(async () => {
  await closeStages();
  await router?.stop();
});

const short = answerText(20);
const long = answerText(60);
const error = (fixture) => ({ do: "error", fixture });
const paced = { do: "answer", tokens: 60, interval_ms: 5 };
const cutAt = (at, how = "reset") => ({ ...paced, cut: { at, how } });
const overloadedFirst = { do: "answer", insert: [{ at: "start", fixture: "stream_events/anthropic_overloaded" }], cut: { at: "start", how: "end" } };

async function onStage(setting, run) {
  const stage = await setStage(router, setting);
  try {
    await run(stage);
  } finally {
    await stage.close();
  }
}

const ids = (answer) => new Set(answer.events.map((event) => event.json?.id).filter(Boolean));
const roles = (answer) => answer.events.filter((event) => event.json?.choices?.[0]?.delta?.role).length;

/** A stream that the caller must find whole and clean. */
function checkWhole(answer, content) {
  assert.equal(answer.content, content, answer.text.slice(-600));
  assert.equal(answer.done, true, `no [DONE]: ${answer.text.slice(-300)}`);
  assert.equal(answer.finish, "stop");
  assert.equal(ids(answer).size, 1, `one stream, one id: ${[...ids(answer)]}`);
  assert.equal(answer.inBandError, null);
}

describe("before the first content a stream is still free to move", () => {
  const CASES = [
    ["18 first token far too late, pings do not extend", { primary: { do: "answer", first_token_ms: 4000, pings_ms: 60 } }, { primary: 1, fallback: 1, servedBy: "fallback", maxMs: 2500 }],
    ["20 an error event first", { primary: overloadedFirst }, { primary: [1, 2], fallback: 1, servedBy: "fallback" }],
    ["20 an error event after the role chunk", { primary: { do: "answer", insert: [{ at: 0, fixture: "stream_events/openai_server_error" }], cut: { at: 0, how: "end" } } }, { primary: [1, 2], fallback: 1 }],
    ["20 a rate limit as the first event", { primary: { do: "answer", insert: [{ at: "start", fixture: "stream_events/openai_rate_limit" }], cut: { at: "start", how: "end" } } }, { fallback: 1 }],
    ["a relay's error chunk first", { primary: { do: "answer", insert: [{ at: "start", fixture: "stream_events/openrouter_error_chunk" }], cut: { at: "start", how: "end" } } }, { primary: [1, 2], fallback: 1 }],
    ["30 the end without finish_reason and without content", { primary: { do: "answer", cut: { at: 0, how: "end" } } }, { primary: 2, fallback: 1 }],
    ["30 nothing but [DONE]", { primary: { do: "raw", headers: { "content-type": "text/event-stream" }, body: "data: [DONE]\n\n" } }, { primary: 2, fallback: 1 }],
    ["reset after the role chunk", { primary: [{ do: "answer", cut: { at: 0, how: "reset" } }, { do: "answer" }] }, { primary: 2, fallback: 0 }],
    ["headers and then silence", { primary: { do: "headers_then_silence" } }, { primary: 1, fallback: 1, maxMs: 2500 }],
    ["whole JSON instead of a stream", { primary: { do: "raw", headers: { "content-type": "application/json" }, body: '{"error":{"message":"no","type":"server_error"}}' } }, { primary: [1, 2], fallback: 1 }],
  ];
  for (const [name, setting, expect] of CASES) {
    test(name, () => onStage(setting, async (stage) => {
      const answer = await stage.ask({ stream: true });
      checkAnswer(stage, answer, { content: short, ...expect });
      checkWhole(answer, short);
      assert.ok(roles(answer) <= 1, "one opening chunk");
    }));
  }

  test("21 the same without a fallback is an HTTP error", () => onStage({ primary: overloadedFirst, fallback: null }, async (stage) => {
    const answer = await stage.ask({ stream: true });
    checkAnswer(stage, answer, { status: 503, code: "overloaded" });
    assert.match(answer.headers["content-type"], /^application\/json/);
  }));

  test("22 both fail before content: one HTTP error, no event", () => onStage({ primary: overloadedFirst, fallback: overloadedFirst }, async (stage) => {
    const answer = await stage.ask({ stream: true });
    checkAnswer(stage, answer, { status: 503 });
    assert.equal(answer.events.length, 0);
  }));

  test("no byte is sent before the first content", () => onStage({ primary: { do: "answer", first_token_ms: 400, pings_ms: 50 } }, async (stage) => {
    const answer = await stage.ask({ stream: true });
    checkWhole(answer, short);
    assert.ok(answer.headersAt >= 350, `headers after ${answer.headersAt} ms`);
  }));
});

describe("after it, the text stays whole and is given once", () => {
  const prefillModel = { fallbackModel: { capabilities: ["chat", "tools", "json_schema", "prefill"] } };
  const CASES = [
    ["23 cut at 40, the fallback continues a prefill", { primary: cutAt(40), fallback: { ...paced, prefill: "continue" }, ...prefillModel }],
    ["23 the fallback refuses a prefill that ends in white space", { primary: cutAt(40), fallback: { ...paced, prefill: "reject_trailing_space" }, ...prefillModel }],
    ["24 the fallback refuses every prefill", { primary: cutAt(40), fallback: { ...paced, prefill: "reject" }, ...prefillModel }],
    ["24 the fallback has no prefill and says it all again", { primary: cutAt(40), fallback: { ...paced, prefill: "ignore" } }],
    ["cut by a silent end of the connection", { primary: cutAt(40, "end"), fallback: paced }],
    ["cut inside a chunk", { primary: cutAt(40, "truncate"), fallback: paced }],
    ["an error event in the middle", { primary: cutAt(40, "error"), fallback: paced }],
    ["cut after the first token", { primary: cutAt(1), fallback: paced }],
    ["cut after the last token, before finish_reason", { primary: cutAt(60), fallback: paced }],
    ["27 a stall in the middle", { primary: { ...paced, stall: { at: 40, ms: 8000 } }, fallback: paced }],
    ["no fallback: the same target says it again", { primary: [cutAt(40), paced], fallback: null }],
    ["the replay comes in other pieces", { primary: cutAt(40), fallback: { ...paced, interval_ms: 0, dribble: { bytes: 5 } } }],
    ["the replay comes in one packet", { primary: cutAt(40), fallback: { ...paced, burst: 500 } }],
  ];
  for (const [name, setting] of CASES) {
    test(name, () => onStage(setting, async (stage) => {
      const answer = await stage.ask({ stream: true });
      assert.equal(answer.status, 200, answer.text);
      checkWhole(answer, long);
      assert.ok(answer.took < 6000, `took ${answer.took} ms`);
    }));
  }

  test("27 the stalled upstream is left and the next request is fine", () => onStage({ primary: [{ ...paced, stall: { at: 40, ms: 30_000 } }, paced], fallback: paced }, async (stage) => {
    await stage.ask({ stream: true });
    await stage.primary.until((calls) => calls[0].closedByClientAt, 2000);
    stage.next();
    checkAnswer(stage, await stage.ask({ stream: true }), { content: long });
  }));

  test("a replay that diverges ends in an error event, never in other text", () => onStage({ primary: cutAt(40), fallback: { ...paced, seed: 3 } }, async (stage) => {
    const answer = await stage.ask({ stream: true });
    assert.equal(answer.content, answerText(60).slice(0, answer.content.length));
    assert.ok(answer.inBandError, answer.text.slice(-400));
    assert.equal(answer.done, false);
  }));

  test("nothing left to try: an error event, no [DONE], no finish_reason stop", () => onStage({ primary: cutAt(40), fallback: null }, async (stage) => {
    const answer = await stage.ask({ stream: true });
    assert.equal(answer.content, answerText(40));
    assert.ok(answer.inBandError?.message && answer.inBandError.code, answer.text.slice(-400));
    assert.equal(answer.done, false);
    assert.notEqual(answer.finish, "stop");
  }));

  test("a picture of 3 MB in one delta arrives byte for byte", () => {
    const delta = (value, finish) => `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index: 0, delta: value, finish_reason: finish }] })}\n\n`;
    const url = `data:image/png;base64,${"iVBORw0KGgo".repeat(280_000)}`;
    const chunks = [delta({ role: "assistant", content: "Here it is." }, null), delta({ images: [{ type: "image_url", image_url: { url } }] }, null), delta({}, "stop"), "data: [DONE]\n\n"];
    return onStage({ primary: { do: "raw", headers: { "content-type": "text/event-stream" }, chunks } }, async (stage) => {
      const answer = await stage.ask({ stream: true });
      checkWhole(answer, "Here it is.");
      assert.equal(answer.events.flatMap((event) => event.json?.choices?.[0]?.delta?.images ?? [])[0]?.image_url.url, url);
      assert.equal(stage.fallback.calls.length, 0);
    });
  });

  test("a cut inside tool arguments is not mended but said", () => onStage({ primary: { do: "raw", headers: { "content-type": "text/event-stream" }, chunks: [
    'data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","tool_calls":[{"index":0,"id":"t","type":"function","function":{"name":"pay","arguments":"{\\"amo"}}]},"finish_reason":null}]}\n\n',
  ], every_ms: 100, cut: "reset" } }, async (stage) => {
    const answer = await stage.ask({ stream: true, body: { tools: [{ type: "function", function: { name: "pay", parameters: { type: "object" } } }] } });
    assert.ok(answer.inBandError, answer.text);
    assert.equal(answer.done, false);
    assert.equal(stage.fallback.calls.length, 0);
  }));

  test("stream_recovery off: the error is said, nothing is called", () => onStage({ primary: cutAt(40), route: { stream_recovery: false } }, async (stage) => {
    const answer = await stage.ask({ stream: true });
    assert.ok(answer.inBandError);
    assert.equal(stage.fallback.calls.length, 0);
  }));

  test("usage of a mended stream is given when asked for", () => onStage({ primary: cutAt(40), fallback: paced }, async (stage) => {
    const answer = await stage.ask({ stream: true, body: { stream_options: { include_usage: true } } });
    checkWhole(answer, long);
    assert.equal(answer.events.filter((event) => event.json?.usage).length, 1);
  }));
});

describe("hygiene", () => {
  for (const [name, act] of Object.entries({
    "28 an event that is not JSON": { do: "answer", insert: [{ at: 10, raw: 'data: {"choices":[{"del\n\n' }] },
    "28 an event of plain text": { do: "answer", insert: [{ at: 3, raw: "data: hello\n\n" }] },
    "28 several, also before the first token": { do: "answer", insert: [{ at: "start", raw: "data: {\n\n" }, { at: 0, raw: "data: [1\n\n" }, { at: 19, raw: "data: nul\n\n" }] },
    "29 no [DONE]": { do: "answer", done: false },
    "comments, ids and retry lines": { do: "answer", insert: [{ at: 5, raw: ": keep-alive\n\n" }, { at: 6, raw: "id: 7\nretry: 3000\n\n" }] },
    "CRLF line ends": { do: "raw", headers: { "content-type": "text/event-stream" }, chunks: [`data: {"id":"c","choices":[{"index":0,"delta":{"content":${JSON.stringify(short)}},"finish_reason":null}]}\r\n\r\n`, 'data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\r\n\r\ndata: [DONE]\r\n\r\n'] },
    "no blank line at the very end": { do: "raw", headers: { "content-type": "text/event-stream" }, body: `data: {"id":"c","choices":[{"index":0,"delta":{"content":${JSON.stringify(short)}},"finish_reason":null}]}\n\ndata: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]` },
  })) {
    test(name, () => onStage({ primary: act }, async (stage) => {
      const answer = await stage.ask({ stream: true });
      checkAnswer(stage, answer, { primary: 1, fallback: 0 });
      const content = answer.text.split(/\r?\n/).filter((line) => line.startsWith("data: {")).map((line) => JSON.parse(line.slice(6)).choices[0]?.delta?.content ?? "").join("");
      assert.equal(content, short, "every data line that arrives is JSON and the text is whole");
      assert.match(answer.text.trimEnd(), /data: \[DONE\]$/);
      assert.ok(answer.took < 1500);
    }));
  }

  test("29 usage is kept when [DONE] is supplied", () => onStage({ primary: { do: "answer", done: false } }, async (stage) => {
    const answer = await stage.ask({ stream: true, body: { stream_options: { include_usage: true } } });
    checkWhole(answer, short);
    assert.equal(answer.events.filter((event) => event.json?.usage).length, 1);
  }));
});
