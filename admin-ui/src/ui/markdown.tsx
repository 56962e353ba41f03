/** Markdown, with its parser loaded on first use; plain text stands in meanwhile. */
import { signal } from '@preact/signals'
import type { ComponentType, JSX } from 'preact'
import { useEffect } from 'preact/hooks'

/** One for the page: whoever waits for it is told, however many do. */
const view = signal<ComponentType<{ text: string }> | undefined>(undefined)

export function Markdown({ text }: { text: string }): JSX.Element {
  const Show = view.value
  useEffect(() => {
    if (!view.peek())
      void import('./markdown-view.tsx').then(module => {
        view.value = module.default
      })
  }, [])
  return Show ? <Show text={text} /> : <div class="md pre">{text}</div>
}
