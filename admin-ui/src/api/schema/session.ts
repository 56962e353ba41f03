/** Who is signed in, and what they may do. */
import * as v from 'valibot'

export const Me = v.object({
  actor: v.string(),
  role: v.picklist(['admin', 'operator', 'member']),
  auth: v.picklist(['token', 'session', 'access']),
  deployment: v.string(),
  environment: v.string(),
  version: v.string(),
  catalog_revision: v.number(),
  capabilities: v.array(v.string()),
  sealing: v.boolean(),
  /** Policies under which a member may make keys. */
  member_policies: v.optional(v.array(v.string()), []),
})
export type Me = v.InferOutput<typeof Me>
