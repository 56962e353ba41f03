/** Folds the events of a test prompt into what the drawer shows. Pure. */
import type { JudgeNotes, TestEvent } from '../../api/schema/fusion.ts'
import type { Answer } from '../playground/chat.ts'

export interface TestCall {
  call: number
  slot: string
  stage: string
  model: string
  startMs: number
  firstTokenMs: number | null
  endMs: number | null
  ok: boolean
  failure: string | null
  text: string
  inputTokens: number | null
  outputTokens: number | null
  costUsd: number | null
}

export interface TestRun {
  estimate: { calls: number; reserveUsd: number | null } | null
  calls: TestCall[]
  notes: JudgeNotes | null
  injected: string | null
  result: { ms: number; costUsd: number | null; calls: number; degraded: boolean; requestId: string | null } | null
  error: { code: string; message: string } | null
  /** Newest time any event named. */
  nowMs: number
}

export const noRun: TestRun = {
  estimate: null,
  calls: [],
  notes: null,
  injected: null,
  result: null,
  error: null,
  nowMs: 0,
}

const noCall = {
  firstTokenMs: null,
  endMs: null,
  ok: true,
  failure: null,
  text: '',
  inputTokens: null,
  outputTokens: null,
  costUsd: null,
}

/** The synthesizer asked by itself, after the test; null: still under way. */
export function aloneCall(model: string, answer: Answer | null, failure: string | null = null): TestCall {
  const cost = answer?.headers['x-clawrouter-cost-usd']
  return {
    ...noCall,
    call: -1,
    slot: 'B',
    stage: 'synthesizer',
    model,
    startMs: 0,
    endMs: answer && (answer.totalMs ?? 0),
    ok: failure === null,
    failure,
    text: answer?.text ?? '',
    inputTokens: answer?.inputTokens ?? null,
    outputTokens: answer?.outputTokens ?? null,
    costUsd: cost === undefined ? null : Number(cost),
  }
}

/** What the fusion cost without the plain call beside it. */
export function fusionCost(run: TestRun): number | null {
  const beside = run.calls.find(call => call.slot === 'B')?.costUsd ?? 0
  return run.result?.costUsd == null ? null : run.result.costUsd - beside
}

const maxTextChars = 200_000

function update(run: TestRun, call: number, change: (call: TestCall) => TestCall): TestCall[] {
  return run.calls.map(item => (item.call === call ? change(item) : item))
}

export function fold(run: TestRun, event: TestEvent): TestRun {
  const nowMs = 'at_ms' in event ? Math.max(run.nowMs, event.at_ms) : run.nowMs
  switch (event.type) {
    case 'estimate':
      return { ...run, estimate: { calls: event.calls, reserveUsd: event.reserve_usd ?? null } }
    case 'call': {
      const { call, slot, stage, model } = event
      const added: TestCall = { ...noCall, call, slot, stage, model, startMs: event.at_ms }
      return { ...run, nowMs, calls: [...run.calls.filter(item => item.call !== call), added] }
    }
    case 'first_token':
      return { ...run, nowMs, calls: update(run, event.call, item => ({ ...item, firstTokenMs: event.at_ms })) }
    case 'text':
      return {
        ...run,
        calls: update(run, event.call, item => ({ ...item, text: (item.text + event.text).slice(0, maxTextChars) })),
      }
    case 'end':
      return {
        ...run,
        nowMs,
        calls: update(run, event.call, item => ({
          ...item,
          endMs: event.at_ms,
          ok: event.ok,
          failure: event.ok ? null : (event.class ?? 'failed'),
          inputTokens: event.usage?.input_tokens ?? null,
          outputTokens: event.usage?.output_tokens ?? null,
          costUsd: event.cost_usd ?? null,
        })),
      }
    case 'notes':
      return { ...run, notes: event.notes }
    case 'injected':
      return { ...run, injected: event.message }
    case 'result':
      return {
        ...run,
        nowMs,
        result: {
          ms: event.at_ms,
          costUsd: event.cost_usd ?? null,
          calls: event.calls,
          degraded: event.degraded,
          requestId: event.request_id ?? null,
        },
      }
    case 'error':
      return { ...run, error: { code: event.code, message: event.message } }
  }
}
