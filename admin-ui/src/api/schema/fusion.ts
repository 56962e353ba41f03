/** Fusion drafts, readiness, and the events of a test prompt. */
import * as v from 'valibot'
import { Change, maybe, Reason, stored, Time, Usage, Usd } from './common.ts'
import { FusionProfile } from './documents.ts'

export const Draft = v.object({
  draft: FusionProfile,
  base_revision: v.number(),
  live: maybe(stored(FusionProfile)),
  updated_at: maybe(Time),
  updated_by: maybe(v.string()),
  changes: v.array(Change),
})
export type Draft = v.InferOutput<typeof Draft>

export const Stage = v.picklist(['adviser', 'judge', 'synthesizer'])
export type Stage = v.InferOutput<typeof Stage>

export const ReadinessCall = v.object({
  slot: v.string(),
  stage: Stage,
  model: v.string(),
  state: v.picklist(['verified', 'unverified', 'blocked']),
  reason: maybe(Reason),
  verified_at: maybe(Time),
  reserve_usd: maybe(Usd),
  p50_ms: maybe(v.number()),
  p95_ms: maybe(v.number()),
})
export type ReadinessCall = v.InferOutput<typeof ReadinessCall>

export const ReadinessPolicy = v.object({
  policy: v.string(),
  keys: v.number(),
  listed: v.boolean(),
  listed_now: v.boolean(),
  reason: maybe(Reason),
  ready_advisers: v.number(),
  advisers: v.number(),
  remaining_budget_usd: maybe(Usd),
  calls: v.array(ReadinessCall),
  key_rows: maybe(
    v.array(v.object({ kid: v.string(), label: maybe(v.string()), listed: v.boolean(), reason: maybe(Reason) })),
  ),
})
export type ReadinessPolicy = v.InferOutput<typeof ReadinessPolicy>

export const Warning = v.object({ code: v.string(), text: v.string(), param: maybe(v.string()) })
export type Warning = v.InferOutput<typeof Warning>

export const Readiness = v.object({
  profile: v.string(),
  as_of: Time,
  policies: v.array(ReadinessPolicy),
  figures: v.object({
    calls_max: v.number(),
    reserve_usd: maybe(Usd),
    typical_cost_usd: maybe(Usd),
    typical_ms: maybe(v.number()),
    cost_multiple: maybe(v.number()),
    time_multiple: maybe(v.number()),
    synthesizer_alone: maybe(v.object({ reserve_usd: maybe(Usd), typical_ms: maybe(v.number()) })),
  }),
  gains: v.array(v.string()),
  loses: v.array(v.string()),
  warnings: v.array(Warning),
})
export type Readiness = v.InferOutput<typeof Readiness>

export const Repriced = v.object({
  requests: v.number(),
  before_usd: Usd,
  after_usd: Usd,
  unpriced: v.array(v.object({ slot: v.string(), model: v.string(), why: v.string(), requests: v.number() })),
  looked_at: v.number(),
  complete: v.boolean(),
})
export type Repriced = v.InferOutput<typeof Repriced>

/** What callers at this edge location are shown of a profile. */
export const Listing = v.object({ current: v.boolean(), policies: v.array(v.string()) })

/** What a key would be shown with a draft in force. */
export const Preview = v.object({
  model: v.string(),
  models: v.array(v.object({ id: v.string(), is_new: v.boolean() })),
  gone: v.array(v.string()),
})

export const Verified = v.object({
  model: v.string(),
  ok: v.boolean(),
  latency_ms: maybe(v.number()),
  status: maybe(v.number()),
  class: maybe(v.string()),
  message: maybe(v.string()),
  verified_at: maybe(Time),
  answer: maybe(v.string()),
  upstream: maybe(
    v.object({ status: v.number(), code: v.string(), message: v.string(), request_id: maybe(v.string()) }),
  ),
})
export type Verified = v.InferOutput<typeof Verified>

/** What the judge wrote. Bounded and read leniently: it is a model's output. */
export const JudgeNotes = v.looseObject({
  consensus: maybe(v.array(v.string())),
  contradictions: maybe(
    v.array(
      v.looseObject({
        topic: v.string(),
        stances: maybe(v.array(v.looseObject({ model: v.string(), stance: v.string() }))),
      }),
    ),
  ),
  partial_coverage: maybe(v.array(v.looseObject({ models: v.array(v.string()), point: v.string() }))),
  unique_insights: maybe(v.array(v.looseObject({ model: v.string(), insight: v.string() }))),
  blind_spots: maybe(v.array(v.string())),
  best: maybe(v.unknown()),
})
export type JudgeNotes = v.InferOutput<typeof JudgeNotes>

const callIndex = v.number()
export const TestEvent = v.variant('type', [
  v.object({ type: v.literal('estimate'), calls: v.number(), reserve_usd: maybe(Usd) }),
  v.object({
    type: v.literal('call'),
    call: callIndex,
    slot: v.string(),
    stage: v.string(),
    model: v.string(),
    at_ms: v.number(),
  }),
  v.object({ type: v.literal('first_token'), call: callIndex, at_ms: v.number() }),
  v.object({ type: v.literal('text'), call: callIndex, text: v.string() }),
  v.object({
    type: v.literal('end'),
    call: callIndex,
    at_ms: v.number(),
    ok: v.boolean(),
    usage: maybe(Usage),
    cost_usd: maybe(Usd),
    class: maybe(v.string()),
  }),
  v.object({ type: v.literal('notes'), notes: JudgeNotes }),
  v.object({ type: v.literal('injected'), message: v.string() }),
  v.object({
    type: v.literal('result'),
    at_ms: v.number(),
    cost_usd: maybe(Usd),
    calls: v.number(),
    degraded: v.boolean(),
    request_id: maybe(v.string()),
  }),
  v.object({ type: v.literal('error'), code: v.string(), message: v.string() }),
])
export type TestEvent = v.InferOutput<typeof TestEvent>
