/** The decisions of screens that change something, as tables: fusion, keys, models, providers, policies, pools. */

import * as v from 'valibot'
import { describe, expect, it } from 'vitest'
import type { FusionProfile, Policy } from '../api/schema/documents.ts'
import { TestEvent, Verified } from '../api/schema/fusion.ts'
import { PolicyEffect } from '../api/schema/govern.ts'
import { type Key, Keys } from '../api/schema/keys.ts'
import { Candidates, Health, type ModelCandidate } from '../api/schema/operate.ts'
import { fixture } from '../test-fixture.ts'
import { applyPreset, checkDraft, withChain } from './fusion/checks.ts'
import { type Section, sections, wordDiff } from './fusion/drafts.ts'
import { aloneCall, fold, fusionCost, noRun } from './fusion/test-run.ts'
import { effectiveBudget, keyState } from './keys/index.tsx'
import {
  baseUrl,
  discoverRequest,
  type Endpoint,
  missing,
  poolDocument,
  providerDocument,
  setUpCommands,
} from './models/endpoint.ts'
import { modelRows } from './models/models.tsx'
import { attention } from './overview/attention.tsx'
import { noAnswer } from './playground/chat.ts'
import { allows, effect, matchesPattern, parseList, stage } from './policies/patterns.ts'
import { refusedText } from './policies/refused.tsx'
import { looksWrong } from './pools/credentials.tsx'
import { servesNow } from './pools/routes.tsx'
import { failureText } from './shared/fix.tsx'
import { memberPolicies } from './shared/policies.ts'
import { budgetRows } from './usage/budgets.tsx'

const candidates = fixture(Candidates, 'candidates').items
const now = Date.parse('2026-11-20T14:02:20Z')

describe('fusion checks', () => {
  const draft = (change: Partial<FusionProfile>): FusionProfile => ({
    id: 'default',
    enabled: true,
    advisers: [{ model: 'local/qwen3:8b' }, { model: 'openai/gpt-4.1-mini' }],
    synthesizer: { model: 'anthropic/claude-sonnet-4-6' },
    ...change,
  })
  it.each<[string, Partial<FusionProfile>, string[]]>([
    ['nothing odd', {}, []],
    ['no synthesizer', { synthesizer: { model: '' } }, ['!No synthesizer.']],
    ['a virtual synthesizer', { synthesizer: { model: 'clawrouter/auto' } }, ['!Virtual synthesizer.']],
    [
      'a fallback twice, and one that is virtual',
      { synthesizer: { model: 'a/b', fallbacks: ['c/d', 'a/b', 'clawrouter/fusion'] } },
      ['!Fallback 2 was asked before.', '!Fallback 3 is virtual.'],
    ],
    ['itself as adviser', { advisers: [{ model: 'clawrouter/fusion' }] }, ['!Adviser 1 is virtual.']],
    [
      'the same model twice',
      { advisers: [{ model: 'local/qwen3:8b' }, { model: 'local/qwen3:8b' }] },
      ['!Same model twice.'],
    ],
    ['a judge of the same family', { judge: { model: 'openai/gpt-5.4', enabled: true } }, ['Same family.']],
    ['a judge that is switched off', { judge: { model: 'openai/gpt-5.4', enabled: false } }, []],
    [
      'a judge judging itself',
      { judge: { model: 'openai/gpt-4.1-mini', enabled: true } },
      ['!The judge is also an adviser.'],
    ],
    ['a confirmed self judge', { judge: { model: 'openai/gpt-4.1-mini', enabled: true }, allow_self_judge: true }, []],
    ['a judge without a model', { judge: { model: '', enabled: true } }, ['!No judge model.']],
    ['a timeout beyond the deadline', { adviser_timeout_ms: 120_000 }, ['Adviser timeout reaches the deadline.']],
    ['a quorum nobody can reach', { quorum: 3 }, ['!Quorum too large.']],
    ['more text than fits', { max_input_chars: 600_000 }, ['Adviser 1 has a small context.']],
  ])('%s', (_name, change, expected) => {
    expect(checkDraft(draft(change), candidates).map(item => `${item.error ? '!' : ''}${item.title}`)).toEqual(expected)
  })
  it('fills presets from what can be executed', () => {
    for (const preset of ['Cheap', 'Balanced', 'Careful', 'Local first'] as const) {
      const filled = applyPreset(preset, draft({}), candidates)
      expect(
        checkDraft(filled, candidates).filter(item => item.error),
        preset,
      ).toEqual([])
      expect(filled.advisers.length).toBeGreaterThan(0)
      expect(
        [...filled.advisers.map(item => item.model), filled.synthesizer.model].some(model => model.startsWith('xai/')),
      ).toBe(false)
    }
    expect(applyPreset('Local first', draft({}), candidates).advisers[0]?.model).toBe('local/qwen3:8b')
  })
  it('a fallback that becomes the synthesizer leaves the chain', () => {
    const profile = draft({ synthesizer: { model: 'a/b', fallbacks: ['c/d', 'e/f'] } })
    expect(withChain(profile, 'c/d')).toEqual({ model: 'c/d', fallbacks: ['e/f'] })
    expect(withChain(draft({ synthesizer: { model: 'a/b', fallbacks: ['c/d'] } }), 'c/d').fallbacks).toBeUndefined()
  })
})

