/** Everything stored about attempts: as a table, and one in full. */
import type { JSX } from 'preact'
import type { Span, Trace } from '../../api/schema/operate.ts'
import { duration, money, tokens } from '../../lib/format.ts'
import { spaced } from '../../lib/text.ts'
import { Chip } from '../../ui/chip.tsx'
import { Empty } from '../../ui/states.tsx'
import { Table } from '../../ui/table.tsx'
import { failure, spanName } from './rows.tsx'

const siblingsOf = (trace: Trace, span: Span) =>
  trace.spans.filter(item => item.stage === span.stage && (item.index ?? 0) === (span.index ?? 0)).length

function Outcome({ span }: { span: Span }): JSX.Element {
  const failed = failure(span)
  return (
    <Chip tone={failed === null ? 'ok' : span.outcome === 'cancelled' ? 'off' : 'bad'}>
      {failed ?? String(span.status ?? 'ok')}
    </Chip>
  )
}

export function AttemptsTable({ trace }: { trace: Trace }): JSX.Element {
  const calls = trace.spans.filter(span => span.stage !== 'route')
  if (calls.length === 0)
    return <Empty title="No call was made">The request was answered, or refused, before any upstream was called.</Empty>
  return (
    <Table
      label="Attempts"
      rows={calls}
      rowKey={span => span.id}
      columns={[
        {
          id: 'name',
          head: 'Attempt',
          cell: span => (
            <>
              {spanName(span, siblingsOf(trace, span))}
              <small class="mono">{span.target}</small>
            </>
          ),
        },
        { id: 'outcome', head: 'Outcome', cell: span => <Outcome span={span} /> },
        {
          id: 'credential',
          head: 'Credential',
          named: true,
          cell: span => span.credential ?? <span class="muted">none</span>,
        },
        {
          id: 'action',
          head: 'Then',
          named: true,
          cell: span => (
            <>
              {span.action ? spaced(span.action) : <span class="muted">–</span>}
              {span.cooldown_ms != null && <small>cools {duration(span.cooldown_ms)}</small>}
            </>
          ),
        },
        {
          id: 'ttft',
          head: 'First token',
          number: true,
          named: true,
          cell: span => duration(span.first_token_ms == null ? null : span.first_token_ms - span.start_ms),
        },
        {
          id: 'time',
          head: 'Time',
          number: true,
          named: true,
          cell: span => duration(span.end_ms == null ? null : span.end_ms - span.start_ms),
        },
        {
          id: 'tokens',
          head: 'Tokens in / out',
          number: true,
          named: true,
          cell: span => (span.usage ? `${tokens(span.usage.input_tokens)} / ${tokens(span.usage.output_tokens)}` : '–'),
        },
        { id: 'cost', head: 'Cost', number: true, named: true, cell: span => money(span.cost_usd) },
      ]}
    />
  )
}

export function SpanDetail({ span }: { span: Span }): JSX.Element {
  const facts: [string, JSX.Element | string | null][] = [
    ['Target', span.target ? <code>{span.target}</code> : null],
    ['Credential', span.credential ?? null],
    ['Started', duration(span.start_ms)],
    [
      'First token',
      span.first_token_ms == null
        ? null
        : `${duration(span.first_token_ms)}, ${duration(span.first_token_ms - span.start_ms)} after the start`,
    ],
    ['Ended', span.end_ms == null ? 'still running' : duration(span.end_ms)],
    ['Status', span.status == null ? null : String(span.status)],
    ['Class', span.class ? spaced(span.class) : null],
    ['Then', span.action ? spaced(span.action) : null],
    ['Cooldown set', span.cooldown_ms == null ? null : duration(span.cooldown_ms)],
    ['Tool loop', span.model_swapped ? 'went on with the calls of another model' : null],
    ['Thoughts', span.state_left_out ? 'those of another provider were left out' : null],
    [
      'Tokens',
      span.usage
        ? `${tokens(span.usage.input_tokens)} in (${tokens(span.usage.cached_tokens ?? 0)} cached), ${tokens(span.usage.output_tokens)} out (${tokens(span.usage.reasoning_tokens ?? 0)} reasoning)`
        : null,
    ],
    ['Cost', money(span.cost_usd)],
  ]
  return (
    <div class="panel-body" role="region" aria-label={`${spanName(span, 2)} in detail`}>
      <dl class="kv">
        {facts
          .filter(([, value]) => value !== null)
          .map(([name, value]) => (
            <>
              <dt key={name}>{name}</dt>
              <dd>{value}</dd>
            </>
          ))}
      </dl>
    </div>
  )
}
