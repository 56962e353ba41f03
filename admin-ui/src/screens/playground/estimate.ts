/** What a message will cost at most, from the router's own decision code: no model is asked. */
import { useEffect, useState } from 'preact/hooks'
import { explainRoute } from '../../api/operate.ts'
import type { Explanation } from '../../api/schema/explain.ts'
import { money } from '../../lib/format.ts'
import { plural } from '../../lib/text.ts'

/** Dearer than this is told before it is sent. */
const tellFromUsd = 0.05
const settleMs = 500

export const isFusion = (model: string) => model.startsWith('clawrouter/fusion')

/** The line before the send button; null where nothing needs to be said. A decision that could not be had is null in the list. */
export function estimateLine(models: readonly string[], decisions: readonly (Explanation | null)[]): string | null {
  const worst = decisions.reduce((sum, item) => sum + (item?.worst_cost_usd ?? 0), 0)
  if (!models.some(isFusion) && worst <= tellFromUsd) return null
  if (decisions.some(item => item?.worst_cost_usd == null)) return 'What this costs at most is not known.'
  const calls = decisions.reduce(
    (sum, item) => sum + ((item?.strategy === 'fusion' && item.candidates?.filter(call => call.chosen).length) || 1),
    0,
  )
  return `${plural(calls, 'call')}, at most ${money(worst)}.`
}

/** The estimate of these requests, one per model, half a second after the last change. */
export function useEstimate(policy: string, requests: readonly Record<string, unknown>[]): string | null {
  const [line, setLine] = useState<string | null>(null)
  const key = JSON.stringify([policy, requests])
  useEffect(() => {
    const abort = new AbortController()
    setLine(null)
    const timer = setTimeout(async () => {
      const decisions = await Promise.all(
        requests.map(request => explainRoute({ ...request, policy }, abort.signal).catch(() => null)),
      )
      if (!abort.signal.aborted)
        setLine(
          estimateLine(
            requests.map(request => String(request['model'])),
            decisions,
          ),
        )
    }, settleMs)
    return () => {
      clearTimeout(timer)
      abort.abort()
    }
  }, [key])
  return line
}
