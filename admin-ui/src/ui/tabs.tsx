/** Tabs after the ARIA pattern: arrows move and select, Home and End jump, one tab stop. */
import type { ComponentChildren, JSX } from 'preact'
import { useId, useRef } from 'preact/hooks'

export interface Tab {
  id: string
  text: ComponentChildren
}

interface TabsProps {
  label: string
  tabs: readonly Tab[]
  active: string
  onChange: (id: string) => void
  /** Prefix that ties tabs to their TabPanel. */
  name: string
}

export function Tabs({ label, tabs, active, onChange, name }: TabsProps): JSX.Element {
  const strip = useRef<HTMLDivElement>(null)
  const move = (index: number) => {
    const tab = tabs.at(index % tabs.length)
    if (!tab) return
    onChange(tab.id)
    strip.current?.querySelector<HTMLElement>(`[data-tab="${CSS.escape(tab.id)}"]`)?.focus()
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const at = tabs.findIndex(tab => tab.id === active)
    const target = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: -1 }[event.key]
    if (target === undefined) return
    event.preventDefault()
    move(target)
  }
  return (
    <div class="tabs" role="tablist" aria-label={label} ref={strip} onKeyDown={onKeyDown}>
      {tabs.map(tab => (
        <button
          key={tab.id}
          type="button"
          role="tab"
          class="tab"
          id={`${name}-tab-${tab.id}`}
          data-tab={tab.id}
          aria-selected={tab.id === active}
          aria-controls={tab.id === active ? `${name}-panel-${tab.id}` : undefined}
          tabIndex={tab.id === active ? 0 : -1}
          onClick={() => onChange(tab.id)}
        >
          {tab.text}
        </button>
      ))}
    </div>
  )
}

export function TabPanel({
  name,
  id,
  children,
}: {
  name: string
  id: string
  children: ComponentChildren
}): JSX.Element {
  const own = useId()
  return (
    <div role="tabpanel" id={`${name}-panel-${id}`} key={own} aria-labelledby={`${name}-tab-${id}`}>
      {children}
    </div>
  )
}
