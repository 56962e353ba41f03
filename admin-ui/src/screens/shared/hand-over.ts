/** A request on its way from the inspector to the playground; in memory only, taken once. */
import { signal } from '@preact/signals'

export const handOver = signal<Record<string, unknown> | null>(null)

/** System text and last user text of a handed-over request; null when there is none or it has no such text. */
export function takeOver(): { system: string; prompt: string } | null {
  const body = handOver.value
  handOver.value = null
  const messages = Array.isArray(body?.['messages']) ? (body['messages'] as unknown[]) : []
  const textOf = (role: string) => {
    const found = messages.findLast(
      item => typeof item === 'object' && item !== null && Reflect.get(item, 'role') === role,
    )
    const content: unknown = found ? Reflect.get(found as object, 'content') : undefined
    return typeof content === 'string' ? content : ''
  }
  const prompt = textOf('user')
  return prompt ? { system: textOf('system'), prompt } : null
}
