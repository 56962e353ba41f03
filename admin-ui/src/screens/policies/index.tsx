/** Policies: list left, document right. What a policy's keys may run, spend, and how fast. */
import type { JSX } from 'preact'
import { useLocation, useRoute } from 'preact-iso'
import { listDocuments } from '../../api/documents.ts'
import { listKeys } from '../../api/keys.ts'
import { useResource } from '../../api/resource.ts'
import { can } from '../../api/session.ts'
import { useShortcuts } from '../../lib/shortcuts.ts'
import { plural, segment } from '../../lib/text.ts'
import { adminUrl, useQuery } from '../../lib/url.ts'
import { Button } from '../../ui/button.tsx'
import { Loaded } from '../../ui/loaded.tsx'
import { Page } from '../../ui/page.tsx'
import { Panel } from '../../ui/panel.tsx'
import { Empty } from '../../ui/states.tsx'
import { PolicyEditor } from './editor.tsx'
import { NewPolicy } from './new-policy.tsx'

export default function Policies(): JSX.Element {
  const { params } = useRoute()
  const { route } = useLocation()
  const query = useQuery()
  const policies = useResource('documents/policies', signal => listDocuments('policies', {}, signal))
  const keys = useResource('keys?', signal => listKeys({}, signal))
  const write = can('documents.write')
  const items = policies.data?.items ?? []
  const id = params['id'] ?? items[0]?.document.id ?? ''
  const shown = items.find(item => item.document.id === id)
  const create = () => query.set({ new: '1' })
  useShortcuts(write ? [{ keys: 'n', text: 'New policy', run: create }] : [])
  const keysOf = (policy: string) => keys.data?.items.filter(key => key.policy === policy && !key.revoked_at).length
  return (
    <Page
      title="Policies"
      text="A policy says what its keys may run, what they may spend and how fast. Every key has exactly one."
      actions={
        write && (
          <Button kind="primary" onClick={create}>
            New policy
          </Button>
        )
      }
    >
      <Loaded of={policies} what="Policies">
        {data =>
          data.items.length === 0 ? (
            <Panel flush>
              <Empty title="No policy" action={write && <Button onClick={create}>New policy</Button>}>
                Without a policy no key can be made.
              </Empty>
            </Panel>
          ) : (
            <div class="cols cols-list">
              <Panel flush>
                <nav class="side-list" aria-label="Policies">
                  {data.items.map(item => (
                    <a
                      key={item.document.id}
                      href={adminUrl(`/policies/${segment(item.document.id)}`)}
                      aria-current={item.document.id === id ? 'page' : undefined}
                    >
                      {item.document.id}
                      <small>
                        {keys.data ? plural(keysOf(item.document.id) ?? 0, 'key') : ''}
                        {item.document.enabled === false && ', off'}
                        {item.source === 'bundled' && ', bundled'}
                      </small>
                    </a>
                  ))}
                </nav>
              </Panel>
              {shown ? (
                <PolicyEditor
                  key={shown.document.id}
                  stored={shown}
                  keys={keys.data?.items.filter(key => key.policy === id) ?? []}
                  staged={{ provider: query.get('allow_provider'), model: query.get('allow_model') }}
                  onSaved={() => {
                    if (query.text) query.set({ allow_provider: null, allow_model: null })
                    void policies.refresh()
                  }}
                  onDeleted={() => {
                    void policies.refresh()
                    route('/admin/policies')
                  }}
                />
              ) : (
                <Panel flush>
                  <Empty title={`No policy ${id}`}>Choose one from the list.</Empty>
                </Panel>
              )}
            </div>
          )
        }
      </Loaded>
      {query.get('new') === '1' && write && (
        <NewPolicy
          taken={items.map(item => item.document.id)}
          onClose={() => query.set({ new: null })}
          onCreated={created => {
            void policies.refresh()
            route(adminUrl(`/policies/${segment(created)}`))
          }}
        />
      )}
    </Page>
  )
}
