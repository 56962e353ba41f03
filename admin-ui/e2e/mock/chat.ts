// /v1/chat/completions of the mock: enough of a caller API for the playground.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Any } from './state.ts'

const reply =
  'Retry with **exponential backoff** and full jitter:\n\n1. Base 200 ms, cap 20 s.\n2. Give each message an idempotency key.\n\n```ts\nawait sleep(Math.random() * cap)\n```'

export async function chat(body: Any, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (!String(request.headers.authorization ?? '').startsWith('Bearer clawrouter-')) {
    response.writeHead(401, { 'content-type': 'application/json' })
    return void response.end(
      JSON.stringify({
        error: {
          message: 'This key is not valid.',
          type: 'authentication_error',
          param: null,
          code: 'invalid_api_key',
          clawrouter: { request_id: 'req_mock' },
        },
      }),
    )
  }
  const prompt = String(body?.messages?.at(-1)?.content ?? '')
  if (prompt.includes('fail')) {
    response.writeHead(503, {
      'content-type': 'application/json',
      'retry-after': '12',
      'x-request-id': 'req_01K9ZX4MM10',
    })
    return void response.end(
      JSON.stringify({
        error: {
          message: 'Every target of deepseek/deepseek-v4-flash is overloaded.',
          type: 'server_error',
          param: null,
          code: 'overloaded',
          clawrouter: { request_id: 'req_01K9ZX4MM10' },
        },
      }),
    )
  }
  const headers = {
    'x-request-id': 'req_01K9ZX4T7F3',
    'x-clawrouter-target': String(body.model).startsWith('clawrouter/') ? 'anthropic/claude-sonnet-4-6' : body.model,
    'x-clawrouter-attempts': '2',
    'x-clawrouter-strategy': 'route',
    'x-clawrouter-cost-usd': '0.0042',
  }
  if (!body.stream) {
    response.writeHead(200, { 'content-type': 'application/json', ...headers })
    return void response.end(
      JSON.stringify({
        model: 'anthropic/claude-sonnet-4-6',
        choices: [{ index: 0, message: { role: 'assistant', content: reply }, finish_reason: 'stop' }],
        usage: { prompt_tokens: 24, completion_tokens: 61 },
      }),
    )
  }
  response.writeHead(200, { 'content-type': 'text/event-stream', ...headers })
  const send = (chunk: Any) => response.write(`data: ${typeof chunk === 'string' ? chunk : JSON.stringify(chunk)}\n\n`)
  const gap = prompt.startsWith('slow') ? 120 : 8
  let closed = false
  response.on('close', () => {
    closed = true
  })
  for (let at = 0; at < reply.length && !closed; at += 12) {
    send({
      model: 'anthropic/claude-sonnet-4-6',
      choices: [{ index: 0, delta: { content: reply.slice(at, at + 12) } }],
    })
    await new Promise(done => setTimeout(done, gap))
  }
  send({ model: 'anthropic/claude-sonnet-4-6', choices: [], usage: { prompt_tokens: 24, completion_tokens: 61 } })
  send('[DONE]')
  response.end()
}
