// How an answer looks on the wire in each dialect, as data: lists of SSE events and whole bodies.
// Knows nothing of sockets, timing or faults.

const CREATED = 1760000000;

/** One SSE event as bytes-to-be: `{event?, data}` where data is a string or a JSON value, or `{raw}` sent as it is. */
export function encodeEvent(event) {
  if (event.raw !== undefined) return event.raw;
  const data = typeof event.data === "string" ? event.data : JSON.stringify(event.data);
  return `${event.event ? `event: ${event.event}\n` : ""}data: ${data}\n\n`;
}

function pieces(text, size) {
  const found = [];
  for (let at = 0; at < text.length; at += size) found.push(text.slice(at, at + size));
  return found.length === 0 ? [""] : found;
}

function completionTokens(answer) {
  return answer.parts.length + answer.tool_calls.length * 5;
}

// ---- OpenAI chat completions ----

function chatUsage(answer) {
  const completion = completionTokens(answer);
  return answer.usage_values ?? {
    prompt_tokens: answer.prompt_tokens,
    completion_tokens: completion,
    total_tokens: answer.prompt_tokens + completion,
    prompt_tokens_details: { cached_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0 },
  };
}

function chatChunk(answer, delta, finish_reason = null) {
  return {
    data: {
      id: answer.id, object: "chat.completion.chunk", created: CREATED, model: answer.model, system_fingerprint: "fp_upstream",
      choices: [{ index: 0, delta, logprobs: null, finish_reason }],
      ...(answer.usage === "asked" && answer.usage_asked ? { usage: null } : {}),
    },
  };
}

function chatToolEvents(answer) {
  const events = [];
  answer.tool_calls.forEach((call, index) => {
    const id = call.id ?? `call_${index}`;
    events.push(chatChunk(answer, { tool_calls: [{ index, id, type: "function", function: { name: call.name, arguments: "" } }] }));
    for (const part of pieces(call.arguments, answer.tool_piece)) {
      events.push(chatChunk(answer, { tool_calls: [{ index, function: { arguments: part } }] }));
    }
  });
  return events;
}

function chatFinish(answer) {
  const events = [chatChunk(answer, {}, answer.finish_reason)];
  if (answer.usage === "always" || (answer.usage === "asked" && answer.usage_asked)) {
    events.push({ data: { id: answer.id, object: "chat.completion.chunk", created: CREATED, model: answer.model, system_fingerprint: "fp_upstream", choices: [], usage: chatUsage(answer) } });
  }
  if (answer.done) events.push({ data: "[DONE]" });
  return events;
}

function chatWhole(answer) {
  const message = { role: "assistant", content: answer.parts.length > 0 ? answer.parts.join("") : null, refusal: null };
  if (answer.tool_calls.length > 0) {
    message.tool_calls = answer.tool_calls.map((call, index) => ({
      id: call.id ?? `call_${index}`, type: "function", function: { name: call.name, arguments: call.arguments },
    }));
  }
  return {
    id: answer.id, object: "chat.completion", created: CREATED, model: answer.model,
    choices: [{ index: 0, message, logprobs: null, finish_reason: answer.finish_reason }],
    ...(answer.usage === "never" ? {} : { usage: chatUsage(answer) }),
    system_fingerprint: "fp_upstream",
  };
}

const chat = {
  start: (answer) => (answer.role_chunk ? [chatChunk(answer, { role: "assistant", content: "", refusal: null })] : []),
  delta: (answer, text) => [chatChunk(answer, { content: text })],
  reasoning: (answer, text) => [chatChunk(answer, { reasoning_content: text })],
  tools: chatToolEvents,
  finish: chatFinish,
  whole: chatWhole,
  error: (message) => ({ data: { error: { message, type: "server_error", param: null, code: null } } }),
  stopReason: (answer) => (answer.tool_calls.length > 0 ? "tool_calls" : "stop"),
};

// ---- Anthropic Messages ----

function messagesFinish(answer) {
  return [
    ...(answer.parts.length > 0 ? [{ event: "content_block_stop", data: { type: "content_block_stop", index: 0 } }] : []),
    { event: "message_delta", data: { type: "message_delta", delta: { stop_reason: answer.finish_reason, stop_sequence: null }, usage: { output_tokens: completionTokens(answer) } } },
    ...(answer.done ? [{ event: "message_stop", data: { type: "message_stop" } }] : []),
  ];
}

function messagesToolEvents(answer) {
  const first = answer.parts.length > 0 ? 1 : 0;
  return answer.tool_calls.flatMap((call, offset) => {
    const index = first + offset;
    return [
      { event: "content_block_start", data: { type: "content_block_start", index, content_block: { type: "tool_use", id: call.id ?? `toolu_${offset}`, name: call.name, input: {} } } },
      ...pieces(call.arguments, answer.tool_piece).map((part) => ({
        event: "content_block_delta", data: { type: "content_block_delta", index, delta: { type: "input_json_delta", partial_json: part } },
      })),
      { event: "content_block_stop", data: { type: "content_block_stop", index } },
    ];
  });
}

