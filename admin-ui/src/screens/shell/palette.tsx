/** Search or jump to: screens, actions, and objects by name or id. */
import type { JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { useLocation } from 'preact-iso'
import { listDocuments, saveDocument } from '../../api/documents.ts'
import { disableProfile } from '../../api/fusion.ts'
import { listKeys } from '../../api/keys.ts'
import { invalidate, useResource } from '../../api/resource.ts'
import type { FusionProfile } from '../../api/schema/documents.ts'
import { can } from '../../api/session.ts'
import { matches, segment } from '../../lib/text.ts'
import { screens } from '../../routes.tsx'
import { toast, toastError } from '../../ui/toast.tsx'
import { handOver } from '../shared/hand-over.ts'
import { callerName } from '../shared/model-options.ts'
import { setTheme } from './account.tsx'

interface Entry {
  text: string
  side: string
  words?: string
  run: () => void
}

const maxShown = 40

/** What the query finds, screens and actions before objects; an id of a request is offered as such. */
export function found(entries: readonly Entry[], query: string): Entry[] {
  const hits = query.trim()
    ? entries.filter(entry => matches(`${entry.text} ${entry.side} ${entry.words ?? ''}`, query.trim()))
    : entries
  return hits.slice(0, maxShown)
}

/** The kill switch: at once, with a way back to what was live. */
async function turnOff(before: { document: FusionProfile }): Promise<void> {
  const { id } = before.document
  const refresh = () => invalidate('fusion-draft/', 'documents/fusion-profiles')
  const off = await disableProfile(id)
  refresh()
  toast(`${callerName(id)} is off, revision ${off.revision}.`, {
    action: {
      text: 'Undo',
      run: () => void saveDocument('fusion-profiles', before.document, off.revision).then(refresh).catch(toastError),
    },
  })
}

export default function Palette({ onClose }: { onClose: () => void }): JSX.Element {
  const { route, path } = useLocation()
  const [query, setQuery] = useState('')
  const [active, setActive] = useState(0)
  const box = useRef<HTMLDialogElement>(null)
  const all = can('audit.read')
  const models = useResource(all ? 'documents/models' : null, signal => listDocuments('models', {}, signal))
  const policies = useResource(all ? 'documents/policies' : null, signal => listDocuments('policies', {}, signal))
  const profiles = useResource(all ? 'documents/fusion-profiles' : null, signal =>
    listDocuments('fusion-profiles', {}, signal),
  )
  const keys = useResource('keys?', signal => listKeys({}, signal))

  useEffect(() => {
    const opener = document.activeElement
    const dialog = box.current
    if (dialog && !dialog.open) dialog.showModal()
    return () => {
      dialog?.close()
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus()
    }
  }, [])

  const go = (href: string) => () => route(href)
  const entries: Entry[] = [
    ...screens
      .filter(item => !item.needs || can(item.needs))
      .map(item => ({ text: item.title, side: 'screen', words: item.words, run: go(item.href) })),
    ...(can('keys.mint')
      ? [{ text: 'Create key', side: 'action', words: 'new mint', run: go('/admin/keys?new=1') }]
      : []),
    { text: 'Inspect prompt', side: 'action', words: 'route explain', run: go('/admin/inspect') },
    ...(can('fusion.write') ? (profiles.data?.items ?? []) : [])
      .filter(item => item.document.enabled)
      .map(item => ({
        text: `Turn off ${callerName(item.document.id)}`,
        side: 'action',
        words: 'fusion kill switch',
        run: () => void turnOff(item).catch(toastError),
      })),
    ...(all
      ? [
          {
            text: 'Test the fusion draft',
            side: 'action',
            words: 'prompt',
            run: go('/admin/fusion/default?panel=test'),
          },
          {
            text: 'Connect a local endpoint',
            side: 'action',
            words: 'ollama vllm lm studio',
            run: go('/admin/models?wizard=1'),
          },
        ]
      : []),
    { text: 'Theme: light', side: 'action', run: () => setTheme('light') },
    { text: 'Theme: dark', side: 'action', run: () => setTheme('dark') },
    { text: 'Theme: as the system', side: 'action', run: () => setTheme('system') },
    ...(profiles.data?.items ?? []).map(item => ({
      text: item.document.id,
      side: 'fusion profile',
      run: go(`/admin/fusion/${segment(item.document.id)}`),
    })),
    ...(policies.data?.items ?? []).map(item => ({
      text: item.document.id,
      side: 'policy',
      run: go(`/admin/policies/${segment(item.document.id)}`),
    })),
    ...(keys.data?.items ?? []).map(item => ({
      text: item.label ?? item.kid,
      side: `key of ${item.policy}`,
      words: item.kid,
      run: go(`/admin/keys?q=${segment(item.kid)}`),
    })),
    ...(models.data?.items ?? []).map(item => ({
      text: item.document.id,
      side: 'model',
      run: go(`/admin/models?q=${segment(item.document.id)}`),
    })),
  ]
  const typed = query.trim()
  const looksLikeRequest = /^(req[_-]|[0-9a-f]{8}-)/i.test(typed) && !typed.includes(' ')
  const shown = [
    ...(looksLikeRequest
      ? [{ text: `Open request ${typed}`, side: 'trace', run: go(`/admin/requests/${segment(typed)}`) }]
      : []),
    ...found(entries, query),
    // The inspector takes what it is handed when it opens.
    ...(typed.includes(' ') && !path.startsWith('/admin/inspect')
      ? [
          {
            text: `Inspect “${typed}”`,
            side: 'prompt',
            run: () => {
              handOver.value = { messages: [{ role: 'user', content: typed }] }
              route('/admin/inspect')
            },
          },
        ]
      : []),
  ]
  const run = (entry: Entry | undefined) => {
    if (!entry) return
    onClose()
    entry.run()
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (step) {
      event.preventDefault()
      setActive((active + step + shown.length) % Math.max(1, shown.length))
    } else if (event.key === 'Enter') {
      event.preventDefault()
      run(shown[active])
    }
  }
  useEffect(() => {
    box.current?.querySelector('[aria-selected=true]')?.scrollIntoView({ block: 'nearest' })
  }, [active])
  return (
    <dialog
      ref={box}
      class="dialog palette"
      aria-label="Search or jump to"
      onCancel={event => {
        event.preventDefault()
        onClose()
      }}
      onClick={event => {
        if (event.target === box.current) onClose()
      }}
      onKeyDown={() => {}}
    >
      <input
        role="combobox"
        aria-label="Search or jump to"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-activedescendant={shown[active] ? `palette-${active}` : undefined}
        autocomplete="off"
        placeholder="Screen, action, model, policy, key or request id"
        value={query}
        onInput={event => {
          setQuery(event.currentTarget.value)
          setActive(0)
        }}
        onKeyDown={onKeyDown}
      />
      <div class="palette-list" id="palette-list" role="listbox" aria-label="Results">
        {shown.length === 0 && <div class="combo-empty">Nothing is called that.</div>}
        {shown.map((entry, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the input owns the keyboard
          // biome-ignore lint/a11y/useFocusableInteractive: aria-activedescendant moves, focus stays in the input
          <div
            key={`${entry.side} ${entry.text}`}
            id={`palette-${index}`}
            class="palette-option"
            role="option"
            aria-selected={index === active}
            onClick={() => run(entry)}
          >
            <span class="clip">{entry.text}</span>
            <span class="nowrap">{entry.side}</span>
          </div>
        ))}
      </div>
    </dialog>
  )
}
