/** Mint a key: policy, name, owner, expiry. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { mintKey } from '../../api/keys.ts'
import type { Minted } from '../../api/schema/keys.ts'
import { useWork } from '../../api/work.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { Checkbox, TextInput } from '../../ui/field.tsx'
import { ErrorBox } from '../../ui/loaded.tsx'
import { Select } from '../../ui/select.tsx'

const dayMs = 86_400_000
const expiries = [
  { value: '', text: 'Never' },
  { value: '1', text: 'In 1 day' },
  { value: '7', text: 'In 7 days' },
  { value: '30', text: 'In 30 days' },
  { value: '90', text: 'In 90 days' },
  { value: '365', text: 'In a year' },
]

interface CreateProps {
  policies: string[]
  preset: string
  onClose: () => void
  onMinted: (minted: Minted) => void
}

export function CreateKey({ policies, preset, onClose, onMinted }: CreateProps): JSX.Element {
  const [policy, setPolicy] = useState(
    preset || (policies.includes('default') ? 'default' : (policies[0] ?? 'default')),
  )
  const [label, setLabel] = useState('')
  const [principal, setPrincipal] = useState('')
  const [days, setDays] = useState('')
  const [test, setTest] = useState(false)
  const { busy, error, run } = useWork()

  const create = async (event: Event) => {
    event.preventDefault()
    if (busy) return
    await run(async () => {
      onMinted(
        await mintKey({
          policy,
          ...(label.trim() ? { label: label.trim() } : {}),
          ...(principal.trim() ? { principal: principal.trim() } : {}),
          ...(days ? { expires: new Date(Date.now() + Number(days) * dayMs).toISOString() } : {}),
          ...(test ? { test } : {}),
        }),
      )
    })
  }
  return (
    <Dialog
      title="Create key"
      onClose={onClose}
      foot={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" type="submit" form="create-key" busy={busy}>
            Create key
          </Button>
        </>
      }
    >
      <form id="create-key" class="stack-16" onSubmit={event => void create(event)}>
        {error && <ErrorBox error={error} what="The key was not created" />}
        <TextInput
          label="Name"
          value={label}
          onInput={setLabel}
          placeholder="ada-laptop"
          hint="Where it will live; shown in requests and usage."
          autoFocus
        />
        <Select
          label="Policy"
          value={policy}
          onChange={setPolicy}
          choices={(policies.length ? policies : [policy]).map(id => ({ value: id, text: id }))}
          hint="Decides what the key may run and spend."
        />
        <TextInput label="Owner (optional)" value={principal} onInput={setPrincipal} placeholder="ada@example.com" />
        <Select label="Expires" value={days} onChange={setDays} choices={expiries} />
        <Checkbox checked={test} onChange={setTest}>
          Mark as a test key (<code>clawrouter-test-…</code>)
        </Checkbox>
      </form>
    </Dialog>
  )
}
