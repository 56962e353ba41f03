/** The budgets of a policy: window, limit, whose spending, hard or soft. */
import type { JSX } from 'preact'
import type { Policy, PolicyBudget } from '../../api/schema/documents.ts'
import { Button, IconButton } from '../../ui/button.tsx'
import { NumberInput } from '../../ui/field.tsx'
import { Select } from '../../ui/select.tsx'

const windows = [
  { value: 'day', text: 'Day' },
  { value: 'week', text: 'Week' },
  { value: 'month', text: 'Month' },
  { value: 'total', text: 'For ever' },
]
const scopes = [
  { value: 'policy', text: 'All keys together' },
  { value: 'key', text: 'Each key' },
]
const kinds = [
  { value: 'hard', text: 'Refuse calls' },
  { value: 'soft', text: 'Only report' },
]

export function Budgets({
  policy,
  readOnly,
  onChange,
}: {
  policy: Policy
  readOnly: boolean
  onChange: (policy: Policy) => void
}): JSX.Element {
  const budgets = policy.budgets ?? []
  const put = (next: PolicyBudget[]) => onChange({ ...policy, budgets: next })
  const edit = (index: number, change: Partial<PolicyBudget>) =>
    put(budgets.map((item, at) => (at === index ? { ...item, ...change } : item)))
  return (
    <fieldset class="stack-8">
      <legend class="visually-hidden">Budgets</legend>
      <h3>Budgets</h3>
      {budgets.length === 0 && <p class="muted">No limit on spending.</p>}
      {budgets.map((budget, index) => (
        <div class="budget-row" key={`${index}-${budgets.length}`}>
          <NumberInput
            label="Limit"
            unit="USD"
            min={0}
            integer={false}
            value={budget.limit_usd}
            readOnly={readOnly}
            onChange={limit => edit(index, { limit_usd: limit ?? 0 })}
          />
          <Select
            label="Per"
            value={budget.window}
            disabled={readOnly}
            choices={windows}
            onChange={window => edit(index, { window: window as PolicyBudget['window'] })}
          />
          <Select
            label="Counts"
            value={budget.scope ?? 'policy'}
            disabled={readOnly}
            choices={scopes}
            onChange={scope => edit(index, { scope: scope as 'policy' | 'key' })}
          />
          <Select
            label="When used up"
            value={budget.hard === false ? 'soft' : 'hard'}
            disabled={readOnly}
            choices={kinds}
            onChange={kind => edit(index, { hard: kind === 'hard' })}
          />
          {!readOnly && (
            <IconButton
              icon="close"
              label={`Remove budget ${index + 1}`}
              onClick={() => put(budgets.filter((_, at) => at !== index))}
            />
          )}
        </div>
      ))}
      {!readOnly && (
        <div>
          <Button
            small
            onClick={() => put([...budgets, { window: 'month', limit_usd: 50, scope: 'policy', hard: true }])}
          >
            Add budget
          </Button>
        </div>
      )}
    </fieldset>
  )
}
