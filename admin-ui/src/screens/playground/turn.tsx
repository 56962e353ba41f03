/** One exchange: the prompt, the answer as it streams, and the receipt. */
import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import type { ApiError } from '../../api/client.ts'
import { readTrace } from '../../api/operate.ts'
import { duration, money, tokens } from '../../lib/format.ts'
import { plural, segment, spaced } from '../../lib/text.ts'
import { Button } from '../../ui/button.tsx'
import { Callout } from '../../ui/callout.tsx'
import { Chip } from '../../ui/chip.tsx'
import { Code } from '../../ui/code.tsx'
import { Copy } from '../../ui/copy.tsx'
import { ErrorBox } from '../../ui/loaded.tsx'
import { Markdown } from '../../ui/markdown.tsx'
import { type Answer, advice } from './chat.ts'

/** One model's part of an exchange. */
export interface Lane {
  requested: string
  answer: Answer
  error: ApiError | null
  running: boolean
  stopped: boolean
}

export interface TurnState {
  prompt: string
  /** The answers side by side; the first is of the model in charge. */
  lanes: Lane[]
}

/** Ticks while nothing has arrived yet. */
function Waiting(): JSX.Element {
  const [started] = useState(() => performance.now())
  const [, tick] = useState(0)
  useEffect(() => {
    const timer = setInterval(() => tick(n => n + 1), 100)
    return () => clearInterval(timer)
  }, [])
  return <span class="muted">Waiting for the first token, {((performance.now() - started) / 1000).toFixed(1)} s</span>
}

function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}

/** What is refused before any model is asked has no trace. */
const leavesTrace = (error: ApiError) => ![401, 402, 403, 404].includes(error.status)

const billedTries = 4
const billedEveryMs = 700

/** What the ledger booked for a request; a stream's headers left before its cost was known. */
function useBilled(id: string | undefined): number | null {
  const [billed, setBilled] = useState<number | null>(null)
  useEffect(() => {
    if (!id) return
    let tries = 0
    const abort = new AbortController()
    const timer = setInterval(() => {
      tries += 1
      if (tries >= billedTries) clearInterval(timer)
      readTrace(id, abort.signal)
        .then(trace => {
          clearInterval(timer)
          setBilled(trace.cost_usd ?? null)
        })
        // Not booked yet, or not for this role to read: the link to the trace stays.
        .catch(() => {})
    }, billedEveryMs)
    return () => {
      clearInterval(timer)
      abort.abort()
    }
  }, [id])
  return billed
}

function Receipt({ lane }: { lane: Lane }): JSX.Element {
  const { answer } = lane
  const served = answer.headers['x-clawrouter-target'] ?? answer.model
  const id = answer.headers['x-request-id']
  const attempts = Number(answer.headers['x-clawrouter-attempts'] ?? 0)
  const strategy = answer.headers['x-clawrouter-strategy']
  const told = answer.headers['x-clawrouter-cost-usd']
  const billed = useBilled(told === undefined ? id : undefined)
  const cost = told === undefined ? billed : Number(told)
  const speed =
    answer.outputTokens && answer.totalMs && answer.firstTokenMs !== null && answer.totalMs > answer.firstTokenMs
      ? (answer.outputTokens / (answer.totalMs - answer.firstTokenMs)) * 1000
      : null
  return (
    <div class="receipt">
      {served && served !== lane.requested ? (
        <Chip tone="info">{served}</Chip>
      ) : (
        served && <span class="mono">{served}</span>
      )}
      {strategy && <span>{spaced(strategy)}</span>}
      {attempts > 1 && <span>{plural(attempts, 'attempt')}</span>}
      {answer.firstTokenMs !== null && <span>first token {duration(answer.firstTokenMs)}</span>}
      {answer.totalMs !== null && <span>total {duration(answer.totalMs)}</span>}
      {answer.outputTokens !== null && (
        <span>
          {tokens(answer.inputTokens)} in · {tokens(answer.outputTokens)} out
        </span>
      )}
      {speed !== null && <span>{speed.toFixed(0)} tokens/s</span>}
      {cost !== null && <span>{money(cost)}</span>}
      {lane.stopped && <Chip tone="warn">stopped; what was produced is billed</Chip>}
      {answer.finish === 'length' && <Chip tone="warn">cut at max tokens</Chip>}
      {id && <a href={`/admin/requests/${segment(id)}`}>trace</a>}
      {answer.text && <Copy text={answer.text} />}
    </div>
  )
}

function LaneView({ lane, shown }: { lane: Lane; shown: boolean }): JSX.Element {
  const { answer, error, running } = lane
  const empty = !answer.text && !answer.reasoning && answer.toolCalls.length === 0
  return (
    <div
      class="turn"
      role="group"
      tabIndex={-1}
      aria-label={`Answer of ${lane.requested}`}
      data-shown={shown || undefined}
    >
      <span class="turn-role">{lane.requested}</span>
      {answer.reasoning && (
        <details>
          <summary class="small">Reasoning</summary>
          <div class="muted">
            <Markdown text={answer.reasoning} />
          </div>
        </details>
      )}
      {answer.text && (
        <div class={running ? 'caret' : undefined}>
          <Markdown text={answer.text} />
        </div>
      )}
      {answer.toolCalls.map((call, index) => (
        <div class="card" key={index}>
          <h3>
            Calls <code>{call.name}</code>
          </h3>
          <Code text={pretty(call.arguments)} label={`Arguments of ${call.name}`} />
        </div>
      ))}
      {running && empty && <Waiting />}
      {!running && empty && !error && !lane.stopped && <Callout tone="warn">The model answered with no text.</Callout>}
      {error && (
        <>
          <ErrorBox error={error} />
          {advice(error.code) && <p class="small muted">{advice(error.code)}</p>}
          {error.requestId && leavesTrace(error) && (
            <p class="small">
              <a href={`/admin/requests/${segment(error.requestId)}`}>Open the trace</a>
            </p>
          )}
        </>
      )}
      {!running && !error && <Receipt lane={lane} />}
    </div>
  )
}

interface TurnProps {
  turn: TurnState
  /** Which answer is seen where there is room for one. */
  shown: number
  onRetry: (() => void) | undefined
}

export function Turn({ turn, shown, onRetry }: TurnProps): JSX.Element {
  const { lanes } = turn
  return (
    <>
      <div class="turn turn-user">
        <span class="turn-role">You</span>
        <div class="turn-text">{turn.prompt}</div>
      </div>
      <div class={`lanes lanes-${lanes.length}`}>
        {lanes.map((lane, index) => (
          <LaneView key={index} lane={lane} shown={index === Math.min(shown, lanes.length - 1)} />
        ))}
      </div>
      {onRetry && (
        <div>
          <Button small kind="quiet" onClick={onRetry}>
            Send again
          </Button>
        </div>
      )}
    </>
  )
}
