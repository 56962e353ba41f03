/** Review and enable: the diff, who gains and loses, what it costs, and the warnings one has to accept. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { enableProfile } from '../../api/fusion.ts'
import type { Stored } from '../../api/schema/common.ts'
import type { Draft, Readiness } from '../../api/schema/fusion.ts'
import { useWork } from '../../api/work.ts'
import { money, multiple } from '../../lib/format.ts'
import { list, plural } from '../../lib/text.ts'
import { Button } from '../../ui/button.tsx'
import { Callout } from '../../ui/callout.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { Diff } from '../../ui/diff.tsx'
import { Checkbox, TextInput } from '../../ui/field.tsx'
import { ErrorBox } from '../../ui/loaded.tsx'
import { LastWeek } from './effects.tsx'

interface ReviewProps {
  profile: string
  caller: string
  server: Draft | undefined
  readiness: Readiness
  tested: boolean
  onClose: () => void
  onEnabled: (live: Stored<unknown>) => Promise<void>
}

function keysOf(readiness: Readiness, names: string[]): number {
  return readiness.policies
    .filter(policy => names.includes(policy.policy))
    .reduce((sum, policy) => sum + policy.keys, 0)
}

export function Review({
  profile,
  caller,
  server,
  readiness,
  tested,
  onClose,
  onEnabled,
}: ReviewProps): JSX.Element | null {
  const [note, setNote] = useState('')
  const [accepted, setAccepted] = useState<string[]>([])
  const { busy, error, run } = useWork()
  if (!server) return null

  const wasLive = server.live?.document.enabled === true
  const changes = server.changes.filter(change => change.path !== '/enabled')
  const toAccept = [
    ...readiness.warnings.map(warning => ({ id: warning.code + warning.text, text: warning.text })),
    ...(tested ? [] : [{ id: 'untested', text: 'Enable without a passed test prompt on this draft.' }]),
  ]
  const open = toAccept.filter(item => !accepted.includes(item.id))
  const listed = readiness.policies.filter(policy => policy.listed)
  const next = server.base_revision + 1

  const enable = async () => {
    await run(async () => {
      const live = await enableProfile(profile, server.base_revision, note.trim() || undefined)
      await onEnabled(live)
    })
  }
  return (
    <Dialog
      wide
      title={`Enable ${caller}`}
      onClose={onClose}
      foot={
        <>
          <span class="small muted">Callers see the change at once here and within 60 s at other edge locations.</span>
          <Button onClick={onClose}>Cancel</Button>
          <Button
            kind="primary"
            busy={busy}
            disabled={open.length > 0 || listed.length === 0}
            why={listed.length === 0 ? 'No policy could run it' : 'Accept the open points first'}
            onClick={() => void enable()}
          >
            Enable revision {next}
          </Button>
        </>
      }
    >
      {error && (
        <ErrorBox
          error={error}
          what={
            error.code === 'revision_mismatch'
              ? 'Somebody enabled another revision meanwhile. Close, look at the draft again, then enable'
              : 'The profile was not enabled'
          }
        />
      )}
      <div class="stack-8">
        <h3>What changes</h3>
        {!wasLive && <p>The profile is off now and goes live.</p>}
        {(wasLive || changes.length > 0) && <Diff changes={changes} />}
      </div>
      <div class="stack-8">
        <h3>Who sees it</h3>
        {readiness.gains.length > 0 && (
          <p>
            Gain it: <strong>{list(readiness.gains)}</strong>, {plural(keysOf(readiness, readiness.gains), 'key')}.
          </p>
        )}
        {readiness.loses.length > 0 && (
          <p class="bad">
            Lose it: <strong>{list(readiness.loses)}</strong>, {plural(keysOf(readiness, readiness.loses), 'key')}.
          </p>
        )}
        {readiness.gains.length === 0 && readiness.loses.length === 0 && (
          <p class="muted">The listing changes for nobody.</p>
        )}
        <p class="muted">
          Listed for {listed.length} of {plural(readiness.policies.length, 'policy', 'policies')} afterwards.
        </p>
        {listed.length === 0 && (
          <Callout tone="bad">No policy can execute and pay the synthesizer, so nobody would see the model.</Callout>
        )}
      </div>
      <div class="stack-8">
        <h3>What it costs</h3>
        <p>
          At most {plural(readiness.figures.calls_max, 'call')} and {money(readiness.figures.reserve_usd)} a request
          {readiness.figures.cost_multiple != null && (
            <>, {multiple(readiness.figures.cost_multiple)} of the synthesizer alone</>
          )}
          .{readiness.figures.typical_cost_usd != null && <> Typical: {money(readiness.figures.typical_cost_usd)}.</>}
        </p>
        <LastWeek profile={profile} draft={`${server.base_revision}/${server.updated_at}`} />
      </div>
      {toAccept.length > 0 && (
        <fieldset class="stack-8">
          <legend class="label">Open points</legend>
          {toAccept.map(item => (
            <Checkbox
              key={item.id}
              checked={accepted.includes(item.id)}
              onChange={on => setAccepted(on ? [...accepted, item.id] : accepted.filter(id => id !== item.id))}
            >
              {item.text}
            </Checkbox>
          ))}
        </fieldset>
      )}
      <TextInput label="Note (optional)" value={note} onInput={setNote} placeholder="Why, for the history" />
    </Dialog>
  )
}
