/** Keyboard shortcuts: one listener, single letters off while typing, `g` then a letter to jump. */
import { useLayoutEffect } from 'preact/hooks'

export interface Shortcut {
  /** `t`, `/`, `?`, `Escape`, `g o`, or `mod+k` (Command on a Mac, Control elsewhere). */
  keys: string
  text: string
  run: (event: KeyboardEvent) => void
  /** Works in an open dialog, too. */
  dialog?: boolean
}

const apple = /Mac|iPhone|iPad/.test(navigator.platform)

/** How Command or Control is written on this machine, before the next key. */
export const modifier = apple ? '⌘' : 'Ctrl '

const active: Shortcut[] = []
const chordMs = 1200
let chordAt = Number.NEGATIVE_INFINITY

/** What is bound right now, newest first; the help dialog lists it. */
export function boundShortcuts(): readonly Shortcut[] {
  return [...active].reverse()
}

export function singleKeysEnabled(): boolean {
  return localStorage.getItem('single_keys') !== 'off'
}

export function setSingleKeys(on: boolean): void {
  localStorage.setItem('single_keys', on ? 'on' : 'off')
}

function typing(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    target.closest('input:not([type=checkbox]):not([type=range]),textarea,select,[contenteditable]') !== null
  )
}

/** The name under which an event is looked up; empty when it can match nothing. */
export function keyName(event: Pick<KeyboardEvent, 'key' | 'metaKey' | 'ctrlKey' | 'altKey'>, chord: boolean): string {
  if (event.altKey) return ''
  if (event.metaKey || event.ctrlKey) return `mod+${event.key.toLowerCase()}`
  return chord ? `g ${event.key}` : event.key
}

function onKey(event: KeyboardEvent): void {
  if (event.defaultPrevented) return
  const chord = event.timeStamp - chordAt < chordMs
  chordAt = Number.NEGATIVE_INFINITY
  const name = keyName(event, chord)
  const single = !name.startsWith('mod+') && name !== 'Escape'
  if (single && (typing(event.target) || !singleKeysEnabled())) return
  // A dialog owns the keyboard while it is open.
  const free = !single || !document.querySelector('dialog[open]')
  if (free && name === 'g') {
    chordAt = event.timeStamp
    return
  }
  const found = active.findLast(shortcut => shortcut.keys === name && (free || shortcut.dialog))
  if (!found) return
  event.preventDefault()
  found.run(event)
}

/** Binds shortcuts for as long as the component is on screen; the newest binding of a key wins. */
export function useShortcuts(shortcuts: Shortcut[]): void {
  useLayoutEffect(() => {
    if (active.length === 0) addEventListener('keydown', onKey)
    active.push(...shortcuts)
    return () => {
      for (const shortcut of shortcuts) active.splice(active.indexOf(shortcut), 1)
      if (active.length === 0) removeEventListener('keydown', onKey)
    }
  })
}
