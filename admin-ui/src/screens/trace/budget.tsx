/** Money of one request: what was set aside for each call, what it cost, and what went back. */
import type { JSX } from 'preact'
import * as v from 'valibot'
import { Explanation } from '../../api/schema/explain.ts'
import type { Trace } from '../../api/schema/operate.ts'
import { money } from '../../lib/format.ts'
import { type Column, Table } from '../../ui/table.tsx'
import { type BudgetRow, budgetRows } from './rows.tsx'

export function Budget({ trace }: { trace: Trace }): JSX.Element {
  const decided = v.safeParse(Explanation, trace.explanation)
  const rows = budgetRows(trace, (decided.success && decided.output.candidates) || [])
  const reserved = trace.reserved_usd ?? 0
  const back = (from: number | null, spent: number | null) => money(from === null ? null : from - (spent ?? 0))
  const column = (id: string, head: string, cell: (row: BudgetRow) => string): Column<BudgetRow> => ({
    id,
    head,
    cell,
    number: true,
    named: true,
  })
  const kept = reserved > 0
  return (
    <>
      <Table
        label="Money per call"
        rows={rows}
        rowKey={row => row.name}
        columns={[
          {
            id: 'call',
            head: 'Call',
            cell: row => (
              <>
                {row.name}
                <small class="mono">{row.target}</small>
              </>
            ),
          },
          column('reserved', kept ? 'Reserved' : 'At most', row => money(row.reserved)),
          column('settled', 'Settled', row => money(row.settled)),
          ...(kept ? [column('back', 'Given back', row => back(row.reserved, row.settled))] : []),
        ]}
        foot={
          <tfoot>
            <tr>
              <td>Total</td>
              <td class="num" data-label={kept ? 'Reserved' : 'At most'}>
                {kept ? money(reserved) : ''}
              </td>
              <td class="num" data-label="Settled">
                {money(trace.cost_usd)}
              </td>
              {kept && (
                <td class="num" data-label="Given back">
                  {back(reserved, trace.cost_usd ?? 0)}
                </td>
              )}
            </tr>
          </tfoot>
        }
      />
      <p class="panel-foot">
        {kept
          ? 'The reserve covers every attempt of a call at its worst; what was not used went back at the end.'
          : 'Nothing was reserved: no budget limits this caller.'}
      </p>
    </>
  )
}
