/** Revisions of a key's document; the secret is no part of it, and a revocation is not undone. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { keyHistory, rollbackKey } from '../../api/keys.ts'
import { useResource } from '../../api/resource.ts'
import type { Key } from '../../api/schema/keys.ts'
import { can, ownPolicies } from '../../api/session.ts'
import { useWork } from '../../api/work.ts'
import { Dialog } from '../../ui/dialog.tsx'
import { ErrorBox, Loaded } from '../../ui/loaded.tsx'
import { toast } from '../../ui/toast.tsx'
import { HistoryList } from '../shared/history.tsx'

export function KeyHistory({ keyRow, onClose }: { keyRow: Key; onClose: () => void }): JSX.Element {
  const { kid, label, revoked_at } = keyRow
  const history = useResource(`history/keys/${kid}`, signal => keyHistory(kid, signal))
  const { busy, error, run } = useWork()
  const [back, setBack] = useState(0)
  const restore = (revision: number) => {
    setBack(revision)
    void run(async () => {
      const saved = await rollbackKey(kid, revision)
      toast(`Revision ${revision} of ${label || kid} restored as revision ${saved.revision}.`)
      onClose()
    })
  }
  return (
    <Dialog wide title={`History of ${label || kid}`} onClose={onClose}>
      {error && <ErrorBox error={error} what="Nothing was restored" />}
      <Loaded of={history} what="The history">
        {data => (
          <HistoryList
            items={data.items}
            busy={busy ? back : null}
            {...(can('keys.mint') && !ownPolicies() && !revoked_at ? { onRestore: restore } : {})}
          />
        )}
      </Loaded>
    </Dialog>
  )
}
