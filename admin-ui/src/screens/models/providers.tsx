/** Providers: connected or not and why, with the switch that turns one off for everybody. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { saveDocument } from '../../api/documents.ts'
import type { Resource } from '../../api/resource.ts'
import type { Page as PageOf, Stored } from '../../api/schema/common.ts'
import type { Provider } from '../../api/schema/documents.ts'
import type { Health } from '../../api/schema/operate.ts'
import { can } from '../../api/session.ts'
import { plural, spaced } from '../../lib/text.ts'
import { adminUrl } from '../../lib/url.ts'
import { Button } from '../../ui/button.tsx'
import { Chip } from '../../ui/chip.tsx'
import { Loaded } from '../../ui/loaded.tsx'
import { Menu } from '../../ui/menu.tsx'
import { Panel } from '../../ui/panel.tsx'
import { Empty } from '../../ui/states.tsx'
import { Table } from '../../ui/table.tsx'
import { toast, toastError } from '../../ui/toast.tsx'
import { DocumentDialog } from '../shared/document-dialog.tsx'
import { ReasonText } from '../shared/fix.tsx'

interface ProvidersProps {
  providers: Resource<PageOf<Stored<Provider>>>
  health: Resource<Health>
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

/** What the Worker says; a Worker that says nothing about providers is asked through its pools. */
export function providerState(
  provider: Provider,
  health: Health,
): NonNullable<Health['providers']>[number] | undefined {
  const told = health.providers?.find(item => item.provider === provider.id)
  if (told || health.providers) return told
  const scheme = provider.auth?.scheme ?? 'bearer'
  const free =
    scheme === 'none' ||
    scheme === 'access_service_token' ||
    provider.transport?.kind === 'demo' ||
    provider['credential_optional'] === true
  const pool = health.pools.find(item => item.pool === provider.pool)
  const connected = free || (pool?.credentials.some(item => item.state !== 'dead') ?? false)
  const id = provider.pool ?? provider.id
  return {
    provider: provider.id,
    connected,
    reason: connected
      ? null
      : {
          code: 'no_credential',
          text: `Pool ${id} has no credential.`,
          fix: { kind: 'pool', id, text: `Add a credential to pool ${id}` },
        },
    models: null,
  }
}

/** Bundled providers that nobody connected or changed: most of a fresh catalog, and nothing to look at every day. */
export function quietProviders(providers: readonly Stored<Provider>[], health: Health | undefined): Set<string> {
  if (!health) return new Set()
  const quiet = providers.filter(
    item => item.source === 'bundled' && providerState(item.document, health)?.connected === false,
  )
  return new Set(quiet.map(item => item.document.id))
}

export function ProvidersPanel({
  providers,
  health,
  quiet,
  all,
  onAll,
  selected,
  onSelect,
}: ProvidersProps): JSX.Element {
  const [editing, setEditing] = useState<string | null>(null)
  const stateOf = (id: string) => {
    const provider = providers.data?.items.find(item => item.document.id === id)?.document
    return provider && health.data ? providerState(provider, health.data) : undefined
  }
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
                  cell: item => stateOf(item.document.id)?.models ?? '–',
                },
                {
                  id: 'address',
                  head: 'Address',
                  wide: true,
                  cell: item => (
                    <>
                      <span class="mono small">
                        {item.document.base_url ??
                          (item.document.transport?.kind === 'demo'
                            ? 'built in'
                            : (item.document.transport?.name ?? '–'))}
                      </span>
                      <small>{authText(item.document)}</small>
                    </>
                  ),
                },
                {
                  id: 'pool',
                  head: 'Pool',
                  named: true,
                  cell: item =>
                    item.document.pool ? (
                      <a href={adminUrl('/pools', { pool: item.document.pool })}>{item.document.pool}</a>
                    ) : (
                      <span class="muted">none</span>
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
