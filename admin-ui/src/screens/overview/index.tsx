/** Overview: the setup checklist until it is done, then figures and what needs attention. */
import type { JSX } from 'preact'
import { readSetup, readUsage } from '../../api/govern.ts'
import { listRequests, readFigures, readHealth } from '../../api/operate.ts'
import { useResource } from '../../api/resource.ts'
import { useNow } from '../../lib/clock.ts'
import { clock, count, duration, money, percent } from '../../lib/format.ts'
import { plural, segment } from '../../lib/text.ts'
import { adminUrl, useQuery } from '../../lib/url.ts'
import { LinkButton } from '../../ui/button.tsx'
import { Loaded } from '../../ui/loaded.tsx'
import { Page } from '../../ui/page.tsx'
import { Figures, Panel } from '../../ui/panel.tsx'
import { Empty } from '../../ui/states.tsx'
import { Table } from '../../ui/table.tsx'
import { Spark } from '../../viz/spark.tsx'
import { Attempts, Status } from '../shared/request-cells.tsx'
import { Attention } from './attention.tsx'
import { Checklist } from './checklist.tsx'

const dayMs = 86_400_000

export default function Overview(): JSX.Element {
  const query = useQuery()
  const now = useNow()
  const setup = useResource('setup', readSetup, { pollMs: 5000 })
  const today = new Date(Math.floor(now / dayMs) * dayMs).toISOString()
  const week = new Date((Math.floor(now / dayMs) - 13) * dayMs).toISOString()
  const usage = useResource(`usage?day&${today}`, signal => readUsage({ group: 'day', from: week }, signal), {
    pollMs: 60_000,
  })
  const requests = useResource('requests?overview', signal => listRequests({ limit: 50 }, signal), { pollMs: 5000 })
  const figures = useResource(`figures?from=${today}`, signal => readFigures({ from: today }, signal), {
    pollMs: 60_000,
  })
  const health = useResource('health', readHealth, { pollMs: 10_000 })

  const open = setup.data?.checks.filter(check => !check.ok && !check.optional) ?? []
  const todays = usage.data?.groups.find(group => today.startsWith(group.id))
  const rows = requests.data?.items ?? []
  const fusion = rows.filter(row => row.strategy === 'fusion').length
  const fallback = rows.filter(row => row.attempts.some(attempt => attempt.role === 'fallback')).length
  const days = usage.data?.groups.map(group => group.requests) ?? []
  const costs = usage.data?.groups.map(group => group.cost_usd ?? null) ?? []
  const sums = figures.data
  const ofToday = sums && !sums.complete ? `of the newest ${count(sums.looked_at)}` : 'today'
  const texts =
    usage.data?.groups.map(
      group => `${group.id.slice(0, 10)}: ${plural(group.requests, 'request')}, ${money(group.cost_usd)}`,
    ) ?? []
  const note = rows.length ? `of the last ${rows.length}` : 'no request yet'
  return (
    <Page title="Overview" text="All times are UTC.">
      {setup.data && (open.length > 0 || query.get('setup') === '1') && <Checklist setup={setup} />}
      <Figures
        label="Today"
        items={[
          {
            name: 'Requests today',
            value: count(todays?.requests ?? (usage.data ? 0 : null)),
            below: days.length > 1 && (
              <Spark values={days} label={`Requests per day, last ${days.length} days`} texts={texts} />
            ),
          },
          {
            name: 'Cost today',
            value: money(todays?.cost_usd ?? (usage.data ? 0 : null)),
            below: costs.length > 1 && (
              <Spark values={costs} label={`Cost per day, last ${costs.length} days`} texts={texts} />
            ),
          },
          { name: 'Failed', value: percent(sums?.requests ? sums.errors / sums.requests : null), note: ofToday },
          { name: 'First token, p95', value: duration(sums?.ttft_p95_ms), note: ofToday },
          { name: 'Fusion share', value: percent(rows.length ? fusion / rows.length : null), note },
          { name: 'Fallback share', value: percent(rows.length ? fallback / rows.length : null), note },
        ]}
      />
      <div class="cols">
        <Panel title="Needs attention" flush>
          <Attention health={health} />
        </Panel>
        <Panel
          title="Latest requests"
          aside={
            <LinkButton small href="/admin/requests">
              All requests
            </LinkButton>
          }
          flush
        >
          <Loaded of={requests} what="Requests">
            {data =>
              data.items.length === 0 ? (
                <Empty title="No request yet">The first one appears here a moment after it ended.</Empty>
              ) : (
                <Table
                  label="Latest requests"
                  rows={data.items.slice(0, 10)}
                  rowKey={row => row.request_id}
                  href={row => adminUrl(`/requests/${segment(row.request_id)}`)}
                  columns={[
                    {
                      id: 'at',
                      narrow: true,
                      head: 'Time',
                      cell: row => (
                        <a class="row-link num" href={adminUrl(`/requests/${segment(row.request_id)}`)}>
                          {clock(row.at)}
                        </a>
                      ),
                    },
                    { id: 'attempts', head: 'Attempts', cell: row => <Attempts attempts={row.attempts} /> },
                    {
                      id: 'model',
                      head: 'Model',
                      wide: true,
                      cell: row => (
                        <>
                          <span class="mono small">{row.requested_model}</span>
                          <small>{row.key_label ?? row.kid}</small>
                        </>
                      ),
                    },
                    { id: 'status', head: 'Status', cell: row => <Status row={row} /> },
                    {
                      id: 'total',
                      head: 'Total',
                      number: true,
                      cell: row => (
                        <>
                          {duration(row.duration_ms)}
                          <small>{money(row.cost_usd)}</small>
                        </>
                      ),
                    },
                  ]}
                />
              )
            }
          </Loaded>
        </Panel>
      </div>
    </Page>
  )
}
