/** The decisions that screens make, as tables. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as v from 'valibot'
import { describe, expect, it } from 'vitest'
import type { FusionProfile, Policy } from '../api/schema/documents.ts'
import { Readiness, TestEvent } from '../api/schema/fusion.ts'
import { type Key, Keys } from '../api/schema/keys.ts'
import {
  Candidates,
  Health,
  type ModelCandidate,
  type RequestRow,
  Requests,
  type Span,
  Trace,
} from '../api/schema/operate.ts'
import { keyName } from '../lib/shortcuts.ts'
import { place } from '../ui/top-layer.ts'
import { regionOf } from '../viz/quadrant.tsx'
import { niceTicks, rulerTicks, share } from '../viz/scale.ts'
import { parts } from '../viz/score-bars.tsx'
import { sparkPath } from '../viz/spark.tsx'
import { applyPreset, checkDraft } from './fusion/checks.ts'
import { shownPolicy } from './fusion/readiness.tsx'
import { fold, noRun } from './fusion/test-run.ts'
import { requestBody } from './inspect/index.tsx'
import { effectiveBudget, keyState } from './keys/index.tsx'
import { baseUrl, discoverRequest, type Endpoint, missing, poolDocument, providerDocument } from './models/endpoint.ts'
import { modelRows } from './models/models.tsx'
import { providerState, quietProviders } from './models/providers.tsx'
import { attention } from './overview/attention.tsx'
import { callerKeys, forgetKey, giveKey } from './playground/caller.ts'
import { foldChunk, noAnswer, requestOf, type Settings } from './playground/chat.ts'
import { allows, effect, matchesPattern, parseList, stage } from './policies/patterns.ts'
import { looksWrong } from './pools/credentials.tsx'
import { servesNow } from './pools/routes.tsx'
import { quantile, summary } from './requests/summary.ts'
import { fixHref } from './shared/fix.tsx'
import { handOver, takeOver } from './shared/hand-over.ts'
import { startModel } from './shared/model-options.ts'
import { memberPolicies } from './shared/policies.ts'
import { snippet } from './shared/snippets.ts'
import { found } from './shell/palette.tsx'
import { calls, failure, waterfallRows } from './trace/rows.tsx'
import { budgetRows } from './usage/budgets.tsx'
import { dayBars, periodStart } from './usage/index.tsx'

const fixture = <S extends v.GenericSchema>(schema: S, name: string): v.InferOutput<S> =>
  v.parse(
    schema,
    JSON.parse(readFileSync(join(import.meta.dirname, `../../../tests/fixtures/admin/${name}.json`), 'utf8')),
  )

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
    expect(run.injected).toContain('begin draft 1')
    expect(run.result).toMatchObject({ calls: 5, degraded: true })
    expect(run.nowMs).toBe(7240)
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

describe('providers', () => {
  it('are read from their pools when the Worker does not list them', () => {
    const health = { ...fixture(Health, 'health'), providers: null }
    expect(providerState({ id: 'openai', pool: 'openai' }, health)?.connected).toBe(true)
    expect(providerState({ id: 'groq', pool: 'groq' }, health)).toMatchObject({
      connected: false,
      reason: { fix: { kind: 'pool', id: 'groq' } },
    })
    expect(providerState({ id: 'demo', auth: { scheme: 'none' } }, health)?.connected).toBe(true)
    expect(providerState({ id: 'unheard' }, fixture(Health, 'health'))).toBeUndefined()
  })
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

describe('requests and trace', () => {
  it.each([
    [[], 0.5, null],
    [[3], 0.95, 3],
    [[4, 1, 3, 2], 0.5, 2],
    [[4, 1, 3, 2], 0.95, 4],
  ])('quantile of %j at %s', (values, at, expected) => expect(quantile(values, at)).toBe(expected))
  it('sums what is shown; a hang-up is not a failure', () => {
    const rows = fixture(Requests, 'requests').items
    const sums = summary(rows)
    expect(sums.errorShare).toBeCloseTo(2 / rows.length)
    expect(sums.cost).toBeCloseTo(rows.reduce((sum: number, row: RequestRow) => sum + (row.cost_usd ?? 0), 0))
    expect(summary([])).toEqual({ errorShare: null, ttftP50: null, ttftP95: null, cost: null })
  })
  it('names every span and its failure', () => {
    const rows = waterfallRows(fixture(Trace, 'trace'))
    expect(rows.map(row => row.name)).toEqual([
      'Route and preflight',
      'Adviser 1',
      'Adviser 2',
      'Adviser 3',
      'Judge',
      'Synthesizer, attempt 1',
      'Synthesizer, attempt 2',
    ])
    expect(rows.map(row => row.failed)).toEqual([false, false, false, true, false, true, false])
    expect(failure(fixture(Trace, 'trace-failed').spans[1] as never)).toBe('503 overloaded')
  })
  it.each<[string, Partial<Span>[], string[]]>([
    ['a plain attempt stays', [{ id: '1', stage: 'attempt', attempt: 1 }], ['1 attempt 0']],
    [
      'a stage with an attempt is that attempt',
      [
        { id: '1', stage: 'adviser', index: 1 },
        { id: '2', parent: '1', stage: 'attempt', index: 0, attempt: 1 },
      ],
      ['2 adviser 1'],
    ],
    [
      'a stage with two attempts is both',
      [
        { id: '1', stage: 'synthesizer', index: 0 },
        { id: '2', parent: '1', stage: 'attempt', attempt: 1 },
        { id: '3', parent: '1', stage: 'attempt', attempt: 2 },
      ],
      ['2 synthesizer 0', '3 synthesizer 0'],
    ],
    ['a stage that never called stays', [{ id: '1', stage: 'judge', index: 0 }], ['1 judge 0']],
    ['an unknown parent changes nothing', [{ id: '2', parent: '9', stage: 'attempt' }], ['2 attempt 0']],
  ])('one row a call: %s', (_name, spans, expected) =>
    expect(calls(spans as Span[]).map(span => `${span.id} ${span.stage} ${span.index ?? 0}`)).toEqual(expected),
  )
})

describe('playground', () => {
  const settings: Settings = {
    model: 'm',
    policy: 'default',
    system: ' Be brief. ',
    temperature: 0,
    maxTokens: 64,
    stream: true,
    json: true,
    tools: '[{"type":"function"}]',
    session: 's1',
  }
  it('sends exactly what the settings say', () => {
    expect(requestOf(settings, [{ role: 'user', content: 'hi' }])).toEqual({
      model: 'm',
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'hi' },
      ],
      stream: true,
      stream_options: { include_usage: true },
      temperature: 0,
      max_tokens: 64,
      response_format: { type: 'json_object' },
      tools: [{ type: 'function' }],
      session_id: 's1',
    })
    expect(
      Object.keys(
        requestOf(
          {
            ...settings,
            system: '',
            temperature: null,
            maxTokens: null,
            stream: false,
            json: false,
            tools: '',
            session: '',
          },
          [],
        ),
      ),
    ).toEqual(['model', 'messages'])
  })
  it('assembles text, tool calls and usage from chunks, and survives nonsense', () => {
    const chunks: unknown[] = [
      { model: 'x', choices: [{ delta: { content: 'Hel' } }] },
      { choices: [{ delta: { content: 'lo', reasoning_content: 'hm' } }] },
      { choices: [{ delta: { tool_calls: [{ index: 0, function: { name: 'weather', arguments: '{"a"' } }] } }] },
      {
        choices: [
          { delta: { tool_calls: [{ index: 0, function: { arguments: ':1}' } }] }, finish_reason: 'tool_calls' },
        ],
      },
      { choices: [], usage: { prompt_tokens: 3, completion_tokens: 5 } },
      null,
      'text',
      { choices: 'x' },
    ]
    expect(chunks.reduce(foldChunk, noAnswer)).toMatchObject({
      text: 'Hello',
      reasoning: 'hm',
      toolCalls: [{ name: 'weather', arguments: '{"a":1}' }],
      finish: 'tool_calls',
      inputTokens: 3,
      outputTokens: 5,
      model: 'x',
    })
  })
  it('quotes for each language', () => {
    const request = { model: 'm', messages: [{ role: 'user', content: "it's true" }], stream: true }
    expect(snippet('curl', 'https://r.example', 'KEY', request)).toContain("it'\\''s true")
    const python = snippet('python', 'https://r.example', 'KEY', request)
    expect(python).toContain('stream=True')
    expect(python).toContain(`"it's true"`)
    expect(snippet('node', 'https://r.example', 'KEY', request)).toContain("baseURL: 'https://r.example/v1'")
  })
})

describe('inspector', () => {
  it.each([
    ['hello', { model: 'm', messages: [{ role: 'user', content: 'hello' }] }],
    ['{"messages":[],"temperature":1}', { model: 'm', messages: [], temperature: 1 }],
    ['{"model":"own","messages":[]}', { model: 'own', messages: [] }],
    ['{not json', { model: 'm', messages: [{ role: 'user', content: '{not json' }] }],
  ])('%s', (input, expected) => expect(requestBody(input, 'm')).toEqual(expected))
  it.each([
    [0.2, 0.1, 'single'],
    [0.2, 0.6, 'verify'],
    [0.8, 0.1, 'fusion'],
    [0.1, 0.9, 'fusion'],
  ])('complexity %s and risk %s is %s', (complexity, risk, region) => {
    expect(regionOf({ complexity, risk, verifyRisk: 0.55, fusionComplexity: 0.72, fusionRisk: 0.84 })).toBe(region)
  })
  it('draws a bar whose blue part is the score', () => {
    const bar = parts({
      model: 'm',
      terms: [
        { name: 'quality', value: 0.8 },
        { name: 'cost', value: -0.1 },
        { name: 'latency', value: -0.05 },
      ],
    })
    expect(bar[0]?.width).toBeCloseTo(0.65)
    expect(bar.reduce((sum, part) => sum + part.width, 0)).toBeCloseTo(0.8)
    expect(parts({ model: 'm', terms: [{ name: 'cost', value: -1 }] })[0]?.width).toBe(0)
  })
})

describe('scales', () => {
  it.each([
    [0, [0, 1]],
    [7.24, [0, 2, 4, 6, 8]],
    [15, [0, 5, 10, 15]],
    [0.013, [0, 0.005, 0.01, 0.015]],
  ])('ticks for %s', (max, expected) => expect(niceTicks(max)).toEqual(expected))
  it('ends a ruler where the data ends', () => expect(rulerTicks(7240)).toEqual([0, 2000, 4000, 7240]))
  it('keeps shares inside', () =>
    expect([share(5, 10), share(-1, 10), share(20, 10), share(1, 0)]).toEqual([50, 0, 100, 0]))
  it('leaves a gap for a missing value', () => expect(sparkPath([1, null, 1], 10, 10).match(/M/g)).toHaveLength(2))
})

describe('top layer', () => {
  const view = { width: 400, height: 600 }
  it.each([
    [
      'under its control',
      { left: 20, right: 120, top: 100, bottom: 132 },
      { width: 200, height: 200 },
      'start',
      { left: 20, top: 136 },
    ],
    [
      'aligned to the right edge',
      { left: 300, right: 380, top: 100, bottom: 132 },
      { width: 200, height: 200 },
      'end',
      { left: 180, top: 136 },
    ],
    [
      'above when there is more room',
      { left: 20, right: 120, top: 500, bottom: 532 },
      { width: 200, height: 200 },
      'start',
      { left: 20, top: 296 },
    ],
    [
      'inside the window',
      { left: 380, right: 396, top: 100, bottom: 132 },
      { width: 200, height: 100 },
      'start',
      { left: 192, top: 136 },
    ],
    [
      'under and shorter when both sides are tight',
      { left: 20, right: 120, top: 250, bottom: 282 },
      { width: 200, height: 900 },
      'start',
      { left: 20, top: 286, maxHeight: 306 },
    ],
  ] as const)('goes %s', (_name, anchor, box, align, expected) =>
    expect(place(anchor, box, view, align)).toMatchObject(expected),
  )
})

describe('what a fresh catalog shows', () => {
  const item = (model: string, change: Partial<ModelCandidate> = {}): ModelCandidate => ({
    model,
    provider: model.split('/')[0] ?? '',
    executable: true,
    reason: null,
    capabilities: ['chat'],
    ...change,
  })
  it.each<[string, ModelCandidate[], string | undefined]>([
    ['nothing', [], undefined],
    ['nothing that runs', [item('openai/x', { executable: false })], undefined],
    ['the demo alone', [item('demo/fast')], 'demo/fast'],
    ['a real model before the demo', [item('demo/fast'), item('openai/x')], 'openai/x'],
    ['the proven one', [item('openai/x'), item('groq/y', { verified_at: '2026-11-20T14:00:00Z' })], 'groq/y'],
    ['auto before all', [item('openai/x'), item('clawrouter/auto', { virtual: true })], 'clawrouter/auto'],
    ['no fusion by accident', [item('clawrouter/fusion', { virtual: true }), item('demo/fast')], 'demo/fast'],
    ['no embeddings', [item('openai/e', { capabilities: ['embeddings'] })], undefined],
  ])('a first request names %s', (_name, items, expected) => expect(startModel(items)).toBe(expected))
  it('providers that nobody connected or changed stay quiet', () => {
    const stored = (id: string, source: 'bundled' | 'admin') => ({ document: { id }, revision: 0, source })
    const state = (provider: string, connected: boolean) => ({ provider, connected, reason: null, models: 1 })
    const health = { ...fixture(Health, 'health'), providers: [state('a', false), state('b', true), state('c', false)] }
    const providers = [stored('a', 'bundled'), stored('b', 'bundled'), stored('c', 'admin')]
    expect([...quietProviders(providers as never, health)]).toEqual(['a'])
    expect(quietProviders(providers as never, undefined).size).toBe(0)
  })
  it('a day without a request has its place in the chart', () => {
    const group = { id: '2026-11-19', requests: 2, errors: 0, input_tokens: 1, output_tokens: 1, cached_tokens: 0 }
    const bars = dayBars([{ ...group, cost_usd: 0.5 }], '2026-11-18T00:00:00Z', now)
    expect(bars.map(bar => [bar.label, bar.value])).toEqual([
      ['18', 0],
      ['19', 0.5],
      ['20', 0],
    ])
    expect(bars.map(bar => bar.text)).toEqual(['no request', '$0.50, 2 requests', 'no request'])
  })
  it('a profile that is on and hidden for everyone needs attention, first of all', () => {
    const none = fixture(Readiness, 'readiness-none')
    expect(attention(undefined, [], [none, fixture(Readiness, 'readiness')], now)).toMatchObject([
      { state: 'hidden', tone: 'bad', href: '/admin/fusion/default' },
    ])
  })
  it('readiness speaks of the policy with most keys unless another is wanted', () => {
    const readiness = fixture(Readiness, 'readiness')
    const most = Math.max(...readiness.policies.map(policy => policy.keys))
    expect(shownPolicy(readiness, '')?.keys).toBe(most)
    const last = readiness.policies.at(-1)
    expect(shownPolicy(readiness, last?.policy ?? '')).toBe(last)
  })
  it('hands a prompt from the inspector to the playground once', () => {
    handOver.value = requestBody('{"messages":[{"role":"system","content":"S"},{"role":"user","content":"U"}]}', 'm')
    expect(takeOver()).toEqual({ system: 'S', prompt: 'U' })
    expect(takeOver()).toBeNull()
  })
})

describe('small things', () => {
  it.each([
    ['month', '2026-11-01T00:00:00.000Z'],
    ['7d', '2026-11-14T00:00:00.000Z'],
    ['30d', '2026-10-22T00:00:00.000Z'],
    ['today', '2026-11-20T00:00:00.000Z'],
  ])('%s starts at %s', (period, expected) => expect(periodStart(period, now)).toBe(expected))
  it.each([
    [{ kind: 'policy', id: 'team a' }, 'provider_not_allowed', '/admin/policies/team%20a?allow_provider=local'],
    [{ kind: 'pool', id: 'openai' }, 'no_credential', '/admin/pools?pool=openai'],
    [{ kind: 'nonsense', id: 'x' }, 'x', undefined],
  ])('%j leads to the right place', (fix, reason, expected) =>
    expect(fixHref(fix, reason, 'local/qwen3:8b')).toBe(expected),
  )
  it.each([
    [{ key: 'k', metaKey: true, ctrlKey: false, altKey: false }, false, 'mod+k'],
    [{ key: 'K', metaKey: false, ctrlKey: true, altKey: false }, false, 'mod+k'],
    [{ key: 'o', metaKey: false, ctrlKey: false, altKey: false }, true, 'g o'],
    [{ key: 't', metaKey: false, ctrlKey: false, altKey: true }, false, ''],
  ])('shortcut %j', (event, chord, expected) => expect(keyName(event, chord)).toBe(expected))
  it('finds by text, side and hidden words', () => {
    const entries = [
      { text: 'Keys', side: 'screen', words: 'mint', run: () => {} },
      { text: 'Usage', side: 'screen', run: () => {} },
    ]
    expect(found(entries, 'mint').map(entry => entry.text)).toEqual(['Keys'])
    expect(found(entries, '')).toHaveLength(2)
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

it.each([
  ['clawrouter-live-abcd1234-0123456789abcdef01234567', true],
  [' clawrouter-test-abcd-0123456789abcdef ', true],
  ['clawrouter-live-abcd1234-short', false],
  ['sk-123', false],
])('takes %s as a key: %s', (text, expected) => {
  expect(giveKey('team', text)).toBe(expected)
  expect(callerKeys.value.some(item => item.policy === 'team')).toBe(expected)
  forgetKey('team')
})
