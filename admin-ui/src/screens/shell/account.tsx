/** Theme and sign-out, top right. */
import { signal } from '@preact/signals'
import type { JSX } from 'preact'
import type { Me } from '../../api/schema/session.ts'
import { signOut } from '../../api/session.ts'
import { Menu } from '../../ui/menu.tsx'
import { toastError } from '../../ui/toast.tsx'

export type Theme = 'system' | 'light' | 'dark'

export const theme = signal<Theme>((localStorage.getItem('theme') as Theme | null) ?? 'system')

export function setTheme(next: Theme): void {
  theme.value = next
  if (next === 'system') {
    localStorage.removeItem('theme')
    delete document.documentElement.dataset['theme']
  } else {
    localStorage.setItem('theme', next)
    document.documentElement.dataset['theme'] = next
  }
}

const themes: Theme[] = ['system', 'light', 'dark']

export function Account({ me, onShortcuts }: { me: Me; onShortcuts: () => void }): JSX.Element {
  const leave = (everywhere: boolean) => void signOut(everywhere).catch(toastError)
  return (
    <Menu
      label="Account"
      text={me.role}
      note={`${me.actor}, version ${me.version}`}
      items={[
        ...themes
          .filter(item => item !== theme.value)
          .map(item => ({
            text: `Theme: ${item === 'system' ? 'as the system' : item}`,
            onSelect: () => setTheme(item),
          })),
        { text: 'Keyboard shortcuts', onSelect: onShortcuts },
        me.auth === 'session' && { text: 'Sign out', onSelect: () => leave(false) },
        me.auth === 'session' && { text: 'Sign out everywhere', onSelect: () => leave(true), danger: true },
      ]}
    />
  )
}
