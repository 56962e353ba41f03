/** The Explanation of a routing decision. Read leniently: a stored one may be of an older build. */
import * as v from 'valibot'
import { Fix, maybe } from './common.ts'

/** Dollars; explanations stored by older builds have them as text. */
const StoredUsd = v.pipe(v.union([v.number(), v.string()]), v.transform(Number), v.finite())

const Contribution = v.object({
  signal: v.string(),
  value: maybe(v.number()),
  weight: maybe(v.number()),
  evidence: maybe(v.array(v.string())),
})
const Dimension = v.object({ value: v.number(), contributions: maybe(v.array(Contribution)) })

export const Candidate = v.object({
  model: v.string(),
  role: maybe(v.string()),
  chosen: maybe(v.boolean()),
  state: maybe(v.string()),
  class: maybe(v.string()),
  notes: maybe(v.array(v.string())),
  context_window: maybe(v.number()),
  worst_cost_usd: maybe(StoredUsd),
  score: maybe(v.number()),
  terms: maybe(v.array(v.object({ name: v.string(), value: v.number(), text: maybe(v.string()) }))),
  excluded: maybe(v.object({ gate: v.string(), code: maybe(v.string()), text: v.string(), fix: maybe(Fix) })),
})
export type Candidate = v.InferOutput<typeof Candidate>

export const Explanation = v.object({
  verdict: v.string(),
  requested_model: maybe(v.string()),
  model: maybe(v.string()),
  strategy: maybe(v.string()),
  why: maybe(v.string()),
  task_mix: maybe(v.record(v.string(), v.number())),
  complexity: maybe(Dimension),
  risk: maybe(Dimension),
  thresholds: maybe(
    v.object({ verify_risk: maybe(v.number()), fusion_complexity: maybe(v.number()), fusion_risk: maybe(v.number()) }),
  ),
  pipeline: maybe(v.array(v.object({ step: v.string(), count: maybe(v.number()), text: maybe(v.string()) }))),
  candidates: maybe(v.array(Candidate)),
  pin: maybe(v.object({ state: v.string(), target: maybe(v.string()), text: maybe(v.string()) })),
  tool_loop: maybe(v.object({ model: v.string(), known_by: v.string(), rule: v.string(), text: v.string() })),
  fallbacks: maybe(v.array(v.string())),
  context_fallbacks: maybe(v.array(v.string())),
  content_policy_fallbacks: maybe(v.array(v.string())),
  catalog_revision: maybe(v.number()),
  truncated: maybe(v.boolean()),
  expected_cost_usd: maybe(StoredUsd),
  worst_cost_usd: maybe(StoredUsd),
  budget_remaining_usd: maybe(StoredUsd),
})
export type Explanation = v.InferOutput<typeof Explanation>

/** `POST route/explain`: the explanation itself, or inside what the caller would be refused with. */
export const Explained = v.union([
  Explanation,
  v.pipe(
    v.object({ explanation: Explanation }),
    v.transform(answer => answer.explanation),
  ),
])
