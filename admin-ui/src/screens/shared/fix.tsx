/** A reason in words with the link or button that removes it. */
import type { ComponentChildren, JSX } from 'preact'
import { useState } from 'preact/hooks'
import { verifyModel } from '../../api/fusion.ts'
import type { Reason } from '../../api/schema/common.ts'
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

/** Runs one real call with one output token and says what came of it. */
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
  if (!can('models.verify')) return null
  const run = async () => {
    setBusy(true)
    try {
      const answer = await verifyModel(model)
      if (answer.ok) toast(`${model} answered in ${duration(answer.latency_ms)}.`)
      else toast(`${model} did not answer: ${answer.message ?? answer.class ?? 'no reason given'}`, { bad: true })
      onDone?.()
    } catch (error) {
      toastError(error)
    } finally {
      setBusy(false)
    }
  }
  return (
    <TextButton busy={busy} onClick={() => void run()}>
      {busy ? `Calling ${model}` : children}
    </TextButton>
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
