/** What the models of a fusion wrote to each other: never stored, so it is here only while this page remembers its own test. */
import type { ComponentChildren, JSX } from 'preact'
import { useState } from 'preact/hooks'
import type { Trace } from '../../api/schema/operate.ts'
import { can } from '../../api/session.ts'
import { segment } from '../../lib/text.ts'
import { adminUrl } from '../../lib/url.ts'
import { LinkButton } from '../../ui/button.tsx'
import { Code } from '../../ui/code.tsx'
import { Markdown } from '../../ui/markdown.tsx'
import { Empty } from '../../ui/states.tsx'
import { Advisers, Injected } from '../fusion/answers.tsx'
import { JudgeView } from '../fusion/judge.tsx'
import type { TestRun } from '../fusion/test-run.ts'
import { type Body, handOver } from '../shared/hand-over.ts'
import { storedCalls } from './rows.tsx'

const name = 'clawrouter/fusion'

/** The profile behind a model's name; null for other models. */
export function profileOf(model: string): string | null {
  if (model === name) return 'default'
  return model.startsWith(`${name}:`) ? model.slice(name.length + 1) : null
}

/** The same request as a test of its profile, which streams everything to the tester and stores none of it; else in the playground. */
export function RunAgain({ trace, body }: { trace: Trace; body: Body | null }): JSX.Element {
  const profile = can('fusion.test') ? profileOf(trace.requested_model) : null
  const policy = trace.policy
  return (
    <LinkButton
      href={
        profile
          ? adminUrl(`/fusion/${segment(profile)}`, { policy, panel: 'test' })
          : adminUrl('/playground', { model: trace.requested_model, policy })
      }
      onClick={() => {
        handOver.value = body
      }}
    >
      {profile ? 'Run again with trace' : 'Run again in playground'}
    </LinkButton>
  )
}

interface DraftTabProps {
  trace: Trace
  /** The test of this page, while it remembers it. */
  run: TestRun | undefined
  /** What the caller was answered, where that is kept and was opened. */
  answer: string | null
  body: Body | null
  tab: string
}

export function DraftTab({ trace, run, answer, body, tab }: DraftTabProps): JSX.Element {
  const [blind, setBlind] = useState(false)
  const calls = run?.calls ?? storedCalls(trace.spans)
  const note = trace.content
  const missing = (
    <Empty
      title={
        note?.kept ? 'Drafts are never kept' : `Content was not kept (${note?.why ?? 'the policy keeps metadata only'})`
      }
      action={<RunAgain trace={trace} body={body} />}
    >
      {note?.kept && 'The policy keeps what the caller sent and was answered. '}
      What the models of a fusion write to each other is stored nowhere. A new run streams it to you.
    </Empty>
  )
  const written = run?.calls.find(call => call.slot === 'S')?.text ?? answer
  const shown: Record<string, ComponentChildren> = {
    advisers: (
      <>
        <Advisers calls={calls} blind={blind} onBlind={setBlind} missing="Its text was not kept." />
        {!run && missing}
      </>
    ),
    judge: run?.notes ? <JudgeView notes={run.notes} /> : run ? <p class="muted">The judge left no notes.</p> : missing,
    synthesizer: (
      <>
        {written && (
          <div class="stack-8">
            <h3>Final answer</h3>
            {run ? <Markdown text={written} /> : <Code wrap text={written} label="Final answer" />}
          </div>
        )}
        {run?.injected ? (
          <Injected message={run.injected} calls={calls} />
        ) : run ? (
          <p class="muted">Nothing was injected: the synthesizer answered alone.</p>
        ) : (
          missing
        )}
      </>
    ),
  }
  return (
    <>
      {run && <p class="small muted">Of your test, in the memory of this page only. A reload forgets it.</p>}
      {shown[tab]}
    </>
  )
}
