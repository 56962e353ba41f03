/** Connect a local endpoint: where it is, how it is protected, checks in order, save. */
import type { JSX } from 'preact'
import { useState } from 'preact/hooks'
import { listDocuments, putCredential, saveDocument } from '../../api/documents.ts'
import { discoverLocal } from '../../api/operate.ts'
import { invalidate, useResource } from '../../api/resource.ts'
import type { Stored } from '../../api/schema/common.ts'
import type { Provider } from '../../api/schema/documents.ts'
import type { Discovered } from '../../api/schema/operate.ts'
import { can, session } from '../../api/session.ts'
import { useWork } from '../../api/work.ts'
import { duration } from '../../lib/format.ts'
import { plural, spaced } from '../../lib/text.ts'
import { Button } from '../../ui/button.tsx'
import { Callout } from '../../ui/callout.tsx'
import { Code } from '../../ui/code.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { TextInput } from '../../ui/field.tsx'
import { ErrorBox } from '../../ui/loaded.tsx'
import { Select } from '../../ui/select.tsx'
import { toast } from '../../ui/toast.tsx'
import {
  discoverRequest,
  type Endpoint,
  type Kind,
  kinds,
  missing,
  type Protection,
  poolDocument,
  protections,
  providerDocument,
  setUpCommands,
  startUrl,
} from './endpoint.ts'

const checkNames: Record<string, string> = {
  address: 'Address',
  auth_required: 'Refuses without a credential',
  models: 'Lists its models',
  chat: 'Answers one token',
  stream: 'Streams',
  tools: 'Calls a tool',
}

function Checks({ result }: { result: Discovered }): JSX.Element {
  return (
    <ul class="checklist" aria-label="Checks">
      {result.checks.map(check => (
        <li key={check.id}>
          <span class={`mark${check.ok === true ? ' mark-ok' : ''}`}>
            <span aria-hidden="true">{check.ok === true ? '✓' : check.ok === false ? '×' : '·'}</span>
            <span class="visually-hidden">
              {check.ok === true ? 'passed' : check.ok === false ? 'failed' : 'not run'}
            </span>
          </span>
          <span>
            <strong>{checkNames[check.id] ?? spaced(check.id)}</strong>
            <br />
            <span class={check.ok === false ? 'bad' : 'muted'}>{check.text}</span>
          </span>
          <span class="muted small">{check.ms == null ? '' : duration(check.ms)}</span>
        </li>
      ))}
    </ul>
  )
}

