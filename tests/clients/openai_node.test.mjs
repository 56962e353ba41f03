// The `openai` library for Node against a running router: what a team's code does on its first day.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import OpenAI from "openai";
import { EXPECTED, startSetting } from "./setting.mjs";

let setting;
let client;
before(async () => {
  setting = await startSetting();
  client = new OpenAI({ baseURL: `${setting.router.url}/v1`, apiKey: setting.router.key, maxRetries: 0 });
});
after(() => setting?.stop());

const messages = [{ role: "user", content: "Weather in Zürich?" }];
const weather = {
  type: "function",
  function: { name: "weather", description: "Forecast", strict: true, parameters: { type: "object", properties: { city: { type: "string" }, days: { type: "integer" } }, required: ["city", "days"], additionalProperties: false } },
};

describe("chat", () => {
  test("whole", async () => {
    const answer = await client.chat.completions.create({ model: "p/chat", messages });
    assert.equal(answer.choices[0].message.content, EXPECTED.text);
    assert.equal(answer.usage.completion_tokens, 40);
  });

  test("streamed", async () => {
    const stream = await client.chat.completions.create({ model: "p/chat", messages, stream: true });
    let text = "";
    for await (const chunk of stream) text += chunk.choices[0]?.delta?.content ?? "";
    assert.equal(text, EXPECTED.text);
  });

  test("streamed with usage", async () => {
    const stream = await client.chat.completions.create({ model: "p/chat", messages, stream: true, stream_options: { include_usage: true } });
    let usage = null;
    for await (const chunk of stream) usage = chunk.usage ?? usage;
    assert.equal(usage.completion_tokens, 40);
  });

  test("the stream helper assembles the final message", async () => {
    const final = await client.chat.completions.stream({ model: "p/chat", messages }).finalChatCompletion();
    assert.equal(final.choices[0].message.content, EXPECTED.text);
  });

  test("leaving a stream closes the upstream", async () => {
    const before = setting.upstream.calls.length;
    const stream = await client.chat.completions.create({ model: "p/chat", messages, stream: true });
    for await (const chunk of stream) if (chunk.choices[0]?.delta?.content) break;
    await setting.upstream.until((calls) => calls[before]?.closedByClientAt ?? calls[before]?.endedAt, 3000);
  });
});

describe("tools", () => {
  for (const stream of [false, true]) {
    test(`round trip, ${stream ? "streamed" : "whole"}`, async () => {
      const first = stream
        ? await client.chat.completions.stream({ model: "p/tools", messages, tools: [weather] }).finalChatCompletion()
        : await client.chat.completions.create({ model: "p/tools", messages, tools: [weather] });
      const message = first.choices[0].message;
      assert.equal(first.choices[0].finish_reason, "tool_calls");
      assert.equal(message.tool_calls[0].function.arguments, EXPECTED.tool_arguments);
      const { role, content, tool_calls } = message;
      const calls = tool_calls.map(({ id, type, function: { name, arguments: text } }) => ({ id, type, function: { name, arguments: text } }));
      const second = await client.chat.completions.create({
        model: "p/tools", tools: [weather],
        messages: [...messages, { role, content, tool_calls: calls }, { role: "tool", tool_call_id: calls[0].id, content: '{"sky":"clear"}' }],
      });
      assert.equal(second.choices[0].message.content, EXPECTED.after_tool);
    });
  }
});

test("structured output is parsed", async () => {
  const schema = { type: "object", properties: { city: { type: "string" }, population: { type: "integer" }, tags: { type: "array", items: { type: "string" } } }, required: ["city", "population", "tags"], additionalProperties: false };
  const answer = await client.chat.completions.parse({ model: "p/structured", messages, response_format: { type: "json_schema", json_schema: { name: "city", strict: true, schema } } });
  assert.deepEqual(JSON.parse(answer.choices[0].message.content), JSON.parse(EXPECTED.structured));
  assert.deepEqual(setting.upstream.calls.at(-1).body.response_format.json_schema.schema, schema);
});

test("models and embeddings", async () => {
  const ids = [];
  for await (const model of client.models.list()) ids.push(model.id);
  assert.ok(ids.includes("p/chat"));
  assert.equal((await client.models.retrieve("p/chat")).id, "p/chat");
  const { data } = await client.embeddings.create({ model: "p/embed", input: ["a", "bb"] });
  assert.equal(data.length, 2);
  assert.ok(Math.abs(data[1].embedding[0] - 0.002) < 1e-6);
});

describe("errors are the library's own classes", () => {
  test("a wrong key", async () => {
    const wrong = new OpenAI({ baseURL: `${setting.router.url}/v1`, apiKey: "sk-wrong", maxRetries: 0 });
    await assert.rejects(wrong.models.list(), (error) => error instanceof OpenAI.AuthenticationError && error.code === "invalid_api_key");
  });
  test("an unknown model", async () => {
    await assert.rejects(client.chat.completions.create({ model: "no/such", messages }), (error) => error instanceof OpenAI.NotFoundError && error.code === "model_not_found");
  });
  test("a caller's mistake", async () => {
    await assert.rejects(client.chat.completions.create({ model: "p/refused", messages }), (error) => error instanceof OpenAI.BadRequestError && error.code === "invalid_value");
  });
  test("a rate limit", async () => {
    await assert.rejects(client.chat.completions.create({ model: "p/limited", messages }), (error) => error instanceof OpenAI.RateLimitError && Number(error.headers.get("retry-after")) > 0);
  });
  test("a stream that broke and could not be mended says so", async () => {
    const stream = await client.chat.completions.create({ model: "p/cut", messages, stream: true });
    await assert.rejects(async () => {
      for await (const chunk of stream) void chunk;
    }, (error) => error instanceof OpenAI.APIError);
  });
});
