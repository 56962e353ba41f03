/** The decisions of screens that show something, as tables: requests, traces, playground, inspector, overview. */
import { describe, expect, it } from 'vitest'
import { ApiError } from '../api/client.ts'
import type { Explanation } from '../api/schema/explain.ts'
import { Readiness } from '../api/schema/fusion.ts'
import { Health, type ModelCandidate, RequestFigures, type Span, Trace } from '../api/schema/operate.ts'
import { keyName } from '../lib/shortcuts.ts'
import { fixture } from '../test-fixture.ts'
import { regionOf } from '../viz/quadrant.tsx'
import { parts } from '../viz/score-bars.tsx'
import { criticalPath, type WaterfallRow } from '../viz/waterfall.tsx'
import { shownPolicy } from './fusion/readiness.tsx'
import { requestBody } from './inspect/index.tsx'
import { quietProviders } from './models/providers.tsx'
import { attention } from './overview/attention.tsx'
import { callerKeys, forgetKey, giveKey } from './playground/caller.ts'
import { foldChunk, noAnswer, requestOf, type Settings } from './playground/chat.ts'
import { estimateLine } from './playground/estimate.ts'
import { historyOf } from './playground/index.tsx'
import type { Lane } from './playground/turn.tsx'
import { barsOf } from './requests/figures.tsx'
import { fixHref } from './shared/fix.tsx'
import { handOver, recall, remember, takeOver, takeText } from './shared/hand-over.ts'
import { startModel } from './shared/model-options.ts'
import { snippet } from './shared/snippets.ts'
import { found } from './shell/palette.tsx'
import { profileOf } from './trace/drafts.tsx'
import { budgetRows, calls, failure, storedCalls, waterfallRows } from './trace/rows.tsx'
import { dayBars, periodStart } from './usage/index.tsx'

const now = Date.parse('2026-11-20T14:02:20Z')

