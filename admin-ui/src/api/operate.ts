/** Calls for running things: discovery, health, sessions, requests, traces, route explanations. */

import { segment } from '../lib/text.ts'
import { queryText } from '../lib/url.ts'
import { get, post, send } from './client.ts'
import { invalidate } from './resource.ts'
import { Explained } from './schema/explain.ts'
import {
  Candidates,
  Cleared,
  Content,
  Discovered,
  Health,
  ModelPolicies,
  Overview,
  RequestFigures,
  type RequestRow,
  Requests,
  Sessions,
  Trace,
} from './schema/operate.ts'

type Filter = Record<string, string | number | null | undefined>

export interface DiscoverRequest {
  base_url?: string
  provider?: string
  transport?: { kind: string; name?: string }
  auth?: Record<string, unknown>
  token?: string
}

export const discoverLocal = (request: DiscoverRequest) => post(Discovered, 'local/discover', request)
export const readHealth = (signal?: AbortSignal) => get(Health, 'health/targets', signal)

export async function resetPool(pool: string, what: { label?: string; target?: string } = {}) {
  const cleared = await post(Cleared, `pools/${segment(pool)}/reset`, what)
  invalidate('health')
  return cleared
}

export const listSessions = (filter: Filter, signal?: AbortSignal) =>
  get(Sessions, `sessions?${queryText({ limit: 100, ...filter })}`, signal)

export async function deleteSession(id: string): Promise<void> {
  await send('DELETE', `sessions/${segment(id)}`)
  invalidate('sessions')
}

export const listRequests = (filter: Filter, signal?: AbortSignal) =>
  get(Requests, `requests?${queryText({ limit: 50, ...filter })}`, signal)
export const readFigures = (filter: Filter, signal?: AbortSignal) =>
  get(RequestFigures, `requests/figures?${queryText(filter)}`, signal)

/** The newest rows of a filter, page by page, `most` or a little more. */
export async function allRequests(filter: Filter, most: number): Promise<RequestRow[]> {
  const rows: RequestRow[] = []
  let cursor: string | null | undefined
  do {
    const page = await listRequests({ ...filter, limit: 200, cursor })
    rows.push(...page.items)
    cursor = page.next
  } while (cursor && rows.length < most)
  return rows
}

export const readTrace = (id: string, signal?: AbortSignal) => get(Trace, `requests/${segment(id)}`, signal)

/** Each reading leaves a row in the audit log: ask for it only when somebody wants to see it. */
export const readContent = (id: string) => get(Content, `requests/${segment(id)}/content`)
export const deleteContent = (id: string) => send('DELETE', `requests/${segment(id)}/content`)

export const explainRoute = (request: Record<string, unknown>, signal?: AbortSignal) =>
  post(Explained, 'route/explain', request, signal)

export const readOverview = (signal?: AbortSignal) => get(Overview, 'models/overview', signal)
export const readModelPolicies = (model: string, signal?: AbortSignal) =>
  get(ModelPolicies, `models/${segment(model)}/policies`, signal)

/** Models as a policy may execute them now; the default policy when none is named. */
export const listCandidates = (policy: string | null, signal?: AbortSignal) =>
  get(Candidates, `candidates?${queryText({ policy })}`, signal)
