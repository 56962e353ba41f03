/** The next request as curl, Python or Node; the key stays a placeholder. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { Code } from '../../ui/code.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { TabPanel, Tabs } from '../../ui/tabs.tsx'
import { type Language, languages, snippet } from '../shared/snippets.ts'
import { type Message, requestOf, type Settings } from './chat.ts'

export function CodeDialog({
  settings,
  messages,
  onClose,
}: {
  settings: Settings
  messages: Message[]
  onClose: () => void
}): JSX.Element {
  const [language, setLanguage] = useState<Language>('curl')
  let text: string
  try {
    const { stream_options: _, ...request } = requestOf(settings, messages)
    text = snippet(language, location.origin, 'YOUR_KEY', request)
  } catch {
    text = 'The tools are not valid JSON.'
  }
  return (
    <Dialog wide title="This request as code" onClose={onClose}>
      <Tabs
        name="code"
        label="Language"
        tabs={languages.map(item => ({ id: item.id, text: item.text }))}
        active={language}
        onChange={id => setLanguage(id as Language)}
      />
      <TabPanel name="code" id={language}>
        <Code text={text} label="The request" />
      </TabPanel>
      <p class="small muted">
        Replace YOUR_KEY by a key from the <a href="/admin/keys?new=1">Keys screen</a>.
      </p>
    </Dialog>
  )
}
