/** Revoke a key. One that was used in the last day wants its name typed. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { revokeKey } from '../../api/keys.ts'
import { listRequests } from '../../api/operate.ts'
import { useResource } from '../../api/resource.ts'
import type { Key } from '../../api/schema/keys.ts'
import { useWork } from '../../api/work.ts'
import { ago } from '../../lib/format.ts'
import { Button } from '../../ui/button.tsx'
import { Callout } from '../../ui/callout.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { TextInput } from '../../ui/field.tsx'
import { ErrorBox } from '../../ui/loaded.tsx'
import { toast } from '../../ui/toast.tsx'

const dayMs = 86_400_000

export function RevokeKey({ keyRow, onClose }: { keyRow: Key; onClose: () => void }): JSX.Element {
  const name = keyRow.label ?? keyRow.kid
  // Where the Worker does not keep the moment with the key, its newest request tells.
  const newest = useResource(keyRow.last_used_at ? null : `requests?newest&${keyRow.kid}`, signal =>
    listRequests({ key: keyRow.kid, limit: 1 }, signal),
  )
  const lastUsed = keyRow.last_used_at ?? newest.data?.items[0]?.at
  const inUse = lastUsed != null && Date.now() - Date.parse(lastUsed) < dayMs
  const [typed, setTyped] = useState('')
  const { busy, error, run } = useWork()
  const ready = !inUse || typed === name
  const revoke = async (event?: Event) => {
    event?.preventDefault()
    if (!ready || busy) return
    await run(async () => {
      await revokeKey(keyRow.kid)
      toast(`${name} is revoked.`)
      onClose()
    })
  }
  return (
    <Dialog
      title={`Revoke ${name}`}
      onClose={onClose}
      foot={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button
            kind="danger"
            busy={busy}
            disabled={!ready}
            why="Type the key's name first"
            onClick={() => void revoke()}
          >
            Revoke key
          </Button>
        </>
      }
    >
      {error && <ErrorBox error={error} what="The key was not revoked" />}
      <p>
        Calls with this key are refused: at once where a budget is checked, within 60 s everywhere. It cannot be undone;
        make a new key instead.
      </p>
      {inUse && lastUsed && (
        <form class="stack-16" onSubmit={event => void revoke(event)}>
          <Callout tone="warn" title="In use.">
            Last used {ago(lastUsed, Date.now())}. Whoever uses it will get errors.
          </Callout>
          <TextInput label={`Type ${name} to confirm`} value={typed} onInput={setTyped} mono autoFocus />
        </form>
      )}
    </Dialog>
  )
}
