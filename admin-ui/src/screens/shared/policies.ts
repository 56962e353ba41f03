/** The policies that somebody may choose from: all for those who read all, else those of their own keys. */
import { listDocuments } from '../../api/documents.ts'
import { listKeys } from '../../api/keys.ts'
import { useResource } from '../../api/resource.ts'
import type { Key } from '../../api/schema/keys.ts'
import { can, ownPolicies } from '../../api/session.ts'

const live = (key: Key, now: number) =>
  key.enabled && !key.revoked_at && (key.expires_at == null || Date.parse(key.expires_at) > now)

/** Policies of a member: those left to members first, then those of keys that were made for them. */
export function memberPolicies(left: readonly string[], keys: readonly Key[], now: number): string[] {
  return [...new Set([...left, ...keys.filter(key => live(key, now)).map(key => key.policy)])]
}

/** `known` is false until the list is complete. */
export function usePolicies(): { ids: string[]; known: boolean } {
  const left = ownPolicies()
  const all = useResource(left ? null : 'documents/policies', signal => listDocuments('policies', {}, signal))
  const keys = useResource(left ? 'keys?' : null, signal => listKeys({}, signal))
  if (left) return { ids: memberPolicies(left, keys.data?.items ?? [], Date.now()), known: keys.data !== undefined }
  return { ids: all.data?.items.map(item => item.document.id) ?? [], known: all.data !== undefined }
}

/** Where a screen starts when its address names no policy. */
export const firstPolicy = () => (ownPolicies() === null ? 'default' : (ownPolicies()?.[0] ?? ''))

/** May this person make a key under the policy? */
export const mayMint = (policy: string) => can('keys.mint') && (ownPolicies()?.includes(policy) ?? true)
