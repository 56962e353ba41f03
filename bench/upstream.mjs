// The upstream of the benchmark, run as a process of its own: fixed bytes, no parsing, no record. Prints its port.
import { createServer } from "node:http";

const TOKENS = 50;
const WORD = " benchmark";

const whole = Buffer.from(JSON.stringify({
  id: "chatcmpl-bench", object: "chat.completion", created: 1760000000, model: "m",
  choices: [{ index: 0, message: { role: "assistant", content: WORD.repeat(TOKENS) }, finish_reason: "stop" }],
  usage: { prompt_tokens: 20, completion_tokens: TOKENS, total_tokens: 20 + TOKENS },
}));

const event = (choices, more = {}) => `data: ${JSON.stringify({ id: "chatcmpl-bench", object: "chat.completion.chunk", created: 1760000000, model: "m", choices, ...more })}\n\n`;
const delta = (content, finish_reason = null) => [{ index: 0, delta: content, finish_reason }];
const events = [
  event(delta({ role: "assistant", content: "" })),
  ...Array(TOKENS).fill(event(delta({ content: WORD }))),
  event(delta({}, "stop")),
  event([], { usage: { prompt_tokens: 20, completion_tokens: TOKENS, total_tokens: 20 + TOKENS } }),
  "data: [DONE]\n\n",
].map((text) => Buffer.from(text));

// One event a turn of the event loop, so that they travel as packets of their own.
function sendEvents(response, at = 0) {
  if (response.destroyed) return;
  if (at === events.length) {
    response.end();
    return;
  }
  response.write(events[at]);
  setImmediate(sendEvents, response, at + 1);
}

const server = createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    if (Buffer.concat(chunks).includes('"stream":true')) {
      response.writeHead(200, { "content-type": "text/event-stream" });
      sendEvents(response);
    } else {
      response.writeHead(200, { "content-type": "application/json", "content-length": whole.length });
      response.end(whole);
    }
  });
});
server.keepAliveTimeout = 120_000;
server.listen(0, "127.0.0.1", () => process.send?.({ port: server.address().port }));
process.on("disconnect", () => process.exit(0));
