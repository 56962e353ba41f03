/** A trace's spans, folded to one per call, and as waterfall rows. Pure. */
import type { Candidate } from '../../api/schema/explain.ts'
import type { Span, Trace } from '../../api/schema/operate.ts'
import { duration, money, tokens } from '../../lib/format.ts'
import { sentence, spaced } from '../../lib/text.ts'
import type { WaterfallRole, WaterfallRow } from '../../viz/waterfall.tsx'
import type { TestCall } from '../fusion/test-run.ts'

function roleOf(span: Span, first: Span | undefined): WaterfallRole {
  switch (span.stage) {
    case 'route':
      return 'router'
    case 'adviser':
    case 'judge':
      return span.stage
    case 'synthesizer':
      return (span.attempt ?? 1) > 1 && first && first.target !== span.target ? 'fallback' : 'synthesizer'
    case 'attempt':
      return first && first.target !== span.target ? 'fallback' : 'primary'
  }
}

/**
 * One span per call: an adviser, judge or synthesizer is stored as a stage with its attempts below it; what is shown is
 * each attempt under the name of its stage. A stage without an attempt (left out, cancelled early) stays itself.
 */
export function calls(spans: readonly Span[]): Span[] {
  const staged = (span: Span) => span.stage === 'adviser' || span.stage === 'judge' || span.stage === 'synthesizer'
  const stages = new Map(spans.filter(staged).map(span => [span.id, span]))
  const parents = new Set(spans.flatMap(span => (span.parent != null && stages.has(span.parent) ? [span.parent] : [])))
  return spans
    .filter(span => !parents.has(span.id))
    .map(span => {
      const stage = span.parent == null ? undefined : stages.get(span.parent)
      return stage ? { ...span, stage: stage.stage, index: stage.index ?? 0 } : span
    })
}

export function spanName(span: Span, siblings: number): string {
  switch (span.stage) {
    case 'route':
      return 'Route and preflight'
    case 'adviser':
      return `Adviser ${(span.index ?? 0) + 1}`
    case 'judge':
      return 'Judge'
    case 'synthesizer':
      return siblings > 1 ? `Synthesizer, attempt ${span.attempt ?? 1}` : 'Synthesizer'
    case 'attempt':
      return `Attempt ${span.attempt ?? 1}`
  }
}

/** Why a span failed, as short as the list allows. */
export function failure(span: Span): string | null {
  if (span.outcome === 'ok' || span.outcome == null) return null
  const words = span.class ? spaced(span.class) : span.outcome
  return span.status ? `${span.status} ${words}` : words
}

export function waterfallRows(trace: Trace): WaterfallRow[] {
  return trace.spans.map(span => {
    const siblings = trace.spans.filter(item => item.stage === span.stage && (item.index ?? 0) === (span.index ?? 0))
    const failed = failure(span)
    return {
      id: span.id,
      role: roleOf(span, siblings[0]),
      name: spanName(span, siblings.length),
      ...(span.target ? { note: span.target } : {}),
      startMs: span.start_ms,
      firstTokenMs: span.first_token_ms ?? null,
      endMs: span.end_ms ?? null,
      failed: failed !== null && span.outcome !== 'cancelled',
      end:
        span.stage === 'route' ? (
          duration((span.end_ms ?? span.start_ms) - span.start_ms)
        ) : failed ? (
          <span class={span.outcome === 'cancelled' ? 'muted' : 'bad'}>× {failed}</span>
        ) : span.usage ? (
          `${tokens(span.usage.input_tokens)} in · ${tokens(span.usage.output_tokens)} out`
        ) : (
          sentence(span.outcome ?? 'running')
        ),
      endNote: span.stage === 'route' ? undefined : money(span.cost_usd),
    }
  })
}

/** Spans of one call together: its attempts, in order. */
function grouped(spans: readonly Span[]): Span[][] {
  const groups = new Map<string, Span[]>()
  for (const span of spans) {
    if (span.stage === 'route') continue
    const key = `${span.stage} ${span.stage === 'attempt' ? 0 : (span.index ?? 0)}`
    groups.set(key, [...(groups.get(key) ?? []), span])
  }
  return [...groups.values()]
}

const total = (values: (number | null | undefined)[]): number | null =>
  values.some(value => value != null) ? values.reduce((sum: number, value) => sum + (value ?? 0), 0) : null

/** The calls of a fusion as far as they are stored: who was asked and how it went, never what was written. */
export function storedCalls(spans: readonly Span[]): TestCall[] {
  return grouped(spans).flatMap((attempts, call) => {
    const [first, last] = [attempts[0], attempts.at(-1)]
    if (!first || !last || first.stage === 'attempt') return []
    return {
      call,
      slot: first.stage === 'adviser' ? `A${(first.index ?? 0) + 1}` : first.stage === 'judge' ? 'J' : 'S',
      stage: first.stage,
      model: last.target ?? '',
      startMs: first.start_ms,
      firstTokenMs: last.first_token_ms ?? null,
      endMs: last.end_ms ?? null,
      ok: failure(last) === null,
      failure: failure(last),
      text: '',
      inputTokens: last.usage?.input_tokens ?? null,
      outputTokens: last.usage?.output_tokens ?? null,
      costUsd: total(attempts.map(span => span.cost_usd)),
    }
  })
}

export interface BudgetRow {
  name: string
  target: string
  /** What the decision counted on at worst; null when it is not stored. */
  reserved: number | null
  settled: number | null
}

/** Reserve and settlement per call. A request without stages is one call, whoever answered it. */
export function budgetRows(trace: Trace, candidates: readonly Candidate[]): BudgetRow[] {
  return grouped(trace.spans).map(attempts => {
    const [first, last] = [attempts[0] as Span, attempts.at(-1) as Span]
    const worst = attempts
      .map(span => candidates.find(item => item.model === span.target && item.role === span.stage)?.worst_cost_usd)
      .filter(cost => cost != null)
    return {
      name: first.stage === 'attempt' ? 'The call' : spanName(first, 1),
      target: last.target ?? '',
      reserved: first.stage === 'attempt' ? (trace.reserved_usd ?? null) : worst.length ? Math.max(...worst) : null,
      settled: total(attempts.map(span => span.cost_usd)),
    }
  })
}
