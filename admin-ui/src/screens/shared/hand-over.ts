/** What goes from one screen to another in memory only, never in an address: a request on its way, and what this page asked itself. */
import { signal } from '@preact/signals'
import type { TestRun } from '../fusion/test-run.ts'

export type Body = Record<string, unknown>

/** A request on its way; the screen it goes to takes it once. */
export const handOver = signal<Body | null>(null)

/** What this page sent: the body, and of a test prompt everything that was streamed to the tester. */
export interface Own {
  body: Body
  run?: TestRun
}

const maxOwn = 20
const own = new Map<string, Own>()

// Whoever signs in next must not find it.
addEventListener('clawrouter:forget', () => own.clear())

/** Keeps what was asked under its request id, the newest twenty. */
export function remember(id: string | null | undefined, what: Own): void {
  if (!id) return
  own.delete(id)
  own.set(id, what)
  for (const oldest of own.keys()) if (own.size > maxOwn) own.delete(oldest)
}

/** What this page asked under that id, if it still knows. */
export const recall = (id: string): Own | undefined => own.get(id)

interface Message {
  role: unknown
  content: unknown
}

function take(): { body: Body; messages: Message[] } | null {
  const body = handOver.value
  handOver.value = null
  const list: unknown[] = Array.isArray(body?.['messages']) ? body['messages'] : []
  const messages = list.filter(item => typeof item === 'object' && item !== null) as Message[]
  return body && { body, messages }
}

/** The text of a message: a string, or the text among its parts. */
function textOf(message: Message | undefined): string {
  const content = message?.content
  if (!Array.isArray(content)) return typeof content === 'string' ? content : ''
  return content
    .map(part => String(Object(part).text ?? ''))
    .filter(Boolean)
    .join('\n\n')
}

/** System text and last user text of a request, and how many messages stay behind; null when there is none or it has no such text. */
export function takeOver(): { system: string; prompt: string; left: number } | null {
  const taken = take()
  const last = (role: string) => taken?.messages.findLast(item => item.role === role)
  const prompt = textOf(last('user'))
  if (!taken || !prompt) return null
  const system = textOf(last('system'))
  return { system, prompt, left: taken.messages.length - (system ? 2 : 1) }
}

/** The same for a screen that reads whole requests: one user message as its text, anything else as the JSON body. */
export function takeText(): string {
  const taken = take()
  if (!taken) return ''
  const [first, more] = taken.messages
  return first?.role === 'user' && !more && typeof first.content === 'string'
    ? first.content
    : JSON.stringify({ ...taken.body, model: undefined }, null, 2)
}
