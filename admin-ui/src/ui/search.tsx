/** A filter box whose value lives in the URL: typed freely, applied a quarter second later; `/` focuses it. */
import type { JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { useShortcuts } from '../lib/shortcuts.ts'

const settleMs = 250

export function SearchBox({
  label,
  value,
  onChange,
  placeholder,
}: {
  label: string
  value: string
  onChange: (value: string) => void
  placeholder?: string
}): JSX.Element {
  const input = useRef<HTMLInputElement>(null)
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)
  const [text, setText] = useState(value)
  useEffect(() => setText(value), [value])
  useEffect(() => () => clearTimeout(timer.current), [])
  useShortcuts([{ keys: '/', text: 'Focus the filter', run: () => input.current?.focus() }])
  const apply = (next: string) => {
    clearTimeout(timer.current)
    if (next !== value) onChange(next)
  }
  return (
    <input
      ref={input}
      type="search"
      class="input"
      aria-label={label}
      placeholder={placeholder ?? label}
      autocomplete="off"
      spellcheck={false}
      value={text}
      onInput={event => {
        const next = event.currentTarget.value
        setText(next)
        clearTimeout(timer.current)
        timer.current = setTimeout(() => apply(next), settleMs)
      }}
      onKeyDown={event => {
        if (event.key === 'Enter') apply(event.currentTarget.value)
        if (event.key === 'Escape') event.currentTarget.blur()
      }}
    />
  )
}
