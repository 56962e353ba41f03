/** One chat completion as a caller makes it: stream or not, with what the headers tell. */
import { ApiError, failureOf, notInSample } from '../../api/client.ts'
import { sample } from '../../api/sample.ts'
import { eventsOf } from '../../api/stream.ts'

export interface Settings {
  model: string
  /** Further models that answer the same messages, at most two. */
  beside: string[]
  policy: string
  system: string
  temperature: number | null
  maxTokens: number | null
  stream: boolean
  json: boolean
  tools: string
  session: string
}

export interface Message {
  role: 'system' | 'user' | 'assistant'
  content: string
}

export interface ToolCall {
  name: string
  arguments: string
}

export interface Answer {
  text: string
  reasoning: string
  toolCalls: ToolCall[]
  model: string | null
  finish: string | null
  inputTokens: number | null
  outputTokens: number | null
  firstTokenMs: number | null
  totalMs: number | null
  headers: Record<string, string>
}

export const noAnswer: Answer = {
  text: '',
  reasoning: '',
  toolCalls: [],
  model: null,
  finish: null,
  inputTokens: null,
  outputTokens: null,
  firstTokenMs: null,
  totalMs: null,
  headers: {},
}

/** The body that goes out; also what "Code" shows. */
export function requestOf(settings: Settings, messages: readonly Message[]): Record<string, unknown> {
  const tools: unknown = settings.tools.trim() ? JSON.parse(settings.tools) : undefined
  return {
    model: settings.model,
    messages: [...(settings.system.trim() ? [{ role: 'system', content: settings.system.trim() }] : []), ...messages],
    ...(settings.stream ? { stream: true, stream_options: { include_usage: true } } : {}),
    ...(settings.temperature === null ? {} : { temperature: settings.temperature }),
    ...(settings.maxTokens === null ? {} : { max_tokens: settings.maxTokens }),
    ...(settings.json ? { response_format: { type: 'json_object' } } : {}),
    ...(tools === undefined ? {} : { tools }),
    ...(settings.session ? { session_id: settings.session } : {}),
  }
}

type Loose = Record<string, unknown> | undefined
const object = (value: unknown): Loose =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
const text = (value: unknown): string => (typeof value === 'string' ? value : '')
const number = (value: unknown): number | null => (typeof value === 'number' ? value : null)
const items = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])

function addToolCalls(known: ToolCall[], added: unknown[]): ToolCall[] {
  const out = [...known]
  added.forEach((item, position) => {
    const call = object(item)
    const fn = object(call?.['function'])
    const at = number(call?.['index']) ?? position
    const before = out[at] ?? { name: '', arguments: '' }
    out[at] = { name: before.name + text(fn?.['name']), arguments: before.arguments + text(fn?.['arguments']) }
  })
  return out
}

/** Folds one chunk, or one whole answer, into what was received so far. */
export function foldChunk(answer: Answer, chunk: unknown): Answer {
  const body = object(chunk)
  const choice = object(items(body?.['choices'])[0])
  const part = object(choice?.['delta']) ?? object(choice?.['message'])
  const usage = object(body?.['usage'])
  return {
    ...answer,
    model: text(body?.['model']) || answer.model,
    text: answer.text + text(part?.['content']),
    reasoning: answer.reasoning + (text(part?.['reasoning_content']) || text(part?.['reasoning'])),
    toolCalls: addToolCalls(answer.toolCalls, items(part?.['tool_calls'])),
    finish: text(choice?.['finish_reason']) || answer.finish,
    inputTokens: number(usage?.['prompt_tokens']) ?? answer.inputTokens,
    outputTokens: number(usage?.['completion_tokens']) ?? answer.outputTokens,
  }
}

/** Sends the request and reports the growing answer; throws ApiError for a refusal or an error inside the stream. */
export async function send(
  key: string,
  request: Record<string, unknown>,
  signal: AbortSignal,
  onAnswer: (answer: Answer) => void,
): Promise<Answer> {
  // The tour spends nothing, with whatever key.
  if (sample.value) throw notInSample()
  const started = performance.now()
  const elapsed = () => performance.now() - started
  let response: Response
  try {
    response = await fetch('/v1/chat/completions', {
      method: 'POST',
      // The caller API never reads the admin cookie; it is not sent either.
      credentials: 'omit',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
      body: JSON.stringify(request),
      signal,
    })
  } catch (error) {
    if (signal.aborted) throw error
    throw new ApiError({
      status: 0,
      code: 'network',
      message: 'The router could not be reached. Check the connection, then send again.',
    })
  }
  if (!response.ok) throw await failureOf(response)
  const headers = Object.fromEntries([...response.headers].filter(([name]) => name.startsWith('x-')))
  let answer: Answer = { ...noAnswer, headers }
  // Whoever stops before the first token still learns which request it was.
  onAnswer(answer)
  const first = () => {
    if (answer.firstTokenMs === null && (answer.text || answer.reasoning || answer.toolCalls.length))
      answer = { ...answer, firstTokenMs: elapsed() }
  }
  if (request['stream'] !== true) {
    answer = { ...foldChunk(answer, await response.json()), totalMs: elapsed() }
    onAnswer(answer)
    return answer
  }
  for await (const data of eventsOf(response)) {
    if (data === '[DONE]') break
    let chunk: unknown
    try {
      chunk = JSON.parse(data)
    } catch {
      continue
    }
    const failure = object(object(chunk)?.['error'])
    if (failure) {
      throw new ApiError({
        status: response.status,
        code: text(failure['code']) || 'upstream_error',
        message: text(failure['message']) || 'The stream ended with an error.',
        requestId: headers['x-request-id'] ?? null,
      })
    }
    answer = foldChunk(answer, chunk)
    first()
    onAnswer(answer)
  }
  answer = { ...answer, totalMs: elapsed() }
  onAnswer(answer)
  return answer
}

/** What to do about an error code, in one sentence; empty when the message says it all. */
export function advice(code: string): string {
  const table: Record<string, string> = {
    budget_exceeded: 'Raise the budget on the Policies screen or wait for the reset.',
    model_not_found: 'Choose a model from the list; it shows what this policy can execute.',
    model_not_allowed: 'Allow the model in the policy.',
    provider_not_allowed: 'Allow the provider in the policy.',
    invalid_api_key: 'The playground key is gone; send again to mint a new one.',
    key_revoked: 'The playground key was revoked; send again to mint a new one.',
    rate_limited: 'Wait for the time shown, then send again.',
    upstream_credentials_exhausted: 'Look at Pools and fallbacks: every credential of the pool is out.',
    overloaded: 'Look at Pools and fallbacks for what is cooling, or add a fallback route.',
    no_executable_target: 'Look at Pools and fallbacks for what is cooling.',
    capability_unsupported: 'Choose a model that can do this, or leave the option out.',
  }
  return table[code] ?? ''
}
