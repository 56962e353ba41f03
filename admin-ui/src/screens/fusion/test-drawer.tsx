/** Test prompt: runs the draft on the production path, with a waterfall and a card per call while it runs. */
import type { JSX } from 'preact'
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
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
import { Dialog } from '../../ui/dialog.tsx'
import { Checkbox, TextInput } from '../../ui/field.tsx'
import { ErrorBox } from '../../ui/loaded.tsx'
import { Markdown } from '../../ui/markdown.tsx'
import { Figures } from '../../ui/panel.tsx'
import { Select } from '../../ui/select.tsx'
import { TabPanel, Tabs } from '../../ui/tabs.tsx'
import { Waterfall, type WaterfallRole, type WaterfallRow } from '../../viz/waterfall.tsx'
import { callerKey } from '../playground/caller.ts'
import { noAnswer, send } from '../playground/chat.ts'
import { remember, takeOver } from '../shared/hand-over.ts'
import { mayMint } from '../shared/policies.ts'
import { Advisers, Card, Injected } from './answers.tsx'
import { JudgeView } from './judge.tsx'
import type { TestStatus } from './steps.tsx'
import { aloneCall, fold, fusionCost, noRun, type TestCall, type TestRun } from './test-run.ts'

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

interface AnswersProps {
  run: TestRun
  running: boolean
  /** The synthesizer without drafts, of this run or called afterwards. */
  alone: TestCall | undefined
  blind: boolean
  onBlind: (blind: boolean) => void
}

function Answers({ run, running, alone, blind, onBlind }: AnswersProps): JSX.Element {
  const [tab, setTab] = useState('answer')
  // Which of the two stands first must not be learned: it is drawn anew for each run.
  const turned = useMemo(() => blind && Math.random() < 0.5, [blind, run.result])
  const fused = run.calls.find(call => call.slot === 'S')
  const tabs = [
    { id: 'answer', text: 'Answer' },
    { id: 'advisers', text: `Advisers (${run.calls.filter(call => call.stage === 'adviser').length})` },
    ...(run.notes ? [{ id: 'judge', text: 'Judge' }] : []),
    ...(run.injected ? [{ id: 'injected', text: 'Injected' }] : []),
  ]
  // Beside the plain answer stands what the whole fusion took, not its last call.
  const whole = fused && run.result ? { ...fused, startMs: 0, endMs: run.result.ms, costUsd: fusionCost(run) } : fused
  const pair =
    whole && alone
      ? [
          { call: whole, title: 'Fused' },
          { call: alone, title: 'Synthesizer alone' },
        ]
      : []
  if (turned) pair.reverse()
  return (
    <div class="stack-8">
      <Tabs name="test" label="Result" tabs={tabs} active={tab} onChange={setTab} />
      <TabPanel name="test" id={tab}>
        {tab === 'answer' &&
          (pair.length > 0 ? (
            <div class="grid-cards">
              {pair.map((item, index) => (
                <Card
                  key={item.title}
                  call={item.call}
                  title={blind ? `Answer ${index + 1}` : item.title}
                  blind={blind}
                  tall
                />
              ))}
            </div>
          ) : fused?.text ? (
            <div class={running ? 'caret' : undefined}>
              <Markdown text={fused.text} />
            </div>
          ) : (
            <p class="muted">
              {running ? 'The synthesizer starts when the advisers are in.' : 'The synthesizer wrote nothing.'}
            </p>
          ))}
        {tab === 'advisers' && <Advisers calls={run.calls} blind={blind} onBlind={onBlind} />}
        {tab === 'judge' && run.notes && <JudgeView notes={run.notes} />}
        {tab === 'injected' && run.injected && <Injected message={run.injected} calls={run.calls} />}
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

const messagesOf = (prompt: string) => ({ messages: [{ role: 'user', content: prompt }] })

export function TestDrawer({
  profile,
  draft,
  policies,
  policy,
  figures,
  onClose,
  onFinished,
}: TestDrawerProps): JSX.Element {
  const [given] = useState(takeOver)
  const [prompt, setPrompt] = useState(given?.prompt ?? '')
  const [chosen, setActAs] = useState(policy)
  const actAs = chosen || policies[0] || ''
  const [baseline, setBaseline] = useState(false)
  const [blind, setBlind] = useState(false)
  const [alone, setAlone] = useState<TestCall | null>(null)
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
    setAlone(null)
    let state = noRun
    try {
      const request = { prompt: prompt.trim(), draft, baseline, ...(actAs ? { policy: actAs } : {}) }
      for await (const event of testPrompt(profile, request, mine.signal)) {
        state = fold(state, event)
        setRun(state)
      }
      remember(state.result?.requestId, { body: messagesOf(request.prompt), run: state })
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
  // As a caller would: the plain model under the same policy, with the playground's key.
  const runAlone = async () => {
    const mine = new AbortController()
    abort.current = mine
    setRunning(true)
    setError(null)
    const { model } = draft.synthesizer
    setAlone(aloneCall(model, null))
    try {
      const key = await callerKey(actAs, Date.now())
      const answer = await send(key.key, { model, ...messagesOf(prompt.trim()) }, mine.signal, () => {})
      setAlone(aloneCall(model, answer))
    } catch (failure) {
      setAlone(mine.signal.aborted ? null : aloneCall(model, noAnswer, 'failed'))
      if (failure instanceof ApiError) setError(failure)
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
          {given && (given.system || given.left > 0) && (
            <span class="field-hint">A test sends one message: this is the last one of the request.</span>
          )}
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
          <Checkbox checked={blind} onChange={setBlind}>
            Blind
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
          <Answers
            run={run}
            running={running}
            alone={run.calls.find(call => call.slot === 'B') ?? alone ?? undefined}
            blind={blind}
            onBlind={setBlind}
          />
          {result && !running && !alone && !run.calls.some(call => call.slot === 'B') && (
            <div class="row-wrap">
              <Button
                small
                disabled={!mayMint(actAs)}
                why="It needs a key of this policy, and your role makes none: tick the box above and run again"
                onClick={() => void runAlone()}
              >
                Run synthesizer alone
              </Button>
              <span class="small muted">
                1 call more
                {figures?.synthesizer_alone?.reserve_usd != null &&
                  `, at most ${money(figures.synthesizer_alone.reserve_usd)}`}
                .
              </span>
            </div>
          )}
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
