/** The right column: each call for one policy, the figures, and who will see the model. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import type { FusionProfile } from '../../api/schema/documents.ts'
import type { Readiness, ReadinessCall, ReadinessPolicy } from '../../api/schema/fusion.ts'
import { useNow } from '../../lib/clock.ts'
import { ago, clock, duration, money, multiple } from '../../lib/format.ts'
import { plural } from '../../lib/text.ts'
import { Button } from '../../ui/button.tsx'
import { Callout } from '../../ui/callout.tsx'
import { Chip, type Tone } from '../../ui/chip.tsx'
import { ErrorBox } from '../../ui/loaded.tsx'
import { Figures, Panel } from '../../ui/panel.tsx'
import { Select } from '../../ui/select.tsx'
import { Skeleton } from '../../ui/states.tsx'
import { Table } from '../../ui/table.tsx'
import { ReasonText, Verify } from '../shared/fix.tsx'
import type { DraftState } from './draft-state.ts'
import { PreviewDialog } from './preview.tsx'

const tones: Record<ReadinessCall['state'], Tone> = { verified: 'ok', unverified: 'warn', blocked: 'bad' }

function CallCell({ call, recheck }: { call: ReadinessCall; recheck: () => void }): JSX.Element {
  return (
    <>
      {call.slot} <strong class="mono">{call.model}</strong>
      {call.reason ? (
        <small class={call.state === 'blocked' ? 'bad' : undefined}>
          <ReasonText reason={call.reason} model={call.model} onDone={recheck} />
          {call.state === 'unverified' && call.reason.fix?.kind !== 'verify' && (
            <Verify model={call.model} onDone={recheck} />
          )}
        </small>
      ) : (
        call.state === 'unverified' && (
          <small>
            Executable, not proven by a real call in the last 24 h. <Verify model={call.model} onDone={recheck} />
          </small>
        )
      )}
    </>
  )
}

function Age({ at }: { at: number }): JSX.Element {
  const now = useNow()
  return <>{at === 0 ? 'checking' : `checked ${ago(at, now)}`}</>
}

/** What the figures are made of; `calls` as they are reserved for the policy that is shown. */
function Reckoning({ calls }: { calls: readonly ReadinessCall[] }): JSX.Element {
  return (
    <details class="small muted">
      <summary>How these are reckoned</summary>
      <p class="small">For a request of about 1,000 tokens in three messages, at the prices and limits of now.</p>
      <p class="small">
        Reserve: {calls.map(call => `${call.slot} ${money(call.reserve_usd)}`).join(' + ')}, each at its output limit.
      </p>
      <p class="small">Typical cost: the same calls with answers of half their limit, 500 tokens at most.</p>
      <p class="small">
        Typical time: the slowest adviser, then the judge, then the synthesizer, by their measured speed.
      </p>
      <p class="small">Multiples: typical cost and time divided by those of the synthesizer without advisers.</p>
    </details>
  )
}

function FiguresOf({ readiness, calls }: { readiness: Readiness; calls: readonly ReadinessCall[] }): JSX.Element {
  const { figures } = readiness
  const alone = figures.synthesizer_alone
  return (
    <div class="stack-8">
      <Figures
        label="What one request costs"
        items={[
          { name: 'Calls per request', value: figures.calls_max, note: 'max' },
          { name: 'Reserve', value: money(figures.reserve_usd), note: 'upper bound' },
          {
            name: 'Typical cost',
            value: money(figures.typical_cost_usd),
            note: figures.typical_cost_usd == null ? 'a model is unpriced' : 'estimate',
          },
          {
            name: 'Typical time',
            value: duration(figures.typical_ms),
            note: figures.typical_ms == null ? 'not measured yet' : 'estimate',
          },
          {
            name: 'Synthesizer alone',
            value: multiple(figures.cost_multiple),
            note: (
              <>
                cost{figures.time_multiple != null && <> · {multiple(figures.time_multiple)} time</>}
                {alone && <> · alone it reserves {money(alone.reserve_usd)}</>}
              </>
            ),
          },
        ]}
      />
      <Reckoning calls={calls} />
    </div>
  )
}

function listedText(policy: ReadinessPolicy): string {
  if (policy.listed === policy.listed_now) return policy.listed ? 'Listed' : 'Hidden'
  return policy.listed ? 'Will be listed' : 'Will be hidden'
}

function KeyRows({ policy }: { policy: ReadinessPolicy }): JSX.Element | null {
  const differing = policy.key_rows?.filter(row => row.listed !== policy.listed) ?? []
  if (differing.length === 0) return null
  return (
    <details>
      <summary class="small">{plural(differing.length, 'key differs', 'keys differ')}</summary>
      {differing.map(row => (
        <p class="small muted" key={row.kid}>
          <strong>{row.label ?? row.kid}</strong>: {row.listed ? 'listed' : 'hidden'}.{' '}
          {row.reason && <ReasonText reason={row.reason} />}
        </p>
      ))}
    </details>
  )
}