const messages = {
  start: (answer) => [
    { event: "message_start", data: { type: "message_start", message: { id: answer.id, type: "message", role: "assistant", model: answer.model, content: [], stop_reason: null, stop_sequence: null, usage: { input_tokens: answer.prompt_tokens, output_tokens: 1 } } } },
    ...(answer.parts.length > 0 ? [{ event: "content_block_start", data: { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } } }] : []),
  ],
  delta: (_answer, text) => [{ event: "content_block_delta", data: { type: "content_block_delta", index: 0, delta: { type: "text_delta", text } } }],
  reasoning: (_answer, text) => [{ event: "content_block_delta", data: { type: "content_block_delta", index: 0, delta: { type: "thinking_delta", thinking: text } } }],
  tools: messagesToolEvents,
  finish: messagesFinish,
  whole: (answer) => ({
    id: answer.id, type: "message", role: "assistant", model: answer.model,
    content: [
      ...(answer.parts.length > 0 ? [{ type: "text", text: answer.parts.join("") }] : []),
      ...answer.tool_calls.map((call, index) => ({ type: "tool_use", id: call.id ?? `toolu_${index}`, name: call.name, input: JSON.parse(call.arguments) })),
    ],
    stop_reason: answer.finish_reason, stop_sequence: null,
    usage: { input_tokens: answer.prompt_tokens, output_tokens: completionTokens(answer) },
  }),
  error: (message) => ({ event: "error", data: { type: "error", error: { type: "api_error", message } } }),
  stopReason: (answer) => (answer.tool_calls.length > 0 ? "tool_use" : "end_turn"),
};

// ---- OpenAI Responses (text and tool calls) ----

function responsesOutput(answer) {
  return [
    ...(answer.parts.length > 0 ? [{ id: "msg_0", type: "message", status: "completed", role: "assistant", content: [{ type: "output_text", annotations: [], text: answer.parts.join("") }] }] : []),
    ...answer.tool_calls.map((call, index) => ({ id: `fc_${index}`, type: "function_call", status: "completed", call_id: call.id ?? `call_${index}`, name: call.name, arguments: call.arguments })),
  ];
}

function responsesObject(answer, status) {
  const output_tokens = completionTokens(answer);
  return {
    id: answer.id, object: "response", created_at: CREATED, status, model: answer.model,
    output: status === "completed" ? responsesOutput(answer) : [],
    ...(status === "completed" ? { usage: { input_tokens: answer.prompt_tokens, output_tokens, total_tokens: answer.prompt_tokens + output_tokens } } : {}),
  };
}

function responsesEvent(answer, type, fields) {
  answer.sequence = (answer.sequence ?? -1) + 1;
  return { event: type, data: { type, sequence_number: answer.sequence, ...fields } };
}

const responses = {
  start: (answer) => [
    responsesEvent(answer, "response.created", { response: responsesObject(answer, "in_progress") }),
    ...(answer.parts.length > 0 ? [
      responsesEvent(answer, "response.output_item.added", { output_index: 0, item: { id: "msg_0", type: "message", status: "in_progress", role: "assistant", content: [] } }),
      responsesEvent(answer, "response.content_part.added", { item_id: "msg_0", output_index: 0, content_index: 0, part: { type: "output_text", annotations: [], text: "" } }),
    ] : []),
  ],
  delta: (answer, text) => [responsesEvent(answer, "response.output_text.delta", { item_id: "msg_0", output_index: 0, content_index: 0, delta: text })],
  reasoning: (answer, text) => [responsesEvent(answer, "response.reasoning_text.delta", { item_id: "rs_0", output_index: 0, content_index: 0, delta: text })],
  tools: (answer) => answer.tool_calls.flatMap((call, offset) => {
    const output_index = (answer.parts.length > 0 ? 1 : 0) + offset;
    const item = responsesOutput({ ...answer, parts: [] })[offset];
    return [
      responsesEvent(answer, "response.output_item.added", { output_index, item: { ...item, status: "in_progress", arguments: "" } }),
      ...pieces(call.arguments, answer.tool_piece).map((delta) => responsesEvent(answer, "response.function_call_arguments.delta", { item_id: item.id, output_index, delta })),
      responsesEvent(answer, "response.function_call_arguments.done", { item_id: item.id, output_index, arguments: call.arguments }),
      responsesEvent(answer, "response.output_item.done", { output_index, item }),
    ];
  }),
  finish: (answer) => [
    ...(answer.parts.length > 0 ? [
      responsesEvent(answer, "response.output_text.done", { item_id: "msg_0", output_index: 0, content_index: 0, text: answer.parts.join("") }),
      responsesEvent(answer, "response.output_item.done", { output_index: 0, item: responsesOutput(answer)[0] }),
    ] : []),
    ...(answer.done ? [responsesEvent(answer, "response.completed", { response: responsesObject(answer, "completed") })] : []),
  ],
  whole: (answer) => responsesObject(answer, "completed"),
  error: (message) => ({ event: "error", data: { type: "error", code: "server_error", message, param: null } }),
  stopReason: () => "stop",
};

const BY_PATH = [
  [/\/chat\/completions$/, "chat", chat],
  [/\/messages$/, "messages", messages],
  [/\/responses$/, "responses", responses],
];

/** The dialect served at a path: `{name, ...writers}`, or null when the path is no generation endpoint. */
export function dialectOf(path) {
  const found = BY_PATH.find(([pattern]) => pattern.test(path));
  return found ? { name: found[1], ...found[2] } : null;
}

/** Body of `GET …/models`. */
export function modelList(ids) {
  return { object: "list", data: ids.map((id) => ({ id, object: "model", created: CREATED, owned_by: "upstream" })) };
}

/** Body of `POST …/embeddings`: one small deterministic vector per input. */
export function embeddings(body) {
  const inputs = Array.isArray(body?.input) ? body.input : [body?.input ?? ""];
  const data = inputs.map((input, index) => {
    const text = String(input);
    const values = [text.length, text.charCodeAt(0) || 0, index].map((value) => value / 1000);
    const embedding = body?.encoding_format === "base64" ? Buffer.from(new Float32Array(values).buffer).toString("base64") : values;
    return { object: "embedding", index, embedding };
  });
  const used = inputs.reduce((sum, input) => sum + Math.ceil(String(input).length / 4), 0);
  return { object: "list", data, model: body?.model ?? "embedding", usage: { prompt_tokens: used, total_tokens: used } };
}
