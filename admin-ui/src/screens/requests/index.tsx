/** Requests: one row per compound request, filters in the URL, live tail. */
import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { allRequests, listRequests, readFigures } from '../../api/operate.ts'
import { useResource } from '../../api/resource.ts'
import type { RequestRow } from '../../api/schema/operate.ts'
import { useWork } from '../../api/work.ts'
import { clock, day, duration, money, tokens } from '../../lib/format.ts'
import { useShortcuts } from '../../lib/shortcuts.ts'
import { middle, segment, spaced } from '../../lib/text.ts'
import { adminUrl, queryText, useQuery } from '../../lib/url.ts'
import { Button } from '../../ui/button.tsx'
import { Code } from '../../ui/code.tsx'
import { csv, download } from '../../ui/download.ts'
import { EmptyFiltered, ErrorBox, Loaded } from '../../ui/loaded.tsx'
import { Page } from '../../ui/page.tsx'
import { Panel } from '../../ui/panel.tsx'
import { SearchBox } from '../../ui/search.tsx'
import { Select } from '../../ui/select.tsx'
import { Empty } from '../../ui/states.tsx'
import { Table } from '../../ui/table.tsx'
import { toast } from '../../ui/toast.tsx'
import { Pager } from '../shared/pager.tsx'
import { usePolicies } from '../shared/policies.ts'
import { Attempts, Status } from '../shared/request-cells.tsx'
import { useStartModel } from '../shared/start-model.ts'
import { FiguresOf } from './figures.tsx'

const filterNames = [
  'status',
  'policy',
  'model',
  'provider',
  'counts_for',
  'key',
  'session',
  'strategy',
  'cost_over_usd',
  'duration_over_ms',
  'since',
  'from',
  'to',
  'q',
] as const
const liveMs = 3000
const liveFiguresMs = 15_000
const mostExported = 2000

const statuses = [
  { value: '', text: 'Any status' },
  { value: 'ok', text: 'Succeeded' },
  { value: 'error', text: 'Failed' },
  { value: 'degraded', text: 'Degraded' },
  { value: '4xx', text: '4xx' },
  { value: '5xx', text: '5xx' },
]
const strategies = ['', 'direct', 'route', 'fusion', 'refused'].map(value => ({ value, text: value || 'Any strategy' }))
const costs = [
  { value: '', text: 'Any cost' },
  ...['0.001', '0.01', '0.1', '1'].map(value => ({ value, text: `Over $${value}` })),
]
const times = [
  { value: '', text: 'Any duration' },
  ...[1, 5, 15, 60].map(seconds => ({ value: `${seconds}000`, text: `Over ${seconds} s` })),
]
const periods: Record<string, { text: string; ms: number }> = {
  '1h': { text: 'Last hour', ms: 3_600_000 },
  '24h': { text: 'Last 24 hours', ms: 86_400_000 },
  '7d': { text: 'Last 7 days', ms: 604_800_000 },
}

const columns = [
  'request_id',
  'at',
  'policy',
  'key_label',
  'kid',
  'requested_model',
  'served_model',
  'strategy',
  'status',
  'class',
  'ttft_ms',
  'duration_ms',
  'input_tokens',
  'output_tokens',
  'cached_tokens',
  'cost_usd',
  'session',
]

const snippet = (model: string) =>
  `curl ${location.origin}/v1/chat/completions \\\n  -H "Authorization: Bearer YOUR_KEY" -H "Content-Type: application/json" \\\n  -d '{"model":"${model}","messages":[{"role":"user","content":"Say hello."}]}'`