describe('test run', () => {
  it('folds the golden events into calls, notes and a result', () => {
    const run = fixture(v.array(TestEvent), 'fusion-test').reduce(fold, noRun)
    expect(run.calls.map(call => [call.slot, call.ok, call.endMs !== null])).toEqual([
      ['A1', true, true],
      ['A2', true, true],
      ['A3', false, true],
      ['J', true, true],
      ['S', true, true],
    ])
    expect(run.calls[2]?.failure).toBe('timeout')
    expect(run.calls[4]?.text).toContain('idempotency key')
    expect(run.notes?.best).toBe('B')
    expect(run.injected).toContain('begin draft A')
    expect(run.result).toMatchObject({ calls: 5, degraded: true })
    expect(run.nowMs).toBe(7240)
  })
})

describe('the plain answer beside', () => {
  const run = fixture(v.array(TestEvent), 'fusion-test').reduce(fold, noRun)
  it('does not count as a cost of the fusion', () => {
    const beside = aloneCall('m', { ...noAnswer, totalMs: 9, headers: { 'x-clawrouter-cost-usd': '0.005' } })
    expect(beside).toMatchObject({ slot: 'B', costUsd: 0.005, ok: true, endMs: 9 })
    expect(fusionCost(run)).toBe(0.0198)
    expect(fusionCost({ ...run, calls: [...run.calls, beside] })).toBeCloseTo(0.0148)
    expect(fusionCost(noRun)).toBeNull()
  })
  it('runs, or failed', () => {
    expect(aloneCall('m', null).endMs).toBeNull()
    expect(aloneCall('m', noAnswer, 'failed')).toMatchObject({ ok: false, endMs: 0, costUsd: null })
  })
})

