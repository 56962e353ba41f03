/** Revisions of a profile, each restorable as a draft. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { documentHistory, rollbackDocument } from '../../api/documents.ts'
import { useResource } from '../../api/resource.ts'
import { Dialog } from '../../ui/dialog.tsx'
import { Loaded } from '../../ui/loaded.tsx'
import { toast, toastError } from '../../ui/toast.tsx'
import { HistoryList } from '../shared/history.tsx'

export function HistoryDialog({
  profile,
  editable,
  onClose,
  onRestored,
}: {
  profile: string
  editable: boolean
  onClose: () => void
  onRestored: () => Promise<void>
}): JSX.Element {
  const history = useResource(`history/fusion-profiles/${profile}`, signal =>
    documentHistory('fusion-profiles', profile, signal),
  )
  const [busy, setBusy] = useState<number | null>(null)
  const restore = async (revision: number) => {
    setBusy(revision)
    try {
      const saved = await rollbackDocument('fusion-profiles', profile, revision)
      toast(`Revision ${revision} is live again, as revision ${saved.revision}.`)
      await onRestored()
    } catch (error) {
      toastError(error)
    } finally {
      setBusy(null)
    }
  }
  return (
    <Dialog wide title={`History of ${profile}`} onClose={onClose}>
      <Loaded of={history} what="The history">
        {data => (
          <HistoryList
            items={data.items}
            busy={busy}
            {...(editable ? { onRestore: (revision: number) => void restore(revision) } : {})}
          />
        )}
      </Loaded>
    </Dialog>
  )
}
