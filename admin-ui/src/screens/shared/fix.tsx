/** A reason in words with the link or button that removes it. */
import type { ComponentChildren, JSX } from 'preact'
import { useState } from 'preact/hooks'
import { verifyModel } from '../../api/fusion.ts'
import type { Reason } from '../../api/schema/common.ts'
import type { Verified } from '../../api/schema/fusion.ts'
import { can } from '../../api/session.ts'
import { duration } from '../../lib/format.ts'
import { segment } from '../../lib/text.ts'
import { adminUrl } from '../../lib/url.ts'
import { TextButton } from '../../ui/button.tsx'
import { toast, toastError } from '../../ui/toast.tsx'

/** Where the object to fix is edited; a policy opens with the change staged when the model is known. */
export function fixHref(fix: { kind: string; id: string }, reason: string, model?: string): string | undefined {
  switch (fix.kind) {
    case 'policy':
      return adminUrl(`/policies/${segment(fix.id)}`, {
        allow_provider: reason === 'provider_not_allowed' ? model?.split('/')[0] : null,
        allow_model: reason === 'model_not_allowed' ? model : null,
      })
    case 'provider':
      return adminUrl('/models', { provider: fix.id })
    case 'model':
      return adminUrl('/models', { q: fix.id })
    case 'pool':
      return adminUrl('/pools', { pool: fix.id })
    case 'route':
      return adminUrl('/pools', { route: fix.id })
    case 'profile':
      return adminUrl(`/fusion/${segment(fix.id)}`)
    case 'key':
      return adminUrl('/keys', { new: '1' })
    default:
      return undefined
  }
}

/** Why a verification failed: what the upstream wrote where it wrote anything, with its own name of the request. */
export function failureText({ upstream, message, class: kind }: Verified): string {
  if (!upstream) return message ?? kind ?? 'no reason given'
  const { status, code, request_id } = upstream
  return `${[status, code].join(' ').trim()}: ${upstream.message || 'no message'}${request_id ? ` (upstream request ${request_id})` : ''}`
}

/** Runs one real call with a few output tokens and says what came of it; a failure stays beside the button. */
export function Verify({
  model,
  onDone,
  children = 'Run verification (1 call)',
}: {
  model: string
  onDone?: () => void
  children?: ComponentChildren
}): JSX.Element | null {
  const [busy, setBusy] = useState(false)
  const [failed, setFailed] = useState('')
  if (!can('models.verify')) return null
  const run = async () => {
    setBusy(true)
    setFailed('')
    try {
      const told = await verifyModel(model)
      const took = duration(told.latency_ms)
      if (told.ok) toast(`${model} answered in ${took}${told.answer ? `: “${told.answer}”` : '.'}`)
      else setFailed(`No answer after ${took}. ${failureText(told)}`)
      onDone?.()
    } catch (error) {
      toastError(error)
    } finally {
      setBusy(false)
    }
  }
  return (
    <>
      <TextButton busy={busy} onClick={() => void run()}>
        {busy ? `Calling ${model}` : children}
      </TextButton>
      {failed && (
        <span class="bad" role="alert">
          <br />
          {failed}
        </span>
      )}
    </>
  )
}

export function ReasonText({
  reason,
  model,
  onDone,
}: {
  reason: Reason
  model?: string
  onDone?: () => void
}): JSX.Element {
  const { fix } = reason
  const href = fix && fixHref(fix, reason.code, model)
  return (
    <>
      {reason.text}{' '}
      {fix?.kind === 'verify' ? (
        <Verify model={fix.id} {...(onDone ? { onDone } : {})}>
          {fix.text}
        </Verify>
      ) : (
        href && <a href={href}>{fix.text}</a>
      )}
    </>
  )
}
