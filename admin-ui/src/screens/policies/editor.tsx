/** One policy as a form, with the effect of the change beside it. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { deleteDocument, saveDocument } from '../../api/documents.ts'
import { listCandidates } from '../../api/operate.ts'
import { invalidate, useResource } from '../../api/resource.ts'
import type { Stored } from '../../api/schema/common.ts'
import type { Policy } from '../../api/schema/documents.ts'
import type { Key } from '../../api/schema/keys.ts'
import { can } from '../../api/session.ts'
import { useWork } from '../../api/work.ts'
import { money } from '../../lib/format.ts'
import { list, plural, segment } from '../../lib/text.ts'
import { adminUrl } from '../../lib/url.ts'
import { Button, LinkButton } from '../../ui/button.tsx'
import { Callout } from '../../ui/callout.tsx'
import { Chip } from '../../ui/chip.tsx'
import { diffOf } from '../../ui/diff.tsx'
import { NumberInput, TextInput } from '../../ui/field.tsx'
import { ErrorBox } from '../../ui/loaded.tsx'
import { Menu } from '../../ui/menu.tsx'
import { Meter } from '../../ui/meter.tsx'
import { Panel } from '../../ui/panel.tsx'
import { Switch } from '../../ui/switch.tsx'
import { toast, toastError } from '../../ui/toast.tsx'
import { DocumentDialog } from '../shared/document-dialog.tsx'
import { Stale } from '../shared/stale.tsx'
import { Budgets } from './budgets.tsx'
import { effect, parseList, stage } from './patterns.ts'
import { Refused } from './refused.tsx'

interface EditorProps {
  stored: Stored<Policy>
  keys: readonly Key[]
  staged: { provider: string; model: string }
  onSaved: () => void
  onDeleted: () => void
}

type Set = 'allow' | 'deny'
type Field = 'providers' | 'models' | 'virtual'

const fields: { field: Field; label: string; hint: string }[] = [
  { field: 'providers', label: 'Providers', hint: 'openai anthropic' },
  { field: 'models', label: 'Models', hint: 'openai/gpt-4*' },
  { field: 'virtual', label: 'Virtual models', hint: 'auto fusion fusion:*' },
]

function ListField({
  policy,
  set,
  field,
  label,
  placeholder,
  readOnly,
  onChange,
}: {
  policy: Policy
  set: Set
  field: Field
  label: string
  placeholder: string
  readOnly: boolean
  onChange: (policy: Policy) => void
}): JSX.Element {
  const saved = policy[set]?.[field]
  const [text, setText] = useState<string | null>(null)
  return (
    <TextInput
      label={label}
      mono
      readOnly={readOnly}
      value={text ?? (saved ?? []).join(' ')}
      placeholder={set === 'allow' ? 'everything' : `nothing, e.g. ${placeholder}`}
      onInput={setText}
      onCommit={value => {
        const next = parseList(value)
        setText(null)
        if (next.join(' ') === (saved ?? []).join(' ')) return
        onChange({ ...policy, [set]: { ...policy[set], [field]: next.length ? next : undefined } })
      }}
    />
  )
}

export function PolicyEditor({ stored, keys, staged, onSaved, onDeleted }: EditorProps): JSX.Element {
  const { document: saved, revision } = stored
  const id = saved.id
  const write = can('documents.write')
  const [draft, setDraft] = useState<Policy>(() => (write ? stage(saved, staged) : saved))
  const { busy, error, run, forgetError } = useWork()
  const [raw, setRaw] = useState(false)
  const candidates = useResource('candidates?', signal => listCandidates(null, signal))
  const changes = diffOf(saved, draft)
  const dirty = changes.length > 0
  const shown = effect(saved, draft, candidates.data?.items ?? [])
  const live = keys.filter(key => !key.revoked_at)
  const budgets = [
    ...new Map(
      live.flatMap(key => (key.budgets ?? []).filter(item => item.scope === 'policy')).map(item => [item.budget, item]),
    ).values(),
  ]

  const save = async (base: number) => {
    await run(async () => {
      const result = await saveDocument('policies', draft, base)
      setDraft(result.document)
      invalidate('keys', 'candidates')
      toast(
        `Policy ${id} saved, revision ${result.revision}. Other edge locations follow within ${result.propagation?.max_seconds ?? 60} s.`,
      )
      onSaved()
    })
  }
  const remove = async () => {
    try {
      await deleteDocument('policies', id, revision)
      toast(`Policy ${id} is deleted.`)
      onDeleted()
    } catch (failure) {
      toastError(failure)
    }
  }
  const rate = (field: 'rpm' | 'tpm' | 'concurrent', label: string, unit: string) => (
    <NumberInput
      label={label}
      unit={unit}
      optional
      min={1}
      value={draft.rate?.[field] ?? null}
      placeholder="none"
      readOnly={!write}
      onChange={value => setDraft({ ...draft, rate: { ...draft.rate, [field]: value ?? undefined } })}
    />
  )
  return (
    <div class="stack-16">
      <Panel
        title={<span class="mono">{id}</span>}
        aside={
          <>
            {saved.enabled === false && <Chip tone="bad">off</Chip>}
            <span>{revision === 0 ? 'Bundled, unchanged' : `Revision ${revision}`}</span>
            <Menu
              label={`Actions for ${id}`}
              items={[
                { text: 'History and JSON', onSelect: () => setRaw(true) },
                write && live.length === 0 && { text: 'Delete policy', onSelect: () => void remove(), danger: true },
              ]}
            />
          </>
        }
      >
        {error?.code === 'revision_mismatch' ? (
          <Stale
            error={error}
            mine={draft}
            onKeepMine={base => void save(base)}
            onTakeTheirs={theirs => {
              setDraft(theirs.document as unknown as Policy)
              forgetError()
              onSaved()
            }}
          />
        ) : (
          error && <ErrorBox error={error} what="The policy was not saved" />
        )}
        {(staged.provider || staged.model) && dirty && (
          <Callout tone="info">The change you came for is filled in. Look at its effect, then save.</Callout>
        )}
        <fieldset class="stack-16">
          <legend class="visually-hidden">Access</legend>
          <h3>Access</h3>
          <div class="grid-2">
            {fields.map(item => (
              <ListField
                key={item.field}
                policy={draft}
                set="allow"
                field={item.field}
                label={`Allow ${item.label.toLowerCase()}`}
                placeholder={item.hint}
                readOnly={!write}
                onChange={setDraft}
              />
            ))}
          </div>
          <div class="grid-2">
            {fields.map(item => (
              <ListField
                key={item.field}
                policy={draft}
                set="deny"
                field={item.field}
                label={`Deny ${item.label.toLowerCase()}`}
                placeholder={item.hint}
                readOnly={!write}
                onChange={setDraft}
              />
            ))}
          </div>
          <span class="field-hint">
            Separate patterns by spaces; * stands for anything. A denial wins over an allowance.{' '}
            {candidates.data && `${plural(shown.allowed, 'model')} of ${candidates.data.items.length} allowed.`}
          </span>
        </fieldset>
        <Budgets policy={draft} readOnly={!write} onChange={setDraft} />
        {budgets.length > 0 && (
          <div class="grid-2">
            {budgets.map(budget => (
              <div key={budget.budget} class="stack-4">
                <span class="small muted">This {budget.window}, all keys</span>
                <Meter
                  label={`Spent this ${budget.window}`}
                  spent={budget.spent_usd}
                  reserved={budget.reserved_usd}
                  limit={budget.limit_usd}
                />
              </div>
            ))}
          </div>
        )}
        <fieldset class="stack-8">
          <legend class="visually-hidden">Rate limits</legend>
          <h3>Rate limits</h3>
          <div class="grid-fields">
            {rate('rpm', 'Requests', 'a minute')}
            {rate('tpm', 'Tokens', 'a minute')}
            {rate('concurrent', 'At once', 'requests')}
          </div>
        </fieldset>
        <div class="stack-16">
          <h3>Behaviour</h3>
          <Switch
            label="Enabled"
            note="Off refuses every key of this policy."
            on={draft.enabled !== false}
            disabled={!write}
            onChange={enabled => setDraft({ ...draft, enabled })}
          />
          <Switch
            label="Learned routing"
            note="auto may use the ratings of this policy's members."
            on={draft['learned'] === true}
            disabled={!write}
            onChange={learned => setDraft({ ...draft, learned })}
          />
          <Switch
            label="Keep prompts and answers"
            note="Encrypted, where storage is bound. Off keeps metadata only."
            on={draft.retain_content === true}
            disabled={!write}
            onChange={retain_content => setDraft({ ...draft, retain_content })}
          />
        </div>
        {dirty && (
          <div class="stack-8 effect" aria-live="polite">
            <h3>Effect of {plural(changes.length, 'unsaved change')}</h3>
            <ul class="md">
              <li>
                {plural(live.length, 'key')} affected
                {live.length > 0 &&
                  `: ${list(live.slice(0, 4).map(key => key.label ?? key.kid))}${live.length > 4 ? ' and others' : ''}`}
                .
              </li>
              {shown.gained.length > 0 && (
                <li>
                  Gains {plural(shown.gained.length, 'model')}: {list(shown.gained.slice(0, 5))}
                  {shown.gained.length > 5 && ', …'}.
                </li>
              )}
              {shown.lost.length > 0 && (
                <li class="bad">
                  Loses {plural(shown.lost.length, 'model')}: {list(shown.lost.slice(0, 5))}
                  {shown.lost.length > 5 && ', …'}.
                </li>
              )}
              {shown.gained.length + shown.lost.length === 0 && <li>The models stay the same.</li>}
              {(draft.budgets ?? []).map(budget => (
                <li key={`${budget.window} ${budget.scope}`}>
                  {budget.scope === 'key' ? 'Each key' : 'All keys together'}: {money(budget.limit_usd)} a{' '}
                  {budget.window === 'total' ? 'lifetime' : budget.window}
                  {budget.hard === false && ', soft'}.
                </li>
              ))}
            </ul>
            <Refused draft={draft} />
          </div>
        )}
        {write && (
          <div class="actions sticky-actions">
            <Button
              kind="primary"
              busy={busy}
              disabled={!dirty}
              why="Nothing changed"
              onClick={() => void save(revision)}
            >
              Save policy
            </Button>
            {dirty && <Button onClick={() => setDraft(saved)}>Discard changes</Button>}
          </div>
        )}
        <div class="actions">
          <LinkButton kind="quiet" href={adminUrl('/keys', { policy: id })}>
            Keys
          </LinkButton>
          <LinkButton kind="quiet" href={adminUrl('/requests', { policy: id })}>
            Requests
          </LinkButton>
          <LinkButton kind="quiet" href={adminUrl('/fusion/default', { policy: segment(id) })}>
            Fusion readiness
          </LinkButton>
        </div>
      </Panel>
      {raw && <DocumentDialog collection="policies" id={id} onClose={() => setRaw(false)} onSaved={onSaved} />}
    </div>
  )
}
