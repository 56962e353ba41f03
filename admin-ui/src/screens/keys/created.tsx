/** The one time a key is shown. It closes only after "I stored it". */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { listCandidates } from '../../api/operate.ts'
import { useResource } from '../../api/resource.ts'
import type { Minted } from '../../api/schema/keys.ts'
import { dateTime } from '../../lib/format.ts'
import { Button } from '../../ui/button.tsx'
import { Callout } from '../../ui/callout.tsx'
import { Code } from '../../ui/code.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { Checkbox } from '../../ui/field.tsx'
import { TabPanel, Tabs } from '../../ui/tabs.tsx'
import { startModel } from '../shared/model-options.ts'
import { type Language, languages, snippet } from '../shared/snippets.ts'

export function Created({ minted, onStored }: { minted: Minted; onStored: () => void }): JSX.Element {
  const [stored, setStored] = useState(false)
  const [language, setLanguage] = useState<Language>('curl')
  // A snippet that would be refused is worse than none: it names what this key can run now.
  const candidates = useResource(`candidates?${minted.policy}`, signal => listCandidates(minted.policy, signal))
  const model = startModel(candidates.data?.items ?? [])
  const request = { model: model ?? 'clawrouter/auto', messages: [{ role: 'user', content: 'Say hello.' }] }
  return (
    <Dialog
      wide
      locked
      title={minted.replaces ? 'Key rotated' : 'Key created'}
      onClose={onStored}
      foot={
        <>
          <Checkbox checked={stored} onChange={setStored}>
            I stored it
          </Checkbox>
          <Button kind="primary" disabled={!stored} why="Confirm that you stored the key" onClick={onStored}>
            Done
          </Button>
        </>
      }
    >
      <Callout tone="warn" title="Shown once.">
        Only its hash is kept. Store it now; a lost key is replaced, not recovered.
      </Callout>
      <Code text={minted.key} wrap label="The new key" />
      {minted.old_expires_at && <p>The old key keeps working until {dateTime(minted.old_expires_at)}.</p>}
      <div class="stack-8">
        <Tabs
          name="snippet"
          label="Language"
          tabs={languages.map(item => ({ id: item.id, text: item.text }))}
          active={language}
          onChange={id => setLanguage(id as Language)}
        />
        <TabPanel name="snippet" id={language}>
          {candidates.data && !model ? (
            <Callout tone="warn">
              Policy {minted.policy} cannot run any model yet. Connect a provider, then use the key.
            </Callout>
          ) : (
            (model || candidates.error) && (
              <Code text={snippet(language, location.origin, minted.key, request)} label="First request" />
            )
          )}
        </TabPanel>
      </div>
    </Dialog>
  )
}
