/** The playground's own caller key: minted for one hour, per policy, kept in memory only. */
import { signal } from '@preact/signals'
import { mintKey } from '../../api/keys.ts'

export interface CallerKey {
  key: string
  kid: string
  policy: string
  expiresAt: number
}

const lifetimeMs = 3_600_000
/** Replaced a minute early, so that no request starts with a key about to die. */
const marginMs = 60_000

/** Keys of this page load, newest last; the screen names them. */
export const callerKeys = signal<readonly CallerKey[]>([])

/** A live key for the policy, minted when there is none. */
export async function callerKey(policy: string, now: number): Promise<CallerKey> {
  const found = callerKeys.value.find(item => item.policy === policy && item.expiresAt - marginMs > now)
  if (found) return found
  const expiresAt = now + lifetimeMs
  const minted = await mintKey({ policy, label: 'playground', expires: new Date(expiresAt).toISOString() })
  const made: CallerKey = { key: minted.key, kid: minted.kid, policy, expiresAt }
  callerKeys.value = [...callerKeys.value.filter(item => item.policy !== policy), made]
  return made
}
