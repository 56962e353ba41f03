/** Revisions of a profile, each restorable as a draft. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import * as v from 'valibot'
import { documentHistory } from '../../api/documents.ts'
import { saveDraft } from '../../api/fusion.ts'
import { useResource } from '../../api/resource.ts'
import { FusionProfile } from '../../api/schema/documents.ts'
import type { Draft } from '../../api/schema/fusion.ts'
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
  onRestored: (draft: Draft) => void
}): JSX.Element {
  const history = useResource(`history/fusion-profiles/${profile}`, signal =>
    documentHistory('fusion-profiles', profile, signal),
  )
  const [busy, setBusy] = useState<number | null>(null)
  const restore = async (revision: number) => {
    setBusy(revision)
    try {
      const found = history.data?.items.find(item => item.revision === revision)
      onRestored(await saveDraft(profile, v.parse(FusionProfile, found?.document)))
      toast(`The draft is revision ${revision} now; review and enable it to make it live.`)
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
            restores="Restore as draft: revision"
            {...(editable ? { onRestore: (revision: number) => void restore(revision) } : {})}
          />
        )}
      </Loaded>
    </Dialog>
  )
}
