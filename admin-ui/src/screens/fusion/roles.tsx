/** What each adviser is told to be, and how boldly it drafts; folded away, because its place decides when nothing is set. */
import type { JSX } from 'preact'
import type { FusionProfile } from '../../api/schema/documents.ts'
import { NumberInput, TextInput } from '../../ui/field.tsx'

type Adviser = FusionProfile['advisers'][number]

/** The roles by place, as the Worker deals them out. */
const byPlace = ['solver', 'reviewer', 'implementer', 'alternative']

interface RolesProps {
  advisers: Adviser[]
  readOnly: boolean
  onChange: (advisers: Adviser[]) => void
}

export function Roles({ advisers, readOnly, onChange }: RolesProps): JSX.Element {
  const set = (index: number, change: Partial<Adviser>) =>
    onChange(advisers.map((item, at) => (at === index ? { ...item, ...change } : item)))
  return (
    <details>
      <summary>Roles and temperatures</summary>
      <div class="stack-8">
        {advisers.map((adviser, index) => (
          <div class="grid-fields" key={`${index}-${advisers.length}`}>
            <TextInput
              label={`Role of A${index + 1}`}
              value={adviser.role ?? ''}
              placeholder={byPlace[index % byPlace.length] ?? ''}
              hint={index === 0 && 'solver, reviewer, implementer, alternative or your own words'}
              readOnly={readOnly}
              onInput={role => set(index, { role: role || null })}
            />
            <NumberInput
              label={`Temperature of A${index + 1}`}
              value={adviser.temperature ?? null}
              min={0}
              max={2}
              integer={false}
              optional
              hint={index === 0 && "Empty: the profile's"}
              readOnly={readOnly}
              onChange={temperature => set(index, { temperature })}
            />
          </div>
        ))}
      </div>
    </details>
  )
}