describe('drafts', () => {
  const run = fixture(v.array(TestEvent), 'fusion-test').reduce(fold, noRun)
  const fence = (name: string, text: string) =>
    `===== begin ${name} 0a1b2c3d =====\n${text}\n===== end ${name} 0a1b2c3d =====`
  it('finds what stands between the fences of the golden message, none of it cut', () =>
    expect(sections(run.injected ?? '', run.calls).map(item => [item.name, item.cut, item.left])).toEqual([
      ['draft A', false, 0],
      ['draft B', false, 0],
      ['notes', false, 0],
    ]))
  it.each<[string, string, Partial<Section>[]]>([
    ['no message', '', []],
    ['a cut draft', fence('draft A', 'abc[… cut …]'), [{ name: 'draft A', chars: 3, cut: true, left: 111 }]],
    ['a cut draft of a named model', fence('draft A (x/y)', 'abcd[… cut …]'), [{ chars: 4, cut: true, left: 110 }]],
    ['cut notes: the whole is not known', fence('notes', '{[… cut …]'), [{ chars: 1, cut: true, left: null }]],
    ['a draft that looks like a fence', fence('draft B', '===== end draft B ffffffff ====='), [{ name: 'draft B' }]],
  ])('%s', (_, message, expected) => expect(sections(message, run.calls)).toMatchObject(expected))
  it.each([
    ['', '', ''],
    ['same words', 'same  words', '=same  words'],
    ['retry with jitter', 'retry with full jitter', '=retry with+ full= jitter'],
    ['a b', 'c d', '-a b+c d'],
    ['only this', '', '-only this'],
  ])('%j and %j differ as %j', (before, after, expected) => {
    const sign = { same: '=', before: '-', after: '+' }
    expect(
      wordDiff(before, after)
        .map(item => sign[item.kind] + item.text)
        .join(''),
    ).toBe(expected)
  })
  it('compares the beginning of long texts and keeps every word', () => {
    const long = 'word '.repeat(1600)
    const runs = wordDiff(long, `${long}end`)
    expect(runs[0]?.kind).toBe('same')
    expect(
      runs
        .map(item => item.text)
        .join('')
        .match(/end/g),
    ).toHaveLength(1)
  })
})

describe('keys', () => {
  const keys = fixture(Keys, 'keys').items
  const of = (label: string) => keys.find(key => key.label === label) ?? (keys[0] as (typeof keys)[number])
  it('names the budget that will refuse first', () => {
    expect(effectiveBudget(of('ada-laptop').budgets ?? [])?.window).toBe('day')
    expect(effectiveBudget([])).toBeUndefined()
  })
  it.each([
    ['ada-laptop', {}, 'active'],
    ['old-notebook', {}, 'revoked'],
    ['kim-contract', { expires_at: '2026-11-01T00:00:00Z' }, 'expired'],
    ['kim-contract', { enabled: false }, 'off'],
  ])('%s %j is %s', (label, change, text) => expect(keyState({ ...of(label), ...change }, now).text).toBe(text))
  it('lists a policy budget once and key budgets each, fullest first', () => {
    const rows = budgetRows(keys)
    expect(rows.map(row => row.id)).toEqual([...new Set(rows.map(row => row.id))])
    expect(rows[0]?.id).toBe('ci-bots/week')
    expect(rows.some(row => row.whose === 'key nightly-eval')).toBe(true)
  })
})

