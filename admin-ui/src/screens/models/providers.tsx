/** Providers: connected or not and why, with the switch that turns one off for everybody. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { saveDocument } from '../../api/documents.ts'
import { readUsage } from '../../api/govern.ts'
import { type Resource, useResource } from '../../api/resource.ts'
import type { Page as PageOf, Stored } from '../../api/schema/common.ts'
import type { Provider } from '../../api/schema/documents.ts'
import type { Health, Overview } from '../../api/schema/operate.ts'
import { can } from '../../api/session.ts'
import { duration, money } from '../../lib/format.ts'
import { plural, spaced } from '../../lib/text.ts'
import { adminUrl } from '../../lib/url.ts'
import { Button } from '../../ui/button.tsx'
import { Chip } from '../../ui/chip.tsx'
import { Loaded } from '../../ui/loaded.tsx'
import { Menu } from '../../ui/menu.tsx'
import { Panel } from '../../ui/panel.tsx'
import { Empty } from '../../ui/states.tsx'
import { Table } from '../../ui/table.tsx'
import { Ago } from '../../ui/time.tsx'
import { toast, toastError } from '../../ui/toast.tsx'
import { DocumentDialog } from '../shared/document-dialog.tsx'
import { ReasonText } from '../shared/fix.tsx'

const spentMs = 30 * 86_400_000

interface ProvidersProps {
  providers: Resource<PageOf<Stored<Provider>>>
  health: Resource<Health>
  overview: Overview | undefined
  /** Hidden unless `all` is on or one of them is selected. */
  quiet: ReadonlySet<string>
  all: boolean
  onAll: (on: boolean) => void
  selected: string
  onSelect: (provider: string | null) => void
}

function authText(provider: Provider): string {
  const scheme = provider.auth?.scheme ?? 'bearer'
  return scheme === 'access_service_token' ? 'Access service token' : spaced(scheme)
}

/** Bundled providers that nobody connected or changed: most of a fresh catalog, and nothing to look at every day. */
export function quietProviders(providers: readonly Stored<Provider>[], health: Health | undefined): Set<string> {
  if (!health) return new Set()
  const quiet = providers.filter(
    item =>
      item.source === 'bundled' &&
      health.providers?.some(told => told.provider === item.document.id && !told.connected),
  )
  return new Set(quiet.map(item => item.document.id))
}

