/** A button that opens a short list of actions: arrows move, Escape closes, typing is not needed. */
import type { ComponentChildren, JSX } from 'preact'
import { useEffect, useId, useRef, useState } from 'preact/hooks'
import { Button, IconButton } from './button.tsx'
import { useTopLayer } from './top-layer.ts'

export interface MenuItem {
  text: string
  onSelect: () => void
  danger?: boolean
}

interface MenuProps {
  label: string
  items: readonly (MenuItem | false | null | undefined)[]
  /** Words on the button; without them it is an icon. */
  text?: ComponentChildren
  /** A line above the items. */
  note?: string
  small?: boolean
}

export function Menu({ label, items, text, note, small = true }: MenuProps): JSX.Element | null {
  const [open, setOpen] = useState(false)
  const wrap = useRef<HTMLDivElement>(null)
  const box = useRef<HTMLDivElement>(null)
  const id = useId()
  useTopLayer(open, wrap, box, 'end')
  const shown = items.filter(item => Boolean(item)) as MenuItem[]

  useEffect(() => {
    if (!open) return
    wrap.current?.querySelector<HTMLElement>('[role=menuitem]')?.focus()
    const onOutside = (event: Event) => {
      if (event.target instanceof Node && !wrap.current?.contains(event.target)) setOpen(false)
    }
    addEventListener('pointerdown', onOutside)
    return () => removeEventListener('pointerdown', onOutside)
  }, [open])

  if (shown.length === 0) return null
  const close = () => {
    setOpen(false)
    wrap.current?.querySelector<HTMLElement>('button')?.focus()
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (!open) return
    const entries = [...(wrap.current?.querySelectorAll<HTMLElement>('[role=menuitem]') ?? [])]
    const at = entries.indexOf(document.activeElement as HTMLElement)
    const target = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key]
    if (target !== undefined) {
      event.preventDefault()
      entries.at(target % entries.length)?.focus()
    } else if (event.key === 'Escape') {
      event.preventDefault()
      event.stopPropagation()
      close()
    } else if (event.key === 'Tab') setOpen(false)
  }
  const toggle = () => setOpen(!open)
  return (
    <div class="menu-wrap" ref={wrap} onKeyDown={onKeyDown}>
      {text ? (
        <Button kind="plain" small={small} expanded={open} popup="menu" onClick={toggle}>
          {text}
        </Button>
      ) : (
        <IconButton icon="more" label={label} small={small} expanded={open} popup="menu" onClick={toggle} />
      )}
      {open && (
        <div class="menu" popover="manual" ref={box} role="menu" id={id} aria-label={label}>
          {note && (
            <div class="menu-text" role="presentation">
              {note}
            </div>
          )}
          {shown.map(item => (
            <button
              key={item.text}
              type="button"
              role="menuitem"
              tabIndex={-1}
              class={`menu-item${item.danger ? ' bad' : ''}`}
              onClick={() => {
                close()
                item.onSelect()
              }}
            >
              {item.text}
            </button>
          ))}
        </div>
      )}
    </div>
  )
}
