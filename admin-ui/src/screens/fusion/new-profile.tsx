/** A further profile, copied from the one on screen, off until it is enabled. */
import type { JSX } from 'preact'
import { saveDocument } from '../../api/documents.ts'
import type { FusionProfile } from '../../api/schema/documents.ts'
import { NameDialog } from '../shared/name-dialog.tsx'

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
  const create = async (id: string) => {
    await saveDocument('fusion-profiles', { ...from, id, enabled: false }, 'new')
    onCreated(id)
  }
  return (
    <NameDialog
      title="New fusion profile"
      action="Create profile"
      failure="The profile was not created"
      taken={taken}
      hint={id => `Callers select clawrouter/fusion:${id || 'name'}. Starts as a copy of ${from.id}, switched off.`}
      onClose={onClose}
      create={create}
    />
  )
}
