/** Usage and budgets: one period, one split, every total openable as the requests that add up to it. */
import type { JSX } from 'preact'
import { readUsage } from '../../api/govern.ts'
import { listKeys } from '../../api/keys.ts'
import { useResource } from '../../api/resource.ts'
import type { UsageGroup } from '../../api/schema/govern.ts'
import { useNow } from '../../lib/clock.ts'
import { clock, count, day, money, percent, tokens } from '../../lib/format.ts'
import { hash, plural } from '../../lib/text.ts'
import { useQuery } from '../../lib/url.ts'
import { Button } from '../../ui/button.tsx'
import { csv, download } from '../../ui/download.ts'
import { Loaded } from '../../ui/loaded.tsx'
import { Page } from '../../ui/page.tsx'
import { Figures, Panel } from '../../ui/panel.tsx'
import { Select } from '../../ui/select.tsx'
import { Empty } from '../../ui/states.tsx'
import { Table } from '../../ui/table.tsx'
import { type Bar, Bars } from '../../viz/bars.tsx'
import { share } from '../../viz/scale.ts'
import { BudgetsPanel } from './budgets.tsx'

const dayMs = 86_400_000
const splits = [
  { value: 'policy', text: 'By policy' },
  { value: 'key', text: 'By key' },
  { value: 'model', text: 'By model' },
  { value: 'provider', text: 'By provider' },
  { value: 'day', text: 'By day' },
]
const periods = [
  { value: 'month', text: 'This month' },
  { value: '7d', text: 'Last 7 days' },
  { value: '30d', text: 'Last 30 days' },
  { value: 'today', text: 'Today' },
]

/** Start of a named period, UTC midnight. */
export function periodStart(period: string, now: number): string {
  const midnight = Math.floor(now / dayMs) * dayMs
  if (period === '7d') return new Date(midnight - 6 * dayMs).toISOString()
  if (period === '30d') return new Date(midnight - 29 * dayMs).toISOString()
  if (period === 'today') return new Date(midnight).toISOString()
  const date = new Date(now)
  return new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), 1)).toISOString()
}

/** One bar for each day from `from` to today; a day without a row is a day without a request. */
export function dayBars(groups: readonly UsageGroup[], from: string, now: number): Bar[] {
  const byDay = new Map(groups.map(group => [group.id.slice(0, 10), group]))
  const out: Bar[] = []
  for (let at = Date.parse(from); at <= now; at += dayMs) {
    const id = new Date(at).toISOString().slice(0, 10)
    const group = byDay.get(id)
    out.push({
      id,
      label: `${Number(id.slice(8))}`,
      value: group ? (group.cost_usd ?? null) : 0,
      text: group ? `${money(group.cost_usd)}, ${plural(group.requests, 'request')}` : 'no request',
    })
  }
  return out
}

const columns = ['id', 'requests', 'errors', 'input_tokens', 'output_tokens', 'cached_tokens', 'cost_usd']

function href(group: UsageGroup, split: string): string {
  return `/admin/requests?${group.filter ?? `${split}=${encodeURIComponent(group.id)}`}`
}

