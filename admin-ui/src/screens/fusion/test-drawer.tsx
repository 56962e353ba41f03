/** Test prompt: runs the draft on the production path, with a waterfall and a card per call while it runs. */
import type { JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { ApiError } from '../../api/client.ts'
import { testPrompt } from '../../api/fusion.ts'
import type { FusionProfile } from '../../api/schema/documents.ts'
import type { Readiness } from '../../api/schema/fusion.ts'
import { duration, money, tokens } from '../../lib/format.ts'
import { modifier } from '../../lib/shortcuts.ts'
import { plural, segment } from '../../lib/text.ts'
import { Button } from '../../ui/button.tsx'
import { Callout } from '../../ui/callout.tsx'
import { Chip } from '../../ui/chip.tsx'
import { Code } from '../../ui/code.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { Checkbox, TextInput } from '../../ui/field.tsx'
import { ErrorBox } from '../../ui/loaded.tsx'
import { Markdown } from '../../ui/markdown.tsx'
import { Figures } from '../../ui/panel.tsx'
import { Select } from '../../ui/select.tsx'
import { TabPanel, Tabs } from '../../ui/tabs.tsx'
import { Waterfall, type WaterfallRole, type WaterfallRow } from '../../viz/waterfall.tsx'
import { JudgeView } from '../shared/judge.tsx'
import type { TestStatus } from './steps.tsx'
import { fold, noRun, type TestCall, type TestRun } from './test-run.ts'

const samples = [
  'How should retries work for a queue of messages whose effects must not happen twice?',
  'Compare three ways to store a tree in SQL for a team that mostly reads subtrees.',
  'What would you ask before promising a customer 99.95 % availability?',
]

const roleOf = (stage: string): WaterfallRole => (stage === 'adviser' || stage === 'judge' ? stage : 'synthesizer')

function rowsOf(run: TestRun): WaterfallRow[] {
  return run.calls.map(call => ({
    id: String(call.call),
    role: roleOf(call.stage),
    name: call.slot === 'B' ? 'Synthesizer alone' : `${call.slot} ${call.stage}`,
    note: call.model,
    startMs: call.startMs,
    firstTokenMs: call.firstTokenMs,
    endMs: call.endMs,
    failed: !call.ok,
    end: call.ok ? (
      call.endMs === null ? (
        <span class="muted">running</span>
      ) : (
        `${tokens(call.inputTokens)} in · ${tokens(call.outputTokens)} out`
      )
    ) : (
      <span class="bad">× {call.failure}</span>
    ),
    endNote: call.endMs === null ? undefined : money(call.costUsd),
  }))
}

function Card({ call }: { call: TestCall }): JSX.Element {
  return (
    <article class="card">
      <div class="row-wrap">
        <h3>{call.slot === 'B' ? 'Synthesizer alone' : `Answer ${call.slot}`}</h3>
        {call.endMs === null ? (
          <Chip tone="info">running</Chip>
        ) : (
          <Chip tone={call.ok ? 'ok' : 'bad'}>
            {call.ok ? duration(call.endMs - call.startMs) : (call.failure ?? 'failed')}
          </Chip>
        )}
      </div>
      <span class="mono small muted clip">{call.model}</span>
      <div class="card-text" tabIndex={0} role="region" aria-label={`Text of ${call.slot}`}>
        {call.text ? (
          <Markdown text={call.text} />
        ) : (
          <span class="muted">{call.ok ? 'No text yet.' : 'Left out of the synthesis.'}</span>
        )}
      </div>
    </article>
  )
}

function Answers({ run, running }: { run: TestRun; running: boolean }): JSX.Element {
  const [tab, setTab] = useState('answer')
  const synthesizer = run.calls.find(call => call.slot === 'S')
  const baseline = run.calls.find(call => call.slot === 'B')
  const advisers = run.calls.filter(call => call.stage === 'adviser')
  const tabs = [
    { id: 'answer', text: 'Answer' },
    { id: 'advisers', text: `Advisers (${advisers.length})` },
    ...(run.notes ? [{ id: 'judge', text: 'Judge' }] : []),
    ...(run.injected ? [{ id: 'injected', text: 'Injected' }] : []),
  ]
  return (
    <div class="stack-8">
      <Tabs name="test" label="Result" tabs={tabs} active={tab} onChange={setTab} />
      <TabPanel name="test" id={tab}>
        {tab === 'answer' && (
          <div class={baseline ? 'grid-cards' : 'stack-8'}>
            {synthesizer?.text ? (
              <div class={running ? 'caret' : undefined}>
                {baseline && <h3>Fused</h3>}
                <Markdown text={synthesizer.text} />
              </div>
            ) : (
              <p class="muted">
                {running ? 'The synthesizer starts when the advisers are in.' : 'The synthesizer wrote nothing.'}
              </p>
            )}
            {baseline && <Card call={baseline} />}
          </div>
        )}
        {tab === 'advisers' && (
          <div class="grid-cards">
            {advisers.map(call => (
              <Card key={call.call} call={call} />
            ))}
          </div>
        )}
        {tab === 'judge' && run.notes && <JudgeView notes={run.notes} />}
        {tab === 'injected' && run.injected && (
          <Code text={run.injected} wrap label="The message that the synthesizer received" />
        )}
      </TabPanel>
    </div>
  )
}

interface TestDrawerProps {
  profile: string
  draft: FusionProfile
  policies: string[]
  policy: string
  figures: Readiness['figures'] | null
  onClose: () => void
  /** With the draft that was run. */
  onFinished: (status: TestStatus, draft: FusionProfile) => void
}

export function TestDrawer({
  profile,
  draft,
  policies,
  policy,
  figures,
  onClose,
  onFinished,
}: TestDrawerProps): JSX.Element {
  const [prompt, setPrompt] = useState('')
  const [chosen, setActAs] = useState(policy)
  const actAs = chosen || policies[0] || ''
  const [baseline, setBaseline] = useState(false)
  const [run, setRun] = useState<TestRun>(noRun)
  const [error, setError] = useState<ApiError | null>(null)
  const [running, setRunning] = useState(false)
  const abort = useRef<AbortController | null>(null)
  useEffect(() => () => abort.current?.abort(), [])

  const start = async () => {
    if (running || !prompt.trim()) return
    const mine = new AbortController()
    abort.current = mine
    setRunning(true)
    setError(null)
    setRun(noRun)
    let state = noRun
    try {
      const request = { prompt: prompt.trim(), draft, baseline, ...(actAs ? { policy: actAs } : {}) }
      for await (const event of testPrompt(profile, request, mine.signal)) {
        state = fold(state, event)
        setRun(state)
      }
      onFinished({ ok: state.result !== null && state.error === null, at: Date.now() }, draft)
    } catch (failure) {
      if (failure instanceof ApiError) setError(failure)
      else if (!mine.signal.aborted)
        setError(
          new ApiError({
            status: 0,
            code: 'network',
            message: 'The stream broke off. What was called so far is billed.',
          }),
        )
    } finally {
      setRunning(false)
    }
  }
  const calls = figures ? figures.calls_max + (baseline ? 1 : 0) : null
  const reserve =
    figures?.reserve_usd == null
      ? null
      : figures.reserve_usd + (baseline ? (figures.synthesizer_alone?.reserve_usd ?? 0) : 0)
  const { result } = run
  const failed = run.calls.filter(call => call.stage === 'adviser' && !call.ok).length
  const problem = failed > 0 ? `${plural(failed, 'adviser')} failed` : result?.degraded ? 'degraded' : null
  return (
    <Dialog drawer title="Test prompt" onClose={onClose}>
      <form
        class="stack-16"
        onSubmit={event => {
          event.preventDefault()
          void start()
        }}
        onKeyDown={event => {
          if (event.key === 'Enter' && (event.metaKey || event.ctrlKey)) {
            event.preventDefault()
            void start()
          }
        }}
      >
        <div class="stack-8">
          <TextInput
            label="Prompt"
            rows={3}
            value={prompt}
            onInput={setPrompt}
            placeholder="An open question, as a caller would ask it"
            autoFocus
          />
          <div class="row-wrap small">
            <span class="muted">Samples:</span>
            {samples.map((sample, index) => (
              <button key={sample} type="button" class="link-btn" onClick={() => setPrompt(sample)}>
                {['Retries', 'Trees in SQL', 'Availability'][index]}
              </button>
            ))}
          </div>
        </div>
        <div class="row-wrap">
          {policies.length > 0 && (
            <>
              <span class="small muted">As policy</span>
              <Select
                inline
                label="Policy to act as"
                value={actAs}
                onChange={setActAs}
                choices={policies.map(item => ({ value: item, text: item }))}
              />
            </>
          )}
          <Checkbox checked={baseline} onChange={setBaseline}>
            Also run the synthesizer alone
          </Checkbox>
        </div>
        <div class="row-wrap">
          {running ? (
            <Button onClick={() => abort.current?.abort()}>Stop</Button>
          ) : (
            <Button kind="primary" type="submit" disabled={!prompt.trim()} why="Write a prompt first">
              Run <kbd>{modifier}↵</kbd>
            </Button>
          )}
          <span class="small muted">
            {calls === null ? 'Real calls, billed.' : `${plural(calls, 'call')}, at most ${money(reserve)}`}
            {actAs && `, charged to policy ${actAs}`}. Runs this draft, marked as a test.
          </span>
        </div>
      </form>
      {error && <ErrorBox error={error} what="The test did not run" onRetry={() => void start()} />}
      {run.error && (
        <Callout tone="bad" alert title="The run failed.">
          {run.error.message} <code>{run.error.code}</code>
        </Callout>
      )}
      {run.calls.length > 0 && (
        <>
          {result && (
            <Figures
              label="Result"
              items={[
                { name: 'Total', value: duration(result.ms) },
                {
                  name: 'Cost',
                  value: money(result.costUsd),
                  note: run.estimate && `of ${money(run.estimate.reserveUsd)}`,
                },
                {
                  name: 'Calls',
                  value: result.calls,
                  note: problem ? <Chip tone="warn">{problem}</Chip> : undefined,
                },
              ]}
            />
          )}
          <div class="panel">
            <Waterfall
              label="Calls of this test"
              rows={rowsOf(run)}
              totalMs={running ? Math.max(1000, run.nowMs) : Math.max(1, run.nowMs)}
            />
          </div>
          <Answers run={run} running={running} />
          <span class="visually-hidden" role="status">
            {result ? 'Answer complete' : ''}
          </span>
          {result?.requestId && (
            <p class="small">
              <a href={`/admin/requests/${segment(result.requestId)}`}>Open the trace</a>
            </p>
          )}
        </>
      )}
    </Dialog>
  )
}
