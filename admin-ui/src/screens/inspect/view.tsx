/** An Explanation in words, bars and tables; the inspector and the trace show the same. */
import type { JSX } from 'preact'
import { useRef } from 'preact/hooks'
import type { Explanation } from '../../api/schema/explain.ts'
import { money, percent } from '../../lib/format.ts'
import { useShortcuts } from '../../lib/shortcuts.ts'
import { list, sentence, spaced } from '../../lib/text.ts'
import { Callout } from '../../ui/callout.tsx'
import { Chip } from '../../ui/chip.tsx'
import { Table } from '../../ui/table.tsx'
import { Quadrant } from '../../viz/quadrant.tsx'
import { ScoreBars } from '../../viz/score-bars.tsx'
import { ReasonText } from '../shared/fix.tsx'

type Candidate = NonNullable<Explanation['candidates']>[number]

function CandidateName({ item, many }: { item: Candidate; many: boolean }): JSX.Element {
  const notes = [
    item.state && item.state !== 'ready' && `${item.state}${item.class ? `: ${spaced(item.class)}` : ''}`,
    ...(item.notes ?? []),
  ].filter(Boolean)
  return (
    <>
      <span class="mono">{item.model}</span>{' '}
      {item.chosen && <Chip tone="ok">{many && item.role ? item.role : 'chosen'}</Chip>}
      {notes.length > 0 && <small>{notes.join(', ')}</small>}
      {item.excluded && (
        <small>
          {sentence(item.excluded.gate)}:{' '}
          <ReasonText
            reason={{ code: item.excluded.code ?? '', text: item.excluded.text, fix: item.excluded.fix }}
            model={item.model}
          />
        </small>
      )}
    </>
  )
}

function Candidates({ explanation }: { explanation: Explanation }): JSX.Element | null {
  const candidates = (explanation.candidates ?? []).map((item, index) => ({ ...item, key: `${index} ${item.model}` }))
  const names = [...new Set(candidates.flatMap(item => (item.terms ?? []).map(term => term.name)))]
  const scored = candidates.some(item => item.score != null)
  const priced = candidates.some(item => item.worst_cost_usd != null)
  const many = new Set(candidates.map(item => item.role)).size > 1
  const table = useRef<HTMLDetailsElement>(null)
  useShortcuts([
    {
      keys: 'v',
      text: 'Candidates as a table, or not',
      run: () => {
        if (table.current) table.current.open = !table.current.open
      },
    },
  ])
  if (candidates.length === 0) return null
  type Row = (typeof candidates)[number]
  return (
    <div class="stack-16">
      <h3>Candidates</h3>
      {scored && <ScoreBars candidates={candidates} />}
      <details open={!scored} ref={table}>
        <summary>
          All candidates as a table <kbd>V</kbd>
        </summary>
        <Table
          label="Candidates"
          rows={candidates}
          rowKey={item => item.key}
          columns={[
            { id: 'model', head: 'Model', cell: (item: Row) => <CandidateName item={item} many={many} /> },
            ...(many ? [{ id: 'role', head: 'As', cell: (item: Row) => item.role ?? '–' }] : []),
            ...names.map(name => ({
              id: name,
              head: sentence(spaced(name)),
              number: true,
              named: true,
              cell: (item: Row) => item.terms?.find(term => term.name === name)?.value.toFixed(2) ?? '–',
            })),
            ...(scored
              ? [
                  {
                    id: 'score',
                    head: 'Score',
                    number: true,
                    named: true,
                    cell: (item: Row) => <strong>{item.score?.toFixed(2) ?? '–'}</strong>,
                  },
                ]
              : []),
            ...(priced
              ? [
                  {
                    id: 'cost',
                    head: 'At most',
                    number: true,
                    named: true,
                    cell: (item: Row) => money(item.worst_cost_usd),
                  },
                ]
              : []),
          ]}
        />
      </details>
    </div>
  )
}

function Signals({ explanation }: { explanation: Explanation }): JSX.Element | null {
  const rows = (['complexity', 'risk'] as const).flatMap(of =>
    (explanation[of]?.contributions ?? []).map(item => ({ ...item, of })),
  )
  if (rows.length === 0) return null
  return (
    <div class="stack-8">
      <h3>Signals</h3>
      <Table
        label="Signals"
        rows={rows}
        rowKey={row => `${row.of} ${row.signal}`}
        columns={[
          {
            id: 'signal',
            head: 'Signal',
            cell: row => (
              <>
                {sentence(row.signal)}
                {row.evidence && row.evidence.length > 0 && (
                  <small>matched: {list(row.evidence.map(text => `“${text}”`))}</small>
                )}
              </>
            ),
          },
          { id: 'of', head: 'Counts for', cell: row => row.of },
          { id: 'value', head: 'Value', number: true, named: true, cell: row => row.value?.toFixed(2) ?? '–' },
          { id: 'weight', head: 'Weight', number: true, named: true, cell: row => row.weight?.toFixed(2) ?? '–' },
        ]}
      />
    </div>
  )
}

