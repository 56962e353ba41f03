/** Models: price, context, what they can do, and when a real call last succeeded. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { useLocation } from 'preact-iso'
import { readModelPolicies } from '../../api/operate.ts'
import { type Resource, useResource } from '../../api/resource.ts'
import type { Page as PageOf, Stored } from '../../api/schema/common.ts'
import type { Model } from '../../api/schema/documents.ts'
import type { Health, ModelCandidate, Overview } from '../../api/schema/operate.ts'
import { can } from '../../api/session.ts'
import { duration, price, tokens } from '../../lib/format.ts'
import { matches, plural } from '../../lib/text.ts'
import { adminUrl } from '../../lib/url.ts'
import { Chip } from '../../ui/chip.tsx'
import { EmptyFiltered, ErrorBox, Loaded } from '../../ui/loaded.tsx'
import { Menu } from '../../ui/menu.tsx'
import { Panel } from '../../ui/panel.tsx'
import { SearchBox } from '../../ui/search.tsx'
import { Empty, Skeleton } from '../../ui/states.tsx'
import { Table } from '../../ui/table.tsx'
import { Ago } from '../../ui/time.tsx'
import { DocumentDialog } from '../shared/document-dialog.tsx'
import { fixHref, ReasonText, Verify } from '../shared/fix.tsx'

interface Row {
  id: string
  provider: string
  candidate: ModelCandidate | undefined
  document: Model | undefined
}

/** Documents joined with what can be executed now; dynamic local models have no document. */
export function modelRows(documents: readonly Stored<Model>[], candidates: readonly ModelCandidate[]): Row[] {
  const byId = new Map(candidates.filter(item => !item.virtual).map(item => [item.model, item]))
  const rows: Row[] = documents.map(item => ({
    id: item.document.id,
    provider: item.document.provider,
    candidate: byId.get(item.document.id),
    document: item.document,
  }))
  const known = new Set(rows.map(row => row.id))
  for (const item of byId.values())
    if (!known.has(item.model))
      rows.push({ id: item.model, provider: item.provider, candidate: item, document: undefined })
  return rows.sort((a, b) => a.id.localeCompare(b.id))
}

const shownFlags = ['tools', 'vision', 'json_schema', 'reasoning', 'embeddings']

function Price({ row }: { row: Row }): JSX.Element {
  const shown = row.document?.price ?? row.candidate?.price
  if (!shown) return <span class="warn">unpriced</span>
  const source = row.document?.price?.source
  const title = [source, row.document?.price?.effective && `from ${row.document.price.effective}`]
    .filter(Boolean)
    .join(', ')
  return (
    <span title={title || undefined}>
      {shown.input === 0 && shown.output === 0
        ? 'free'
        : shown.output === 0
          ? price(shown.input)
          : `${price(shown.input)} / ${price(shown.output)}`}
      {row.document?.price?.effective && <small>since {row.document.price.effective}</small>}
    </span>
  )
}

function State({ row }: { row: Row }): JSX.Element {
  const { candidate } = row
  if (row.document?.enabled === false) return <Chip>off</Chip>
  if (!candidate) return <Chip>unknown</Chip>
  if (!candidate.executable) return <Chip tone="bad">blocked</Chip>
  return candidate.verified_at ? <Chip tone="ok">verified</Chip> : <Chip tone="warn">unverified</Chip>
}

function Policies({ model }: { model: string }): JSX.Element {
  const rows = useResource(`models/policies/${model}`, signal => readModelPolicies(model, signal))
  return (
    <Loaded of={rows} what="Its policies" lines={2}>
      {data =>
        data.policies.map(row => (
          <p key={row.policy}>
            <Chip tone={row.listed ? 'ok' : 'off'}>{row.policy}</Chip>{' '}
            {row.reason && <ReasonText reason={row.reason} model={model} />}
          </p>
        ))
      }
    </Loaded>
  )
}

/** How many policies list the model, opened one by one. */
function Listed({ model, listed, of }: { model: string; listed: number; of: number }): JSX.Element {
  const [open, setOpen] = useState(false)
  return (
    <details class="small stack-4" onToggle={event => setOpen(event.currentTarget.open)}>
      <summary>
        {listed} of {of}
      </summary>
      {open && <Policies model={model} />}
    </details>
  )
}

interface ModelsProps {
  models: Resource<PageOf<Stored<Model>>>
  candidates: Resource<{ items: ModelCandidate[] }>
  /** Providers whose models are left out unless a filter asks for them. */
  hidden: ReadonlySet<string>
  health: Health | undefined
  overview: Resource<Overview>
  provider: string
  q: string
  onFilter: (change: Record<string, string | null>) => void
}

