/** Labelled inputs. The error replaces the hint and is tied to the input. */
import type { ComponentChildren, JSX } from 'preact'
import { useEffect, useId, useState } from 'preact/hooks'

interface FieldProps {
  label: ComponentChildren
  hint?: ComponentChildren
  error?: string | null | undefined
  children: (ids: { id: string; describedBy: string | undefined; invalid: boolean }) => ComponentChildren
}

export function Field({ label, hint, error, children }: FieldProps): JSX.Element {
  const id = useId()
  const note = `${id}-note`
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children({ id, describedBy: error || hint ? note : undefined, invalid: Boolean(error) })}
      {error ? (
        <span class="field-error" id={note}>
          {error}
        </span>
      ) : (
        hint && (
          <span class="field-hint" id={note}>
            {hint}
          </span>
        )
      )}
    </div>
  )
}

interface TextProps {
  label: ComponentChildren
  value: string
  onInput: (value: string) => void
  onCommit?: (value: string) => void
  hint?: ComponentChildren
  error?: string | null | undefined
  placeholder?: string
  type?: 'text' | 'password' | 'search' | 'url'
  autocomplete?: string
  mono?: boolean
  required?: boolean
  readOnly?: boolean
  rows?: number
  autoFocus?: boolean
}

export function TextInput(props: TextProps): JSX.Element {
  const { label, value, onInput, onCommit, hint, error, type = 'text', mono = false, rows } = props
  return (
    <Field label={label} hint={hint} error={error}>
      {({ id, describedBy, invalid }) => {
        const shared = {
          id,
          value,
          placeholder: props.placeholder,
          required: props.required,
          readOnly: props.readOnly,
          spellcheck: type === 'text' && !mono,
          'aria-describedby': describedBy,
          'aria-invalid': invalid || undefined,
        }
        return rows ? (
          <textarea
            {...shared}
            rows={rows}
            class={`textarea${mono ? ' mono' : ''}`}
            onInput={event => onInput(event.currentTarget.value)}
            onBlur={event => onCommit?.(event.currentTarget.value)}
          />
        ) : (
          <input
            {...shared}
            {...({ type } as { type: 'text' })}
            class={`input${mono ? ' mono' : ''}`}
            autocomplete={props.autocomplete ?? 'off'}
            ref={input => {
              if (props.autoFocus && input && !input.dataset['focused']) {
                input.dataset['focused'] = '1'
                input.focus()
              }
            }}
            onInput={event => onInput(event.currentTarget.value)}
            onBlur={event => onCommit?.(event.currentTarget.value)}
          />
        )
      }}
    </Field>
  )
}

interface NumberProps {
  label: ComponentChildren
  value: number | null
  onChange: (value: number | null) => void
  min?: number
  max?: number
  unit?: string
  hint?: ComponentChildren
  error?: string | null | undefined
  /** An empty input means null instead of an error. */
  optional?: boolean
  placeholder?: string
  integer?: boolean
  readOnly?: boolean
}

/** What a typed number means: the value, or why it is none. */
export function parseNumber(
  text: string,
  rules: { min?: number; max?: number; optional?: boolean; integer?: boolean },
): { value: number | null } | { problem: string } {
  const trimmed = text.trim().replaceAll(',', '')
  if (trimmed === '') return rules.optional ? { value: null } : { problem: 'Enter a number.' }
  const value = Number(trimmed)
  if (!Number.isFinite(value)) return { problem: 'Enter a number.' }
  if (rules.integer && !Number.isInteger(value)) return { problem: 'Enter a whole number.' }
  const { min = Number.NEGATIVE_INFINITY, max = Number.POSITIVE_INFINITY } = rules
  if (value < min || value > max) {
    const range = Number.isFinite(max) ? `between ${min} and ${max}` : `of at least ${min}`
    return { problem: `Enter a number ${range}.` }
  }
  return { value }
}

/** A number typed as text: no spinner, no scroll accidents. Reported as soon as it is valid, complained about on blur or Enter. */
export function NumberInput(props: NumberProps): JSX.Element {
  const { label, value, onChange, unit, hint, optional = false, integer = true } = props
  const [text, setText] = useState(value === null ? '' : String(value))
  const [problem, setProblem] = useState<string | null>(null)
  const parse = (typed: string) =>
    parseNumber(typed, {
      optional,
      integer,
      ...(props.min === undefined ? {} : { min: props.min }),
      ...(props.max === undefined ? {} : { max: props.max }),
    })
  useEffect(() => {
    const parsed = parse(text)
    // What is being typed ("0.", "1.50") stays as it is while it means the value.
    if ('problem' in parsed || parsed.value !== value) setText(value === null ? '' : String(value))
    setProblem(null)
  }, [value])
  const take = (typed: string, complain: boolean) => {
    const parsed = parse(typed)
    if ('problem' in parsed) return complain && setProblem(parsed.problem)
    setProblem(null)
    if (parsed.value !== value) onChange(parsed.value)
  }
  return (
    <Field label={label} hint={hint} error={problem ?? props.error}>
      {({ id, describedBy, invalid }) => (
        <div class={unit ? 'unit-wrap' : undefined}>
          <input
            id={id}
            class="input"
            inputMode={integer ? 'numeric' : 'decimal'}
            autocomplete="off"
            value={text}
            placeholder={props.placeholder}
            readOnly={props.readOnly}
            aria-describedby={describedBy}
            aria-invalid={invalid || undefined}
            onInput={event => {
              setText(event.currentTarget.value)
              take(event.currentTarget.value, false)
            }}
            onBlur={() => take(text, true)}
            onKeyDown={event => {
              if (event.key === 'Enter') take(text, true)
            }}
          />
          {unit && (
            <span class="unit" aria-hidden="true">
              {unit}
            </span>
          )}
        </div>
      )}
    </Field>
  )
}

export function Checkbox({
  checked,
  onChange,
  children,
  disabled = false,
}: {
  checked: boolean
  onChange: (on: boolean) => void
  children: ComponentChildren
  disabled?: boolean
}): JSX.Element {
  return (
    <label class="check">
      <input
        type="checkbox"
        checked={checked}
        disabled={disabled}
        onChange={event => onChange(event.currentTarget.checked)}
      />
      <span>{children}</span>
    </label>
  )
}
