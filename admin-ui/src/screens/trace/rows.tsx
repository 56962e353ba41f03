/** A trace's spans, folded to one per call, and as waterfall rows. Pure. */
import type { Span, Trace } from '../../api/schema/operate.ts'
import { duration, money, tokens } from '../../lib/format.ts'
import { sentence, spaced } from '../../lib/text.ts'
import type { WaterfallRole, WaterfallRow } from '../../viz/waterfall.tsx'

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
