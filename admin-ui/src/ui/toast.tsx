/** Short confirmations in the corner, polite, with an optional action; they leave after ten seconds. */
import { signal } from '@preact/signals'
import type { JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { Button, IconButton } from './button.tsx'

interface Toast {
  id: number
  text: string
  bad: boolean
  action?: { text: string; run: () => void }
}

const toasts = signal<Toast[]>([])
let nextId = 1
const shownMs = 10_000
const maxShown = 3

export function dismissToast(id: number): void {
  toasts.value = toasts.value.filter(toast => toast.id !== id)
}

export function toast(text: string, options: { bad?: boolean; action?: Toast['action'] } = {}): void {
  const id = nextId++
  const added: Toast = { id, text, bad: options.bad ?? false, ...(options.action ? { action: options.action } : {}) }
  toasts.value = [...toasts.value.slice(1 - maxShown), added]
  setTimeout(() => dismissToast(id), shownMs)
}

/** Says a failure in the corner; for actions that have no place of their own to show it. */
export function toastError(error: unknown): void {
  toast(error instanceof Error ? error.message : String(error), { bad: true })
}

export function ToastRegion(): JSX.Element {
  const region = useRef<HTMLDivElement>(null)
  const shown = toasts.value
  // In the top layer, so that a toast raised inside a dialog is not behind its backdrop.
  useEffect(() => {
    const box = region.current
    if (!box?.showPopover) return
    if (box.matches(':popover-open')) box.hidePopover()
    if (shown.length) box.showPopover()
  }, [shown])
  return (
    <div class="toasts" popover="manual" ref={region} role="status" aria-live="polite">
      {shown.map(item => (
        <div key={item.id} class={`toast${item.bad ? ' toast-bad' : ''}`}>
          <span>{item.text}</span>
          <span class="row">
            {item.action && (
              <Button
                small
                onClick={() => {
                  item.action?.run()
                  dismissToast(item.id)
                }}
              >
                {item.action.text}
              </Button>
            )}
            <IconButton small icon="close" label="Dismiss" onClick={() => dismissToast(item.id)} />
          </span>
        </div>
      ))}
    </div>
  )
}
