/** Limits of a profile: the three that matter most in sight, the rest folded away. */
import type { JSX } from 'preact'
import type { ApiError } from '../../api/client.ts'
import type { FusionProfile } from '../../api/schema/documents.ts'
import { Checkbox, NumberInput } from '../../ui/field.tsx'
import { Select } from '../../ui/select.tsx'
import { Switch } from '../../ui/switch.tsx'

interface LimitsProps {
  draft: FusionProfile
  edit: (change: Partial<FusionProfile>) => void
  readOnly: boolean
  error: ApiError | null
}

interface Limit {
  field: string
  label: string
  fallback: number | null
  min: number
  max: number
  unit?: string
  hint: string
  integer?: boolean
}

/** Bounds are those of docs: outside, the Worker answers 422 and never clamps. */
const main: Limit[] = [
  {
    field: 'adviser_timeout_ms',
    label: 'Adviser timeout',
    fallback: 15_000,
    min: 1000,
    max: 120_000,
    unit: 'ms',
    hint: '1,000 to 120,000',
  },
  {
    field: 'max_output_tokens',
    label: 'Max output',
    fallback: 768,
    min: 64,
    max: 4096,
    unit: 'tokens',
    hint: 'Per adviser, 64 to 4,096',
  },
  { field: 'temperature', label: 'Temperature', fallback: 0.2, min: 0, max: 2, hint: '0 to 2', integer: false },
]
const more: Limit[] = [
  {
    field: 'adviser_first_token_ms',
    label: 'First token within',
    fallback: 8000,
    min: 500,
    max: 120_000,
    unit: 'ms',
    hint: 'Else the adviser is left out',
  },
  { field: 'quorum', label: 'Quorum', fallback: null, min: 1, max: 8, hint: 'Advisers to wait for; empty: all' },
  {
    field: 'straggler_grace_ms',
    label: 'Straggler grace',
    fallback: 0,
    min: 0,
    max: 60_000,
    unit: 'ms',
    hint: 'Extra wait after the quorum',
  },
  {
    field: 'max_input_chars',
    label: 'Adviser input',
    fallback: 24_000,
    min: 1000,
    max: 200_000,
    unit: 'chars',
    hint: 'Of the conversation',
  },
  {
    field: 'max_proposal_chars',
    label: 'Injected per adviser',
    fallback: 6000,
    min: 256,
    max: 20_000,
    unit: 'chars',
    hint: 'What the synthesizer reads',
  },
  {
    field: 'max_cost_usd',
    label: 'Cost cap',
    fallback: null,
    min: 0,
    max: 1000,
    unit: 'USD',
    hint: 'Per request, before it runs; empty: none',
    integer: false,
  },
  {
    field: 'deadline_ms',
    label: 'Deadline',
    fallback: 120_000,
    min: 1000,
    max: 600_000,
    unit: 'ms',
    hint: 'Advisers, judge and synthesizer',
  },
  {
    field: 'early_flush_ms',
    label: 'Early flush',
    fallback: 1000,
    min: 0,
    max: 60_000,
    unit: 'ms',
    hint: 'First bytes for streams; 0: never',
  },
]

export function Limits({ draft, edit, readOnly, error }: LimitsProps): JSX.Element {
  const text = (field: string, fallback: string) =>
    typeof draft[field] === 'string' ? (draft[field] as string) : fallback
  const field = (limit: Limit) => {
    const value = draft[limit.field]
    const shown = typeof value === 'string' ? Number(value) : value
    return (
      <NumberInput
        key={limit.field}
        label={limit.label}
        value={typeof shown === 'number' ? shown : limit.fallback}
        min={limit.min}
        max={limit.max}
        integer={limit.integer ?? true}
        optional={limit.fallback === null}
        readOnly={readOnly}
        {...(limit.unit ? { unit: limit.unit } : {})}
        hint={limit.hint}
        error={error?.param === `/${limit.field}` ? error.message : null}
        onChange={next => edit({ [limit.field]: next })}
      />
    )
  }
  return (
    <>
      <div class="grid-fields">{main.map(field)}</div>
      <details>
        <summary>More limits and behaviour</summary>
        <div class="stack-16">
          <div class="grid-fields">{more.map(field)}</div>
          <div class="grid-fields">
            <Select
              label="Advise on"
              value={text('advise_on', 'user_turns')}
              disabled={readOnly}
              onChange={value => edit({ advise_on: value })}
              hint="Tool loops of an agent go straight to the synthesizer with user turns."
              choices={[
                { value: 'user_turns', text: 'User turns' },
                { value: 'every_turn', text: 'Every turn' },
              ]}
            />
            <Select
              label="When no adviser answers"
              value={text('on_no_adviser', 'synthesizer_alone')}
              disabled={readOnly}
              onChange={value => edit({ on_no_adviser: value })}
              choices={[
                { value: 'synthesizer_alone', text: 'Synthesizer alone' },
                { value: 'error', text: 'Fail the request' },
              ]}
            />
            <Select
              label="When the synthesizer fails"
              value={text('on_synthesizer_error', 'best_draft')}
              disabled={readOnly}
              onChange={value => edit({ on_synthesizer_error: value })}
              hint="After its own fallbacks; never for tool calls."
              choices={[
                { value: 'best_draft', text: 'Answer with the best draft' },
                { value: 'error', text: 'Fail the request' },
              ]}
            />
          </div>
          <Switch
            label="Anonymise drafts"
            note="Judge and synthesizer read A, B, C instead of model names."
            on={draft['anonymise'] !== false}
            disabled={readOnly}
            onChange={on => edit({ anonymise: on })}
          />
          <Switch
            label="Skip the judge when drafts agree"
            on={draft['agree_exit'] === true}
            disabled={readOnly}
            onChange={on => edit({ agree_exit: on })}
          />
          <Checkbox
            checked={draft['allow_self_judge'] === true}
            disabled={readOnly}
            onChange={on => edit({ allow_self_judge: on })}
          >
            The judge may be an adviser's model
          </Checkbox>
        </div>
      </details>
    </>
  )
}
