/** Caller keys and the budgets that bind them. */
import * as v from 'valibot'
import { maybe, page, Time, Usd } from './common.ts'

export const BudgetState = v.object({
  budget: v.string(),
  scope: v.picklist(['policy', 'key']),
  set_by: v.string(),
  window: v.picklist(['day', 'week', 'month', 'total']),
  limit_usd: Usd,
  spent_usd: Usd,
  reserved_usd: Usd,
  remaining_usd: Usd,
  resets_at: maybe(Time),
})
export type BudgetState = v.InferOutput<typeof BudgetState>

export const Key = v.object({
  kid: v.string(),
  label: maybe(v.string()),
  policy: v.string(),
  principal: maybe(v.string()),
  prefix: v.string(),
  last4: maybe(v.string()),
  created_at: Time,
  expires_at: maybe(Time),
  enabled: v.boolean(),
  revoked_at: maybe(Time),
  last_used_at: maybe(Time),
  budgets: maybe(v.array(BudgetState)),
})
export type Key = v.InferOutput<typeof Key>
export const Keys = page(Key)

export const Minted = v.object({
  kid: v.string(),
  key: v.string(),
  policy: v.string(),
  label: maybe(v.string()),
  created_at: Time,
  expires_at: maybe(Time),
  replaces: maybe(v.string()),
  old_expires_at: maybe(Time),
})
export type Minted = v.InferOutput<typeof Minted>

export const Revoked = v.object({ kid: v.string(), revoked_at: Time })

/** What a change of a key's document answers. */
export const KeyRevision = v.object({ revision: v.number() })
