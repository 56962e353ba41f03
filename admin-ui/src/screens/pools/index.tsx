/** Pools and fallbacks: the state of every credential and target, why, until when, and the reset. */
import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { listDocuments } from '../../api/documents.ts'
import { readHealth, resetPool } from '../../api/operate.ts'
import { useResource } from '../../api/resource.ts'
import type { Health } from '../../api/schema/operate.ts'
import { can } from '../../api/session.ts'
import { clock, duration, percent } from '../../lib/format.ts'
import { plural } from '../../lib/text.ts'
import { useQuery } from '../../lib/url.ts'
import { Loaded } from '../../ui/loaded.tsx'
import { Page } from '../../ui/page.tsx'
import { Panel } from '../../ui/panel.tsx'
import { Empty } from '../../ui/states.tsx'
import { Table } from '../../ui/table.tsx'
import { toast, toastError } from '../../ui/toast.tsx'
import { DocumentDialog } from '../shared/document-dialog.tsx'
import { CredentialsDialog } from './credentials.tsx'
import { PoolPanel } from './pool.tsx'
import { RoutesPanel } from './routes.tsx'
import { Condition, ResetButton } from './state.tsx'

function Targets({ health, onReset }: { health: Health; onReset: (target: string) => void }): JSX.Element {
  return (
    <Panel title="Targets" aside="A target rests after failures and is tried again by one probe." flush>
      {health.targets.length === 0 ? (
        <Empty title="No target was called yet">Each model that receives traffic appears here with its breaker.</Empty>
      ) : (
        <Table
          label="Targets"
          rows={health.targets}
          rowKey={target => target.target}
          columns={[
            {
              id: 'target',
              head: 'Target',
              sort: target => target.target,
              cell: target => <span class="mono">{target.target}</span>,
            },
            { id: 'state', head: 'State', cell: target => <Condition of={target} /> },
            { id: 'strikes', head: 'Strikes', number: true, named: true, cell: target => target.strikes ?? 0 },
            {
              id: 'ttft',
              head: 'First token, p50',
              number: true,
              named: true,
              sort: target => target.ttft_p50_ms ?? 0,
              cell: target => duration(target.ttft_p50_ms),
            },
            {
              id: 'errors',
              head: 'Errors',
              number: true,
              named: true,
              sort: target => target.error_rate ?? 0,
              cell: target => percent(target.error_rate),
            },
            {
              id: 'reset',
              head: <span class="visually-hidden">Actions</span>,
              cell: target =>
                target.state !== 'ready' && <ResetButton what={target.target} onClick={() => onReset(target.target)} />,
            },
          ]}
        />
      )}
    </Panel>
  )
}

export default function Pools(): JSX.Element {
  const query = useQuery()
  const health = useResource('health', readHealth, { pollMs: 5000 })
  const pools = useResource('documents/pools', signal => listDocuments('pools', {}, signal))
  const providers = useResource('documents/providers', signal => listDocuments('providers', {}, signal))
  const focus = query.get('pool')
  const [open, setOpen] = useState<{ pool: string; kind: 'credentials' | 'document' } | null>(null)
  const reset = async (pool: string, what: { label?: string; target?: string }) => {
    try {
      const answer = await resetPool(pool, what)
      toast(answer.cleared === 0 ? 'Nothing was resting.' : `${plural(answer.cleared, 'condition')} cleared.`)
      await health.refresh()
    } catch (error) {
      toastError(error)
    }
  }
  const poolOf = (target: string) => {
    const provider = providers.data?.items.find(item => target.startsWith(`${item.document.id}/`))
    return provider?.document.pool ?? target.split('/')[0] ?? target
  }
  // The pool that a link named comes first; then those with something wrong; then by name.
  const trouble = (id: string) =>
    health.data?.pools.find(item => item.pool === id)?.credentials.some(item => item.state !== 'ready') ?? false
  const ids = [
    ...new Set([
      ...(pools.data?.items.map(item => item.document.id) ?? []),
      ...(health.data?.pools.map(item => item.pool) ?? []),
    ]),
  ].sort(
    (a, b) =>
      Number(b === focus) - Number(a === focus) || Number(trouble(b)) - Number(trouble(a)) || a.localeCompare(b),
  )
  const documentOf = (id: string) => pools.data?.items.find(item => item.document.id === id)
  const bare = (id: string) => (health.data?.pools.find(item => item.pool === id)?.credentials.length ?? 0) === 0
  const isEmpty = (id: string) => id !== focus && bare(id)
  // A link to a pool without a credential came for one thing.
  const wanted = focus !== '' && health.data !== undefined && documentOf(focus) !== undefined && bare(focus)
  useEffect(() => {
    if (wanted && can('credentials.write')) setOpen({ pool: focus, kind: 'credentials' })
  }, [wanted])
  const empty = ids.filter(isEmpty)
  const panel = (data: Health) => (id: string) => (
    <PoolPanel
      key={id}
      id={id}
      document={documentOf(id)}
      health={data.pools.find(item => item.pool === id)}
      focused={id === focus}
      onOpen={kind => setOpen({ pool: id, kind })}
      onReset={what => void reset(id, what)}
    />
  )
  const asOf =
    health.data &&
    `as of ${clock(health.data.as_of)} UTC${health.data.isolate ? `, seen from ${health.data.isolate}` : ''}`
  return (
    <Page
      title="Pools and fallbacks"
      text="Which credentials pay, which targets rest and until when, and what takes over. A reset tries them again at once."
    >
      <Panel title="Credential pools" aside={asOf} flush>
        <Loaded of={health} what="Health">
          {data =>
            ids.length === 0 ? (
              <Empty title="No pool">A pool holds the credentials of a provider. Connect a provider first.</Empty>
            ) : (
              <div>
                {ids.filter(id => !isEmpty(id)).map(panel(data))}
                {empty.length > 0 && (
                  <details class="pools-empty" open={empty.length === ids.length}>
                    <summary>{plural(empty.length, 'pool')} without a credential</summary>
                    {empty.map(panel(data))}
                  </details>
                )}
              </div>
            )
          }
        </Loaded>
      </Panel>
      {open?.kind === 'credentials' && (
        <CredentialsDialog pool={open.pool} document={documentOf(open.pool)} onClose={() => setOpen(null)} />
      )}
      {open?.kind === 'document' && (
        <DocumentDialog collection="pools" id={open.pool} onClose={() => setOpen(null)} onSaved={() => {}} />
      )}
      {health.data && <Targets health={health.data} onReset={target => void reset(poolOf(target), { target })} />}
      <RoutesPanel health={health.data} editable={can('documents.write')} />
    </Page>
  )
}