describe('local endpoint', () => {
  const endpoint: Endpoint = {
    id: 'box',
    kind: 'ollama',
    protection: 'access',
    url: 'https://llm.example.com/v1/',
    token: '',
    idSecret: 'ID',
    secretSecret: 'SECRET',
    binding: 'LOCAL_LLM',
  }
  it.each([
    ['http://127.0.0.1:11434/v1/', 'http://127.0.0.1:11434'],
    [' https://a.example/ ', 'https://a.example'],
    ['https://a.example/v1beta', 'https://a.example/v1beta'],
  ])('%j -> %j', (typed, expected) => expect(baseUrl(typed)).toBe(expected))
  it.each<[Partial<Endpoint>, RegExp | null]>([
    [{}, null],
    [{ id: 'A B' }, /name/],
    [{ url: '' }, /address/],
    [{ url: 'ftp://x' }, /https/],
    [{ url: 'http://llm.example.com' }, /must be https/],
    [{ url: 'http://127.0.0.1:1', protection: 'loopback' }, null],
    [{ url: 'http://llm.internal:8000', protection: 'vpc' }, null],
    [{ protection: 'vpc', binding: ' ' }, /binding/],
    [{ protection: 'bearer' }, /token/],
    [{ idSecret: '' }, /secrets/],
  ])('%j', (change, expected) => {
    const problem = missing({ ...endpoint, ...change })
    if (expected === null) expect(problem).toBeNull()
    else expect(problem).toMatch(expected)
  })
  it.each<[Endpoint['protection'], string[], string[]]>([
    ['access', ['cloudflared tunnel create box', 'npx wrangler secret put'], ['[[']],
    ['bearer', ['cloudflared tunnel route dns box'], ['[[', 'secret put']],
    ['vpc', ['npx wrangler vpc service create box --type http', '[[vpc_services]]', 'binding = "B"'], ['route dns']],
    ['mtls', ['npx wrangler mtls-certificate upload', '[[mtls_certificates]]', 'binding = "B"'], ['cloudflared']],
  ])('%s has its own commands', (protection, has, hasNot) => {
    const commands = setUpCommands({ ...endpoint, id: 'box', binding: 'B', protection })
    for (const part of has) expect(commands).toContain(part)
    for (const part of hasNot) expect(commands).not.toContain(part)
  })
  it('keeps what an existing provider had and the wizard does not ask for', () => {
    const saved = providerDocument(endpoint, { id: 'box', headers: { a: 'b' }, enabled: false, pool: 'p' })
    expect(saved).toMatchObject({
      headers: { a: 'b' },
      pool: 'p',
      enabled: true,
      base_url: 'https://llm.example.com',
      auth: { scheme: 'access_service_token', id_secret: 'ID', secret_secret: 'SECRET' },
    })
    expect(discoverRequest({ ...endpoint, protection: 'mtls' }).transport).toEqual({
      kind: 'binding',
      name: 'LOCAL_LLM',
    })
  })
  it('makes one sealed place for the pasted token, and puts its value nowhere', () => {
    const pool = poolDocument({ ...endpoint, token: 'tok-123' }, 'box', {
      id: 'box',
      keys: [
        { label: 'main', secret: 'X', weight: 2 },
        { label: 'old', secret: 'Y' },
      ],
    })
    expect(pool?.keys).toEqual([
      { label: 'old', secret: 'Y' },
      { label: 'main', weight: 2, sealed: true },
    ])
    expect(
      JSON.stringify([pool, providerDocument({ ...endpoint, token: 'tok-123', protection: 'bearer' }, undefined)]),
    ).not.toContain('tok-123')
    expect(poolDocument(endpoint, 'box', undefined)).toBeNull()
  })
  it.each([
    ['bearer', 'tok', 'box'],
    ['access', '', undefined],
    ['loopback', '', undefined],
  ] as const)('%s with token %j is paid by pool %s', (protection, token, pool) => {
    expect(providerDocument({ ...endpoint, protection, token }, undefined).pool).toBe(pool)
  })
})

describe('models', () => {
  it('joins documents with candidates and keeps dynamic models', () => {
    const rows = modelRows([], candidates)
    expect(rows.every(row => !row.candidate?.virtual)).toBe(true)
    expect(rows.map(row => row.id)).toContain('local/qwen3:8b')
  })
})

describe('a verification', () => {
  it.each([
    ['verified-failed', '401 invalid_api_key: Incorrect API key provided. (upstream request req_up_9)'],
    ['verified', 'no reason given'],
  ])('%s says why it failed', (name, text) => expect(failureText(fixture(Verified, name))).toBe(text))
})

describe('the last days under a changed policy', () => {
  const told = fixture(PolicyEffect, 'policy-effect')
  it.each([
    [
      {},
      'Of 1,204 requests in the last 7 days 37 would have been refused: openai/gpt-5.4 (30) and clawrouter/fusion (7).',
    ],
    [{ refused: 0, models: [] }, 'None of 1,204 requests in the last 7 days would have been refused.'],
    [{ requests: 0 }, 'No request in the last 7 days.'],
    [
      { refused: 0, complete: false, looked_at: 10_000 },
      'None of 1,204 requests in the newest 10,000 rows of the last 7 days would have been refused.',
    ],
  ])('%j', (change, text) => expect(refusedText({ ...told, ...change })).toBe(text))
})

