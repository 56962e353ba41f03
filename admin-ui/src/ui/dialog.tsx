/** The native modal dialog: traps focus, closes with Escape, gives the focus back to its opener. */
import type { ComponentChildren, JSX } from 'preact'
import { useEffect, useId, useRef } from 'preact/hooks'
import { IconButton } from './button.tsx'

interface DialogProps {
  title: ComponentChildren
  onClose: () => void
  /** Buttons; the first of several stands left, the rest right. */
  foot?: ComponentChildren
  wide?: boolean
  /** From the right edge, full height. */
  drawer?: boolean
  /** Escape and the close button are refused (a key that was not stored yet). */
  locked?: boolean
  children: ComponentChildren
}

export function Dialog({
  title,
  onClose,
  foot,
  wide = false,
  drawer = false,
  locked = false,
  children,
}: DialogProps): JSX.Element {
  const box = useRef<HTMLDialogElement>(null)
  const titleId = useId()
  useEffect(() => {
    const opener = document.activeElement
    const dialog = box.current
    if (dialog && !dialog.open) {
      dialog.showModal()
      // The browser picks the close button; the first thing to fill in is the better start.
      const chosen =
        dialog.querySelector<HTMLElement>('[data-focused]') ??
        dialog.querySelector<HTMLElement>('.dialog-body :is(input, select, textarea)')
      ;(chosen ?? dialog.querySelector<HTMLElement>('h2'))?.focus()
    }
    return () => {
      dialog?.close()
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus()
    }
  }, [])
  return (
    <dialog
      ref={box}
      class={`dialog${wide ? ' dialog-wide' : ''}${drawer ? ' drawer' : ''}`}
      aria-labelledby={titleId}
      onCancel={event => {
        event.preventDefault()
        if (!locked) onClose()
      }}
    >
      <div class="dialog-head">
        <h2 id={titleId} tabIndex={-1}>
          {title}
        </h2>
        {!locked && <IconButton icon="close" label="Close" onClick={onClose} />}
      </div>
      <div class="dialog-body">{children}</div>
      {foot && <div class="dialog-foot">{foot}</div>}
    </dialog>
  )
}
