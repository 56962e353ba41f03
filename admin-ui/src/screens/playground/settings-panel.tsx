/** Right column: model, who to act as, and the parameters of the request. */
import type { JSX } from 'preact'
import type { Resource } from '../../api/resource.ts'
import type { ModelCandidate } from '../../api/schema/operate.ts'
import { price } from '../../lib/format.ts'
import { Button, IconButton } from '../../ui/button.tsx'
import { Combobox, type Option } from '../../ui/combobox.tsx'
import { NumberInput, TextInput } from '../../ui/field.tsx'
import { ErrorBox } from '../../ui/loaded.tsx'
import { Panel } from '../../ui/panel.tsx'
import { Select } from '../../ui/select.tsx'
import { Switch } from '../../ui/switch.tsx'
import type { Settings } from './chat.ts'

/** What the policy can run first, virtual models on top; the rest with its reason. */
export function playgroundOptions(candidates: readonly ModelCandidate[]): Option[] {
  return candidates
    .filter(item => item.capabilities?.includes('chat') ?? true)
    .sort((a, b) => Number(b.virtual ?? false) - Number(a.virtual ?? false))
    .map(item => ({
      value: item.model,
      text: item.model,
      group: item.virtual ? 'Virtual' : item.provider,
      ...(item.price
        ? {
            side:
              item.price.input === 0 && item.price.output === 0
                ? 'free'
                : `${price(item.price.input)} / ${price(item.price.output)}`,
          }
        : {}),
      ...(item.executable ? {} : { note: item.reason?.text ?? 'Cannot be executed.' }),
      disabled: !item.executable,
    }))
}

interface SettingsPanelProps {
  settings: Settings
  onChange: (change: Partial<Settings>) => void
  candidates: Resource<{ items: ModelCandidate[] }>
  policies: string[]
}

function toolsProblem(text: string): string | null {
  if (!text.trim()) return null
  try {
    return Array.isArray(JSON.parse(text)) ? null : 'A JSON array of tools is expected.'
  } catch (error) {
    return error instanceof Error ? error.message : 'Not JSON.'
  }
}

export function SettingsPanel({ settings, onChange, candidates, policies }: SettingsPanelProps): JSX.Element {
  const options = playgroundOptions(candidates.data?.items ?? [])
  const { beside } = settings
  const used = [settings.model, ...beside]
  const next = options.find(option => !option.disabled && !used.includes(option.value))
  return (
    <Panel title="Request">
      {candidates.error && (
        <ErrorBox
          error={candidates.error}
          what="Models could not be loaded"
          onRetry={() => void candidates.refresh()}
        />
      )}
      <div class="stack-4">
        <span class="label">Model</span>
        <Combobox label="Model" value={settings.model} options={options} free onChange={model => onChange({ model })} />
        {beside.map((model, index) => (
          <div class="slot-row" key={`${index}-${beside.length}`}>
            <Combobox
              label={`Model beside it ${index + 1}`}
              value={model}
              options={options}
              free
              onChange={other => onChange({ beside: beside.with(index, other) })}
            />
            <IconButton
              icon="close"
              label={`Without ${model}`}
              onClick={() => onChange({ beside: beside.toSpliced(index, 1) })}
            />
          </div>
        ))}
        {next && beside.length < 2 && (
          <div>
            <Button small onClick={() => onChange({ beside: [...beside, next.value] })}>
              Compare with another model
            </Button>
          </div>
        )}
        {beside.length > 0 && (
          <span class="field-hint">Every message goes to all of them; a session id to the first only.</span>
        )}
      </div>
      <Select
        label="Act as policy"
        value={settings.policy}
        onChange={policy => onChange({ policy })}
        choices={[...new Set([...policies, settings.policy])].map(id => ({ value: id, text: id || 'none' }))}
      />
      <TextInput label="System text" rows={2} value={settings.system} onInput={system => onChange({ system })} />
      <div class="grid-fields">
        <NumberInput
          label="Temperature"
          value={settings.temperature}
          min={0}
          max={2}
          integer={false}
          optional
          placeholder="default"
          onChange={temperature => onChange({ temperature })}
        />
        <NumberInput
          label="Max tokens"
          value={settings.maxTokens}
          min={1}
          max={1_000_000}
          optional
          placeholder="default"
          onChange={maxTokens => onChange({ maxTokens })}
        />
      </div>
      <Switch label="Stream" on={settings.stream} onChange={stream => onChange({ stream })} />
      <Switch label="JSON mode" on={settings.json} onChange={json => onChange({ json })} />
      <TextInput
        label="Session id"
        mono
        value={settings.session}
        onInput={session => onChange({ session })}
        placeholder="none"
        hint="The same id keeps the model that answered first."
      />
      <details>
        <summary>Tools</summary>
        <TextInput
          label="Tools (JSON array)"
          rows={6}
          mono
          value={settings.tools}
          onInput={tools => onChange({ tools })}
          error={toolsProblem(settings.tools)}
          placeholder='[{"type":"function","function":{"name":"weather","parameters":{"type":"object"}}}]'
        />
      </details>
    </Panel>
  )
}
