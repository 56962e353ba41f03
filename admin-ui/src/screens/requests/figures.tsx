/** Figures and histogram of all requests that the filter finds, whatever page of them is shown. */
import type { JSX } from 'preact'
import type { Resource } from '../../api/resource.ts'
import type { RequestFigures } from '../../api/schema/operate.ts'
import { clock, count, day, duration, money, percent } from '../../lib/format.ts'
import { plural } from '../../lib/text.ts'
import { Figures, Panel } from '../../ui/panel.tsx'
import { Histogram, type HistogramBar } from '../../viz/histogram.tsx'

const dayMs = 86_400_000

/** One bar in words: `20 Nov 2026 14:02 – 14:03: 3 requests, 1 failed`. */
export function barsOf({ bars, bar_ms }: RequestFigures): HistogramBar[] {
  return bars.map(bar => {
    const begin = Date.parse(bar.at)
    const from = `${day(begin)}${bar_ms < dayMs ? ` ${clock(begin).slice(0, 5)}` : ''}`
    const to = bar_ms < dayMs ? clock(begin + bar_ms).slice(0, 5) : day(begin + bar_ms)
    const text = `${from} – ${to}: ${plural(bar.requests, 'request')}${bar.errors ? `, ${count(bar.errors)} failed` : ''}`
    return { text, value: bar.requests, bad: bar.errors }
  })
}

export function FiguresOf({
  of,
  onRange,
}: {
  of: Resource<RequestFigures>
  onRange: (from: string, to: string) => void
}): JSX.Element {
  const { data, error } = of
  const note = error ? 'not counted' : 'counting'
  const bars = data?.bars ?? []
  const moment = (index: number, after = 0) =>
    new Date(Date.parse(bars[index]?.at ?? '') + after).toISOString().replace('.000', '')
  return (
    <>
      <Figures
        label="Of all requests in this filter"
        items={
          data
            ? [
                { name: 'Requests', value: count(data.requests), note: data.complete ? '' : 'or more' },
                {
                  name: 'Failed',
                  value: percent(data.requests ? data.errors / data.requests : null),
                  note: count(data.errors),
                },
                {
                  name: 'First token',
                  value: duration(data.ttft_p50_ms),
                  note: `p50 · p95 ${duration(data.ttft_p95_ms)}`,
                },
                { name: 'Cost', value: money(data.cost_usd) },
              ]
            : ['Requests', 'Failed', 'First token', 'Cost'].map(name => ({ name, value: '–', note }))
        }
      />
      {error && (
        <p class="small bad" role="alert">
          {data ? 'The figures are older than the list' : 'The figures could not be counted'}: {error.message}{' '}
          <button type="button" class="link-btn" onClick={() => void of.refresh()}>
            Count again
          </button>
        </p>
      )}
      {data && !data.complete && (
        <p class="small muted">
          Of the newest {plural(data.looked_at, 'row')}: older ones were not counted. Choose a shorter period to count
          all of it.
        </p>
      )}
      {bars.length > 1 && (
        <Panel>
          <Histogram
            label="Requests over time; arrow keys move, Shift with arrows extends, Enter sets the period"
            bars={barsOf(data as RequestFigures)}
            hint="Drag to choose a period; times are UTC."
            onRange={(first, last) => onRange(moment(first), moment(last, data?.bar_ms))}
          />
        </Panel>
      )}
    </>
  )
}
