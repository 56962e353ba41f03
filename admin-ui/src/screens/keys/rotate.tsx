/** Rotate a key: a new secret, the old one valid for a while. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { rotateKey } from '../../api/keys.ts'
import type { Key, Minted } from '../../api/schema/keys.ts'
import { useWork } from '../../api/work.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { ErrorBox } from '../../ui/loaded.tsx'
import { Select } from '../../ui/select.tsx'

const overlaps = [
  { value: '0', text: 'None: the old key stops at once' },
  { value: '1', text: '1 hour' },
  { value: '24', text: '24 hours' },
  { value: '168', text: '7 days' },
]

export function RotateKey({
  keyRow,
  onClose,
  onMinted,
}: {
  keyRow: Key
  onClose: () => void
  onMinted: (minted: Minted) => void
}): JSX.Element {
  const name = keyRow.label ?? keyRow.kid
  const [hours, setHours] = useState('24')
  const { busy, error, run } = useWork()
  const rotate = async () => {
    await run(async () => {
      onMinted(await rotateKey(keyRow.kid, Number(hours)))
    })
  }
  return (
    <Dialog
      title={`Rotate ${name}`}
      onClose={onClose}
      foot={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button kind="primary" busy={busy} onClick={() => void rotate()}>
            Rotate key
          </Button>
        </>
      }
    >
      {error && <ErrorBox error={error} what="The key was not rotated" />}
      <p>A new key with the same policy, name and budgets. Both work during the overlap.</p>
      <Select label="Overlap" value={hours} onChange={setHours} choices={overlaps} />
    </Dialog>
  )
}