type Fact = [name: string, value: JSX.Element | string]

/** What the decision says about itself; parts that took no part are left out. */
function factsOf(explanation: Explanation): Fact[] {
  const { pin, task_mix: mix } = explanation
  const facts: Fact[] = []
  const chain = (name: string, models: string[] | null | undefined) => {
    if (models?.length) facts.push([name, <span class="mono small">{models.join(' → ')}</span>])
  }
  if (explanation.strategy) facts.push(['Strategy', spaced(explanation.strategy)])
  if (explanation.why) facts.push(['Why', explanation.why])
  chain('Fallbacks', explanation.fallbacks)
  chain('When it does not fit', explanation.context_fallbacks)
  chain('After a content refusal', explanation.content_policy_fallbacks)
  if (pin && (pin.state !== 'none' || pin.target)) {
    facts.push(['Session pin', `${sentence(pin.state)}. ${[pin.text, pin.target].filter(Boolean).join(' ')}`])
  }
  if (explanation.tool_loop) facts.push(['Tool loop', explanation.tool_loop.text])
  if (mix) {
    const parts = Object.entries(mix).filter(([, share]) => share > 0)
    facts.push([
      'Task',
      parts
        .sort(([, a], [, b]) => b - a)
        .map(([name, share]) => `${name} ${percent(share)}`)
        .join(', '),
    ])
  }
  if (explanation.expected_cost_usd != null || explanation.worst_cost_usd != null) {
    facts.push([
      'Cost',
      [
        explanation.expected_cost_usd != null && `expected ${money(explanation.expected_cost_usd)}`,
        explanation.worst_cost_usd != null && `at most ${money(explanation.worst_cost_usd)}`,
      ]
        .filter(Boolean)
        .join(', '),
    ])
  }
  if (explanation.budget_remaining_usd != null) facts.push(['Budget left', money(explanation.budget_remaining_usd)])
  if (explanation.truncated) facts.push(['Cut', 'Some candidates were left out to keep this answer small.'])
  return facts
}

export function ExplanationView({ explanation }: { explanation: Explanation }): JSX.Element {
  const { complexity, risk, thresholds, pipeline } = explanation
  const facts = factsOf(explanation)
  return (
    <div class="stack-16">
      <Callout tone={explanation.strategy === 'refused' ? 'bad' : 'ok'}>
        <strong>{explanation.verdict}</strong>
      </Callout>
      {facts.length > 0 && (
        <dl class="kv">
          {facts.map(([name, value]) => (
            <>
              <dt key={name}>{name}</dt>
              <dd>{value}</dd>
            </>
          ))}
        </dl>
      )}
      <Candidates explanation={explanation} />
      {complexity && risk && (
        <div class="stack-8">
          <h3>Complexity and risk</h3>
          <div class="row-wrap">
            <Quadrant
              complexity={complexity.value}
              risk={risk.value}
              verifyRisk={thresholds?.verify_risk}
              fusionComplexity={thresholds?.fusion_complexity}
              fusionRisk={thresholds?.fusion_risk}
            />
            <p class="muted prose grow">
              Complexity {complexity.value.toFixed(2)}, risk {risk.value.toFixed(2)}. Inside a coloured region the
              router asks a verifier or a fusion; outside one model answers alone.
            </p>
          </div>
        </div>
      )}
      <Signals explanation={explanation} />
      {pipeline && pipeline.length > 0 && (
        <div class="stack-8">
          <h3>Steps</h3>
          <Table
            label="Steps"
            rows={pipeline}
            rowKey={step => step.step}
            columns={[
              { id: 'step', head: 'Step', cell: step => sentence(spaced(step.step)) },
              { id: 'count', head: 'Models left', number: true, named: true, cell: step => step.count ?? '–' },
              { id: 'text', head: 'What', wide: true, cell: step => <span class="muted">{step.text}</span> },
            ]}
          />
        </div>
      )}
    </div>
  )
}
