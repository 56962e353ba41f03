/** Kept bodies as a conversation: what was sent and what was answered, in whichever dialect. Pure. */
import { EventSplitter } from '../../api/stream.ts'

export interface Said {
  role: string
  text: string
}

type Loose = Record<string, unknown>
const object = (value: unknown): Loose => (typeof value === 'object' && value !== null ? (value as Loose) : {})
const items = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])
const text = (value: unknown): string => (typeof value === 'string' ? value : '')
const json = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value ?? {}))

function parsed(body: string): Loose | null {
  try {
    const value: unknown = JSON.parse(body)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Loose) : null
  } catch {
    return null
  }
}

/** Content of a message as text: strings, text parts, tool calls and results; what has no text is named. */
function words(content: unknown): string {
  if (typeof content === 'string') return content
  return items(content)
    .map(item => {
      const part = object(item)
      const kind = text(part['type'])
      const said = text(part['text']) || text(part['thinking']) || text(part['refusal'])
      if (said) return said
      if (kind === 'tool_use') return `calls ${text(part['name'])}(${json(part['input'])})`
      if (kind === 'tool_result') return words(part['content'])
      return kind ? `[${kind.replaceAll('_', ' ')}]` : ''
    })
    .filter(Boolean)
    .join('\n\n')
}

const calls = (list: unknown) =>
  items(list).map(item => {
    const call = object(object(item)['function'])
    return `calls ${text(call['name'])}(${json(call['arguments'])})`
  })

function message(value: unknown, otherwise: string): Said | null {
  const said = object(value)
  const kind = text(said['type'])
  if (kind === 'function_call')
    return { role: 'assistant', text: `calls ${text(said['name'])}(${json(said['arguments'])})` }
  if (kind === 'function_call_output') return { role: 'tool', text: words(said['output']) }
  const reasoning = text(said['reasoning_content']) || text(said['reasoning'])
  const whole = [reasoning, words(said['content']), ...calls(said['tool_calls'])].filter(Boolean).join('\n\n')
  return whole ? { role: text(said['role']) || otherwise, text: whole } : null
}

const spoken = (list: (Said | null)[]) => list.filter(said => said !== null)
const one = (role: string, said: unknown): Said | null => (words(said) ? { role, text: words(said) } : null)

/** The messages of a caller's body; null when it is not one that the page can read (cut, or of another kind). */
export function asked(body: string): Said[] | null {
  const request = parsed(body)
  if (!request) return null
  const input = request['input']
  const out = spoken([
    one('system', request['system']),
    one('system', request['instructions']),
    ...items(request['messages']).map(item => message(item, 'user')),
    ...(typeof input === 'string' ? [one('user', input)] : items(input).map(item => message(item, 'user'))),
    one('user', request['prompt']),
  ])
  return out.length ? out : null
}

/** A kept body as a request that other screens can take: chat bodies as they are, those of other dialects as the same conversation. */
export function requestIn(body: string): Loose | null {
  const request = parsed(body)
  const said = asked(body)
  if (!request || !said) return null
  if ('messages' in request && !('system' in request)) return request
  return { messages: said.map(({ role, text }) => ({ role, content: text })) }
}

/** The text that one event of a stream adds. */
function added(event: Loose): string {
  const choice = object(items(event['choices'])[0])
  const delta = object(event['delta'])
  const part = object(choice['delta'])
  return (
    text(part['reasoning_content']) + text(part['content']) ||
    calls(part['tool_calls']).join('') ||
    text(choice['text']) ||
    (text(event['type']).endsWith('.delta') ? text(event['delta']) : '') ||
    text(delta['text']) ||
    text(delta['thinking']) ||
    text(delta['partial_json'])
  )
}

/** What the caller was answered; null when the page cannot read it. */
export function answered(body: string): Said[] | null {
  const whole = parsed(body)
  if (whole) {
    const error = object(whole['error'])
    const out = spoken([
      ...items(whole['choices']).map(
        item => message(object(item)['message'], 'assistant') ?? one('assistant', object(item)['text']),
      ),
      one('assistant', whole['content']),
      ...items(whole['output']).map(item => message(item, 'assistant')),
      one('error', error['message']),
    ])
    return out.length ? out : null
  }
  const splitter = new EventSplitter()
  const events = [...splitter.push(body), ...splitter.end()].map(parsed).filter(event => event !== null)
  const said = events.map(added).join('')
  const failed = events.map(event => text(object(event['error'])['message'])).find(Boolean)
  const out = spoken([one('assistant', said), one('error', failed)])
  return out.length ? out : null
}

/** The first `limit` characters over all messages, and how many are left out. */
export function beginning(said: readonly Said[], limit: number): { shown: Said[]; left: number } {
  const shown: Said[] = []
  let room = limit
  let left = 0
  for (const item of said) {
    if (room > 0) shown.push({ ...item, text: item.text.slice(0, room) })
    left += Math.max(0, item.text.length - Math.max(0, room))
    room -= item.text.length
  }
  return { shown, left }
}
