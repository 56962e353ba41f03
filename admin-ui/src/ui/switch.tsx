/** On or off, at once. */
import type { JSX } from 'preact'
import { useId } from 'preact/hooks'

export function Switch({
  label,
  note,
  on,
  onChange,
  disabled = false,
}: {
  label: string
  note?: string
  on: boolean
  onChange: (on: boolean) => void
  disabled?: boolean
}): JSX.Element {
  const id = useId()
  return (
    <div class="switch">
      <input
        type="checkbox"
        role="switch"
        id={id}
        checked={on}
        disabled={disabled}
        aria-checked={on}
        aria-describedby={note ? `${id}-note` : undefined}
        onChange={event => onChange(event.currentTarget.checked)}
      />
      <div>
        <label for={id}>{label}</label>
        {note && <small id={`${id}-note`}>{note}</small>}
      </div>
    </div>
  )
}
