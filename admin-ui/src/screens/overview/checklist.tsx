/** First run: each row is checked live by the Worker, nothing is ticked by hand. */
import type { JSX } from 'preact'
import type { Resource } from '../../api/resource.ts'
import { enterSample } from '../../api/sample.ts'
import type { SetupCheck } from '../../api/schema/govern.ts'
import { segment } from '../../lib/text.ts'
import { Button } from '../../ui/button.tsx'
import { Panel } from '../../ui/panel.tsx'
import { fixHref, Verify } from '../shared/fix.tsx'

const names: Record<string, string> = {
  sign_in: 'Sign-in method',
  bindings: 'KV and Durable Objects reachable',
  provider: 'A provider is connected',
  verified_model: 'A model proven by a real call',
  policy: 'A policy',
  key: 'A key',
  first_request: 'First request',
  fusion: 'Fusion (optional)',
  budget: 'A budget (optional)',
}

const pages: Record<string, { href: string; text: string }> = {
  provider: { href: '/admin/models?wizard=1', text: 'Connect local endpoint' },
  policy: { href: '/admin/policies', text: 'Open policies' },
  key: { href: '/admin/keys?new=1', text: 'Create key' },
  first_request: { href: '/admin/playground', text: 'Send one from the playground' },
  fusion: { href: '/admin/fusion', text: 'Open fusion' },
  budget: { href: '/admin/policies', text: 'Set a budget' },
}

function Action({ check, refresh }: { check: SetupCheck; refresh: () => void }): JSX.Element | null {
  if (check.id === 'first_request' && check.request_id)
    return <a href={`/admin/requests/${segment(check.request_id)}`}>Open its trace</a>
  if (check.ok) return null
  const { fix } = check
  if (fix && (fix.kind === 'verify' || (check.id === 'verified_model' && fix.kind === 'model'))) {
    return (
      <Verify model={fix.id} onDone={refresh}>
        {fix.text}
      </Verify>
    )
  }
  const href = fix && fixHref(fix, check.id)
  if (fix && href) return <a href={href}>{fix.text}</a>
  const page = pages[check.id]
  return page ? <a href={page.href}>{page.text}</a> : null
}

export function Checklist({ setup }: { setup: Resource<{ checks: SetupCheck[] }> }): JSX.Element {
  const checks = setup.data?.checks ?? []
  const done = checks.filter(check => check.ok).length
  return (
    <Panel
      title="Set up"
      aside={
        <>
          {done} of {checks.length}, checked live
          <Button small onClick={() => void enterSample()}>
            Use sample data
          </Button>
        </>
      }
      flush
    >
      <ol class="checklist">
        {checks.map((check, index) => (
          <li key={check.id}>
            <span class={`mark${check.ok ? ' mark-ok' : ''}`}>
              <span aria-hidden="true">{check.ok ? '✓' : index + 1}</span>
              <span class="visually-hidden">{check.ok ? 'done' : 'open'}</span>
            </span>
            <span>
              <strong>{names[check.id] ?? check.id}</strong> <span class="muted">{check.text}</span>
            </span>
            <span>
              <Action check={check} refresh={() => void setup.refresh()} />
            </span>
          </li>
        ))}
      </ol>
    </Panel>
  )
}
