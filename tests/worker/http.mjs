// A raw HTTP client for tests: exact bytes out, exact bytes and their arrival times in. Knows nothing of the router.
import { Agent, request } from "node:http";

const agent = new Agent({ keepAlive: true, maxSockets: 64 });

function start(url, { method, body, headers }, onResponse, onError) {
  const payload = body === undefined ? undefined : typeof body === "string" || Buffer.isBuffer(body) ? Buffer.from(body) : Buffer.from(JSON.stringify(body));
  const sent = request(url, {
    method, agent,
    headers: omitUndefined({ ...(payload ? { "content-type": "application/json", "content-length": payload.length } : {}), ...headers }),
  }, onResponse);
  sent.on("error", onError);
  sent.end(payload);
  return sent;
}

// `{"content-type": undefined}` sends no such header.
function omitUndefined(headers) {
  return Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined));
}

/** Sends and reads to the end; never rejects. `failed` names a broken connection; `leaveAfter` hangs up after that many bytes. */
export function send(url, { method = "GET", body, headers = {}, leaveAfter = Infinity, timeoutMs = 120_000 } = {}) {
  return new Promise((resolve) => {
    const startedAt = Date.now();
    const answer = { status: null, headers: {}, chunks: [], failed: null };
    let received = 0;
    const finish = () => {
      clearTimeout(guard);
      const text = Buffer.concat(answer.chunks.map((chunk) => chunk.bytes)).toString("utf8");
      resolve({ ...answer, text, json: tryJson(text), took: Date.now() - startedAt });
    };
    const sent = start(url, { method, body, headers }, (response) => {
      Object.assign(answer, { status: response.statusCode, headers: response.headers, headersAt: Date.now() - startedAt });
      response.on("data", (bytes) => {
        answer.chunks.push({ at: Date.now() - startedAt, bytes });
        received += bytes.length;
        if (received >= leaveAfter) {
          answer.leftAt = Date.now();
          sent.destroy();
        }
      });
      response.on("error", (error) => { answer.failed ??= error.code ?? error.message; });
      response.on("close", finish);
    }, (error) => {
      answer.failed ??= error.code ?? error.message;
      if (answer.status === null) finish();
    });
    const guard = setTimeout(() => {
      answer.failed = `no end within ${timeoutMs} ms`;
      abandon(sent);
    }, timeoutMs);
  });
}

/** Sends and hands over the live response: `{response, leave()}`; `leave` answers the time of hanging up. */
export function open(url, { method = "POST", body, headers = {} } = {}) {
  return new Promise((resolve, reject) => {
    const sent = start(url, { method, body, headers }, (response) => {
      response.on("error", () => {});
      resolve({ response, leave: () => { sent.destroy(); return Date.now(); } });
    }, reject);
  });
}

// Before a response byte, workerd sees only a reset: a closed sending half may be a caller that still waits for its answer.
function abandon(sent) {
  if (sent.socket) sent.socket.resetAndDestroy();
  else sent.destroy();
  return Date.now();
}

/** Starts a request without waiting for anything: `{leave(), done}`. */
export function begin(url, { method = "POST", body, headers = {} } = {}) {
  let sent;
  const done = new Promise((resolve) => { sent = start(url, { method, body, headers }, resolve, () => resolve(null)); });
  return { done, leave: () => abandon(sent) };
}

function tryJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** The SSE events in received chunks: `{event, data, json, at}`; `at` is when the event's last byte arrived, comments are left out. */
export function parseEvents(chunks) {
  const events = [];
  let buffer = Buffer.alloc(0);
  for (const chunk of chunks) {
    buffer = Buffer.concat([buffer, chunk.bytes]);
    for (let end = buffer.indexOf("\n\n"); end >= 0; end = buffer.indexOf("\n\n")) {
      const event = parseBlock(buffer.subarray(0, end).toString("utf8"));
      if (event) events.push({ ...event, at: chunk.at });
      buffer = buffer.subarray(end + 2);
    }
  }
  return events;
}

function parseBlock(block) {
  const lines = block.split(/\r?\n/);
  const value = (name) => lines.filter((line) => line.startsWith(`${name}:`)).map((line) => line.slice(name.length + 1).replace(/^ /, ""));
  const data = value("data");
  if (data.length === 0) return null;
  return { event: value("event")[0] ?? null, data: data.join("\n"), json: tryJson(data.join("\n")) };
}

/** The text a chat caller has seen: all content deltas in order. */
export function contentOf(events) {
  return events.map((event) => event.json?.choices?.[0]?.delta?.content ?? "").join("");
}

/** The last finish_reason of a chat stream, or null. */
export function finishOf(events) {
  return events.map((event) => event.json?.choices?.[0]?.finish_reason).filter(Boolean).at(-1) ?? null;
}
