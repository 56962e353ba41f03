/** A further profile, copied from the one on screen, off until it is enabled. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { ApiError } from '../../api/client.ts'
import { saveDocument } from '../../api/documents.ts'
import type { FusionProfile } from '../../api/schema/documents.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { TextInput } from '../../ui/field.tsx'
import { ErrorBox } from '../../ui/loaded.tsx'

export function NewProfile({
  from,
  taken,
  onClose,
  onCreated,
}: {
  from: FusionProfile
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
      await saveDocument('fusion-profiles', { ...from, id, enabled: false }, 'new')
      onCreated(id)
    } catch (failure) {
      if (!(failure instanceof ApiError)) throw failure
      setError(failure)
      setBusy(false)
    }
  }
  return (
    <Dialog
      title="New fusion profile"
      onClose={onClose}
      foot={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button
            kind="primary"
            type="submit"
            form="new-profile"
            busy={busy}
            disabled={!id || problem !== null}
            why="Enter a free name"
          >
            Create profile
          </Button>
        </>
      }
    >
      <form id="new-profile" class="stack-16" onSubmit={event => void create(event)}>
        {error && <ErrorBox error={error} what="The profile was not created" />}
        <TextInput
          label="Name"
          mono
          value={id}
          onInput={setId}
          error={problem}
          autoFocus
          hint={`Callers select clawrouter/fusion:${id || 'name'}. Starts as a copy of ${from.id}, switched off.`}
        />
      </form>
    </Dialog>
  )
}
