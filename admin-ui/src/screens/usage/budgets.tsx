/** Every budget that is in force: how much is spent, reserved and left, and when it resets. */
import type { JSX } from 'preact'
import type { Resource } from '../../api/resource.ts'
import type { BudgetState, Key } from '../../api/schema/keys.ts'
import { clock, day, money } from '../../lib/format.ts'
import { segment } from '../../lib/text.ts'
import { adminUrl } from '../../lib/url.ts'
import { LinkButton } from '../../ui/button.tsx'
import { Loaded } from '../../ui/loaded.tsx'
import { Meter } from '../../ui/meter.tsx'
import { Panel } from '../../ui/panel.tsx'
import { Empty } from '../../ui/states.tsx'
import { Table } from '../../ui/table.tsx'

interface Row {
  id: string
  whose: string
  policy: string
  budget: BudgetState
}

/** A policy's budget once, a key's budget per key; fullest first. */
export function budgetRows(keys: readonly Key[]): Row[] {
  const rows = new Map<string, Row>()
  for (const key of keys) {
    if (key.revoked_at) continue
    for (const budget of key.budgets ?? []) {
      const own = budget.scope === 'key'
      const id = own ? `${budget.budget} ${key.kid}` : budget.budget
      rows.set(id, { id, whose: own ? `key ${key.label ?? key.kid}` : 'all keys', policy: key.policy, budget })
    }
  }
  const share = (row: Row) => (row.budget.limit_usd > 0 ? row.budget.spent_usd / row.budget.limit_usd : 1)
  return [...rows.values()].sort((a, b) => share(b) - share(a))
}

export function BudgetsPanel({ keys }: { keys: Resource<{ items: Key[] }> }): JSX.Element {
  return (
    <Panel title="Budgets" aside="fullest first" flush>
      <Loaded of={keys} what="Budgets">
        {data => {
          const rows = budgetRows(data.items)
          return rows.length === 0 ? (
            <Empty title="No budget is set" action={<LinkButton href="/admin/policies">Open policies</LinkButton>}>
              A budget stops calls before they spend more than you allow.
            </Empty>
          ) : (
            <Table
              label="Budgets"
              rows={rows}
              rowKey={row => row.id}
              columns={[
                {
                  id: 'policy',
                  head: 'Policy',
                  sort: row => row.policy,
                  cell: row => (
                    <>
                      <a href={adminUrl(`/policies/${segment(row.policy)}`)}>{row.policy}</a>
                      <small>{row.whose}</small>
                    </>
                  ),
                },
                { id: 'window', head: 'Per', named: true, cell: row => row.budget.window },
                {
                  id: 'meter',
                  head: 'Spent of limit',
                  wide: true,
                  cell: row => (
                    <Meter
                      label={`Budget ${row.id}`}
                      spent={row.budget.spent_usd}
                      reserved={row.budget.reserved_usd}
                      limit={row.budget.limit_usd}
                    />
                  ),
                },
                {
                  id: 'left',
                  head: 'Left',
                  number: true,
                  named: true,
                  sort: row => row.budget.remaining_usd,
                  cell: row => money(row.budget.remaining_usd),
                },
                {
                  id: 'resets',
                  head: 'Resets',
                  named: true,
                  cell: row =>
                    row.budget.resets_at ? (
                      `${day(row.budget.resets_at)} ${clock(row.budget.resets_at).slice(0, 5)} UTC`
                    ) : (
                      <span class="muted">never</span>
                    ),
                },
              ]}
            />
          )
        }}
      </Loaded>
    </Panel>
  )
}
