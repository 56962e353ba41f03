/** Buttons and links that look like one. A busy button keeps its focus and refuses a second press. */
import type { ComponentChildren, JSX } from 'preact'
import { Icon, type IconName } from './icon.tsx'

export type ButtonKind = 'plain' | 'primary' | 'danger' | 'quiet'

interface ButtonProps {
  kind?: ButtonKind
  small?: boolean
  busy?: boolean
  disabled?: boolean
  /** Why it is disabled; shown as a tooltip and read out. */
  why?: string | undefined
  type?: 'button' | 'submit'
  id?: string
  form?: string
  pressed?: boolean
  expanded?: boolean
  popup?: 'menu' | 'dialog'
  onClick?: (event: MouseEvent) => void
  children: ComponentChildren
}

const classOf = (kind: ButtonKind, small: boolean, more = '') =>
  `btn${kind === 'plain' ? '' : ` btn-${kind}`}${small ? ' btn-small' : ''}${more}`

export function Button({
  kind = 'plain',
  small = false,
  busy = false,
  disabled = false,
  why,
  type = 'button',
  ...rest
}: ButtonProps): JSX.Element {
  const refused = busy || disabled
  return (
    <button
      type={type}
      id={rest.id}
      form={rest.form}
      class={classOf(kind, small)}
      aria-disabled={refused || undefined}
      aria-busy={busy || undefined}
      aria-pressed={rest.pressed}
      aria-expanded={rest.expanded}
      aria-haspopup={rest.popup}
      title={disabled ? why : undefined}
      onClick={event => {
        if (refused) event.preventDefault()
        else rest.onClick?.(event)
      }}
    >
      {rest.children}
      {disabled && why && <span class="visually-hidden"> ({why})</span>}
    </button>
  )
}

export function IconButton(props: Omit<ButtonProps, 'children'> & { icon: IconName; label: string }): JSX.Element {
  const { icon, label, kind = 'quiet', small = false, disabled = false, onClick } = props
  return (
    <button
      type="button"
      id={props.id}
      class={classOf(kind, small, ' btn-icon')}
      aria-label={label}
      title={label}
      aria-disabled={disabled || undefined}
      aria-expanded={props.expanded}
      aria-haspopup={props.popup}
      aria-pressed={props.pressed}
      onClick={event => {
        if (!disabled) onClick?.(event)
      }}
    >
      <Icon name={icon} />
    </button>
  )
}

export function LinkButton({
  href,
  kind = 'plain',
  small = false,
  onClick,
  children,
}: {
  href: string
  kind?: ButtonKind
  small?: boolean
  /** Before the page goes there. */
  onClick?: () => void
  children: ComponentChildren
}): JSX.Element {
  return (
    <a href={href} class={classOf(kind, small)} onClick={onClick}>
      {children}
    </a>
  )
}

/** An action that reads as part of a sentence. */
export function TextButton({
  onClick,
  busy = false,
  children,
}: {
  onClick: () => void
  busy?: boolean
  children: ComponentChildren
}): JSX.Element {
  return (
    <button type="button" class="link-btn" disabled={busy} onClick={onClick}>
      {children}
    </button>
  )
}
