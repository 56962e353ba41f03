/** The playground's caller keys, per policy, in memory only: minted for one hour, or given by whoever may mint none there. */
import { signal } from '@preact/signals'
import { mintKey } from '../../api/keys.ts'

export interface CallerKey {
  /** Typed in by its owner. */
  given: boolean
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

// Whoever signs in next has keys of their own.
addEventListener('clawrouter:forget', () => {
  callerKeys.value = []
})

/** A live key for the policy, minted when there is none. */
export async function callerKey(policy: string, now: number): Promise<CallerKey> {
  const found = callerKeys.value.find(item => item.policy === policy && item.expiresAt - marginMs > now)
  if (found) return found
  const expiresAt = now + lifetimeMs
  const minted = await mintKey({ policy, label: 'playground', expires: new Date(expiresAt).toISOString() })
  return remember({ given: false, key: minted.key, kid: minted.kid, policy, expiresAt })
}

function remember(key: CallerKey): CallerKey {
  callerKeys.value = [...callerKeys.value.filter(item => item.policy !== key.policy), key]
  return key
}

export function forgetKey(policy: string): void {
  callerKeys.value = callerKeys.value.filter(item => item.policy !== policy)
}

/** Takes a key that somebody typed in; false when it is not one. */
export function giveKey(policy: string, text: string): boolean {
  const kid = /^clawrouter-(?:live|test)-(\w{4,})-\w{16,}$/.exec(text.trim())?.[1]
  if (kid) remember({ given: true, key: text.trim(), kid, policy, expiresAt: Number.POSITIVE_INFINITY })
  return kid !== undefined
}
