/** A further policy: named, allowing everything until it is narrowed. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { ApiError } from '../../api/client.ts'
import { saveDocument } from '../../api/documents.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { TextInput } from '../../ui/field.tsx'
import { ErrorBox } from '../../ui/loaded.tsx'
import { toast } from '../../ui/toast.tsx'

export function NewPolicy({
  taken,
  onClose,
  onCreated,
}: {
  taken: string[]
  onClose: () => void
  onCreated: (id: string) => void
}): JSX.Element {
  const [id, setId] = useState('')
  const [error, setError] = useState<ApiError | null>(null)
  const [busy, setBusy] = useState(false)
  const problem = taken.includes(id)
    ? 'This name is taken.'
    : id && !/^[a-z0-9][a-z0-9._-]{0,63}$/.test(id)
      ? 'Use lower case letters, digits, dots and dashes.'
      : null
  const create = async (event: Event) => {
    event.preventDefault()
    if (!id || problem || busy) return
    setBusy(true)
    try {
      await saveDocument(
        'policies',
        { id, allow: { providers: ['*'], models: ['*'], virtual: ['*'] }, budgets: [], enabled: true },
        'new',
      )
      toast(`Policy ${id} created. It allows everything; narrow it and set a budget.`)
      onCreated(id)
    } catch (failure) {
      if (!(failure instanceof ApiError)) throw failure
      setError(failure)
      setBusy(false)
    }
  }
  return (
    <Dialog
      title="New policy"
      onClose={onClose}
      foot={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button
            kind="primary"
            type="submit"
            form="new-policy"
            busy={busy}
            disabled={!id || problem !== null}
            why="Enter a free name"
          >
            Create policy
          </Button>
        </>
      }
    >
      <form id="new-policy" class="stack-16" onSubmit={event => void create(event)}>
        {error && <ErrorBox error={error} what="The policy was not created" />}
        <TextInput
          label="Name"
          mono
          value={id}
          onInput={setId}
          error={problem}
          autoFocus
          placeholder="team-research"
          hint="It starts by allowing every model, without a budget."
        />
      </form>
    </Dialog>
  )
}