export function Wizard({
  providers,
  onClose,
  onSaved,
}: {
  providers: readonly Stored<Provider>[]
  onClose: () => void
  onSaved: () => void
}): JSX.Element {
  const local = session.value.state === 'in' && session.value.me.environment === 'local'
  const sealing = session.value.state === 'in' && session.value.me.sealing
  const [endpoint, setEndpoint] = useState<Endpoint>({
    id: 'local',
    kind: 'ollama',
    protection: local ? 'loopback' : 'access',
    url: startUrl('ollama', local ? 'loopback' : 'access'),
    token: '',
    idSecret: 'LLM_ACCESS_ID',
    secretSecret: 'LLM_ACCESS_SECRET',
    binding: 'LOCAL_LLM',
  })
  const [result, setResult] = useState<Discovered | null>(null)
  const checking = useWork()
  const saving = useWork()
  const pools = useResource('documents/pools', signal => listDocuments('pools', {}, signal))

  const change = (next: Partial<Endpoint>) => {
    setResult(null)
    checking.forgetError()
    saving.forgetError()
    setEndpoint({ ...endpoint, ...next })
  }
  const problem = missing(endpoint)
  const check = () => {
    saving.forgetError()
    return checking.run(async () => setResult(await discoverLocal(discoverRequest(endpoint))))
  }
  const save = () => {
    checking.forgetError()
    return saving.run(async () => {
      const existing = providers.find(item => item.document.id === endpoint.id)
      const document = providerDocument(endpoint, existing?.document)
      const pool = pools.data?.items.find(item => item.document.id === document.pool)
      const newPool = document.pool ? poolDocument(endpoint, document.pool, pool?.document) : null
      if (newPool) await saveDocument('pools', newPool, pool ? pool.revision : 'new')
      if (endpoint.token.trim() && newPool) await putCredential(newPool.id, 'main', endpoint.token.trim())
      await saveDocument('providers', document, existing ? existing.revision : 'new')
      invalidate('candidates', 'health', 'setup')
      toast(`Provider ${endpoint.id} is connected. Its models are called ${endpoint.id}/<name>.`)
      onSaved()
    })
  }

  const { protection } = endpoint
  const binding = protection === 'mtls' || protection === 'vpc'
  return (
    <Dialog
      wide
      title="Connect local endpoint"
      onClose={onClose}
      foot={
        <>
          <span class="small muted">
            {problem ??
              (result
                ? result.ok
                  ? `${plural(result.models.length, 'model')} found.`
                  : 'Fix what failed, then check again.'
                : 'The check makes real calls to the server.')}
          </span>
          <Button
            busy={checking.busy}
            disabled={problem !== null}
            why={problem ?? undefined}
            onClick={() => void check()}
          >
            {result ? 'Check again' : 'Check endpoint'}
          </Button>
          <Button
            kind="primary"
            busy={saving.busy}
            disabled={!result?.ok || !can('documents.write')}
            why={can('documents.write') ? 'Pass the checks first' : 'Your role may not save providers'}
            onClick={() => void save()}
          >
            Save provider
          </Button>
        </>
      }
    >
      <div class="grid-2">
        <Select
          label="Server"
          value={endpoint.kind}
          onChange={kind => change({ kind: kind as Kind, url: startUrl(kind as Kind, protection) || endpoint.url })}
          choices={Object.entries(kinds).map(([value, item]) => ({ value, text: item.text }))}
        />
        <TextInput
          label="Provider name"
          mono
          value={endpoint.id}
          onInput={id => change({ id })}
          hint={`Models become ${endpoint.id || 'name'}/…`}
        />
      </div>
      <Select
        label="Protection"
        value={protection}
        onChange={value =>
          change({
            protection: value as Protection,
            url: startUrl(endpoint.kind, value as Protection) || (endpoint.url.startsWith('http:') ? '' : endpoint.url),
          })
        }
        choices={Object.entries(protections).map(([value, item]) => ({ value, text: item.text }))}
        hint={protections[protection].hint}
      />
      {protection === 'loopback' && !local && (
        <Callout tone="warn" title="This Worker is deployed.">
          It cannot reach 127.0.0.1 or your LAN. Use a tunnel.
        </Callout>
      )}
      <TextInput
        label="Address"
        type="url"
        mono
        value={endpoint.url}
        onInput={url => change({ url })}
        placeholder={
          binding
            ? 'http://llm.internal:8000'
            : protection === 'loopback'
              ? 'http://127.0.0.1:11434'
              : 'https://llm.example.com'
        }
        hint="Without /v1."
      />
      {binding && (
        <TextInput
          label="Binding"
          mono
          value={endpoint.binding}
          onInput={value => change({ binding: value })}
          hint={`Its name in wrangler.toml (${protection === 'mtls' ? '[[mtls_certificates]]' : '[[vpc_services]]'}).`}
        />
      )}
      {protection === 'access' && (
        <div class="grid-2">
          <TextInput
            label="Secret with the client id"
            mono
            value={endpoint.idSecret}
            onInput={idSecret => change({ idSecret })}
          />
          <TextInput
            label="Secret with the client secret"
            mono
            value={endpoint.secretSecret}
            onInput={secretSecret => change({ secretSecret })}
          />
        </div>
      )}
      {(protection === 'bearer' || protection === 'loopback') && (
        <TextInput
          label={protection === 'bearer' ? 'Token' : 'Token (optional)'}
          type="password"
          autocomplete="new-password"
          value={endpoint.token}
          onInput={token => change({ token })}
          hint={
            sealing
              ? 'Stored sealed; never shown again.'
              : 'Pasted tokens need the Worker secret SEAL_KEY, which is not set; use LOCAL_OPENAI_API_KEY instead.'
          }
        />
      )}
      {protection !== 'loopback' && (
        <details>
          <summary>Commands that set this up</summary>
          <Code text={setUpCommands(endpoint)} label="Commands that set this up" />
        </details>
      )}
      {checking.error && <ErrorBox error={checking.error} what="That did not work" />}
      {saving.error && <ErrorBox error={saving.error} what="Not saved" />}
      {result && (
        <div class="stack-8" aria-live="polite">
          <Checks result={result} />
          {result.ok && !result.checks.some(item => item.id === 'auth_required') && (
            <Callout tone="warn" title="This server is open.">
              It answers without a credential, so anyone who reaches it can use it. That is fine on this machine only;
              enter its token here once it asks for one.
            </Callout>
          )}
          {result.models.length > 0 && (
            <p class="muted">
              Models:{' '}
              {result.models.map((model, index) => (
                <>
                  {index > 0 && ', '}
                  <code>{model.id}</code>
                </>
              ))}
            </p>
          )}
        </div>
      )}
    </Dialog>
  )
}
