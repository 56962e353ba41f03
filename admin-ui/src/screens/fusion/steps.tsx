/** The strip under the head: where this profile stands. Status, not a wizard. */
import type { JSX } from 'preact'
import type { Stored } from '../../api/schema/common.ts'
import type { FusionProfile } from '../../api/schema/documents.ts'
import { useNow } from '../../lib/clock.ts'
import { ago } from '../../lib/format.ts'
import { plural } from '../../lib/text.ts'
import { Chip, type Tone } from '../../ui/chip.tsx'

export interface TestStatus {
  ok: boolean
  at: number
}

interface StepsProps {
  changes: number
  saving: boolean
  listed: number
  policies: number | null
  tested: TestStatus | null
  live: Stored<FusionProfile> | null
  onOpen: (step: string) => void
}

export function Steps({ changes, saving, listed, policies, tested, live, onOpen }: StepsProps): JSX.Element {
  const now = useNow()
  const on = live?.document.enabled === true
  const steps: { id: string; name: string; tone: Tone; text: string }[] = [
    {
      id: 'draft',
      name: 'Draft',
      tone: changes ? 'info' : 'ok',
      text: saving ? 'Saving' : changes ? plural(changes, 'unpublished change') : 'Equals live',
    },
    {
      id: 'readiness',
      name: 'Readiness',
      tone: policies === null ? 'off' : listed === policies ? 'ok' : listed === 0 ? 'bad' : 'warn',
      text: policies === null ? 'Checking' : `${listed} of ${plural(policies, 'policy', 'policies')}`,
    },
    {
      id: 'test',
      name: 'Test prompt',
      tone: tested ? (tested.ok ? 'ok' : 'bad') : 'off',
      text: tested ? `${tested.ok ? 'Passed' : 'Failed'} ${ago(tested.at, now)}` : 'Not run on this draft',
    },
    { id: 'enabled', name: 'Enabled', tone: on ? 'ok' : 'off', text: on ? `Live: revision ${live.revision}` : 'Off' },
  ]
  const current = changes > 0 ? (tested?.ok ? 'enabled' : listed > 0 ? 'readiness' : 'draft') : 'enabled'
  return (
    <div class="steps">
      {steps.map((step, index) => (
        <button
          key={step.id}
          type="button"
          class="step"
          aria-current={step.id === current ? 'step' : undefined}
          onClick={() => onOpen(step.id)}
        >
          <span class="step-no">Step {index + 1}</span>
          <span class="step-name">{step.name}</span>
          <Chip tone={step.tone}>{step.text}</Chip>
        </button>
      ))}
    </div>
  )
}
