/** Trace: what happened to one request, call by call. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { useRoute } from 'preact-iso'
import * as v from 'valibot'
import { readTrace } from '../../api/operate.ts'
import { useResource } from '../../api/resource.ts'
import { Explanation } from '../../api/schema/explain.ts'
import type { Trace } from '../../api/schema/operate.ts'
import { useNow } from '../../lib/clock.ts'
import { ago, dateTime, duration, money, tokens } from '../../lib/format.ts'
import { middle, plural, spaced } from '../../lib/text.ts'
import { adminUrl } from '../../lib/url.ts'
import { LinkButton } from '../../ui/button.tsx'
import { Callout } from '../../ui/callout.tsx'
import { Json } from '../../ui/code.tsx'
import { Copy } from '../../ui/copy.tsx'
import { Loaded } from '../../ui/loaded.tsx'
import { Page } from '../../ui/page.tsx'
import { Figures, Panel } from '../../ui/panel.tsx'
import { Empty } from '../../ui/states.tsx'
import { TabPanel, Tabs } from '../../ui/tabs.tsx'
import { Waterfall } from '../../viz/waterfall.tsx'
import { ExplanationView } from '../inspect/view.tsx'
import { Status } from '../shared/request-cells.tsx'
import { type ContentState, ContentTab } from './content.tsx'
import { calls, spanName, waterfallRows } from './rows.tsx'
import { AttemptsTable, SpanDetail } from './spans.tsx'

function callsNote(trace: Trace): string {
  const failed = trace.spans.filter(span => span.stage !== 'route' && span.outcome === 'failed')
  const names = failed.map(span => (span.class ? spaced(span.class) : 'failed'))
  return names.length ? names.join(', ') : 'none failed'
}

/** Money is set aside only where a budget could run out. */
function reservedNote(reserved: number | null | undefined): string | undefined {
  return reserved ? `reserved ${money(reserved)}` : undefined
}

function Routing({ trace }: { trace: Trace }): JSX.Element {
  const parsed = v.safeParse(Explanation, trace.explanation)
  if (!parsed.success)
    return (
      <Empty title="No decision was stored">
        Directly named models need none; older rows lose it when they are rolled up.
      </Empty>
    )
  return <ExplanationView explanation={parsed.output} />
}

function Budget({ trace }: { trace: Trace }): JSX.Element {
  const spent = trace.cost_usd ?? 0
  const reserved = trace.reserved_usd ?? null
  return (
    <dl class="kv">
      <dt>Reserved before the first call</dt>
      <dd>{reserved ? money(reserved) : <span class="muted">nothing: no budget limits this caller</span>}</dd>
      <dt>Settled</dt>
      <dd>{money(trace.cost_usd)}</dd>
      {reserved ? (
        <>
          <dt>Released</dt>
          <dd>{money(Math.max(0, reserved - spent))}</dd>
        </>
      ) : null}
      {trace.spans
        .filter(span => span.cost_usd != null && span.stage !== 'route')
        .map(span => (
          <>
            <dt key={span.id}>
              {spanName(span, 2)} <span class="mono small">{span.target}</span>
            </dt>
            <dd>
              {money(span.cost_usd)}{' '}
              <span class="muted">
                {span.usage && `${tokens(span.usage.input_tokens)} in · ${tokens(span.usage.output_tokens)} out`}
              </span>
            </dd>
          </>
        ))}
    </dl>
  )
}