export default function Requests(): JSX.Element {
  const query = useQuery()
  const model = useStartModel()
  const [live, setLive] = useState(false)
  const [top, setTop] = useState<string | null>(null)
  const filter = Object.fromEntries(filterNames.map(name => [name, query.get(name)]))
  const { since, ...rest } = filter
  const cursor = query.get('cursor')
  const policies = usePolicies()
  const period = periods[since ?? '']
  const wanted = () => ({ ...rest, ...(period ? { from: new Date(Date.now() - period.ms).toISOString() } : {}) })
  const list = useResource(
    `requests?${queryText({ ...filter, cursor })}`,
    signal => listRequests({ ...wanted(), cursor }, signal),
    live && !cursor ? { pollMs: liveMs } : {},
  )
  const figures = useResource(
    `figures?${queryText(filter)}`,
    signal => readFigures(wanted(), signal),
    live ? { pollMs: liveFiguresMs } : {},
  )
  const exporting = useWork()
  const save = (name: string, type: string, write: (rows: RequestRow[]) => string) => () =>
    void exporting.run(async () => {
      const all = await allRequests(wanted(), mostExported)
      download(name, type, write(all))
      if (all.length >= mostExported) toast(`The newest ${all.length} requests of this filter were exported.`)
    })
  useShortcuts([{ keys: 'l', text: 'Live tail on or off', run: () => setLive(on => !on) }])

  // While tailing away from the top, new rows wait behind a button instead of moving what is being read.
  const rows = list.data?.items ?? []
  const waiting =
    top === null
      ? 0
      : Math.max(
          0,
          rows.findIndex(row => row.request_id === top),
        )
  const held = live && waiting > 0 && scrollY > 80
  const shown = held ? rows.slice(waiting) : rows
  const newest = rows[0]?.request_id ?? null
  useEffect(() => {
    if (!held) setTop(newest)
  }, [held, newest])

  const active = filterNames.filter(name => filter[name])
  const clear = () => query.set({ ...Object.fromEntries(filterNames.map(name => [name, null])), cursor: null })
  const set = (name: string) => (value: string) => query.set({ [name]: value, cursor: null })
  return (
    <Page
      title="Requests"
      text="One row for each request of a caller; a fusion is one row, its calls are in the trace. No prompt is stored unless a policy keeps content."
      actions={
        <>
          <Button pressed={live} onClick={() => setLive(!live)}>
            {live ? 'Live: on' : 'Live tail'} <kbd>l</kbd>
          </Button>
          {[
            { text: 'CSV', onClick: save('requests.csv', 'text/csv', all => csv(columns, all)) },
            {
              text: 'JSONL',
              onClick: save('requests.jsonl', 'application/jsonl', all =>
                all.map(row => `${JSON.stringify(row)}\n`).join(''),
              ),
            },
          ].map(({ text, onClick }) => (
            <Button
              key={text}
              busy={exporting.busy}
              disabled={rows.length === 0}
              why="Nothing to export"
              onClick={onClick}
            >
              Export {text}
            </Button>
          ))}
        </>
      }
    >
      <div class="filters">
        <SearchBox label="Filter requests" value={filter['q'] ?? ''} onChange={set('q')} placeholder="Id, key, model" />
        <Select inline label="Status" value={filter['status'] ?? ''} onChange={set('status')} choices={statuses} />
        <Select
          inline
          label="Policy"
          value={filter['policy'] ?? ''}
          onChange={set('policy')}
          choices={[{ value: '', text: 'All policies' }, ...policies.ids.map(id => ({ value: id, text: id }))]}
        />
        <Select
          inline
          label="Period"
          value={since ?? ''}
          onChange={set('since')}
          choices={[
            { value: '', text: 'Any time' },
            ...Object.entries(periods).map(([value, item]) => ({ value, text: item.text })),
          ]}
        />
        <Select
          inline
          label="Strategy"
          value={filter['strategy'] ?? ''}
          onChange={set('strategy')}
          choices={strategies}
        />
        <Select
          inline
          label="Cost"
          value={filter['cost_over_usd'] ?? ''}
          onChange={set('cost_over_usd')}
          choices={costs}
        />
        <Select
          inline
          label="Duration"
          value={filter['duration_over_ms'] ?? ''}
          onChange={set('duration_over_ms')}
          choices={times}
        />
        {(['model', 'provider', 'counts_for', 'key', 'session', 'from', 'to'] as const)
          .filter(name => filter[name])
          .map(name => (
            <Button key={name} small onClick={() => query.set({ [name]: null, cursor: null })}>
              {spaced(name)}: {middle(filter[name] ?? '', 28)} ×<span class="visually-hidden">remove this filter</span>
            </Button>
          ))}
        {active.length > 0 && (
          <Button small kind="quiet" onClick={clear}>
            Clear filters
          </Button>
        )}
      </div>
      {exporting.error && <ErrorBox error={exporting.error} what="Nothing was exported" />}
      <Loaded of={list} what="Requests" lines={12}>
        {data =>
          data.items.length === 0 ? (
            <Panel flush>
              {active.length > 0 ? (
                <EmptyFiltered
                  what="requests"
                  filter={active.map(name => `${name} ${filter[name]}`).join(', ')}
                  onClear={clear}
                />
              ) : (
                <Empty title="No request yet" action={<Code text={snippet(model)} />}>
                  Each call to the router appears here a moment after it ended.
                </Empty>
              )}
            </Panel>
          ) : (
            <>
              <FiguresOf of={figures} onRange={(from, to) => query.set({ from, to, since: null, cursor: null })} />
              <Panel flush>
                {held && (
                  <div class="banner">
                    <button
                      type="button"
                      class="link-btn"
                      onClick={() => {
                        setTop(newest)
                        scrollTo(0, 0)
                      }}
                    >
                      {waiting} new
                    </button>
                  </div>
                )}
                <Table
                  label="Requests"
                  keyboard
                  rows={shown}
                  rowKey={row => row.request_id}
                  href={row => adminUrl(`/requests/${segment(row.request_id)}`)}
                  columns={[
                    {
                      id: 'at',
                      narrow: true,
                      head: 'Time, UTC',
                      cell: row => (
                        <>
                          <a class="row-link num" href={adminUrl(`/requests/${segment(row.request_id)}`)}>
                            {clock(row.at)}
                          </a>
                          <small>{day(row.at)}</small>
                        </>
                      ),
                    },
                    {
                      id: 'caller',
                      head: 'Caller',
                      cell: row => (
                        <>
                          {row.kid ? (
                            <button
                              type="button"
                              class="row-link"
                              title="Only this key"
                              onClick={() => set('key')(row.kid ?? '')}
                            >
                              {row.key_label || row.kid}
                            </button>
                          ) : (
                            '–'
                          )}
                          <small>{row.policy}</small>
                        </>
                      ),
                    },
                    {
                      id: 'model',
                      head: 'Model',
                      wide: true,
                      cell: row => (
                        <>
                          <span class="mono small">{row.requested_model}</span>
                          {row.served_model && row.served_model !== row.requested_model && (
                            <small class="mono">→ {row.served_model}</small>
                          )}
                        </>
                      ),
                    },
                    { id: 'attempts', head: 'Attempts', cell: row => <Attempts attempts={row.attempts} /> },
                    { id: 'status', head: 'Status', cell: row => <Status row={row} /> },
                    { id: 'ttft', head: 'First token', number: true, named: true, cell: row => duration(row.ttft_ms) },
                    { id: 'total', head: 'Total', number: true, named: true, cell: row => duration(row.duration_ms) },
                    {
                      id: 'tokens',
                      head: 'Tokens in / out',
                      number: true,
                      named: true,
                      cell: row => (
                        <>
                          {tokens(row.input_tokens)} / {tokens(row.output_tokens)}
                          {row.cached_tokens ? <small>{tokens(row.cached_tokens)} cached</small> : null}
                        </>
                      ),
                    },
                    { id: 'cost', head: 'Cost', number: true, named: true, cell: row => money(row.cost_usd) },
                    {
                      id: 'session',
                      head: 'Session',
                      named: true,
                      cell: row => (
                        <>
                          {row.session ? (
                            <button
                              type="button"
                              class="link-btn mono small"
                              title={`Only session ${row.session}`}
                              onClick={() => set('session')(row.session ?? '')}
                            >
                              {middle(row.session, 12)}
                            </button>
                          ) : (
                            '–'
                          )}
                          {row.strategy && <small>{spaced(row.strategy)}</small>}
                        </>
                      ),
                    },
                  ]}
                />
                <div class="panel-foot">
                  <span class="legend">
                    {[
                      ['f1', 'primary or adviser'],
                      ['f2', 'fallback'],
                      ['f6', 'judge'],
                      ['f3', 'synthesizer'],
                    ].map(([fill, text]) => (
                      <span key={fill}>
                        <i class={`swatch ${fill}`} /> {text}
                      </span>
                    ))}
                    <span class="attempts">
                      <i class="failed" /> failed
                    </span>
                  </span>
                  <span class="pager">
                    {data.as_of && <span>as of {clock(data.as_of)} UTC</span>}
                    <Pager cursor={cursor} next={data.next} onGo={cursor => query.set({ cursor })} />
                  </span>
                </div>
              </Panel>
            </>
          )
        }
      </Loaded>
    </Page>
  )
}
