/** Models and providers: what is connected, what it costs, what was proven by a real call. */
import type { JSX } from 'preact'
import { listDocuments } from '../../api/documents.ts'
import { listCandidates, readHealth, readOverview } from '../../api/operate.ts'
import { useResource } from '../../api/resource.ts'
import { can } from '../../api/session.ts'
import { useQuery } from '../../lib/url.ts'
import { Button } from '../../ui/button.tsx'
import { Page } from '../../ui/page.tsx'
import { ModelsPanel } from './models.tsx'
import { ProvidersPanel, quietProviders } from './providers.tsx'
import { Wizard } from './wizard.tsx'

export default function Models(): JSX.Element {
  const query = useQuery()
  const providers = useResource('documents/providers', signal => listDocuments('providers', {}, signal))
  const health = useResource('health', readHealth, { pollMs: 30_000 })
  const overview = useResource('models/overview', readOverview, { pollMs: 30_000 })
  const models = useResource('documents/models', signal => listDocuments('models', {}, signal))
  const candidates = useResource('candidates?', signal => listCandidates(null, signal))
  const connect = can('documents.write') || can('local.discover')
  const open = () => query.set({ wizard: '1' })
  const quiet = quietProviders(providers.data?.items ?? [], health.data)
  // Where nothing but the demo is connected, the others are what one came for.
  const fresh = (providers.data?.items ?? []).every(
    item => quiet.has(item.document.id) || item.document.transport?.kind === 'demo',
  )
  const all = query.get('all') ? query.get('all') === '1' : fresh
  return (
    <Page
      title="Models and providers"
      text="Where requests can go. A model is listed for a caller only when it can be executed for that caller."
      actions={
        connect && (
          <Button kind="primary" onClick={open}>
            Connect local endpoint
          </Button>
        )
      }
    >
      <ProvidersPanel
        providers={providers}
        health={health}
        overview={overview.data}
        quiet={quiet}
        all={all}
        onAll={on => query.set({ all: on ? '1' : '0' })}
        selected={query.get('provider')}
        onSelect={provider => query.set({ provider })}
      />
      <ModelsPanel
        models={models}
        candidates={candidates}
        hidden={all ? new Set() : quiet}
        health={health.data}
        overview={overview}
        provider={query.get('provider')}
        q={query.get('q')}
        onFilter={query.set}
      />
      {query.get('wizard') === '1' && (
        <Wizard
          providers={providers.data?.items ?? []}
          onClose={() => query.set({ wizard: null })}
          onSaved={() => {
            query.set({ wizard: null })
            void candidates.refresh()
            void health.refresh()
          }}
        />
      )}
    </Page>
  )
}
