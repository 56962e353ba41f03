/** Calls for fusion profiles: draft, readiness, enable, kill switch, test prompt, verification. */
import * as v from 'valibot'
import { segment } from '../lib/text.ts'
import { call, get, post, send } from './client.ts'
import { invalidate } from './resource.ts'
import { stored } from './schema/common.ts'
import { FusionProfile } from './schema/documents.ts'
import { Draft, Listing, Preview, Readiness, Repriced, TestEvent, Verified } from './schema/fusion.ts'
import { eventsOf } from './stream.ts'

const base = (profile: string) => `fusion-profiles/${segment(profile)}`

export const readDraft = (profile: string, signal?: AbortSignal) => get(Draft, `${base(profile)}/draft`, signal)
export const saveDraft = (profile: string, draft: FusionProfile) =>
  call(Draft, 'PUT', `${base(profile)}/draft`, { body: { draft } })
export const discardDraft = (profile: string) => call(Draft, 'DELETE', `${base(profile)}/draft`)

export const readReadiness = (
  profile: string,
  body: { draft?: FusionProfile; keys?: boolean; policy?: string },
  signal?: AbortSignal,
) => post(Readiness, `${base(profile)}/readiness`, body, signal)

/** The last days' requests priced with the saved draft. */
export const repriceDraft = (profile: string, signal?: AbortSignal) =>
  post(Repriced, `${base(profile)}/reprice`, {}, signal)
export const readListing = (profile: string, signal?: AbortSignal) => get(Listing, `${base(profile)}/listing`, signal)
export const previewKey = (draft: FusionProfile, key: string, signal?: AbortSignal) =>
  post(Preview, `${base(draft.id)}/preview`, { key, draft }, signal)

export async function enableProfile(profile: string, baseRevision: number, note?: string) {
  const live = await post(stored(FusionProfile), `${base(profile)}/enable`, {
    base_revision: baseRevision,
    ...(note ? { note } : {}),
  })
  invalidate('documents/fusion-profiles', 'setup')
  return live
}

export async function disableProfile(profile: string, note?: string) {
  const live = await post(stored(FusionProfile), `${base(profile)}/disable`, note ? { note } : {})
  invalidate('documents/fusion-profiles', 'setup')
  return live
}

export async function verifyModel(model: string) {
  const answer = await post(Verified, `models/${segment(model)}/verify`)
  invalidate('setup', 'health')
  return answer
}

export interface TestRequest {
  prompt: string
  policy?: string
  draft?: FusionProfile
  baseline?: boolean
}

/** Runs a test prompt and yields its events; events of a newer Worker that this page does not know are skipped. */
export async function* testPrompt(
  profile: string,
  request: TestRequest,
  signal: AbortSignal,
): AsyncGenerator<TestEvent> {
  const response = await send('POST', `${base(profile)}/test`, { body: request, signal })
  for await (const data of eventsOf(response)) {
    if (data === '[DONE]') return
    const parsed = v.safeParse(TestEvent, parseJson(data))
    if (parsed.success) yield parsed.output
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
