/** The native range input with its value as text. */
import type { JSX } from 'preact'
import { Field } from './field.tsx'

interface SliderProps {
  label: string
  value: number
  min: number
  max: number
  step: number
  onInput: (value: number) => void
  hint?: string
  show?: (value: number) => string
}

export function Slider({ label, value, min, max, step, onInput, hint, show = String }: SliderProps): JSX.Element {
  return (
    <Field label={label} hint={hint}>
      {({ id, describedBy }) => (
        <div class="slider">
          <input
            type="range"
            id={id}
            min={min}
            max={max}
            step={step}
            value={value}
            aria-describedby={describedBy}
            aria-valuetext={show(value)}
            onInput={event => onInput(Number(event.currentTarget.value))}
          />
          <output for={id}>{show(value)}</output>
        </div>
      )}
    </Field>
  )
}