export default function TraceScreen(): JSX.Element {
  const { params } = useRoute()
  const id = params['id'] ?? ''
  const now = useNow()
  const trace = useResource(`trace/${id}`, signal => readTrace(id, signal))
  const [selected, setSelected] = useState<string | null>(null)
  const [tab, setTab] = useState('attempts')
  const [content, setContent] = useState<{ id: string; now: ContentState }>({ id, now: { state: 'closed' } })
  const { data } = trace
  const inspect =
    data && adminUrl('/inspect', { model: data.requested_model, policy: data.policy, session: data.session })
  return (
    <Page
      title="Request"
      mark={
        <span class="mono" title={id}>
          {middle(id, 24)}
        </span>
      }
      text={
        data && (
          <>
            {data.requested_model} · {data.policy} · key “{data.key_label ?? data.kid}” · {dateTime(data.at)} ·{' '}
            {ago(data.at, now)}
          </>
        )
      }
      actions={
        data && (
          <>
            <Copy kind="plain" small={false} text={location.href}>
              Copy link
            </Copy>
            <LinkButton href={inspect ?? '#'}>Open in inspector</LinkButton>
            <LinkButton href={adminUrl('/playground', { model: data.requested_model, policy: data.policy })}>
              Replay in playground
            </LinkButton>
          </>
        )
      }
    >
      <Loaded of={trace} what={`Request ${id}`} lines={12}>
        {stored => {
          const found = { ...stored, spans: calls(stored.spans) }
          const rows = waterfallRows(found)
          const total = Math.max(found.duration_ms ?? 0, ...found.spans.map(span => span.end_ms ?? span.start_ms), 1)
          const span = found.spans.find(item => item.id === selected)
          const made = found.spans.filter(item => item.stage !== 'route').length
          return (
            <>
              <Figures
                label="Outcome"
                items={[
                  { name: 'Status', value: <Status row={found} /> },
                  { name: 'Total', value: duration(found.duration_ms) },
                  { name: 'First token', value: duration(found.ttft_ms) },
                  { name: 'Cost', value: money(found.cost_usd), note: reservedNote(found.reserved_usd) },
                  { name: 'Calls', value: made, note: callsNote(found) },
                ]}
              />
              {found.served_model && found.served_model !== found.requested_model && (
                <Callout tone={found.degraded ? 'warn' : 'info'}>
                  Asked for <code>{found.requested_model}</code>, answered by <code>{found.served_model}</code>
                  {found.strategy && ` by strategy ${spaced(found.strategy)}`}
                  {found.session && (
                    <>
                      , session{' '}
                      <a href={adminUrl('/requests', { session: found.session })} title={found.session}>
                        {middle(found.session, 32)}
                      </a>
                    </>
                  )}
                  .
                </Callout>
              )}
              <Panel title="Timeline" aside="bar = request to last token, notch = first token" flush>
                {rows.length === 0 ? (
                  <Empty title="No call was made">The request ended before any upstream was called.</Empty>
                ) : (
                  <Waterfall
                    label="Timeline"
                    rows={rows}
                    totalMs={total}
                    selected={selected}
                    onSelect={next => setSelected(next === selected ? null : next)}
                  />
                )}
                {span && <SpanDetail span={span} onClose={() => setSelected(null)} />}
              </Panel>
              <Panel
                title="Details"
                aside={
                  <Tabs
                    name="trace"
                    label="Details"
                    active={tab}
                    onChange={setTab}
                    tabs={[
                      { id: 'attempts', text: plural(made, 'attempt') },
                      { id: 'routing', text: 'Routing' },
                      { id: 'budget', text: 'Budget' },
                      { id: 'content', text: 'Content' },
                      { id: 'raw', text: 'Raw' },
                    ]}
                  />
                }
                flush
              >
                <TabPanel name="trace" id={tab}>
                  {tab === 'attempts' ? (
                    <AttemptsTable trace={found} />
                  ) : (
                    <div class="panel-body">
                      {tab === 'routing' && <Routing trace={found} />}
                      {tab === 'budget' && <Budget trace={found} />}
                      {tab === 'content' && (
                        <ContentTab
                          trace={found}
                          state={content.id === id ? content.now : { state: 'closed' }}
                          onState={now => setContent({ id, now })}
                        />
                      )}
                      {tab === 'raw' && <Json value={stored} label="The stored trace" />}
                    </div>
                  )}
                </TabPanel>
              </Panel>
            </>
          )
        }}
      </Loaded>
      {trace.error?.status === 404 && (
        <p class="muted">
          A trace appears a moment after its request ended, and is kept for a limited time. What was refused before any
          model was asked (401, 402, 403, 404) leaves none.{' '}
          <a href={adminUrl('/requests', { q: id })}>Search the list</a>
        </p>
      )}
    </Page>
  )
}
