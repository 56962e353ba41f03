/** What one key's `GET /v1/models` would list with the draft in force. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { previewKey } from '../../api/fusion.ts'
import { listKeys } from '../../api/keys.ts'
import { useResource } from '../../api/resource.ts'
import type { FusionProfile } from '../../api/schema/documents.ts'
import { plural } from '../../lib/text.ts'
import { Chip } from '../../ui/chip.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { Loaded } from '../../ui/loaded.tsx'
import { Select } from '../../ui/select.tsx'
import { Empty } from '../../ui/states.tsx'

export function PreviewDialog({ draft, onClose }: { draft: FusionProfile; onClose: () => void }): JSX.Element {
  const [chosen, setChosen] = useState('')
  const keys = useResource('keys?', signal => listKeys({}, signal))
  const kid = chosen || (keys.data?.items[0]?.kid ?? '')
  const shown = useResource(kid && `preview/${kid}/${JSON.stringify(draft)}`, signal => previewKey(draft, kid, signal))
  return (
    <Dialog title="What a key is shown" onClose={onClose}>
      <Loaded of={keys} what="The keys">
        {({ items }) =>
          items.length === 0 ? (
            <Empty title="There is no key">Create one under Keys; then its list can be shown here.</Empty>
          ) : (
            <>
              <Select
                label="Key"
                value={kid}
                onChange={setChosen}
                choices={items.map(key => ({ value: key.kid, text: `${key.label || key.kid}, ${key.policy}` }))}
              />
              <Loaded of={shown} what="Its list">
                {({ model, models, gone }) => (
                  <>
                    <p>
                      <code>GET /v1/models</code> would list {plural(models.length, 'model')},{' '}
                      {models.some(row => row.id === model) ? 'with' : 'without'} <code>{model}</code>.
                    </p>
                    <ul class="stack-4 mono small">
                      {models.map(row => (
                        <li key={row.id}>
                          {row.id} {row.is_new && <Chip tone="ok">new</Chip>}
                        </li>
                      ))}
                      {gone.map(id => (
                        <li key={id}>
                          {id} <Chip tone="bad">no longer</Chip>
                        </li>
                      ))}
                    </ul>
                  </>
                )}
              </Loaded>
            </>
          )
        }
      </Loaded>
    </Dialog>
  )
}
