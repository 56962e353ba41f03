/** Fusion: draft, live readiness, test prompt, review and enable, kill switch, history. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { lazy, useLocation, useRoute } from 'preact-iso'
import { listDocuments, saveDocument } from '../../api/documents.ts'
import { disableProfile, discardDraft, readDraft } from '../../api/fusion.ts'
import { listCandidates } from '../../api/operate.ts'
import { useResource } from '../../api/resource.ts'
import type { FusionProfile } from '../../api/schema/documents.ts'
import { can } from '../../api/session.ts'
import { useShortcuts } from '../../lib/shortcuts.ts'
import { plural, segment } from '../../lib/text.ts'
import { adminUrl, useQuery } from '../../lib/url.ts'
import { Button } from '../../ui/button.tsx'
import { Callout } from '../../ui/callout.tsx'
import { Chip } from '../../ui/chip.tsx'
import { Loaded } from '../../ui/loaded.tsx'
import { Menu } from '../../ui/menu.tsx'
import { Page } from '../../ui/page.tsx'
import { Select } from '../../ui/select.tsx'
import { toast, toastError } from '../../ui/toast.tsx'
import { callerName } from '../shared/model-options.ts'
import { DraftForm } from './draft-form.tsx'
import { useDraft } from './draft-state.ts'
import { EdgeProgress } from './effects.tsx'
import { HistoryDialog } from './history.tsx'
import { NewProfile } from './new-profile.tsx'
import { ReadinessPanels } from './readiness.tsx'
import { Review } from './review.tsx'
import { Steps, type TestStatus } from './steps.tsx'

const TestDrawer = lazy(() => import('./test-drawer.tsx').then(module => module.TestDrawer))

export default function Fusion(): JSX.Element {
  const { params } = useRoute()
  const { route } = useLocation()
  const query = useQuery()
  const profile = params['profile'] ?? 'default'
  const editable = can('fusion.write')
  const state = useDraft(profile, editable)
  const profiles = useResource('documents/fusion-profiles', signal => listDocuments('fusion-profiles', {}, signal))
  const candidates = useResource('candidates?', signal => listCandidates(null, signal))
  const [lastTest, setLastTest] = useState<(TestStatus & { draft: FusionProfile }) | null>(null)
  /** The revision that was enabled here, while its way to callers is shown. */
  const [enabled, setEnabled] = useState<number | null>(null)
  const [discarding, setDiscarding] = useState(false)

  const panel = query.get('panel')
  const open = (name: string | null) => query.set({ panel: name })
  const { server, draft, readiness } = state
  const live = server.data?.live ?? null
  const changes = server.data?.changes ?? []
  // A test counts for the draft that it ran, and for no later one.
  const tested = lastTest && JSON.stringify(lastTest.draft) === JSON.stringify(draft) ? lastTest : null
  const listed = readiness?.policies.filter(policy => policy.listed).length ?? 0
  const isLive = live?.document.enabled === true
  // Readiness is the draft's: it tells about what is live only while both are equal.
  const degraded =
    changes.length > 0
      ? 0
      : (readiness?.policies.filter(policy => !policy.listed || policy.ready_advisers < policy.advisers).length ?? 0)

  useShortcuts(can('fusion.test') ? [{ keys: 't', text: 'Test prompt', run: () => open('test') }] : [])

  const reload = async () => state.adopt(await readDraft(profile))
  const turnOff = async () => {
    try {
      const before = live
      const off = await disableProfile(profile)
      await reload()
      // Undo writes the profile that was live, not the draft.
      const undo = () => {
        if (before) void saveDocument('fusion-profiles', before.document, off.revision).then(reload).catch(toastError)
      }
      toast(
        `${callerName(profile)} is off, revision ${off.revision}.`,
        editable ? { action: { text: 'Undo', run: undo } } : {},
      )
    } catch (error) {
      toastError(error)
    }
  }
  const discard = async () => {
    setDiscarding(true)
    try {
      state.adopt(await discardDraft(profile))
      toast('Draft discarded; it equals the live revision again.')
    } catch (error) {
      toastError(error)
    } finally {
      setDiscarding(false)
    }
  }

  return (
    <Page
      title={profile === 'default' ? 'Fusion profile' : `Fusion profile ${profile}`}
      mark={
        live && isLive ? (
          <Chip tone={degraded ? 'warn' : 'ok'}>
            Live: revision {live.revision}
            {degraded > 0 && `, degraded for ${plural(degraded, 'policy', 'policies')}`}
          </Chip>
        ) : (
          server.data && <Chip>Off</Chip>
        )
      }
      text={
        <>
          Advisers answer in parallel, then one synthesizer writes the reply. Callers select{' '}
          <code>{callerName(profile)}</code>; it is listed only for callers who can execute and pay the synthesizer.
        </>
      }
      actions={
        <>
          {(profiles.data?.items.length ?? 0) > 1 && (
            <Select
              inline
              label="Profile"
              value={profile}
              onChange={id => route(`/admin/fusion/${segment(id)}`)}
              choices={(profiles.data?.items ?? []).map(item => ({ value: item.document.id, text: item.document.id }))}
            />
          )}
          {editable && changes.length > 0 && (
            <Button busy={discarding} onClick={() => void discard()}>
              Discard draft
            </Button>
          )}
          {can('fusion.test') && <Button onClick={() => open('test')}>Test prompt</Button>}
          {editable && (
            <Button
              kind="primary"
              disabled={!draft || !readiness}
              why="Wait for the readiness check"
              onClick={() => open('review')}
            >
              Review and enable
            </Button>
          )}
          <Menu
            label="More actions"
            small={false}
            items={[
              editable &&
                isLive && { text: `Turn off ${callerName(profile)}`, onSelect: () => void turnOff(), danger: true },
              { text: 'History', onSelect: () => open('history') },
              editable && { text: 'New profile', onSelect: () => open('new') },
            ]}
          />
        </>
      }
    >
      {enabled !== null && isLive && (
        <EdgeProgress profile={profile} revision={enabled} onClose={() => setEnabled(null)} />
      )}
      <Loaded of={server} what="The draft" lines={10}>
        {data => (
          <>
            <Steps
              changes={changes.length}
              saving={state.saving}
              listed={listed}
              policies={readiness?.policies.length ?? null}
              tested={tested}
              live={live}
              onOpen={step =>
                step === 'test'
                  ? open('test')
                  : step === 'enabled'
                    ? open('history')
                    : document.getElementById(step)?.scrollIntoView()
              }
            />
            {!editable && (
              <Callout tone="info">
                You can read and test this profile. Editing needs the capability fusion.write.
              </Callout>
            )}
            <div class="cols">
              <DraftForm
                state={state}
                draft={draft ?? data.draft}
                candidates={candidates.data?.items ?? []}
                policy={query.get('policy')}
                readOnly={!editable}
              />
              <ReadinessPanels
                state={state}
                caller={callerName(profile)}
                policy={query.get('policy')}
                onPolicy={policy => query.set({ policy })}
              />
            </div>
          </>
        )}
      </Loaded>
      {panel === 'test' && draft && (
        <TestDrawer
          profile={profile}
          draft={draft}
          policies={readiness?.policies.map(item => item.policy) ?? []}
          policy={query.get('policy')}
          figures={readiness?.figures ?? null}
          onClose={() => open(null)}
          onFinished={(status, ran) => setLastTest({ ...status, draft: ran })}
        />
      )}
      {panel === 'review' && draft && readiness && (
        <Review
          profile={profile}
          caller={callerName(profile)}
          server={server.data}
          readiness={readiness}
          tested={tested?.ok === true}
          onClose={() => open(null)}
          onEnabled={async ({ revision, propagation }) => {
            await reload()
            open(null)
            const wait = propagation?.store === 'kv' ? ` Visible everywhere within ${propagation.max_seconds} s.` : ''
            toast(`${callerName(profile)} is live, revision ${revision}.${wait}`)
            setEnabled(revision)
          }}
        />
      )}
      {panel === 'history' && (
        <HistoryDialog
          profile={profile}
          editable={editable}
          onClose={() => open(null)}
          onRestored={restored => {
            state.adopt(restored)
            open(null)
          }}
        />
      )}
      {panel === 'new' && draft && (
        <NewProfile
          from={draft}
          taken={profiles.data?.items.map(item => item.document.id) ?? []}
          onClose={() => open(null)}
          onCreated={id => {
            toast(`Profile ${id} created. It is off until you enable it.`)
            route(adminUrl(`/fusion/${segment(id)}`))
          }}
        />
      )}
    </Page>
  )
}
