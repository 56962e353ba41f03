/** Usage, audit and the setup checklist. */
import * as v from 'valibot'
import { Change, Fix, maybe, page, Time, Usd } from './common.ts'

const figures = {
  requests: v.number(),
  errors: v.number(),
  input_tokens: v.number(),
  output_tokens: v.number(),
  cached_tokens: maybe(v.number()),
  cost_usd: maybe(Usd),
}
export const UsageGroup = v.object({ id: v.string(), ...figures, filter: maybe(v.string()) })
export type UsageGroup = v.InferOutput<typeof UsageGroup>
export const UsageReport = v.object({
  groups: v.array(UsageGroup),
  total: v.object(figures),
  from: Time,
  to: Time,
  as_of: maybe(Time),
})
export type UsageReport = v.InferOutput<typeof UsageReport>

export const AuditRow = v.object({
  id: v.union([v.string(), v.number()]),
  at: Time,
  actor: v.string(),
  action: v.string(),
  object: maybe(v.string()),
  result: v.string(),
  revision: maybe(v.number()),
  diff: maybe(v.array(Change)),
  request_id: maybe(v.string()),
})
export type AuditRow = v.InferOutput<typeof AuditRow>
export const Audit = page(AuditRow)

export const SetupCheck = v.object({
  id: v.string(),
  ok: v.boolean(),
  optional: maybe(v.boolean()),
  text: v.string(),
  fix: maybe(Fix),
  request_id: maybe(v.string()),
})
export type SetupCheck = v.InferOutput<typeof SetupCheck>
export const Setup = v.object({ checks: v.array(SetupCheck) })

/** What a changed policy would have refused. */
export const PolicyEffect = v.object({
  requests: v.number(),
  refused: v.number(),
  models: v.array(v.object({ model: v.string(), requests: v.number() })),
  looked_at: v.number(),
  complete: v.boolean(),
})
export type PolicyEffect = v.InferOutput<typeof PolicyEffect>
