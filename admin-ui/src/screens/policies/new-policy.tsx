/** A further policy: named, allowing everything until it is narrowed. */
import type { JSX } from 'preact'
import { saveDocument } from '../../api/documents.ts'
import { toast } from '../../ui/toast.tsx'
import { NameDialog } from '../shared/name-dialog.tsx'

export function NewPolicy({
  taken,
  onClose,
  onCreated,
}: {
  taken: string[]
  onClose: () => void
  onCreated: (id: string) => void
}): JSX.Element {
  const create = async (id: string) => {
    await saveDocument(
      'policies',
      { id, allow: { providers: ['*'], models: ['*'], virtual: ['*'] }, budgets: [], enabled: true },
      'new',
    )
    toast(`Policy ${id} created. It allows everything; narrow it and set a budget.`)
    onCreated(id)
  }
  return (
    <NameDialog
      title="New policy"
      action="Create policy"
      failure="The policy was not created"
      taken={taken}
      placeholder="team-research"
      hint={() => 'It starts by allowing every model, without a budget.'}
      onClose={onClose}
      create={create}
    />
  )
}
