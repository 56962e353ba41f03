/** The list of keyboard shortcuts that work right now. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { boundShortcuts, setSingleKeys, singleKeysEnabled } from '../../lib/shortcuts.ts'
import { Dialog } from '../../ui/dialog.tsx'
import { Switch } from '../../ui/switch.tsx'

const names: Record<string, string> = { 'mod+k': 'Ctrl or ⌘ K', 'mod+enter': 'Ctrl or ⌘ ↵' }

export default function ShortcutsHelp({ onClose }: { onClose: () => void }): JSX.Element {
  const [shortcuts] = useState(boundShortcuts)
  const [on, setOn] = useState(singleKeysEnabled())
  return (
    <Dialog title="Keyboard shortcuts" onClose={onClose}>
      <Switch
        label="Single-letter shortcuts"
        note="Off leaves only those with Ctrl or ⌘."
        on={on}
        onChange={value => {
          setSingleKeys(value)
          setOn(value)
        }}
      />
      <dl class="kv">
        {shortcuts.map(item => (
          <>
            <dt key={item.keys}>
              <kbd>{names[item.keys] ?? item.keys}</kbd>
            </dt>
            <dd>{item.text}</dd>
          </>
        ))}
      </dl>
    </Dialog>
  )
}
