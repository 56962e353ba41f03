/** Candidates of a decision: what their score is made of, sorted, excluded ones last and grey. */
import type { JSX } from 'preact'
import type { Candidate } from '../api/schema/explain.ts'
import { share } from './scale.ts'

const penaltyFill: Record<string, string> = { cost: 'f2', latency: 'f5', switch: 'f4', switch_cost: 'f4' }

interface Part {
  name: string
  from: number
  width: number
  fill: string
  penalty: boolean
}

/** Gains from the left; penalties eat from the right end of the gains. What is left blue is the score. */
export function parts(candidate: Candidate): Part[] {
  const terms = candidate.terms ?? []
  const gain = terms.filter(term => term.value > 0).reduce((sum, term) => sum + term.value, 0)
  let end = gain
  const eaten = terms
    .filter(term => term.value < 0)
    .map(term => {
      const width = Math.min(end, -term.value)
      end -= width
      return { name: term.name, from: end, width, fill: penaltyFill[term.name] ?? 'f0', penalty: true }
    })
  return [{ name: 'score', from: 0, width: end, fill: 'f1', penalty: false }, ...eaten.reverse()]
}

export function ScoreBars({ candidates }: { candidates: readonly Candidate[] }): JSX.Element {
  const order = [...candidates].sort(
    (a, b) => Number(Boolean(a.excluded)) - Number(Boolean(b.excluded)) || (b.score ?? 0) - (a.score ?? 0),
  )
  const max = Math.max(0.001, ...candidates.flatMap(item => parts(item).map(part => part.from + part.width)))
  const used = [
    ...new Set(
      candidates.flatMap(item =>
        parts(item)
          .filter(part => part.penalty && part.width > 0)
          .map(part => part.name),
      ),
    ),
  ]
  const best = order[0]
  return (
    <figure
      class="stack-8"
      role="img"
      aria-label={
        best
          ? `${best.model} leads with ${best.score?.toFixed(2) ?? 'no score'} of ${order.length} candidates; the table below holds every number.`
          : 'No candidate.'
      }
    >
      <div class="score-bars" aria-hidden="true">
        {order.map(item => (
          <>
            <span class={`mono small clip${item.chosen ? ' score-chosen' : ''}`} key={item.model} title={item.model}>
              {item.model}
            </span>
            <span class="score-track">
              {parts(item).map(part => (
                <i
                  key={part.name}
                  class={`${item.excluded ? 'f0' : part.fill}${item.excluded ? ' failed' : ''}`}
                  style={{ left: `${share(part.from, max)}%`, width: `${share(part.width, max)}%` }}
                />
              ))}
            </span>
            <span class={`small num${item.excluded ? ' muted' : ''}`}>
              {item.excluded ? item.excluded.gate : (item.score?.toFixed(2) ?? '–')}
            </span>
          </>
        ))}
      </div>
      <figcaption class="legend">
        <span>
          <i class="swatch f1" /> score
        </span>
        {used.map(name => (
          <span key={name}>
            <i class={`swatch ${penaltyFill[name] ?? 'f0'}`} /> {name.replaceAll('_', ' ')} penalty
          </span>
        ))}
      </figcaption>
    </figure>
  )
}
