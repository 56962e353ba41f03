/** Offers a reload when the deployed page is newer than the one that runs. */
import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { TextButton } from '../../ui/button.tsx'

const everyMs = 600_000
/** The first look waits until the screen has its data. */
const firstMs = 5_000

async function buildTime(): Promise<string | null> {
  try {
    const response = await fetch('/admin/build.json', { cache: 'no-store' })
    const build: unknown = await response.json()
    return typeof build === 'object' && build !== null && 'time' in build ? String(build.time) : null
  } catch {
    return null
  }
}

export default function NewVersion(): JSX.Element | null {
  const [changed, setChanged] = useState(false)
  useEffect(() => {
    let first: string | null = null
    const look = async () => {
      if (document.visibilityState !== 'visible') return
      const time = await buildTime()
      if (first !== null && time !== null && time !== first) setChanged(true)
      first ??= time
    }
    const soon = setTimeout(() => void look(), firstMs)
    const timer = setInterval(() => void look(), everyMs)
    return () => {
      clearTimeout(soon)
      clearInterval(timer)
    }
  }, [])
  if (!changed) return null
  return (
    <div class="banner" role="status">
      A new version of this page is deployed. <TextButton onClick={() => location.reload()}>Reload</TextButton>
    </div>
  )
}
