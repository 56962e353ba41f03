/** Models in an order that counts: chosen, moved by menu or Alt and arrows, removed, added. */
import type { ComponentChildren, JSX } from 'preact'
import { useRef } from 'preact/hooks'
import { Button } from '../../ui/button.tsx'
import { Slot } from '../../ui/chip.tsx'
import { Combobox, type Option } from '../../ui/combobox.tsx'
import { Menu } from '../../ui/menu.tsx'

interface SlotListProps<T extends { model: string }> {
  /** `Adviser`; its first letter and a number name the slots. */
  name: string
  items: readonly T[]
  options: Option[]
  /** What a new one should not be. */
  used: readonly string[]
  max: number
  readOnly: boolean
  invalid: (index: number) => boolean
  side?: (model: string) => ComponentChildren
  onChange: (items: T[]) => void
  make: (model: string) => T
}

export function SlotList<T extends { model: string }>(props: SlotListProps<T>): JSX.Element {
  const { name, items, options, used, max, readOnly, invalid, side, onChange, make } = props
  const list = useRef<HTMLDivElement>(null)
  const move = (index: number, by: number) => {
    const to = index + by
    const moved = [...items]
    const [item] = moved.splice(index, 1)
    if (!item || to < 0 || to >= items.length) return
    moved.splice(to, 0, item)
    onChange(moved)
    setTimeout(() => list.current?.querySelectorAll<HTMLInputElement>('input')[to]?.focus())
  }
  const add = () => {
    const taken = new Set([...used, ...items.map(item => item.model)])
    const next = options.find(option => !option.disabled && !taken.has(option.value))
    onChange([...items, make(next?.value ?? '')])
  }
  const lower = name.toLowerCase()
  return (
    <>
      <div class="slot-list" ref={list}>
        {items.map((item, index) => (
          <div
            class="slot-row"
            key={`${index}-${items.length}`}
            onKeyDown={event => {
              const by = event.altKey ? { ArrowUp: -1, ArrowDown: 1 }[event.key] : undefined
              if (by && !readOnly) {
                event.preventDefault()
                move(index, by)
              }
            }}
          >
            <Slot name={`${name[0]}${index + 1}`} />
            <Combobox
              label={`${name} ${index + 1}`}
              value={item.model}
              options={options}
              free
              readOnly={readOnly}
              invalid={invalid(index)}
              onChange={model => onChange(items.map((old, i) => (i === index ? { ...old, model } : old)))}
            />
            {side?.(item.model)}
            {!readOnly && (
              <Menu
                label={`${name} ${index + 1} actions`}
                items={[
                  index > 0 && { text: 'Move up (Alt ↑)', onSelect: () => move(index, -1) },
                  index < items.length - 1 && { text: 'Move down (Alt ↓)', onSelect: () => move(index, 1) },
                  { text: 'Remove', onSelect: () => onChange(items.filter((_, i) => i !== index)), danger: true },
                ]}
              />
            )}
          </div>
        ))}
      </div>
      {!readOnly && (
        <div class="row-wrap">
          <Button small disabled={items.length >= max} why={`${max} are the most`} onClick={add}>
            Add {lower}
          </Button>
        </div>
      )}
    </>
  )
}
