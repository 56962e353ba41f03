/** Every golden answer in tests/fixtures/admin parses with the schema of its endpoint, and every file is claimed by one. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as v from 'valibot'
import { describe, expect, it } from 'vitest'
import { Deleted, History, stored } from './common.ts'
import { type Collection, Credential, Credentials, documents, Export, Imported, listOf } from './documents.ts'
import { Explanation } from './explain.ts'
import { Draft, Listing, Preview, Readiness, Repriced, TestEvent, Verified } from './fusion.ts'
import { Audit, PolicyEffect, Setup, UsageReport } from './govern.ts'
import { KeyRevision, Keys, Minted, Revoked } from './keys.ts'
import {
  Candidates,
  Cleared,
  Content,
  Discovered,
  Health,
  ModelPolicies,
  Overview,
  RequestFigures,
  Requests,
  Sessions,
  Trace,
} from './operate.ts'
import { Me } from './session.ts'

const folder = join(import.meta.dirname, '../../../../tests/fixtures/admin/')
const read = (name: string): unknown => JSON.parse(readFileSync(`${folder}${name}.json`, 'utf8'))

const one = (collection: Collection) => stored(documents[collection])
const Failure = v.object({
  error: v.object({
    message: v.string(),
    code: v.string(),
    type: v.string(),
    clawrouter: v.object({ request_id: v.string() }),
  }),
})

const schemas: Record<string, v.GenericSchema> = {
  me: Me,
  'me-operator': Me,
  'me-member': Me,
  content: Content,
  'error-401': Failure,
  'error-403': Failure,
  'error-412': Failure,
  'error-422': Failure,
  'error-500': Failure,
  providers: listOf('providers'),
  provider: one('providers'),
  models: listOf('models'),
  model: one('models'),
  'models-overview': Overview,
  'model-policies': ModelPolicies,
  candidates: Candidates,
  pools: listOf('pools'),
  pool: one('pools'),
  credentials: Credentials,
  credential: Credential,
  routes: listOf('routes'),
  route: one('routes'),
  'fusion-profiles': listOf('fusion-profiles'),
  'fusion-profile': one('fusion-profiles'),
  'fusion-draft': Draft,
  'fusion-draft-clean': Draft,
  'fusion-enabled': one('fusion-profiles'),
  'fusion-disabled': one('fusion-profiles'),
  'fusion-test': v.array(TestEvent),
  readiness: Readiness,
  'readiness-none': Readiness,
  'fusion-repriced': Repriced,
  'fusion-listing': Listing,
  'fusion-preview': Preview,
  verified: Verified,
  'verified-failed': Verified,
  history: History,
  policies: listOf('policies'),
  policy: one('policies'),
  'policy-effect': PolicyEffect,
  'policy-saved': one('policies'),
  settings: one('settings'),
  deleted: Deleted,
  keys: Keys,
  'key-history': History,
  'key-restored': KeyRevision,
  'key-minted': Minted,
  'key-rotated': Minted,
  'key-revoked': Revoked,
  discovered: Discovered,
  'discovered-open': Discovered,
  'discovered-refused': Discovered,
  health: Health,
  'pool-reset': Cleared,
  sessions: Sessions,
  requests: Requests,
  'request-figures': RequestFigures,
  trace: Trace,
  'trace-failed': Trace,
  explanation: Explanation,
  'usage-policy': UsageReport,
  'usage-model': UsageReport,
  'usage-provider': UsageReport,
  'usage-day': UsageReport,
  audit: Audit,
  setup: Setup,
  'setup-done': Setup,
  export: Export,
  imported: Imported,
}

describe('golden answers', () => {
  it.each(Object.entries(schemas))('%s.json parses', (name, schema) => {
    const result = v.safeParse(schema, read(name))
    expect(result.issues?.map(issue => `${v.getDotPath(issue)}: ${issue.message}`)).toBeUndefined()
  })

  it('leaves no file without a schema', () => {
    const files = readdirSync(folder).map(file => file.replace(/\.json$/, ''))
    expect(files.sort()).toEqual(Object.keys(schemas).sort())
  })

  it('refuses a renamed field', () => {
    const trace = read('trace') as Record<string, unknown>
    expect(v.safeParse(Trace, { ...trace, request_id: undefined, id: trace['request_id'] }).success).toBe(false)
  })
})
