/** Calls for caller keys. */

import { segment } from '../lib/text.ts'
import { queryText } from '../lib/url.ts'
import { get, post } from './client.ts'
import { invalidate } from './resource.ts'
import { History } from './schema/common.ts'
import { KeyRevision, Keys, Minted, Revoked } from './schema/keys.ts'

export const listKeys = (filter: Record<string, string | number | null | undefined> = {}, signal?: AbortSignal) =>
  get(Keys, `keys?${queryText({ limit: 200, ...filter })}`, signal)

export interface MintRequest {
  policy: string
  label?: string
  principal?: string
  /** RFC 3339. */
  expires?: string
  test?: boolean
}

export async function mintKey(request: MintRequest) {
  const minted = await post(Minted, 'keys', request)
  invalidate('keys', 'setup', 'readiness')
  return minted
}

export async function revokeKey(kid: string) {
  const revoked = await post(Revoked, `keys/${segment(kid)}/revoke`)
  invalidate('keys', 'readiness')
  return revoked
}

export const keyHistory = (kid: string, signal?: AbortSignal) => get(History, `keys/${segment(kid)}/history`, signal)

export async function rollbackKey(kid: string, revision: number) {
  const saved = await post(KeyRevision, `keys/${segment(kid)}/rollback`, { revision })
  invalidate('keys', 'history/keys', 'readiness')
  return saved
}

export async function rotateKey(kid: string, overlapHours: number) {
  const minted = await post(Minted, `keys/${segment(kid)}/rotate`, { overlap_hours: overlapHours })
  invalidate('keys')
  return minted
}
