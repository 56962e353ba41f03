/** Caller keys: who has one, what limits it, mint, rotate, revoke. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { useLocation } from 'preact-iso'
import { listDocuments } from '../../api/documents.ts'
import { listKeys } from '../../api/keys.ts'
import { useResource } from '../../api/resource.ts'
import type { BudgetState, Key, Minted } from '../../api/schema/keys.ts'
import { can, ownPolicies } from '../../api/session.ts'
import { useNow } from '../../lib/clock.ts'
import { clock, dateTime, day, money } from '../../lib/format.ts'
import { useShortcuts } from '../../lib/shortcuts.ts'
import { plural, segment } from '../../lib/text.ts'
import { adminUrl, useQuery } from '../../lib/url.ts'
import { Button } from '../../ui/button.tsx'
import { Chip } from '../../ui/chip.tsx'
import { EmptyFiltered, Loaded } from '../../ui/loaded.tsx'
import { Menu } from '../../ui/menu.tsx'
import { Meter } from '../../ui/meter.tsx'
import { Page } from '../../ui/page.tsx'
import { Panel } from '../../ui/panel.tsx'
import { SearchBox } from '../../ui/search.tsx'
import { Select } from '../../ui/select.tsx'
import { Empty } from '../../ui/states.tsx'
import { Table } from '../../ui/table.tsx'
import { Ago } from '../../ui/time.tsx'
import { CreateKey } from './create.tsx'
import { Created } from './created.tsx'
import { KeyHistory } from './history.tsx'
import { RevokeKey } from './revoke.tsx'
import { RotateKey } from './rotate.tsx'

/** The budget with the least room: the one that will refuse first. */
export function effectiveBudget(budgets: readonly BudgetState[]): BudgetState | undefined {
  return [...budgets].sort((a, b) => a.remaining_usd - b.remaining_usd)[0]
}

export function keyState(key: Key, now: number): { tone: 'ok' | 'bad' | 'off' | 'warn'; text: string } {
  if (key.revoked_at) return { tone: 'bad', text: 'revoked' }
  if (!key.enabled) return { tone: 'off', text: 'off' }
  if (key.expires_at && Date.parse(key.expires_at) <= now) return { tone: 'off', text: 'expired' }
  const budget = effectiveBudget(key.budgets ?? [])
  if (budget && budget.remaining_usd <= 0) return { tone: 'warn', text: 'budget used up' }
  return { tone: 'ok', text: 'active' }
}

function Budget({ keyRow }: { keyRow: Key }): JSX.Element {
  const budget = effectiveBudget(keyRow.budgets ?? [])
  if (!budget) return <span class="muted">no budget</span>
  return (
    <div>
      <Meter
        spent={budget.spent_usd}
        reserved={budget.reserved_usd}
        limit={budget.limit_usd}
        label={`Budget of ${keyRow.label ?? keyRow.kid}`}
      />
      <small title={keyRow.budgets?.map(item => `${item.budget}: ${money(item.remaining_usd)} left`).join(', ')}>
        per {budget.window}, set by {budget.set_by}
        {budget.resets_at && `, resets ${day(budget.resets_at)} ${clock(budget.resets_at).slice(0, 5)} UTC`}
      </small>
    </div>
  )
}

type Open = { kind: 'revoke' | 'rotate' | 'history'; key: Key } | null