export default function Usage(): JSX.Element {
  const query = useQuery()
  const now = useNow()
  const split = query.get('group') || 'policy'
  const period = query.get('period') || 'month'
  const from = periodStart(period, now)
  const report = useResource(`usage?${split}&${from}`, signal => readUsage({ group: split, from }, signal), {
    pollMs: 60_000,
  })
  const days = useResource(`usage?day&${from}`, signal => readUsage({ group: 'day', from }, signal), { pollMs: 60_000 })
  const keys = useResource('keys?', signal => listKeys({}, signal))
  const { data } = report
  const top = Math.max(1e-12, ...(data?.groups.map(group => group.cost_usd ?? 0) ?? []))
  const bars = days.data?.groups.length ? dayBars(days.data.groups, from, now) : []
  return (
    <Page
      title="Usage and budgets"
      text="Sums come from the ledger, one row per call; times are UTC. Every line opens the requests behind it."
      actions={
        <>
          <Select
            inline
            label="Period"
            value={period}
            onChange={value => query.set({ period: value })}
            choices={periods}
          />
          <Select inline label="Split" value={split} onChange={value => query.set({ group: value })} choices={splits} />
          <Button
            disabled={!data?.groups.length}
            why="Nothing to export"
            onClick={() => data && download(`usage-${split}.csv`, 'text/csv', csv(columns, data.groups))}
          >
            Export CSV
          </Button>
        </>
      }
    >
      <Loaded of={report} what="Usage">
        {found => (
          <>
            <Figures
              label="In this period"
              items={[
                { name: 'Cost', value: money(found.total.cost_usd) },
                { name: 'Requests', value: count(found.total.requests) },
                {
                  name: 'Failed',
                  value: percent(found.total.requests ? found.total.errors / found.total.requests : null),
                  note: count(found.total.errors),
                },
                {
                  name: 'Tokens in',
                  value: tokens(found.total.input_tokens),
                  note: `${tokens(found.total.cached_tokens)} cached`,
                },
                { name: 'Tokens out', value: tokens(found.total.output_tokens) },
              ]}
            />
            <Panel title="Cost, USD per day, UTC" aside={`${day(found.from)} to ${day(found.to)}`}>
              {days.data && bars.length > 0 ? (
                <Bars
                  bars={bars}
                  label={`Cost per day, ${bars.length} days, ${money(days.data.total.cost_usd)} in all; the table by day holds every number.`}
                  heads={['Day, UTC', 'Cost, USD']}
                  format={value => (value >= 1 || value === 0 ? `$${value}` : money(value))}
                  partial
                />
              ) : (
                <p class="muted">{days.error ? days.error.message : 'No spending in this period.'}</p>
              )}
            </Panel>
            <Panel
              title={splits.find(item => item.value === split)?.text ?? split}
              aside={found.as_of && `as of ${clock(found.as_of)} UTC`}
              flush
            >
              {found.groups.length === 0 ? (
                <Empty title="No request in this period">Choose a longer one, or send the first request.</Empty>
              ) : (
                <Table
                  label={`Usage by ${split}`}
                  rows={found.groups}
                  rowKey={group => group.id}
                  href={group => href(group, split)}
                  foot={
                    <tfoot>
                      <tr>
                        <td>Total</td>
                        <td class="num" data-label="Cost">
                          {money(found.total.cost_usd)}
                        </td>
                        <td />
                        <td class="num" data-label="Requests">
                          {count(found.total.requests)}
                        </td>
                        <td class="num" data-label="Failed">
                          {count(found.total.errors)}
                        </td>
                        <td class="num" data-label="Tokens in">
                          {tokens(found.total.input_tokens)}
                        </td>
                        <td class="num" data-label="Tokens out">
                          {tokens(found.total.output_tokens)}
                        </td>
                      </tr>
                    </tfoot>
                  }
                  columns={[
                    {
                      id: 'id',
                      head: (splits.find(item => item.value === split)?.text ?? split)
                        .replace('By ', '')
                        .replace(/^./, letter => letter.toUpperCase()),
                      sort: group => group.id,
                      cell: group => (
                        <a class="row-link" href={href(group, split)}>
                          {group.id}
                        </a>
                      ),
                    },
                    {
                      id: 'cost',
                      head: 'Cost',
                      number: true,
                      named: true,
                      sort: group => group.cost_usd ?? 0,
                      cell: group => money(group.cost_usd),
                    },
                    {
                      id: 'share',
                      head: 'Share',
                      wide: true,
                      cell: group => (
                        <span
                          class="share-bar"
                          title={percent(found.total.cost_usd ? (group.cost_usd ?? 0) / found.total.cost_usd : null)}
                        >
                          <i
                            class={`f${split === 'day' ? 1 : (hash(group.id) % 6) + 1}`}
                            style={{ width: `${share(group.cost_usd ?? 0, top)}%` }}
                          />
                        </span>
                      ),
                    },
                    {
                      id: 'requests',
                      head: 'Requests',
                      number: true,
                      named: true,
                      sort: group => group.requests,
                      cell: group => count(group.requests),
                    },
                    {
                      id: 'errors',
                      head: 'Failed',
                      number: true,
                      named: true,
                      sort: group => group.errors,
                      cell: group => count(group.errors),
                    },
                    {
                      id: 'in',
                      head: 'Tokens in',
                      number: true,
                      named: true,
                      sort: group => group.input_tokens,
                      cell: group => (
                        <>
                          {tokens(group.input_tokens)}
                          {group.cached_tokens ? <small>{tokens(group.cached_tokens)} cached</small> : null}
                        </>
                      ),
                    },
                    {
                      id: 'out',
                      head: 'Tokens out',
                      number: true,
                      named: true,
                      sort: group => group.output_tokens,
                      cell: group => tokens(group.output_tokens),
                    },
                  ]}
                />
              )}
            </Panel>
          </>
        )}
      </Loaded>
      <BudgetsPanel keys={keys} />
    </Page>
  )
}
