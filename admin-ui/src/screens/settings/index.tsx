/** Settings: the deployment's own document, sign-in, export and import, this page. */
import type { JSX } from 'preact'
import { readDocument } from '../../api/documents.ts'
import { useResource } from '../../api/resource.ts'
import { can, session } from '../../api/session.ts'
import { dateTime } from '../../lib/format.ts'
import { Chip } from '../../ui/chip.tsx'
import { Loaded } from '../../ui/loaded.tsx'
import { Page } from '../../ui/page.tsx'
import { Panel } from '../../ui/panel.tsx'
import { Select } from '../../ui/select.tsx'
import { setTheme, type Theme, theme } from '../shell/account.tsx'
import { CatalogPanel } from './catalog.tsx'
import { SettingsForm } from './form.tsx'

interface Build {
  commit?: string
  time?: string
}

async function readBuild(signal: AbortSignal): Promise<Build> {
  const response = await fetch('/admin/build.json', { signal, cache: 'no-store' })
  return (await response.json()) as Build
}

export default function Settings(): JSX.Element {
  const settings = useResource('document/settings/default', signal => readDocument('settings', 'default', signal))
  const build = useResource('build', readBuild)
  const current = session.value
  const me = current.state === 'in' ? current.me : null
  return (
    <Page title="Settings" text="What holds for the whole deployment.">
      <div class="cols cols-even">
        <Panel title="Deployment">
          <Loaded of={settings} what="Settings">
            {data => (
              <SettingsForm
                key={data.revision}
                stored={data}
                editable={can('documents.write')}
                onSaved={settings.put}
              />
            )}
          </Loaded>
        </Panel>
        <div class="stack-16">
          <Panel title="Sign-in and build">
            <dl class="kv">
              <dt>Signed in as</dt>
              <dd>
                {me?.actor} <Chip>{me?.role}</Chip>
              </dd>
              <dt>Method</dt>
              <dd>
                {me?.auth === 'access'
                  ? 'Cloudflare Access; the local admin token is not accepted.'
                  : 'Admin token. Cloudflare Access is not configured.'}
              </dd>
              <dt>Environment</dt>
              <dd>{me?.environment}</dd>
              <dt>Worker version</dt>
              <dd class="mono">{me?.version}</dd>
              <dt>Catalog revision</dt>
              <dd>{me?.catalog_revision}</dd>
              <dt>Page build</dt>
              <dd>
                <span class="mono">{build.data?.commit ?? '–'}</span>{' '}
                {build.data?.time && <span class="muted">{dateTime(build.data.time)}</span>}
              </dd>
              <dt>Pasted credentials</dt>
              <dd>
                {me?.sealing ? (
                  <Chip tone="ok">sealed with SEAL_KEY</Chip>
                ) : (
                  <Chip tone="warn">off, SEAL_KEY is not set</Chip>
                )}
              </dd>
            </dl>
          </Panel>
          <Panel title="This page">
            <Select
              label="Theme"
              value={theme.value}
              onChange={value => setTheme(value as Theme)}
              choices={[
                { value: 'system', text: 'As the system' },
                { value: 'light', text: 'Light' },
                { value: 'dark', text: 'Dark' },
              ]}
            />
          </Panel>
          <CatalogPanel />
        </div>
      </div>
    </Page>
  )
}
