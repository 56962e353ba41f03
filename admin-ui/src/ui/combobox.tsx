/** A text input with a filtered list of choices (ARIA combobox, list autocomplete). The value is free text if allowed. */
import type { JSX } from 'preact'
import { useEffect, useId, useRef, useState } from 'preact/hooks'
import { matches } from '../lib/text.ts'
import { useTopLayer } from './top-layer.ts'

export interface Option {
  value: string
  text: string
  group?: string
  /** Right of the text: a price, a state. */
  side?: string
  /** Second line. */
  note?: string
  /** Cannot be chosen; `note` says why. */
  disabled?: boolean
}

interface ComboboxProps {
  label: string
  value: string
  options: readonly Option[]
  onChange: (value: string) => void
  placeholder?: string
  /** Accept what is typed even when no option matches. */
  free?: boolean
  readOnly?: boolean
  invalid?: boolean
}

const maxShown = 80

/** Usable options first; both parts filtered by every word typed. */
export function visibleOptions(options: readonly Option[], query: string): Option[] {
  const hits = query
    ? options.filter(option => matches(`${option.text} ${option.value} ${option.group ?? ''}`, query))
    : options
  return [...hits.filter(option => !option.disabled), ...hits.filter(option => option.disabled)].slice(0, maxShown)
}

export function Combobox({
  label,
  value,
  options,
  onChange,
  placeholder,
  free = false,
  readOnly = false,
  invalid = false,
}: ComboboxProps): JSX.Element {
  const id = useId()
  const list = useRef<HTMLDivElement>(null)
  const field = useRef<HTMLDivElement>(null)
  const [query, setQuery] = useState<string | null>(null)
  const [active, setActive] = useState(0)
  const open = query !== null
  const current = options.find(option => option.value === value)
  const shown = open ? visibleOptions(options, query === (current?.text ?? value) ? '' : query) : []

  useTopLayer(open, field, list, 'start')
  useEffect(() => {
    list.current?.querySelector('[data-active=true]')?.scrollIntoView({ block: 'nearest' })
  }, [active, open])

  const type = (text: string) => {
    setQuery(text)
    // The text of the chosen option shows all of them, with that one active.
    const at = visibleOptions(options, '').findIndex(option => option.value === value)
    setActive(text === (current?.text ?? value) ? Math.max(0, at) : 0)
  }
  const openList = () => {
    if (!readOnly && !open) type(current?.text ?? value)
  }
  const choose = (option: Option | undefined) => {
    if (!option || option.disabled) return
    setQuery(null)
    if (option.value !== value) onChange(option.value)
  }
  const leave = () => {
    if (query === null) return
    const typed = query.trim()
    setQuery(null)
    const exact = options.find(option => option.value === typed || option.text === typed)
    if (exact && !exact.disabled) {
      if (exact.value !== value) onChange(exact.value)
    } else if (free && typed !== value) onChange(typed)
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      if (event.altKey && event.key === 'ArrowUp') return
      event.preventDefault()
      if (!open) return openList()
      const step = event.key === 'ArrowDown' ? 1 : -1
      setActive((active + step + shown.length) % Math.max(1, shown.length))
    } else if (event.key === 'Enter' && open) {
      event.preventDefault()
      const option = shown[active]
      if (option) choose(option)
      else leave()
    } else if (event.key === 'Escape' && open) {
      event.preventDefault()
      event.stopPropagation()
      setQuery(null)
    } else if (event.key === 'Home' && open) setActive(0)
    else if (event.key === 'End' && open) setActive(shown.length - 1)
  }

  let group: string | undefined
  return (
    <div class="combo" ref={field}>
      <input
        class="input"
        role="combobox"
        aria-label={label}
        aria-expanded={open}
        aria-controls={open ? `${id}-list` : undefined}
        aria-autocomplete="list"
        aria-activedescendant={open && shown[active] ? `${id}-${active}` : undefined}
        aria-invalid={invalid || undefined}
        autocomplete="off"
        spellcheck={false}
        placeholder={placeholder}
        readOnly={readOnly}
        value={query ?? current?.text ?? value}
        title={current?.text ?? value}
        onFocus={event => event.currentTarget.select()}
        onClick={openList}
        onInput={event => type(event.currentTarget.value)}
        onKeyDown={onKeyDown}
        onBlur={leave}
      />
      <span class="combo-caret" aria-hidden="true">
        ▾
      </span>
      {open && (
        <div class="combo-list" popover="manual" role="listbox" id={`${id}-list`} aria-label={label} ref={list}>
          {shown.length === 0 && (
            <div class="combo-empty">{free ? 'No match. Enter keeps what you typed.' : 'No match.'}</div>
          )}
          {shown.map((option, index) => {
            const title = option.disabled ? 'Cannot be used' : option.group
            const head = title !== group ? title : undefined
            group = title
            return (
              <div key={option.value} role="presentation">
                {head && (
                  <div class="combo-group" role="presentation">
                    {head}
                  </div>
                )}
                {/* biome-ignore lint/a11y/useKeyWithClickEvents: the input owns the keyboard, as the pattern says */}
                {/* biome-ignore lint/a11y/useFocusableInteractive: aria-activedescendant moves, focus stays in the input */}
                <div
                  role="option"
                  id={`${id}-${index}`}
                  class="combo-option"
                  data-active={index === active}
                  aria-selected={option.value === value}
                  aria-disabled={option.disabled || undefined}
                  onPointerDown={event => event.preventDefault()}
                  onClick={() => choose(option)}
                >
                  <span class="mono clip">{option.text}</span>
                  {option.side && <span class="muted small">{option.side}</span>}
                  {option.note && <small>{option.note}</small>}
                </div>
              </div>
            )
          })}
        </div>
      )}
    </div>
  )
}
