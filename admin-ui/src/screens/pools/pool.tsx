/** One credential pool: strategy, members and their state, pasting a credential. */
import type { JSX } from 'preact'
import type { Stored } from '../../api/schema/common.ts'
import type { Pool } from '../../api/schema/documents.ts'
import type { CredentialHealth, Health } from '../../api/schema/operate.ts'
import { can } from '../../api/session.ts'
import { plural, spaced } from '../../lib/text.ts'
import { Button } from '../../ui/button.tsx'
import { Menu } from '../../ui/menu.tsx'
import { Table } from '../../ui/table.tsx'
import { Ago } from '../../ui/time.tsx'
import { Condition, ResetButton } from './state.tsx'

interface PoolPanelProps {
  id: string
  document: Stored<Pool> | undefined
  health: Health['pools'][number] | undefined
  focused: boolean
  onOpen: (what: 'credentials' | 'document') => void
  onReset: (what: { label?: string; target?: string }) => void
}

function Resting({ credential }: { credential: CredentialHealth }): JSX.Element | null {
  const models = credential.models?.filter(item => item.state !== 'ready') ?? []
  if (models.length === 0) return null
  return <small>for {models.map(item => item.model).join(', ')} only</small>
}

export function PoolPanel({ id, document, health, focused, onOpen, onReset }: PoolPanelProps): JSX.Element {
  const members = health?.credentials ?? []
  const strategy = health?.strategy ?? document?.document.strategy
  return (
    <section class={`pool${focused ? ' pool-focused' : ''}`} aria-label={`Pool ${id}`}>
      <div class="panel-head">
        <h3 class="grow">
          {id} <span class="muted small">{strategy && spaced(strategy)}</span>
        </h3>
        {members.length > 0 && <span class="panel-note">{plural(members.length, 'credential')}</span>}
        {can('credentials.write') && (
          <Button small onClick={() => onOpen('credentials')}>
            {members.length > 0 ? (
              <>
                Credentials<span class="visually-hidden"> of {id}</span>
              </>
            ) : (
              <>
                Add credential<span class="visually-hidden"> to {id}</span>
              </>
            )}
          </Button>
        )}
        <Menu
          label={`Actions for pool ${id}`}
          items={[
            can('pools.reset') && { text: 'Reset the whole pool', onSelect: () => onReset({}) },
            document && {
              text: can('documents.write') ? 'Edit document' : 'Show document',
              onSelect: () => onOpen('document'),
            },
          ]}
        />
      </div>
      {members.length === 0 ? (
        <p class="pool-empty small muted">
          {document?.document.discover ? (
            <>
              No credential. Set the Worker secret <code>{document.document.discover}</code>, or paste one here.
            </>
          ) : (
            'No credential; models of this pool are hidden until it has one.'
          )}
        </p>
      ) : (
        <Table
          label={`Credentials of ${id}`}
          rows={members}
          rowKey={item => item.label}
          columns={[
            {
              id: 'label',
              head: 'Credential',
              cell: item => (
                <>
                  <strong>{item.label}</strong>
                  <small class="mono">
                    {item.last4 ? `…${item.last4}` : ''} {item.id8}
                  </small>
                </>
              ),
            },
            {
              id: 'state',
              head: 'State',
              cell: item => (
                <>
                  <Condition of={item} />
                  <Resting credential={item} />
                </>
              ),
            },
            { id: 'strikes', head: 'Strikes', number: true, named: true, cell: item => item.strikes ?? 0 },
            { id: 'flight', head: 'In flight', number: true, named: true, cell: item => item.in_flight ?? '–' },
            { id: 'ok', head: 'Last success', named: true, cell: item => <Ago at={item.last_ok_at} /> },
            {
              id: 'reset',
              head: <span class="visually-hidden">Actions</span>,
              cell: item =>
                (item.state !== 'ready' || (item.models ?? []).some(model => model.state !== 'ready')) && (
                  <ResetButton what={item.label} onClick={() => onReset({ label: item.label })} />
                ),
            },
          ]}
        />
      )}
    </section>
  )
}
