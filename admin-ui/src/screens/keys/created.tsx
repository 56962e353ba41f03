/** The one time a key is shown. It closes only after "I stored it". */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import type { Minted } from '../../api/schema/keys.ts'
import { dateTime } from '../../lib/format.ts'
import { Button } from '../../ui/button.tsx'
import { Callout } from '../../ui/callout.tsx'
import { Code } from '../../ui/code.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { Checkbox } from '../../ui/field.tsx'
import { TabPanel, Tabs } from '../../ui/tabs.tsx'
import { type Language, languages, snippet } from '../shared/snippets.ts'

export function Created({ minted, onStored }: { minted: Minted; onStored: () => void }): JSX.Element {
  const [stored, setStored] = useState(false)
  const [language, setLanguage] = useState<Language>('curl')
  const request = { model: 'clawrouter/auto', messages: [{ role: 'user', content: 'Say hello.' }] }
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
          <Code text={snippet(language, location.origin, minted.key, request)} label="First request" />
        </TabPanel>
      </div>
    </Dialog>
  )
}
