/** The native select, labelled or with a hidden label for toolbars. */
import type { ComponentChildren, JSX } from 'preact'
import { Field } from './field.tsx'

export interface Choice {
  value: string
  text: string
}

interface SelectProps {
  label: string
  value: string
  onChange: (value: string) => void
  choices: readonly Choice[]
  hint?: ComponentChildren
  error?: string | null | undefined
  /** The label is only read out. */
  inline?: boolean
  disabled?: boolean
}

const options = (choices: readonly Choice[]) =>
  choices.map(choice => (
    <option key={choice.value} value={choice.value}>
      {choice.text}
    </option>
  ))

export function Select({
  label,
  value,
  onChange,
  choices,
  hint,
  error,
  inline = false,
  disabled = false,
}: SelectProps): JSX.Element {
  if (inline) {
    return (
      <select
        class="select select-inline"
        aria-label={label}
        value={value}
        disabled={disabled}
        onChange={event => onChange(event.currentTarget.value)}
      >
        {options(choices)}
      </select>
    )
  }
  return (
    <Field label={label} hint={hint} error={error}>
      {({ id, describedBy }) => (
        <select
          id={id}
          class="select"
          value={value}
          disabled={disabled}
          aria-describedby={describedBy}
          onChange={event => onChange(event.currentTarget.value)}
        >
          {options(choices)}
        </select>
      )}
    </Field>
  )
}
