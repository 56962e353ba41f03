/** The settings document as a form; fields this page does not know are kept. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { saveDocument } from '../../api/documents.ts'
import type { Stored } from '../../api/schema/common.ts'
import type { Settings } from '../../api/schema/documents.ts'
import { useWork } from '../../api/work.ts'
import { Button } from '../../ui/button.tsx'
import { diffOf } from '../../ui/diff.tsx'
import { NumberInput, TextInput } from '../../ui/field.tsx'
import { ErrorBox } from '../../ui/loaded.tsx'
import { Switch } from '../../ui/switch.tsx'
import { toast } from '../../ui/toast.tsx'
import { Stale } from '../shared/stale.tsx'

export function SettingsForm({
  stored,
  editable,
  onSaved,
}: {
  stored: Stored<Settings>
  editable: boolean
  onSaved: (saved: Stored<Settings>) => void
}): JSX.Element {
  const [draft, setDraft] = useState<Settings>(stored.document)
  const { busy, error, run } = useWork()
  const dirty = diffOf(stored.document, draft).length > 0
  const text = (name: string) => (typeof draft[name] === 'string' ? (draft[name] as string) : '')
  const number = (name: string) => (typeof draft[name] === 'number' ? (draft[name] as number) : null)
  // Words as they are typed: a space at the end is the beginning of the next word.
  const [typed, setTyped] = useState<Record<string, string>>({})
  const words = (name: string) => typed[name] ?? (Array.isArray(draft[name]) ? (draft[name] as string[]).join(' ') : '')
  const setWords = (name: string) => (value: string) => {
    setTyped({ ...typed, [name]: value })
    setDraft({ ...draft, [name]: value.split(/[\s,]+/).filter(Boolean) })
  }
  const problem = (name: string) => (error?.param === `/${name}` ? error.message : null)
  const save = async (revision: number) => {
    await run(async () => {
      const saved = await saveDocument('settings', draft, revision, 'default')
      toast(`Settings saved, revision ${saved.revision}.`)
      onSaved(saved)
    })
  }
  return (
    <form
      class="stack-16"
      onSubmit={event => {
        event.preventDefault()
        if (dirty) void save(stored.revision)
      }}
    >
      {error?.code === 'revision_mismatch' ? (
        <Stale
          error={error}
          mine={draft}
          onKeepMine={revision => void save(revision)}
          onTakeTheirs={theirs => onSaved(theirs as Stored<Settings>)}
        />
      ) : (
        error && <ErrorBox error={error} what="Settings were not saved" />
      )}
      <TextInput
        label="Name shown at the top"
        value={text('deployment_name')}
        readOnly={!editable}
        onInput={value => setDraft({ ...draft, deployment_name: value })}
        error={problem('deployment_name')}
      />
      <div class="grid-2">
        <NumberInput
          label="Largest request body"
          unit="bytes"
          min={1024}
          max={33_554_432}
          value={number('max_body_bytes')}
          readOnly={!editable}
          onChange={value => setDraft({ ...draft, max_body_bytes: value ?? 8_388_608 })}
          error={problem('max_body_bytes')}
        />
        <NumberInput
          label="Forget a pin after"
          unit="ms idle"
          min={1000}
          value={number('session_ttl_ms')}
          readOnly={!editable}
          onChange={value => setDraft({ ...draft, session_ttl_ms: value ?? 1_800_000 })}
          error={problem('session_ttl_ms')}
        />
        <NumberInput
          label="Pins per tenant"
          min={1}
          value={number('sessions_per_tenant')}
          readOnly={!editable}
          onChange={value => setDraft({ ...draft, sessions_per_tenant: value ?? 10_000 })}
          error={problem('sessions_per_tenant')}
        />
        <NumberInput
          label="Keep request rows for"
          unit="days"
          min={1}
          max={400}
          value={number('usage_days')}
          readOnly={!editable}
          onChange={value => setDraft({ ...draft, usage_days: value ?? 30 })}
          error={problem('usage_days')}
        />
        <NumberInput
          label="Keep prompts and answers for"
          unit="days"
          min={1}
          value={number('content_days')}
          readOnly={!editable}
          onChange={value => setDraft({ ...draft, content_days: value ?? 7 })}
          error={problem('content_days')}
        />
      </div>
      <TextInput
        label="Policies under which members make keys"
        mono
        value={words('member_policies')}
        readOnly={!editable}
        placeholder="none"
        onInput={setWords('member_policies')}
        error={problem('member_policies')}
      />
      <TextInput
        label="Policy that pays for tests"
        mono
        value={text('admin_policy')}
        readOnly={!editable}
        onInput={value => setDraft({ ...draft, admin_policy: value })}
        error={problem('admin_policy')}
      />
      <TextInput
        label="Browser origins allowed on /v1"
        mono
        value={words('cors_origins')}
        readOnly={!editable}
        placeholder="none"
        onInput={setWords('cors_origins')}
        hint="Separate by spaces. Callers outside browsers need none."
        error={problem('cors_origins')}
      />
      <Switch
        label="Strict revocation"
        note="Every call asks whether its key still holds: a revoked key stops at once, each call waits for one more hop."
        on={draft['strict_revocation'] === true}
        disabled={!editable}
        onChange={on => setDraft({ ...draft, strict_revocation: on })}
      />
      {editable && (
        <div class="actions">
          <Button kind="primary" type="submit" busy={busy} disabled={!dirty} why="Nothing changed">
            Save settings
          </Button>
          {dirty && <Button onClick={() => setDraft(stored.document)}>Discard changes</Button>}
        </div>
      )}
    </form>
  )
}