describe('policies', () => {
  const policy: Policy = {
    id: 'p',
    allow: { providers: ['openai'], models: ['*'], virtual: ['auto', 'fusion:*'] },
    deny: { models: ['openai/gpt-5*'] },
  }
  const model = (id: string, virtual = false): ModelCandidate => ({
    model: id,
    provider: id.split('/')[0] ?? '',
    executable: true,
    virtual,
  })
  it.each([
    ['*', 'anything', true],
    ['openai/*', 'openai/gpt', true],
    ['gpt-4.1*', 'gpt-4x1', false],
    ['a*c', 'abbc', true],
    ['a*c', 'abd', false],
  ])('%s against %s', (pattern, id, expected) => expect(matchesPattern(pattern, id)).toBe(expected))
  it.each([
    ['openai/gpt-4.1-mini', false, true],
    ['openai/gpt-5.4', false, false],
    ['anthropic/claude', false, false],
    ['clawrouter/auto', true, true],
    ['clawrouter/fusion', true, false],
    ['clawrouter/fusion:review', true, true],
  ])('%s is allowed: %s', (id, virtual, expected) => expect(allows(policy, model(id, virtual))).toBe(expected))
  it('stages what a readiness link asked for', () => {
    const staged = stage(policy, { provider: 'local', model: '' })
    expect(staged.allow?.providers).toEqual(['openai', 'local'])
    expect(effect(policy, staged, [model('local/qwen3:8b')]).gained).toEqual(['local/qwen3:8b'])
    expect(stage(policy, { provider: '', model: '' })).toBe(policy)
    expect(stage({ id: 'p' }, { provider: 'local', model: '' }).allow?.providers).toBeUndefined()
  })
  it('reads lists', () => expect(parseList(' a, b\n a ')).toEqual(['a', 'b']))
})

describe('pools', () => {
  it.each([
    ['openai', 'sk-ant-x', 'This looks like a key of anthropic; the pool is openai.'],
    ['anthropic', 'sk-ant-x', null],
    ['openai', 'sk-proj-x', null],
    ['openai', 'clawrouter-live-x-y', 'This is a key of this router, not of a provider.'],
  ])('%s with %s', (pool, value, expected) => expect(looksWrong(pool, value)).toBe(expected))
  it('names who serves now', () => {
    const health = fixture(Health, 'health')
    const route = {
      id: 'smart',
      targets: [
        { model: 'openai/gpt-5.4', order: 0 },
        { model: 'anthropic/claude-sonnet-4-6', order: 1 },
      ],
    }
    expect(servesNow(route, health)).toBe('anthropic/claude-sonnet-4-6')
    expect(servesNow(route, undefined)).toBe('openai/gpt-5.4')
    expect(servesNow({ id: 'x', targets: [] }, health)).toBeUndefined()
  })
  it('lists trouble, dead before cooling', () => {
    const items = attention(fixture(Health, 'health'), fixture(Keys, 'keys').items, [], now)
    expect(items[0]).toMatchObject({ id: 'openai/old', tone: 'bad' })
    expect(items.map(item => item.id)).toContain('ci-bots/week')
    expect(items.length).toBeLessThanOrEqual(8)
  })
})

describe('policies of a member', () => {
  const key = (policy: string, fields: Partial<Key> = {}): Key => ({
    kid: policy,
    policy,
    prefix: '',
    created_at: '2026-11-01T00:00:00Z',
    enabled: true,
    ...fields,
  })
  it('are those left to members and those of live keys', () => {
    const keys = [
      key('default'),
      key('made-for-me'),
      key('gone', { revoked_at: '2026-11-02T00:00:00Z' }),
      key('old', { expires_at: '2026-11-02T00:00:00Z' }),
      key('off', { enabled: false }),
    ]
    expect(memberPolicies(['default', 'team'], keys, Date.parse('2026-11-20T00:00:00Z'))).toEqual([
      'default',
      'team',
      'made-for-me',
    ])
  })
})
