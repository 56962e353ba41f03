/** A save met a newer revision: both versions side by side, and the choice. */
import type { JSX } from 'preact'
import * as v from 'valibot'
import type { ApiError } from '../../api/client.ts'
import { stored } from '../../api/schema/common.ts'
import { Button } from '../../ui/button.tsx'
import { Callout } from '../../ui/callout.tsx'
import { Diff, diffOf } from '../../ui/diff.tsx'
import { ErrorBox } from '../../ui/loaded.tsx'

const Theirs = stored(v.looseObject({}))
export type Theirs = v.InferOutput<typeof Theirs>

interface StaleProps {
  error: ApiError
  mine: unknown
  onKeepMine: (revision: number) => void
  onTakeTheirs: (theirs: Theirs) => void
}

export function Stale({ error, mine, onKeepMine, onTakeTheirs }: StaleProps): JSX.Element {
  const parsed = v.safeParse(Theirs, error.current)
  if (!parsed.success)
    return <ErrorBox error={error} what="Somebody saved meanwhile. Reload to see the newer document" />
  const theirs = parsed.output
  return (
    <Callout
      tone="warn"
      alert
      title={`Revision ${theirs.revision} was saved meanwhile${theirs.updated_by ? ` by ${theirs.updated_by}` : ''}.`}
    >
      <p>Theirs (−) against yours (+):</p>
      <Diff changes={diffOf(theirs.document, mine)} />
      <div class="actions">
        <Button small onClick={() => onKeepMine(theirs.revision)}>
          Keep mine
        </Button>
        <Button small onClick={() => onTakeTheirs(theirs)}>
          Take theirs
        </Button>
      </div>
    </Callout>
  )
}
