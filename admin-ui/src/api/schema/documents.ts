/** Catalog documents. Loose: what this page does not know about must survive an edit. */
import * as v from 'valibot'
import { maybe, page, stored, Usd } from './common.ts'

export const Provider = v.looseObject({
  id: v.string(),
  dialects: maybe(v.record(v.string(), v.string())),
  base_url: maybe(v.string()),
  transport: maybe(v.looseObject({ kind: v.string(), name: maybe(v.string()) })),
  auth: maybe(v.looseObject({ scheme: v.string() })),
  pool: maybe(v.string()),
  timeouts: maybe(v.record(v.string(), v.number())),
  discover: maybe(v.looseObject({ models: maybe(v.boolean()) })),
  enabled: maybe(v.boolean()),
})
export type Provider = v.InferOutput<typeof Provider>

const Rate = maybe(v.number())
export const Price = v.looseObject({
  input: Rate,
  output: Rate,
  cached_input: Rate,
  effective: maybe(v.string()),
  source: maybe(v.string()),
})

export const Model = v.looseObject({
  id: v.string(),
  provider: v.string(),
  upstream: maybe(v.string()),
  capabilities: maybe(v.array(v.string())),
  context_window: maybe(v.number()),
  max_output_tokens: maybe(v.number()),
  price: maybe(Price),
  family: maybe(v.string()),
  enabled: maybe(v.boolean()),
})
export type Model = v.InferOutput<typeof Model>

export const Pool = v.looseObject({
  id: v.string(),
  strategy: maybe(v.string()),
  discover: maybe(v.string()),
  keys: maybe(v.array(v.looseObject({ label: v.string(), secret: maybe(v.string()) }))),
})
export type Pool = v.InferOutput<typeof Pool>

export const Route = v.looseObject({
  id: v.string(),
  targets: v.array(v.looseObject({ model: v.string(), order: maybe(v.number()), weight: maybe(v.number()) })),
  enabled: maybe(v.boolean()),
})
export type Route = v.InferOutput<typeof Route>

export const FusionProfile = v.looseObject({
  id: v.string(),
  enabled: v.boolean(),
  advisers: v.array(v.looseObject({ model: v.string(), role: maybe(v.string()), temperature: maybe(v.number()) })),
  judge: maybe(v.looseObject({ model: maybe(v.string()), enabled: maybe(v.boolean()) })),
  synthesizer: v.looseObject({ model: v.string(), fallbacks: maybe(v.array(v.string())) }),
})
export type FusionProfile = v.InferOutput<typeof FusionProfile>

const Allow = v.looseObject({
  providers: maybe(v.array(v.string())),
  models: maybe(v.array(v.string())),
  virtual: maybe(v.array(v.string())),
})
export const PolicyBudget = v.looseObject({
  window: v.picklist(['day', 'week', 'month', 'total']),
  limit_usd: Usd,
  scope: maybe(v.picklist(['policy', 'key'])),
  hard: maybe(v.boolean()),
})
export type PolicyBudget = v.InferOutput<typeof PolicyBudget>
export const Policy = v.looseObject({
  id: v.string(),
  allow: maybe(Allow),
  deny: maybe(Allow),
  budgets: maybe(v.array(PolicyBudget)),
  rate: maybe(v.looseObject({ rpm: maybe(v.number()), tpm: maybe(v.number()), concurrent: maybe(v.number()) })),
  retain_content: maybe(v.boolean()),
  enabled: maybe(v.boolean()),
})
export type Policy = v.InferOutput<typeof Policy>

export const Settings = v.looseObject({})
export type Settings = v.InferOutput<typeof Settings>

export const documents = {
  providers: Provider,
  models: Model,
  pools: Pool,
  routes: Route,
  'fusion-profiles': FusionProfile,
  policies: Policy,
  settings: Settings,
} as const
export type Collection = keyof typeof documents
export type DocumentOf<C extends Collection> = v.InferOutput<(typeof documents)[C]>

export const listOf = (collection: Collection) => page(stored(documents[collection]))

export const Credential = v.object({
  label: v.string(),
  set: v.boolean(),
  last4: maybe(v.string()),
  fingerprint: maybe(v.string()),
  updated_at: maybe(v.string()),
  updated_by: maybe(v.string()),
})
export const Credentials = v.object({ items: v.array(Credential) })

/** `GET export`: every collection, secrets excluded. */
export const Export = v.looseObject({
  providers: maybe(v.array(Provider)),
  models: maybe(v.array(Model)),
  pools: maybe(v.array(Pool)),
  routes: maybe(v.array(Route)),
  fusion_profiles: maybe(v.array(FusionProfile)),
  policies: maybe(v.array(Policy)),
  settings: maybe(Settings),
})
export const Imported = v.object({ catalog_revision: v.number(), changed: v.array(v.string()) })