function Policies({
  readiness,
  caller,
  draft,
  onPolicy,
}: {
  readiness: Readiness
  caller: string
  draft: FusionProfile | undefined
  onPolicy: (policy: string) => void
}): JSX.Element {
  const [previews, setPreviews] = useState(false)
  return (
    <Panel
      title={`Who will see ${caller}`}
      aside={
        <>
          <span>Hidden unless the synthesizer can be executed and paid.</span>
          <Button small onClick={() => setPreviews(true)}>
            Preview as key…
          </Button>
        </>
      }
      flush
    >
      {previews && draft && <PreviewDialog draft={draft} onClose={() => setPreviews(false)} />}
      <Table
        label={`Policies that will see ${caller}`}
        rows={readiness.policies}
        rowKey={row => row.policy}
        columns={[
          {
            id: 'policy',
            head: 'Policy',
            cell: row => (
              <>
                <button
                  type="button"
                  class="row-link"
                  title={`Check readiness for ${row.policy}`}
                  onClick={() => onPolicy(row.policy)}
                >
                  {row.policy}
                </button>{' '}
                <span class="muted">{plural(row.keys, 'key')}</span>
                {row.reason && (
                  <small>
                    <ReasonText reason={row.reason} model={row.calls.find(call => call.slot === 'S')?.model ?? ''} />
                  </small>
                )}
                <KeyRows policy={row} />
              </>
            ),
          },
          {
            id: 'listed',
            head: 'Listed',
            cell: row => <Chip tone={row.listed ? 'ok' : 'bad'}>{listedText(row)}</Chip>,
          },
          {
            id: 'advisers',
            head: 'Advisers',
            number: true,
            cell: row => `${row.ready_advisers} of ${row.advisers}`,
            named: true,
          },
          {
            id: 'budget',
            head: 'Budget left',
            number: true,
            named: true,
            cell: row =>
              row.remaining_budget_usd == null ? <span class="muted">no budget</span> : money(row.remaining_budget_usd),
          },
        ]}
      />
    </Panel>
  )
}

/** Counts of why nobody can run the synthesizer. */
function nobody(readiness: Readiness): string | null {
  if (readiness.policies.some(policy => policy.listed)) return null
  if (readiness.policies.length === 0) return 'There is no policy, so there is no caller.'
  const counts = new Map<string, number>()
  for (const policy of readiness.policies) {
    const text = policy.reason?.text ?? 'No reason given.'
    counts.set(text, (counts.get(text) ?? 0) + 1)
  }
  return [...counts].map(([text, amount]) => `${plural(amount, 'policy', 'policies')}: ${text}`).join(' ')
}

/** The policy that the page speaks of: the wanted one, else the one with most keys. */
export function shownPolicy(readiness: Readiness, wanted: string): ReadinessPolicy | undefined {
  const byKeys = [...readiness.policies].sort((a, b) => b.keys - a.keys || Number(b.listed) - Number(a.listed))
  return readiness.policies.find(item => item.policy === wanted) ?? byKeys[0]
}

export function ReadinessPanels({
  state,
  caller,
  policy,
  onPolicy,
}: {
  state: DraftState
  caller: string
  policy: string
  onPolicy: (policy: string) => void
}): JSX.Element {
  const { readiness, readinessError, readinessAt } = state
  const [own, setOwn] = useState('')
  const wanted = policy || own
  const shown = readiness && shownPolicy(readiness, wanted)
  const choose = (next: string) => {
    setOwn(next)
    onPolicy(next)
  }
  const problem = readiness && nobody(readiness)
  return (
    <div class="stack-16">
      <Panel
        id="readiness"
        title="Live readiness"
        flush
        aside={
          <>
            <span>
              <Age at={state.checking && !readiness ? 0 : readinessAt} /> for
            </span>
            {readiness && shown && (
              <Select
                inline
                label="Policy to check for"
                value={shown.policy}
                onChange={choose}
                choices={readiness.policies.map(item => ({ value: item.policy, text: item.policy }))}
              />
            )}
          </>
        }
      >
        {readinessError && (
          <div class="panel-body">
            <ErrorBox
              error={readinessError}
              what={readiness ? `Not rechecked since ${clock(readinessAt)} UTC` : 'Readiness could not be checked'}
              onRetry={state.recheck}
            />
          </div>
        )}
        {!readiness && !readinessError && <Skeleton lines={5} />}
        {problem && (
          <div class="panel-body">
            <Callout tone="bad" title={`${caller} is hidden for everyone.`}>
              {problem}
            </Callout>
          </div>
        )}
        {shown && (
          <Table
            label={`Calls for ${shown.policy}`}
            rows={shown.calls}
            rowKey={call => call.slot}
            columns={[
              { id: 'call', head: 'Call', cell: call => <CallCell call={call} recheck={state.recheck} /> },
              { id: 'state', head: 'State', cell: call => <Chip tone={tones[call.state]}>{call.state}</Chip> },
              { id: 'reserve', head: 'Reserve', number: true, named: true, cell: call => money(call.reserve_usd) },
              {
                id: 'time',
                head: 'p50 / p95',
                number: true,
                named: true,
                cell: call => `${duration(call.p50_ms)} / ${duration(call.p95_ms)}`,
              },
            ]}
          />
        )}
      </Panel>
      {readiness && <FiguresOf readiness={readiness} calls={shown?.calls ?? []} />}
      {readiness && readiness.policies.length > 0 && (
        <Policies readiness={readiness} caller={caller} draft={state.draft} onPolicy={choose} />
      )}
    </div>
  )
}
