/** Local discovery, health, sessions, requests and traces. */
import * as v from 'valibot'
import { maybe, page, Reason, Time, Usage, Usd } from './common.ts'

export const Check = v.object({
  id: v.string(),
  ok: maybe(v.boolean()),
  text: v.string(),
  ms: maybe(v.number()),
})
export const Discovered = v.object({
  ok: v.boolean(),
  base_url: maybe(v.string()),
  checks: v.array(Check),
  models: v.array(v.object({ id: v.string(), upstream: maybe(v.string()) })),
})
export type Discovered = v.InferOutput<typeof Discovered>

const State = v.picklist(['ready', 'cooling', 'probing', 'dead'])
export type HealthState = v.InferOutput<typeof State>
const Condition = { state: State, class: maybe(v.string()), until: maybe(Time) }
export const TargetHealth = v.object({
  target: v.string(),
  ...Condition,
  strikes: maybe(v.number()),
  ttft_p50_ms: maybe(v.number()),
  error_rate: maybe(v.number()),
})
export const CredentialHealth = v.object({
  label: v.string(),
  id8: maybe(v.string()),
  last4: maybe(v.string()),
  ...Condition,
  strikes: maybe(v.number()),
  in_flight: maybe(v.number()),
  models: maybe(v.array(v.object({ model: v.string(), ...Condition }))),
  last_ok_at: maybe(Time),
})
export type CredentialHealth = v.InferOutput<typeof CredentialHealth>
export const ProviderHealth = v.object({
  provider: v.string(),
  connected: v.boolean(),
  reason: maybe(Reason),
  models: maybe(v.number()),
})
export const Health = v.object({
  as_of: Time,
  isolate: maybe(v.string()),
  targets: v.array(TargetHealth),
  providers: maybe(v.array(ProviderHealth)),
  pools: v.array(v.object({ pool: v.string(), strategy: maybe(v.string()), credentials: v.array(CredentialHealth) })),
})
export type Health = v.InferOutput<typeof Health>

export const Cleared = v.object({ cleared: v.number() })

export const Session = v.object({
  session: v.string(),
  tenant: maybe(v.string()),
  target: v.string(),
  credential: maybe(v.string()),
  created_at: Time,
  last_used_at: maybe(Time),
  expires_at: maybe(Time),
  turns: maybe(v.number()),
  route: maybe(v.string()),
})
export const Sessions = page(Session)

export const Role = v.picklist(['primary', 'fallback', 'adviser', 'judge', 'synthesizer'])
export const Attempt = v.object({
  role: Role,
  outcome: v.picklist(['ok', 'failed', 'cancelled']),
  class: maybe(v.string()),
  compound_id: maybe(v.string()),
})
export type Attempt = v.InferOutput<typeof Attempt>

const row = {
  request_id: v.string(),
  at: Time,
  policy: maybe(v.string()),
  key_label: maybe(v.string()),
  kid: maybe(v.string()),
  requested_model: v.string(),
  served_model: maybe(v.string()),
  route: maybe(v.string()),
  strategy: maybe(v.string()),
  status: v.number(),
  class: maybe(v.string()),
  stream: maybe(v.boolean()),
  degraded: maybe(v.boolean()),
  attempts: v.array(Attempt),
  ttft_ms: maybe(v.number()),
  duration_ms: maybe(v.number()),
  input_tokens: maybe(v.number()),
  output_tokens: maybe(v.number()),
  cached_tokens: maybe(v.number()),
  cost_usd: maybe(Usd),
  session: maybe(v.string()),
  source: maybe(v.picklist(['test_prompt', 'verify'])),
}
export const RequestRow = v.object(row)
export type RequestRow = v.InferOutput<typeof RequestRow>
export const Requests = page(RequestRow)

/** Of every row that a filter finds. */
export const RequestFigures = v.object({
  requests: v.number(),
  errors: v.number(),
  ttft_p50_ms: maybe(v.number()),
  ttft_p95_ms: maybe(v.number()),
  cost_usd: Usd,
  looked_at: v.number(),
  complete: v.boolean(),
  bar_ms: v.number(),
  bars: v.array(v.object({ at: Time, requests: v.number(), errors: v.number() })),
})
export type RequestFigures = v.InferOutput<typeof RequestFigures>

/** The Worker numbers spans; the page uses the number as text. */
const SpanId = v.pipe(v.union([v.number(), v.string()]), v.transform(String))
export const Span = v.object({
  id: SpanId,
  parent: maybe(SpanId),
  stage: v.picklist(['route', 'adviser', 'judge', 'synthesizer', 'attempt']),
  index: maybe(v.number()),
  attempt: maybe(v.number()),
  target: maybe(v.string()),
  credential: maybe(v.string()),
  start_ms: v.number(),
  first_token_ms: maybe(v.number()),
  end_ms: maybe(v.number()),
  outcome: maybe(v.string()),
  status: maybe(v.number()),
  class: maybe(v.string()),
  action: maybe(v.string()),
  cooldown_ms: maybe(v.number()),
  state_left_out: maybe(v.boolean()),
  model_swapped: maybe(v.boolean()),
  usage: maybe(Usage),
  cost_usd: maybe(Usd),
})
export type Span = v.InferOutput<typeof Span>

export const Trace = v.object({
  ...row,
  reserved_usd: maybe(Usd),
  spans: v.array(Span),
  explanation: maybe(v.unknown()),
  content: maybe(v.object({ kept: v.boolean(), why: maybe(v.string()), expires_at: maybe(Time) })),
})
export type Trace = v.InferOutput<typeof Trace>

const Side = v.object({ text: v.string(), bytes: v.number(), truncated: v.boolean() })
export type ContentSide = v.InferOutput<typeof Side>

/** Both sides of a request whose policy keeps them. */
export const Content = v.object({ request_id: v.string(), expires_at: maybe(Time), request: Side, response: Side })
export type Content = v.InferOutput<typeof Content>

/** Providers and models over all policies. */
export const Overview = v.object({
  policies: v.number(),
  providers: v.array(
    v.object({
      provider: v.string(),
      models: v.number(),
      priced: v.number(),
      policies: v.number(),
      verified_at: maybe(Time),
      p50_ms: maybe(v.number()),
    }),
  ),
  models: v.array(
    v.object({
      model: v.string(),
      listed: v.number(),
      used_in: v.array(v.object({ kind: v.string(), id: v.string(), as: v.string() })),
    }),
  ),
})
export type Overview = v.InferOutput<typeof Overview>
export const ModelPolicies = v.object({
  policies: v.array(v.object({ policy: v.string(), listed: v.boolean(), reason: maybe(Reason) })),
})

/** A model as one policy may execute it now. */
export const ModelCandidate = v.object({
  model: v.string(),
  provider: v.string(),
  executable: v.boolean(),
  reason: maybe(Reason),
  dynamic: maybe(v.boolean()),
  virtual: maybe(v.boolean()),
  capabilities: maybe(v.array(v.string())),
  context_window: maybe(v.number()),
  price: maybe(v.object({ input: maybe(v.number()), output: maybe(v.number()) })),
  family: maybe(v.string()),
  verified_at: maybe(Time),
  p50_ms: maybe(v.number()),
})
export type ModelCandidate = v.InferOutput<typeof ModelCandidate>
export const Candidates = v.object({ items: v.array(ModelCandidate), as_of: maybe(Time) })
