/** Asks for the name of a document that does not exist yet. */
import type { ComponentChildren, JSX } from 'preact'
import { useState } from 'preact/hooks'
import { useWork } from '../../api/work.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { TextInput } from '../../ui/field.tsx'
import { ErrorBox } from '../../ui/loaded.tsx'

interface NameDialogProps {
  title: string
  /** What the button says. */
  action: string
  /** What an error box says. */
  failure: string
  /** Names of the documents that exist. */
  taken: string[]
  hint: (id: string) => ComponentChildren
  placeholder?: string
  onClose: () => void
  create: (id: string) => Promise<void>
}

export function NameDialog(props: NameDialogProps): JSX.Element {
  const { title, action, failure, taken, hint, placeholder, onClose, create } = props
  const [id, setId] = useState('')
  const { busy, error, run } = useWork()
  const problem = taken.includes(id)
    ? 'This name is taken.'
    : id && !/^[a-z0-9][a-z0-9._-]{0,63}$/.test(id)
      ? 'Use lower case letters, digits, dots and dashes.'
      : null
  const submit = (event: Event) => {
    event.preventDefault()
    if (id && !problem && !busy) void run(() => create(id))
  }
  return (
    <Dialog
      title={title}
      onClose={onClose}
      foot={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button
            kind="primary"
            type="submit"
            form="new-document"
            busy={busy}
            disabled={!id || problem !== null}
            why="Enter a free name"
          >
            {action}
          </Button>
        </>
      }
    >
      <form id="new-document" class="stack-16" onSubmit={submit}>
        {error && <ErrorBox error={error} what={failure} />}
        <TextInput
          label="Name"
          mono
          value={id}
          onInput={setId}
          error={problem}
          autoFocus
          {...(placeholder ? { placeholder } : {})}
          hint={hint(id)}
        />
      </form>
    </Dialog>
  )
}