export default function Keys(): JSX.Element {
  const query = useQuery()
  const { route } = useLocation()
  const now = useNow()
  const [open, setOpen] = useState<Open>(null)
  const [minted, setMinted] = useState<Minted | null>(null)
  const q = query.get('q')
  const policy = query.get('policy')
  const cursor = query.get('cursor')
  const keys = useResource(`keys?${q}&${policy}&${cursor}`, signal => listKeys({ q, policy, cursor }, signal))
  const mine = ownPolicies()
  const policies = useResource(mine ? null : 'documents/policies', signal => listDocuments('policies', {}, signal))
  const mint = can('keys.mint')
  const creating = mint && query.get('new') === '1'
  const create = () => query.set({ new: '1' })
  useShortcuts(mint ? [{ keys: 'n', text: 'Create key', run: create }] : [])
  const policyIds = mine ?? policies.data?.items.map(item => item.document.id) ?? []
  const filtered = Boolean(q || policy)

  return (
    <Page
      title="Keys"
      text="What callers present to the router. Only a hash is stored; a key is shown once, when it is made."
      actions={
        mint && (
          <Button kind="primary" onClick={create}>
            Create key
          </Button>
        )
      }
    >
      <div class="filters">
        <SearchBox
          label="Filter keys"
          value={q}
          onChange={value => query.set({ q: value, cursor: null })}
          placeholder="Name, owner or key id"
        />
        <Select
          inline
          label="Policy"
          value={policy}
          onChange={value => query.set({ policy: value, cursor: null })}
          choices={[{ value: '', text: 'All policies' }, ...policyIds.map(id => ({ value: id, text: id }))]}
        />
      </div>
      <Panel flush>
        <Loaded of={keys} what="Keys">
          {data =>
            data.items.length === 0 ? (
              filtered ? (
                <EmptyFiltered
                  what="keys"
                  filter={[q && `“${q}”`, policy].filter(Boolean).join(', ')}
                  onClear={() => query.set({ q: null, policy: null })}
                />
              ) : (
                <Empty
                  title="No key yet"
                  action={
                    mint && (
                      <Button kind="primary" onClick={create}>
                        Create key
                      </Button>
                    )
                  }
                >
                  A key lets a person or a service call the router, within the limits of its policy.
                </Empty>
              )
            ) : (
              <>
                <Table
                  label="Keys"
                  rows={data.items}
                  rowKey={key => key.kid}
                  columns={[
                    {
                      id: 'label',
                      head: 'Name',
                      sort: key => key.label ?? key.kid,
                      cell: key => (
                        <>
                          <strong>{key.label ?? key.kid}</strong>
                          <small class="mono">
                            {key.prefix}…{key.last4}
                          </small>
                          {key.principal && <small>{key.principal}</small>}
                        </>
                      ),
                    },
                    {
                      id: 'state',
                      head: 'State',
                      cell: key => <Chip tone={keyState(key, now).tone}>{keyState(key, now).text}</Chip>,
                    },
                    {
                      id: 'policy',
                      head: 'Policy',
                      named: true,
                      sort: key => key.policy,
                      cell: key => <a href={adminUrl(`/policies/${segment(key.policy)}`)}>{key.policy}</a>,
                    },
                    { id: 'budget', head: 'Effective limit', wide: true, cell: key => <Budget keyRow={key} /> },
                    {
                      id: 'used',
                      head: 'Last used',
                      named: true,
                      sort: key => key.last_used_at ?? '',
                      cell: key =>
                        key.last_used_at ? (
                          <Ago at={key.last_used_at} />
                        ) : (
                          <a href={adminUrl('/requests', { key: key.kid })}>see requests</a>
                        ),
                    },
                    {
                      id: 'expires',
                      head: 'Expires',
                      named: true,
                      sort: key => key.expires_at ?? '9',
                      cell: key =>
                        key.revoked_at ? (
                          <span title={dateTime(key.revoked_at)}>revoked {day(key.revoked_at)}</span>
                        ) : key.expires_at ? (
                          <span title={dateTime(key.expires_at)}>{day(key.expires_at)}</span>
                        ) : (
                          <span class="muted">never</span>
                        ),
                    },
                    {
                      id: 'menu',
                      menu: true,
                      head: <span class="visually-hidden">Actions</span>,
                      cell: key => (
                        <Menu
                          label={`Actions for ${key.label ?? key.kid}`}
                          items={[
                            { text: 'Show requests', onSelect: () => route(adminUrl('/requests', { key: key.kid })) },
                            { text: 'History', onSelect: () => setOpen({ kind: 'history', key }) },
                            mint &&
                              !key.revoked_at && { text: 'Rotate', onSelect: () => setOpen({ kind: 'rotate', key }) },
                            can('keys.revoke') &&
                              !key.revoked_at && {
                                text: 'Revoke',
                                onSelect: () => setOpen({ kind: 'revoke', key }),
                                danger: true,
                              },
                          ]}
                        />
                      ),
                    },
                  ]}
                />
                <div class="panel-foot">
                  <span>
                    {data.total && !data.total.exact && 'about '}
                    {plural(data.total?.value ?? data.items.length, 'key')}
                  </span>
                  <span class="pager">
                    {cursor && (
                      <Button small onClick={() => query.set({ cursor: null })}>
                        First page
                      </Button>
                    )}
                    {data.next && (
                      <Button small onClick={() => query.set({ cursor: data.next })}>
                        Next page
                      </Button>
                    )}
                  </span>
                </div>
              </>
            )
          }
        </Loaded>
      </Panel>
      {creating && !minted && (
        <CreateKey policies={policyIds} preset={policy} onClose={() => query.set({ new: null })} onMinted={setMinted} />
      )}
      {open?.kind === 'revoke' && <RevokeKey keyRow={open.key} onClose={() => setOpen(null)} />}
      {open?.kind === 'history' && <KeyHistory keyRow={open.key} onClose={() => setOpen(null)} />}
      {open?.kind === 'rotate' && (
        <RotateKey
          keyRow={open.key}
          onClose={() => setOpen(null)}
          onMinted={key => {
            setOpen(null)
            setMinted(key)
          }}
        />
      )}
      {minted && (
        <Created
          minted={minted}
          onStored={() => {
            setMinted(null)
            query.set({ new: null })
          }}
        />
      )}
    </Page>
  )
}