describe('requests and trace', () => {
  it.each([
    [60_000, '2026-11-20T14:02:00Z', 3, 1, '20 Nov 2026 14:02 – 14:03: 3 requests, 1 failed'],
    [3_600_000, '2026-11-20T23:00:00Z', 1, 0, '20 Nov 2026 23:00 – 00:00: 1 request'],
    [86_400_000, '2026-11-20T00:00:00Z', 0, 0, '20 Nov 2026 – 21 Nov 2026: 0 requests'],
  ])('a bar of %s ms in words', (bar_ms, at, requests, errors, text) =>
    expect(barsOf({ ...fixture(RequestFigures, 'request-figures'), bar_ms, bars: [{ at, requests, errors }] })).toEqual(
      [{ text, value: requests, bad: errors }],
    ),
  )
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
  it('outlines the chain that everything waited for, and none while calls run', () => {
    const rows = waterfallRows(fixture(Trace, 'trace'))
    expect([...criticalPath(rows)].map(row => row.name).reverse()).toEqual([
      'Route and preflight',
      'Adviser 3',
      'Judge',
      'Synthesizer, attempt 1',
      'Synthesizer, attempt 2',
    ])
    expect(criticalPath([...rows, { ...(rows[0] as WaterfallRow), endMs: null }]).size).toBe(0)
    expect(criticalPath([]).size).toBe(0)
  })
  it('shows the stored calls of a fusion, attempts together and without a text', () => {
    const stored = storedCalls(calls(fixture(Trace, 'trace').spans))
    expect(stored.map(call => [call.slot, call.ok, call.text])).toEqual([
      ['A1', true, ''],
      ['A2', true, ''],
      ['A3', false, ''],
      ['J', true, ''],
      ['S', true, ''],
    ])
    expect(stored[4]).toMatchObject({ startMs: 3328, endMs: 7240, costUsd: 0.0176 })
    expect(storedCalls(fixture(Trace, 'trace-failed').spans)).toEqual([])
  })
  it('says per call what was reserved and what it cost', () => {
    const trace = fixture(Trace, 'trace')
    const rows = budgetRows(trace, (trace.explanation as Explanation).candidates ?? [])
    expect(rows.map(row => [row.name, row.reserved, row.settled])).toEqual([
      ['Adviser 1', 0.0011, 0.0008],
      ['Adviser 2', 0.0007, 0.0005],
      ['Adviser 3', 0, 0],
      ['Judge', 0.0041, 0.0009],
      ['Synthesizer', 0.0182, 0.0176],
    ])
    expect(rows.reduce((sum, row) => sum + (row.reserved ?? 0), 0)).toBeCloseTo(trace.reserved_usd ?? 0)
    expect(budgetRows(fixture(Trace, 'trace-failed'), [])).toMatchObject([{ name: 'The call' }])
  })
  it.each([
    ['clawrouter/fusion', 'default'],
    ['clawrouter/fusion:team', 'team'],
    ['clawrouter/fusionist', null],
    ['openai/gpt-4.1-mini', null],
  ])('%s is of profile %s', (model, profile) => expect(profileOf(model)).toBe(profile))
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
    beside: [],
    policy: 'default',
    system: ' Be brief. ',
    temperature: 0,
    maxTokens: 64,
    stream: true,
    json: true,
    tools: '[{"type":"function"}]',
    session: 's1',
  }
  it.each<[string, string[], (Partial<Explanation> | null)[], string | null]>([
    ['a cheap model: nothing', ['a/b'], [{ worst_cost_usd: 0.05 }], null],
    ['a dear model', ['a/b'], [{ worst_cost_usd: 0.0501, strategy: 'direct' }], '1 call, at most $0.0501.'],
    [
      'a fusion, however cheap',
      ['clawrouter/fusion:x'],
      [
        {
          strategy: 'fusion',
          worst_cost_usd: 0.001,
          candidates: [{ model: 'a', chosen: true }, { model: 'b', chosen: true }, { model: 'c' }],
        },
      ],
      '2 calls, at most $0.001.',
    ],
    [
      'several together',
      ['a/b', 'c/d'],
      [{ worst_cost_usd: 0.04 }, { worst_cost_usd: 0.04 }],
      '2 calls, at most $0.08.',
    ],
    ['one that is not known', ['clawrouter/fusion', 'c/d'], [null, {}], 'What this costs at most is not known.'],
    ['nothing asked', [], [], null],
  ])('estimates %s', (_, models, decisions, expected) =>
    expect(estimateLine(models, decisions as (Explanation | null)[])).toBe(expected),
  )
  it('gives each model its own conversation, and one that joins later the first', () => {
    const lane = (text: string, error: Lane['error'] = null): Lane => ({
      requested: '',
      answer: { ...noAnswer, text },
      error,
      running: false,
      stopped: false,
    })
    const turns = [
      { prompt: 'one', lanes: [lane('A1')] },
      { prompt: 'two', lanes: [lane('A2'), lane('B2')] },
      { prompt: 'three', lanes: [lane('half', new ApiError({ status: 500, code: 'x', message: 'x' })), lane('')] },
    ]
    const said = (index: number) => historyOf(turns, index).map(message => message.content)
    expect(said(0)).toEqual(['one', 'A1', 'two', 'A2', 'three'])
    expect(said(1)).toEqual(['one', 'A1', 'two', 'B2', 'three'])
    expect(said(2)).toEqual(['one', 'A1', 'two', 'A2', 'three'])
  })
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
    expect(takeOver()).toEqual({ system: 'S', prompt: 'U', left: 0 })
    expect(takeOver()).toBeNull()
  })
  it.each<[string, Record<string, unknown> | null, ReturnType<typeof takeOver>, string]>([
    ['nothing', null, null, ''],
    ['no text', { messages: [{ role: 'user', content: [{ type: 'image_url' }] }] }, null, '{'],
    [
      'one message',
      { model: 'm', messages: [{ role: 'user', content: 'U' }] },
      { system: '', prompt: 'U', left: 0 },
      'U',
    ],
    [
      'a conversation in parts',
      {
        model: 'm',
        messages: [
          { role: 'user', content: 'old' },
          { role: 'assistant', content: 'so' },
          { role: 'user', content: [{ type: 'text', text: 'U' }, { type: 'image_url' }, { type: 'text', text: 'V' }] },
        ],
      },
      { system: '', prompt: 'U\n\nV', left: 2 },
      '{\n  "messages"',
    ],
  ])('takes %s over', (_, body, prompt, text) => {
    handOver.value = body
    expect(takeOver()).toEqual(prompt)
    handOver.value = body
    const taken = takeText()
    expect(taken.slice(0, text.length)).toBe(text)
    expect(taken).not.toContain('"model"')
    expect(handOver.value).toBeNull()
  })
  it('remembers the newest twenty requests of its own, until somebody signs out', () => {
    for (let i = 0; i < 22; i++) remember(`r${i}`, { body: { i } })
    remember(undefined, { body: {} })
    expect([recall('r1'), recall('r2')?.body, recall('r21')?.body]).toEqual([undefined, { i: 2 }, { i: 21 }])
    dispatchEvent(new Event('clawrouter:forget'))
    expect(recall('r21')).toBeUndefined()
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