export function ProvidersPanel({
  providers,
  health,
  overview,
  quiet,
  all,
  onAll,
  selected,
  onSelect,
}: ProvidersProps): JSX.Element {
  const [editing, setEditing] = useState<string | null>(null)
  const spent = useResource('usage?provider&30d', signal =>
    readUsage({ group: 'provider', from: new Date(Date.now() - spentMs).toISOString() }, signal),
  )
  const stateOf = (id: string) => health.data?.providers?.find(item => item.provider === id)
  const rowOf = (id: string) => overview?.providers.find(item => item.provider === id)
  const spentOn = (id: string) => spent.data && (spent.data.groups.find(group => group.id === id)?.cost_usd ?? 0)
  const toggle = async (item: Stored<Provider>) => {
    const on = item.document.enabled === false
    try {
      await saveDocument('providers', { ...item.document, enabled: on }, item.revision)
      toast(`Provider ${item.document.id} is ${on ? 'on' : 'off'}.`)
      await Promise.all([providers.refresh(), health.refresh()])
    } catch (error) {
      toastError(error)
    }
  }
  const write = can('documents.write')
  return (
    <Panel
      title="Providers"
      aside={health.error && !health.data ? 'Connection state is not known: health did not answer.' : undefined}
      flush
    >
      <Loaded of={providers} what="Providers">
        {data =>
          data.items.length === 0 ? (
            <Empty title="No provider">
              A provider is an API that answers. The bundled catalog brings more than twenty; this deployment has
              removed them.
            </Empty>
          ) : (
            <Table
              label="Providers"
              rows={data.items.filter(item => all || item.document.id === selected || !quiet.has(item.document.id))}
              rowKey={item => item.document.id}
              selected={item => item.document.id === selected}
              columns={[
                {
                  id: 'id',
                  head: 'Provider',
                  sort: item => item.document.id,
                  cell: item => {
                    const state = stateOf(item.document.id)
                    return (
                      <>
                        <button
                          type="button"
                          class="row-link"
                          onClick={() => onSelect(selected === item.document.id ? null : item.document.id)}
                        >
                          {item.document.id}
                        </button>
                        {state?.reason && (
                          <small>
                            <ReasonText reason={state.reason} />
                          </small>
                        )}
                      </>
                    )
                  },
                },
                {
                  id: 'state',
                  head: 'State',
                  cell: item => {
                    const state = stateOf(item.document.id)
                    if (item.document.enabled === false) return <Chip>off</Chip>
                    if (!state) return <Chip>unknown</Chip>
                    return (
                      <Chip tone={state.connected ? 'ok' : 'warn'}>
                        {state.connected ? 'connected' : 'not connected'}
                      </Chip>
                    )
                  },
                },
                {
                  id: 'models',
                  head: 'Models',
                  number: true,
                  named: true,
                  sort: item => stateOf(item.document.id)?.models ?? 0,
                  cell: item => {
                    const row = rowOf(item.document.id)
                    const found = stateOf(item.document.id)?.models ?? row?.models
                    return (
                      <>
                        {found ?? '–'}
                        {row && row.models > 0 && <small>{row.priced} priced</small>}
                      </>
                    )
                  },
                },
                {
                  id: 'policies',
                  head: 'Policies',
                  number: true,
                  named: true,
                  sort: item => rowOf(item.document.id)?.policies ?? 0,
                  cell: item => rowOf(item.document.id)?.policies ?? '–',
                },
                {
                  id: 'spent',
                  head: 'Spent, 30 days',
                  number: true,
                  named: true,
                  sort: item => spentOn(item.document.id) ?? 0,
                  cell: item => money(spentOn(item.document.id)),
                },
                {
                  id: 'p50',
                  head: 'First token, p50',
                  number: true,
                  named: true,
                  sort: item => rowOf(item.document.id)?.p50_ms ?? 0,
                  cell: item => duration(rowOf(item.document.id)?.p50_ms),
                },
                {
                  id: 'verified',
                  head: 'Last real call',
                  named: true,
                  cell: item => {
                    const at = rowOf(item.document.id)?.verified_at
                    return at ? <Ago at={at} /> : '–'
                  },
                },
                {
                  id: 'address',
                  head: 'Address and pool',
                  wide: true,
                  cell: item => (
                    <>
                      <span class="mono small">
                        {item.document.base_url ??
                          (item.document.transport?.kind === 'demo'
                            ? 'built in'
                            : (item.document.transport?.name ?? '–'))}
                      </span>
                      <small>
                        {authText(item.document)}
                        {item.document.pool && (
                          <>
                            , pool <a href={adminUrl('/pools', { pool: item.document.pool })}>{item.document.pool}</a>
                          </>
                        )}
                      </small>
                    </>
                  ),
                },
                {
                  id: 'menu',
                  menu: true,
                  head: <span class="visually-hidden">Actions</span>,
                  cell: item => (
                    <Menu
                      label={`Actions for ${item.document.id}`}
                      items={[
                        { text: 'Show its models', onSelect: () => onSelect(item.document.id) },
                        {
                          text: write ? 'Edit document' : 'Show document',
                          onSelect: () => setEditing(item.document.id),
                        },
                        write && {
                          text: item.document.enabled === false ? 'Turn on' : 'Turn off',
                          onSelect: () => void toggle(item),
                          danger: item.document.enabled !== false,
                        },
                      ]}
                    />
                  ),
                },
              ]}
            />
          )
        }
      </Loaded>
      {providers.data && (
        <div class="panel-foot">
          <span>{plural(providers.data.items.length, 'provider')}</span>
          {quiet.size > 0 && (
            <Button small onClick={() => onAll(!all)}>
              {all ? `Hide ${quiet.size} without a connection` : `Show ${quiet.size} without a connection`}
            </Button>
          )}
        </div>
      )}
      {editing && (
        <DocumentDialog
          collection="providers"
          id={editing}
          onClose={() => setEditing(null)}
          onSaved={() => void providers.refresh()}
        />
      )}
    </Panel>
  )
}