export function ModelsPanel({
  models,
  candidates,
  hidden,
  health,
  overview,
  provider,
  q,
  onFilter,
}: ModelsProps): JSX.Element {
  const { route } = useLocation()
  const [editing, setEditing] = useState<string | null>(null)
  const firstToken = new Map(health?.targets.map(item => [item.target, item.ttft_p50_ms]))
  const reach = new Map(overview.data?.models.map(item => [item.model, item]))
  const refresh = () => void candidates.refresh()
  const all = modelRows(models.data?.items ?? [], candidates.data?.items ?? [])
  const rows = all.filter(
    row =>
      (provider || q || !hidden.has(row.provider)) &&
      (!provider || row.provider === provider) &&
      (!q || matches(`${row.id} ${row.document?.capabilities?.join(' ') ?? ''}`, q)),
  )
  const filter = [provider && `provider ${provider}`, q && `“${q}”`].filter(Boolean).join(', ')
  return (
    <Panel
      title="Models"
      aside={
        <span class="filters">
          <SearchBox
            label="Filter models"
            value={q}
            onChange={value => onFilter({ q: value })}
            placeholder="Name or capability"
          />
          {provider && (
            <button type="button" class="link-btn small" onClick={() => onFilter({ provider: null })}>
              {provider}: show all
            </button>
          )}
        </span>
      }
      foot={
        models.data &&
        `${plural(rows.length, 'model')}${rows.length < all.length ? ` of ${all.length}` : ''}. Prices in USD per million tokens, input / output. Blocked and verified are for the default policy.`
      }
      flush
    >
      {models.error && (
        <div class="panel-body">
          <ErrorBox error={models.error} what="Models could not be loaded" onRetry={() => void models.refresh()} />
        </div>
      )}
      {candidates.error && models.data && (
        <div class="panel-body">
          <ErrorBox error={candidates.error} what="What can be executed is not known" onRetry={refresh} />
        </div>
      )}
      {!models.data && !models.error && <Skeleton />}
      {models.data &&
        (rows.length > 0 ? (
          <Table
            label="Models"
            rows={rows}
            rowKey={row => row.id}
            columns={[
              {
                id: 'id',
                head: 'Model',
                sort: row => row.id,
                cell: row => (
                  <>
                    <strong class="mono">{row.id}</strong>
                    {row.candidate?.dynamic && <small>listed by the server itself</small>}
                    {row.candidate?.reason && (
                      <small>
                        <ReasonText reason={row.candidate.reason} model={row.id} onDone={refresh} />
                      </small>
                    )}
                  </>
                ),
              },
              { id: 'state', head: 'State', cell: row => <State row={row} /> },
              {
                id: 'price',
                head: 'Price in / out',
                number: true,
                sort: row => row.document?.price?.output ?? row.candidate?.price?.output ?? -1,
                cell: row => <Price row={row} />,
              },
              {
                id: 'context',
                head: 'Context',
                number: true,
                named: true,
                sort: row => row.document?.context_window ?? row.candidate?.context_window ?? 0,
                cell: row => tokens(row.document?.context_window ?? row.candidate?.context_window),
              },
              {
                id: 'flags',
                head: 'Can',
                wide: true,
                cell: row => (
                  <span class="small muted">
                    {(row.document?.capabilities ?? row.candidate?.capabilities ?? [])
                      .filter(flag => shownFlags.includes(flag))
                      .map(flag => (flag === 'json_schema' ? 'JSON schema' : flag))
                      .join(', ') || 'text'}
                  </span>
                ),
              },
              {
                id: 'listed',
                head: 'Listed for policies',
                wide: true,
                named: true,
                sort: row => reach.get(row.id)?.listed ?? 0,
                cell: row => {
                  const found = reach.get(row.id)
                  if (!found) return <span class="muted">{overview.error ? 'not known' : '–'}</span>
                  return <Listed model={row.id} listed={found.listed} of={overview.data?.policies ?? 0} />
                },
              },
              {
                id: 'used',
                head: 'Used in',
                wide: true,
                cell: row => (
                  <span class="small muted">
                    {reach.get(row.id)?.used_in.map(({ kind, id, as }, index) => (
                      <span key={kind + id + as}>
                        {index > 0 && ', '}
                        <a href={fixHref({ kind: kind === 'fusion' ? 'profile' : kind, id }, '')}>
                          {kind} {id}
                        </a>{' '}
                        as {as}
                      </span>
                    ))}
                  </span>
                ),
              },
              {
                id: 'ttft',
                head: 'First token, p50',
                number: true,
                named: true,
                sort: row => firstToken.get(row.id) ?? 0,
                cell: row => duration(firstToken.get(row.id)),
              },
              {
                id: 'verified',
                head: 'Last real call',
                cell: row =>
                  row.candidate?.executable && !(row.document?.capabilities ?? []).includes('embeddings') ? (
                    <>
                      {row.candidate.verified_at && <Ago at={row.candidate.verified_at} />}
                      <small>
                        <Verify model={row.id} onDone={refresh}>
                          {row.candidate.verified_at ? 'Verify again' : 'Verify (1 call)'}
                        </Verify>
                      </small>
                    </>
                  ) : (
                    <span class="muted">–</span>
                  ),
              },
              {
                id: 'menu',
                menu: true,
                head: <span class="visually-hidden">Actions</span>,
                cell: row => (
                  <Menu
                    label={`Actions for ${row.id}`}
                    items={[
                      row.document && {
                        text: can('documents.write') ? 'Edit document' : 'Show document',
                        onSelect: () => setEditing(row.id),
                      },
                      { text: 'Try in playground', onSelect: () => route(adminUrl('/playground', { model: row.id })) },
                    ]}
                  />
                ),
              },
            ]}
          />
        ) : filter ? (
          <EmptyFiltered what="models" filter={filter} onClear={() => onFilter({ q: null, provider: null })} />
        ) : (
          <Empty title="No model">Connect a provider or a local endpoint; its models appear here.</Empty>
        ))}
      {editing && (
        <DocumentDialog
          collection="models"
          id={editing}
          onClose={() => setEditing(null)}
          onSaved={() => void models.refresh()}
        />
      )}
    </Panel>
  )
}
