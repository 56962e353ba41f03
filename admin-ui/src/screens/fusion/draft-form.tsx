/** The left panel: models and limits of the draft, presets, and the page's own checks. */
import type { JSX } from 'preact'
import type { FusionProfile } from '../../api/schema/documents.ts'
import type { ReadinessCall } from '../../api/schema/fusion.ts'
import type { ModelCandidate } from '../../api/schema/operate.ts'
import { useShortcuts } from '../../lib/shortcuts.ts'
import { sentence } from '../../lib/text.ts'
import { Callout } from '../../ui/callout.tsx'
import { Chip, Slot, type Tone } from '../../ui/chip.tsx'
import { Combobox } from '../../ui/combobox.tsx'
import { ErrorBox } from '../../ui/loaded.tsx'
import { Menu } from '../../ui/menu.tsx'
import { Panel } from '../../ui/panel.tsx'
import { Switch } from '../../ui/switch.tsx'
import { modelOptions } from '../shared/model-options.ts'
import { applyPreset, checkDraft, maxAdvisers, presets, withChain } from './checks.ts'
import type { DraftState } from './draft-state.ts'
import { Limits } from './limits.tsx'
import { shownPolicy } from './readiness.tsx'
import { Roles } from './roles.tsx'
import { SlotList } from './slot-list.tsx'

const tones: Record<ReadinessCall['state'], Tone> = { verified: 'ok', unverified: 'warn', blocked: 'bad' }

/** Warnings that the page words itself, without waiting for the Worker. */
const ownChecks = ['same_family', 'duplicate_model', 'small_context', 'adviser_timeout']

interface DraftFormProps {
  state: DraftState
  draft: FusionProfile
  candidates: readonly ModelCandidate[]
  policy: string
  readOnly: boolean
}

export function DraftForm({ state, draft, candidates, policy, readOnly }: DraftFormProps): JSX.Element {
  const options = modelOptions(candidates)
  const { edit, readiness, saveError } = state
  const shown = readiness && shownPolicy(readiness, policy)
  const chip = (model: string, stage: string) => {
    const call = shown?.calls.find(item => item.model === model && item.stage === stage)
    return (
      <Chip tone={call ? tones[call.state] : 'off'}>
        {call ? sentence(call.state) : state.checking ? 'Checking' : 'Unknown'}
      </Chip>
    )
  }
  const at = (param: string) => saveError?.param?.startsWith(param) === true

  const judgeOn = draft.judge?.enabled === true
  const setJudge = (on: boolean) => {
    const used = new Set([draft.synthesizer.model, ...draft.advisers.map(item => item.model)])
    const model = draft.judge?.model || options.find(option => !option.disabled && !used.has(option.value))?.value || ''
    edit({
      judge: on ? { ...draft.judge, model, enabled: true } : draft.judge ? { ...draft.judge, enabled: false } : null,
    })
  }
  useShortcuts(
    readOnly
      ? []
      : [
          {
            keys: 'e',
            text: 'Edit the draft',
            run: () => document.querySelector<HTMLElement>('#draft input')?.focus(),
          },
        ],
  )
  const checks = checkDraft(draft, candidates)
  const served = readiness?.warnings.filter(warning => !ownChecks.includes(warning.code)) ?? []

  return (
    <Panel
      id="draft"
      title="Draft"
      aside={
        !readOnly && (
          <Menu
            label="Presets"
            text="Presets"
            items={presets.map(preset => ({
              text: preset,
              onSelect: () => edit(applyPreset(preset, draft, candidates)),
            }))}
          />
        )
      }
    >
      {saveError && <ErrorBox error={saveError} what="The draft was not saved" />}
      <div class="stack-4">
        <span class="label">Synthesizer</span>
        <div class="slot-row">
          <Slot name="S" />
          <Combobox
            label="Synthesizer"
            value={draft.synthesizer.model}
            options={options}
            free
            readOnly={readOnly}
            invalid={at('/synthesizer/model')}
            onChange={model => edit({ synthesizer: withChain(draft, model) })}
          />
          {chip(draft.synthesizer.model, 'synthesizer')}
        </div>
        <span class="field-hint">
          Writes the final answer and receives tools and images. If it is not executable, the model is hidden.
        </span>
      </div>

      <div class="stack-8">
        <span class="label">Fallbacks of the synthesizer</span>
        <SlotList
          name="Fallback"
          items={(draft.synthesizer.fallbacks ?? []).map(model => ({ model }))}
          make={model => ({ model })}
          options={options}
          used={[draft.synthesizer.model]}
          max={15}
          readOnly={readOnly}
          invalid={index => at(`/synthesizer/fallbacks/${index}`)}
          onChange={items =>
            edit({
              synthesizer: {
                ...draft.synthesizer,
                fallbacks: items.length ? items.map(item => item.model) : undefined,
              },
            })
          }
        />
        <span class="field-hint">
          Asked in this order when the synthesizer fails before its first token. They read the same drafts.
        </span>
      </div>

      <div class="stack-8">
        <span class="label">
          Advisers <span class="muted">({draft.advisers.length} of 4 suggested)</span>
        </span>
        <SlotList
          name="Adviser"
          items={draft.advisers}
          make={model => ({ model })}
          options={options}
          used={[draft.synthesizer.model]}
          max={maxAdvisers}
          readOnly={readOnly}
          invalid={index => at(`/advisers/${index}`)}
          side={model => chip(model, 'adviser')}
          onChange={advisers => edit({ advisers })}
        />
        <span class="field-hint">Advisers fail open: a failed adviser is left out, the answer still arrives.</span>
        <Roles advisers={draft.advisers} readOnly={readOnly} onChange={advisers => edit({ advisers })} />
      </div>

      <div class="stack-8">
        <Switch
          label="Judge"
          note="Compares the drafts and hands its notes to the synthesizer."
          on={judgeOn}
          disabled={readOnly}
          onChange={setJudge}
        />
        {judgeOn && (
          <div class="slot-row">
            <Slot name="J" />
            <Combobox
              label="Judge"
              value={draft.judge?.model ?? ''}
              options={options}
              free
              readOnly={readOnly}
              invalid={at('/judge')}
              onChange={model => edit({ judge: { ...draft.judge, model, enabled: true } })}
            />
            {chip(draft.judge?.model ?? '', 'judge')}
          </div>
        )}
      </div>

      <Limits draft={draft} edit={edit} readOnly={readOnly} error={saveError} />

      {checks.map(item => (
        <Callout key={item.title} tone={item.error ? 'bad' : 'warn'} title={item.title}>
          {item.text}
        </Callout>
      ))}
      {served.map(item => (
        <Callout key={item.code + item.text} tone="warn">
          {item.text}
        </Callout>
      ))}
    </Panel>
  )
}
