/** Trace: what happened to one request, call by call. */
import type { JSX } from 'preact'
import { useMemo, useState } from 'preact/hooks'
import { useRoute } from 'preact-iso'
import * as v from 'valibot'
import { readTrace } from '../../api/operate.ts'
import { useResource } from '../../api/resource.ts'
import { Explanation } from '../../api/schema/explain.ts'
import type { Trace } from '../../api/schema/operate.ts'
import { useNow } from '../../lib/clock.ts'
import { ago, dateTime, duration, money } from '../../lib/format.ts'
import { useShortcuts } from '../../lib/shortcuts.ts'
import { middle, plural, spaced } from '../../lib/text.ts'
import { adminUrl } from '../../lib/url.ts'
import { Button, LinkButton } from '../../ui/button.tsx'
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
import { handOver, recall } from '../shared/hand-over.ts'
import { Status } from '../shared/request-cells.tsx'
import { Budget } from './budget.tsx'
import { type ContentState, ContentTab } from './content.tsx'
import { answered, requestIn } from './conversation.ts'
import { DraftTab } from './drafts.tsx'
import { calls, waterfallRows } from './rows.tsx'
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

export default function TraceScreen(): JSX.Element {
  const { params } = useRoute()
  const id = params['id'] ?? ''
  const now = useNow()
  const trace = useResource(`trace/${id}`, signal => readTrace(id, signal))
  const [open, setOpen] = useState<string[]>([])
  const [chosen, setTab] = useState('')
  const [content, setContent] = useState<{ id: string; now: ContentState }>({ id, now: { state: 'closed' } })
  const { data } = trace
  const shown: ContentState = content.id === id ? content.now : { state: 'closed' }
  const own = recall(id)
  const kept = useMemo(
    () =>
      shown.state === 'open' && {
        body: requestIn(shown.content.request.text),
        said: answered(shown.content.response.text)
          ?.map(item => item.text)
          .join('\n\n'),
      },
    [content, id],
  )
  const body = own?.body ?? (kept ? kept.body : null)
  const carry = () => {
    handOver.value = body
  }
  const ids = data ? calls(data.spans).map(span => span.id) : []
  useShortcuts([
    { keys: 'e', text: 'Expand all calls, or none', run: () => setOpen(open.length < ids.length ? ids : []) },
  ])
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
            <LinkButton href={inspect ?? '#'} onClick={carry}>
              Open in inspector
            </LinkButton>
            <LinkButton
              href={adminUrl('/playground', { model: data.requested_model, policy: data.policy })}
              onClick={carry}
            >
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
          const made = found.spans.filter(item => item.stage !== 'route').length
          const fused = found.spans.some(item => item.stage === 'adviser')
          const tabs = [
            ...(fused
              ? [
                  { id: 'advisers', text: 'Advisers' },
                  ...(found.spans.some(item => item.stage === 'judge') ? [{ id: 'judge', text: 'Judge' }] : []),
                  { id: 'synthesizer', text: 'Synthesizer' },
                ]
              : []),
            { id: 'attempts', text: plural(made, 'attempt') },
            { id: 'routing', text: 'Routing' },
            { id: 'budget', text: 'Budget' },
            { id: 'content', text: 'Content' },
            { id: 'raw', text: 'Raw' },
          ]
          const tab = tabs.find(item => item.id === chosen)?.id ?? (own?.run ? 'advisers' : 'attempts')
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
              <Panel
                title="Timeline"
                aside={
                  <>
                    bar = request to last token, notch = first token, outline = critical path
                    <Button
                      small
                      kind="quiet"
                      expanded={open.length >= ids.length}
                      onClick={() => setOpen(open.length < ids.length ? ids : [])}
                    >
                      {open.length < ids.length ? 'Expand all' : 'Close all'} <kbd>E</kbd>
                    </Button>
                  </>
                }
                flush
              >
                {rows.length === 0 ? (
                  <Empty title="No call was made">The request ended before any upstream was called.</Empty>
                ) : (
                  <Waterfall
                    label="Timeline"
                    rows={rows}
                    totalMs={total}
                    open={open}
                    onToggle={at => setOpen(open.includes(at) ? open.filter(item => item !== at) : [...open, at])}
                    detail={at => {
                      const span = found.spans.find(item => item.id === at)
                      return span && <SpanDetail span={span} />
                    }}
                  />
                )}
              </Panel>
              <Panel
                title="Details"
                aside={<Tabs name="trace" label="Details" active={tab} onChange={setTab} tabs={tabs} />}
                flush
              >
                <TabPanel name="trace" id={tab}>
                  {tab === 'attempts' ? (
                    <AttemptsTable trace={found} />
                  ) : tab === 'budget' ? (
                    <Budget trace={found} />
                  ) : (
                    <div class="panel-body">
                      {tab === 'routing' ? (
                        <Routing trace={found} />
                      ) : tab === 'content' ? (
                        <ContentTab trace={found} state={shown} onState={now => setContent({ id, now })} body={body} />
                      ) : tab === 'raw' ? (
                        <Json value={stored} label="The stored trace" />
                      ) : (
                        <DraftTab
                          trace={found}
                          run={own?.run}
                          answer={(kept ? kept.said : null) ?? null}
                          body={body}
                          tab={tab}
                        />
                      )}
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
