/** Fallback routes: ordered targets, reordered by keyboard, with what serves right now. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { listDocuments, saveDocument } from '../../api/documents.ts'
import { useResource } from '../../api/resource.ts'
import type { Stored } from '../../api/schema/common.ts'
import type { Route } from '../../api/schema/documents.ts'
import type { Health } from '../../api/schema/operate.ts'
import { plural } from '../../lib/text.ts'
import { Button } from '../../ui/button.tsx'
import { Chip } from '../../ui/chip.tsx'
import { Loaded } from '../../ui/loaded.tsx'
import { Menu } from '../../ui/menu.tsx'
import { Panel } from '../../ui/panel.tsx'
import { Empty } from '../../ui/states.tsx'
import { Table } from '../../ui/table.tsx'
import { toast, toastError } from '../../ui/toast.tsx'
import { DocumentDialog } from '../shared/document-dialog.tsx'
import { NameDialog } from '../shared/name-dialog.tsx'
import { ChainEditor } from './chain.tsx'

/** The first target that is not resting: who answers now. */
export function servesNow(route: Route, health: Health | undefined): string | undefined {
  const ordered = [...route.targets].sort((a, b) => (a.order ?? 0) - (b.order ?? 0))
  const resting = (model: string) =>
    health?.targets.some(
      target => target.target === model && (target.state === 'cooling' || target.state === 'dead'),
    ) ?? false
  return (ordered.find(target => !resting(target.model)) ?? ordered[0])?.model
}

function NewRoute({
  taken,
  onClose,
  onCreated,
}: {
  taken: string[]
  onClose: () => void
  onCreated: (route: Stored<Route>) => void
}): JSX.Element {
  return (
    <NameDialog
      title="New fallback route"
      action="Choose its targets"
      failure="The route was not created"
      taken={taken}
      hint={id => `Callers select clawrouter/${id || 'name'}.`}
      onClose={onClose}
      create={async id => onCreated({ document: { id, targets: [], enabled: true }, revision: -1, source: 'admin' })}
    />
  )
}

export function RoutesPanel({ health, editable }: { health: Health | undefined; editable: boolean }): JSX.Element {
  const routes = useResource('documents/routes', signal => listDocuments('routes', {}, signal))
  const [editing, setEditing] = useState<Stored<Route> | null>(null)
  const [raw, setRaw] = useState<string | null>(null)
  const [creating, setCreating] = useState(false)
  const toggle = async (item: Stored<Route>) => {
    const on = item.document.enabled === false
    try {
      await saveDocument('routes', { ...item.document, enabled: on }, item.revision)
      toast(`Route ${item.document.id} is ${on ? 'on' : 'off'}.`)
      await routes.refresh()
    } catch (error) {
      toastError(error)
    }
  }
  return (
    <Panel
      title="Fallback routes"
      aside={
        editable && (
          <Button small onClick={() => setCreating(true)}>
            New route
          </Button>
        )
      }
      flush
    >
      <Loaded of={routes} what="Routes" lines={4}>
        {data =>
          data.items.length === 0 ? (
            <Empty title="No fallback route">
              A route is a list of models under one name; when one fails, the next answers.
            </Empty>
          ) : (
            <Table
              label="Fallback routes"
              rows={data.items}
              rowKey={item => item.document.id}
              columns={[
                {
                  id: 'id',
                  head: 'Route',
                  cell: item => (
                    <>
                      <strong class="mono">clawrouter/{item.document.id}</strong>
                      <small>{plural(item.document.targets.length, 'target')}</small>
                    </>
                  ),
                },
                {
                  id: 'chain',
                  head: 'Targets in order',
                  wide: true,
                  cell: item => (
                    <span class="mono small">
                      {[...item.document.targets]
                        .sort((a, b) => (a.order ?? 0) - (b.order ?? 0))
                        .map(target => target.model)
                        .join(' → ')}
                    </span>
                  ),
                },
                {
                  id: 'now',
                  head: 'Serves now',
                  cell: item => {
                    if (item.document.enabled === false) return <Chip>off</Chip>
                    const now = servesNow(item.document, health)
                    const first = [...item.document.targets].sort((a, b) => (a.order ?? 0) - (b.order ?? 0))[0]?.model
                    return now ? (
                      <Chip tone={now === first ? 'ok' : 'warn'}>{now}</Chip>
                    ) : (
                      <Chip tone="bad">nobody</Chip>
                    )
                  },
                },
                {
                  id: 'menu',
                  menu: true,
                  head: <span class="visually-hidden">Actions</span>,
                  cell: item => (
                    <Menu
                      label={`Actions for ${item.document.id}`}
                      items={[
                        editable && { text: 'Edit targets', onSelect: () => setEditing(item) },
                        {
                          text: editable ? 'Edit document' : 'Show document',
                          onSelect: () => setRaw(item.document.id),
                        },
                        editable && {
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
      {creating && (
        <NewRoute
          taken={routes.data?.items.map(item => item.document.id) ?? []}
          onClose={() => setCreating(false)}
          onCreated={route => {
            setCreating(false)
            setEditing(route)
          }}
        />
      )}
      {editing && (
        <ChainEditor
          route={editing}
          onClose={() => setEditing(null)}
          onSaved={() => {
            setEditing(null)
            void routes.refresh()
          }}
        />
      )}
      {raw && (
        <DocumentDialog
          collection="routes"
          id={raw}
          onClose={() => setRaw(null)}
          onSaved={() => void routes.refresh()}
        />
      )}
    </Panel>
  )
}
