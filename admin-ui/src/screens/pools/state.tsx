/** Ready, cooling, probing, dead: as a chip with the cause and the time left. */
import type { JSX } from 'preact'
import type { HealthState } from '../../api/schema/operate.ts'
import { can } from '../../api/session.ts'
import { useNow } from '../../lib/clock.ts'
import { dateTime, duration } from '../../lib/format.ts'
import { spaced } from '../../lib/text.ts'
import { Button } from '../../ui/button.tsx'
import { Chip, type Tone } from '../../ui/chip.tsx'

const tones: Record<HealthState, Tone> = { ready: 'ok', cooling: 'warn', probing: 'info', dead: 'bad' }

export function Condition({
  of,
}: {
  of: { state: HealthState; class?: string | null | undefined; until?: string | null | undefined }
}): JSX.Element {
  const now = useNow()
  const left = of.until ? Date.parse(of.until) - now : null
  return (
    <>
      <Chip tone={tones[of.state]}>
        {of.state}
        {left !== null && left > 0 && of.state !== 'ready' && ` ${duration(left)}`}
      </Chip>
      {of.state !== 'ready' && (
        <small>
          {of.class && spaced(of.class)}
          {of.until && (
            <span title={dateTime(of.until)}>
              {of.class && ', '}until {dateTime(of.until).slice(-12, -4)}
            </span>
          )}
        </small>
      )}
    </>
  )
}

export function ResetButton({ what, onClick }: { what: string; onClick: () => void }): JSX.Element | null {
  if (!can('pools.reset')) return null
  return (
    <Button small onClick={onClick}>
      Reset<span class="visually-hidden"> {what}</span>
    </Button>
  )
}
