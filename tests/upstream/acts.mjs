// What the upstream does with one call: an act (data) becomes a list of steps (data). Pure: no sockets, no clock.
// The steps are played by player.mjs.
import { dialectOf, embeddings, encodeEvent, modelList } from "./dialects.mjs";
import { fixture } from "./fixtures.mjs";
import { remainderAfter, splitText, tokens } from "./text.mjs";

const JSON_HEAD = { "content-type": "application/json" };
const SSE_HEAD = { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" };

/** Steps: {head:{status,headers}} {send:string|Buffer} {wait:ms} {forever:true} {reset:true} {truncate:true} {end:true} */

const ANSWER_OPTIONS = {
  tokens: "number of content tokens (20)", text: "the answer instead of numbered tokens", seed: "another wording of the numbered tokens (0)",
  reasoning: "number of reasoning tokens before the content (0)",
  first_token_ms: 'wait between the role chunk and the first token (0), or "never"', interval_ms: "wait between tokens (0)",
  head_ms: "wait before the response headers (0)", pings_ms: "a comment line this often during waits", role_chunk: "send the opening event (true)",
  usage: 'usage "asked" (default), "always" or "never"', usage_values: "the usage object, verbatim",
  finish_reason: "instead of the dialect's own", done: "send the terminator (true)", model: "model named in the answer (the requested one)",
  tool_calls: "[{name, arguments, id?}]", tool_piece: "characters of tool arguments per event (7)",
  prefill: 'an assistant message at the end: "ignore" (default), "continue", "reject", "reject_trailing_space"',
  stall: "{at, ms, pings_ms?}: silence after `at` tokens, then go on",
  insert: "[{at, raw | event?+data | fixture}]: extra events after `at` tokens",
  cut: '{at, how}: stop after `at` tokens by "reset", "truncate", "end", "silence" or "error" (an error event, then end)',
  burst: "events per packet, waits between them dropped (1)", dribble: "{bytes, every_ms}: writes of so many bytes",
  pad_bytes: "extra text at the end of the answer, that many bytes", headers: "extra response headers", status: "HTTP status (200)",
};

const ACTS = {
  answer: { options: ANSWER_OPTIONS, steps: answerSteps },
  error: { options: { fixture: "name of a fixture", status: "", headers: "added to the fixture's", body: "", delay_ms: "wait first" }, steps: errorSteps },
  reset: { options: { after_ms: "wait first (0)" }, steps: (act) => [...wait(act.after_ms), { reset: true }] },
  silence: { options: {}, steps: () => [{ forever: true }] },
  headers_then_silence: { options: { pings_ms: "a comment line this often" }, steps: (act) => [head(200, SSE_HEAD), ...silence("never", act.pings_ms)] },
  raw: { options: { status: "(200)", headers: "", body: "", chunks: "list of strings", every_ms: "between chunks", cut: '"reset" or "truncate" at the end' }, steps: rawSteps },
  html: { options: { status: "(200)" }, steps: (act) => rawSteps({ status: act.status, headers: { "content-type": "text/html" }, body: "<!doctype html><html><body><h1>It works!</h1></body></html>" }) },
  redirect: { options: { to: "location", status: "(302)" }, steps: (act) => rawSteps({ status: act.status ?? 302, headers: { location: act.to }, body: "" }) },
  empty_choices: { options: {}, steps: emptyChoicesSteps },
  flood: { options: { bytes: "length of one endless SSE line" }, steps: (act) => [head(200, SSE_HEAD), { send: `data: ${"x".repeat(act.bytes)}` }, { end: true }] },
  outage: { options: { for_ms: "how long after the rule's first call", during: "the act meanwhile" }, steps: null },
};

/** Throws when an act has an unknown name or option, so that a typing error in a test cannot pass for success. */
export function checkAct(act) {
  const known = ACTS[act?.do];
  if (!known) throw new Error(`unknown act ${JSON.stringify(act)}; known: ${Object.keys(ACTS).join(", ")}`);
  for (const key of Object.keys(act)) {
    if (key !== "do" && !(key in known.options)) throw new Error(`act "${act.do}" has no option "${key}"; it has: ${Object.keys(known.options).join(", ") || "none"}`);
  }
  if (act.do === "outage") checkAct(act.during);
  if (act.fixture) fixture(act.fixture);
}

/** The steps of one act for one call (`{path, body, models}`); `outage` never arrives here, rules.mjs resolves it. */
export function stepsOf(act, call) {
  return ACTS[act.do].steps(act, call);
}

/** The table of acts and their options, for the documentation and `--help`. */
export function describeActs() {
  return Object.entries(ACTS).map(([name, { options }]) => ({ name, options }));
}

function head(status, headers) {
  return { head: { status, headers } };
}

function wait(ms) {
  return ms ? [{ wait: ms }] : [];
}

function silence(ms, pings_ms) {
  if (!pings_ms) return ms === "never" ? [{ forever: true }] : wait(ms);
  const ping = { send: ": ping\n\n" };
  if (ms === "never") return [{ wait: pings_ms }, ping, { repeat: 2 }];
  const steps = [];
  let left = ms;
  for (; left > pings_ms; left -= pings_ms) steps.push({ wait: pings_ms }, ping);
  return [...steps, ...wait(left)];
}

function errorSteps(act) {
  const shape = act.fixture ? fixture(act.fixture) : { status: act.status ?? 500, headers: JSON_HEAD, body: act.body ?? { error: { message: "scripted error", type: "server_error" } } };
  const body = act.body ?? shape.body;
  return [
    ...wait(act.delay_ms),
    head(act.status ?? shape.status, { ...shape.headers, ...act.headers }),
    { send: typeof body === "string" ? body : JSON.stringify(body) },
    { end: true },
  ];
}

function rawSteps(act) {
  const chunks = act.chunks ?? [act.body ?? ""];
  const steps = [head(act.status ?? 200, act.headers ?? {})];
  for (const chunk of chunks) steps.push({ send: chunk }, ...wait(act.every_ms));
  return [...steps, act.cut ? { [act.cut]: true } : { end: true }];
}

function emptyChoicesSteps(_act, call) {
  const body = { id: "chatcmpl-empty", object: "chat.completion", created: 1760000000, model: call.body?.model ?? "m", choices: [] };
  if (!call.body?.stream) return [head(200, JSON_HEAD), { send: JSON.stringify(body) }, { end: true }];
  const events = [{ data: { ...body, object: "chat.completion.chunk" } }, { data: "[DONE]" }];
  return [head(200, SSE_HEAD), ...events.map((event) => ({ send: encodeEvent(event) })), { end: true }];
}

function answerSteps(act, call) {
  const dialect = dialectOf(call.path);
  if (!dialect) return [...wait(act.head_ms), ...plainSteps(call)];
  const planned = planAnswer(act, call, dialect);
  if (planned.steps) return planned.steps;
  const { answer } = planned;
  const extra = act.headers ?? {};
  if (!call.body?.stream) {
    const text = JSON.stringify(dialect.whole(answer));
    const cutAt = act.cut ? Math.floor(text.length / 2) : text.length;
    return shape(act, [
      ...wait(act.head_ms), head(act.status ?? 200, { ...JSON_HEAD, ...extra }), ...silence(act.first_token_ms ?? 0), ...wait((act.interval_ms ?? 0) * answer.parts.length),
      ...(act.stall ? [{ send: text.slice(0, cutAt >> 1) }, { wait: act.stall.ms }, { send: text.slice(cutAt >> 1, cutAt) }] : [{ send: text.slice(0, cutAt) }]),
      act.cut ? cutStep(act.cut.how) : { end: true },
    ]);
  }
  return shape(act, [...wait(act.head_ms), head(act.status ?? 200, { ...SSE_HEAD, ...extra }), ...streamSteps(act, answer, dialect)]);
}

function plainSteps(call) {
  if (/\/models$/.test(call.path)) return [head(200, JSON_HEAD), { send: JSON.stringify(modelList(call.models)) }, { end: true }];
  if (/\/embeddings$/.test(call.path)) return [head(200, JSON_HEAD), { send: JSON.stringify(embeddings(call.body)) }, { end: true }];
  return errorSteps({ status: 404, body: { error: { message: `no such path ${call.path}`, type: "invalid_request_error", code: "unknown_url" } } });
}

function planAnswer(act, call, dialect) {
  let parts = act.text !== undefined ? splitText(act.text) : tokens(act.tokens ?? (act.tool_calls ? 0 : 20), act.seed ?? 0);
  if (act.pad_bytes) parts = [...parts, "x".repeat(act.pad_bytes)];
  const last = call.body?.messages?.at?.(-1);
  if (last?.role === "assistant" && typeof last.content === "string" && !last.tool_calls) {
    if (act.prefill === "reject") return { steps: errorSteps({ fixture: "anthropic/prefill_rejected" }) };
    if (act.prefill === "reject_trailing_space" && /\s$/.test(last.content)) return { steps: errorSteps({ fixture: "anthropic/prefill_trailing_whitespace" }) };
    if (act.prefill === "continue" || act.prefill === "reject_trailing_space") parts = remainderAfter(parts, last.content) ?? parts;
  }
  const answer = {
    id: dialect.name === "messages" ? `msg_${call.n}` : dialect.name === "responses" ? `resp_${call.n}` : `chatcmpl-${call.n}`,
    model: act.model ?? call.body?.model ?? "unknown", parts, tool_calls: act.tool_calls ?? [], tool_piece: act.tool_piece ?? 7,
    role_chunk: act.role_chunk ?? true, done: act.done ?? true, reasoning: act.reasoning ?? 0,
    usage: act.usage ?? "asked", usage_asked: call.body?.stream_options?.include_usage === true, usage_values: act.usage_values,
    prompt_tokens: Math.ceil(JSON.stringify(call.body?.messages ?? call.body?.input ?? "").length / 4),
  };
  answer.finish_reason = act.finish_reason ?? dialect.stopReason(answer);
  return { answer };
}

function cutStep(how) {
  const steps = { reset: { reset: true }, truncate: { truncate: true }, end: { end: true }, silence: { forever: true }, error: { end: true } };
  if (!steps[how]) throw new Error(`unknown cut "${how}"; known: ${Object.keys(steps).join(", ")}`);
  return steps[how];
}

// `at` counts content tokens already sent; "start" is before the first event, 0 after the opening event.
function streamSteps(act, answer, dialect) {
  const steps = [];
  const send = (events) => events.forEach((event) => steps.push({ send: encodeEvent(event) }));
  const reached = (at) => {
    for (const extra of act.insert ?? []) if ((extra.at ?? 0) === at) send([extra.fixture ? fixture(extra.fixture) : extra]);
    if (act.stall && (act.stall.at ?? 0) === at) steps.push(...silence(act.stall.ms, act.stall.pings_ms));
    if (!act.cut || (act.cut.at ?? 0) !== at) return false;
    if (act.cut.how === "error") send([dialect.error("The server had an error while processing your request.")]);
    steps.push(cutStep(act.cut.how));
    return true;
  };
  if (reached("start")) return steps;
  send(dialect.start(answer));
  steps.push(...silence(act.first_token_ms ?? 0, act.pings_ms));
  for (let index = 0; index < answer.reasoning; index += 1) {
    send(dialect.reasoning(answer, ` thought${index}`));
    steps.push(...silence(act.interval_ms ?? 0, act.pings_ms));
  }
  if (reached(0)) return steps;
  for (const [index, part] of answer.parts.entries()) {
    if (index > 0) steps.push(...silence(act.interval_ms ?? 0, act.pings_ms));
    send(dialect.delta(answer, part));
    if (reached(index + 1)) return steps;
  }
  for (const event of dialect.tools(answer)) {
    send([event]);
    steps.push(...wait(act.interval_ms));
  }
  send(dialect.finish(answer));
  return [...steps, { end: true }];
}

// Re-packs the writes of a finished step list: many events in one packet, or few bytes at a time.
function shape(act, steps) {
  if (act.burst > 1) return burst(steps, act.burst);
  if (act.dribble) return steps.flatMap((step) => (step.send === undefined ? [step] : dribble(step.send, act.dribble)));
  return steps;
}

function burst(steps, size) {
  const shaped = [];
  let held = [];
  const flush = () => {
    if (held.length > 0) shaped.push({ send: held.join("") });
    held = [];
  };
  for (const step of steps) {
    if (step.send !== undefined) {
      held.push(step.send);
      if (held.length === size) flush();
    } else if (step.wait === undefined || held.length === 0) {
      flush();
      shaped.push(step);
    }
  }
  flush();
  return shaped;
}

function dribble(text, { bytes = 1, every_ms = 0 }) {
  const buffer = Buffer.from(text);
  const steps = [];
  for (let at = 0; at < buffer.length; at += bytes) steps.push({ send: buffer.subarray(at, at + bytes) }, ...wait(every_ms));
  return steps;
}
