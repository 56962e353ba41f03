/** Markdown, with its parser loaded on first use; plain text stands in meanwhile. */
import { useSignal } from '@preact/signals'
import type { ComponentType, JSX } from 'preact'
import { useEffect } from 'preact/hooks'

type View = ComponentType<{ text: string }>
let loaded: View | undefined

export function Markdown({ text }: { text: string }): JSX.Element {
  const view = useSignal<View | undefined>(loaded)
  useEffect(() => {
    if (loaded) return
    void import('./markdown-view.tsx').then(module => {
      loaded = module.default
      view.value = loaded
    })
  }, [])
  const Show = view.value
  return Show ? <Show text={text} /> : <div class="md pre">{text}</div>
}
