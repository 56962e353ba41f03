/** Copies text and says so on the button itself. */
import type { ComponentChildren, JSX } from 'preact'
import { useState } from 'preact/hooks'
import { Button, type ButtonKind } from './button.tsx'

export function Copy({
  text,
  children = 'Copy',
  small = true,
  kind = 'quiet',
}: {
  text: string
  children?: ComponentChildren
  small?: boolean
  kind?: ButtonKind
}): JSX.Element {
  const [state, setState] = useState<'idle' | 'done' | 'failed'>('idle')
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text)
      setState('done')
    } catch {
      setState('failed')
    }
    setTimeout(() => setState('idle'), 2000)
  }
  return (
    <Button kind={kind} small={small} onClick={() => void copy()}>
      {state === 'done' ? 'Copied' : state === 'failed' ? 'Select and copy by hand' : children}
    </Button>
  )
}
