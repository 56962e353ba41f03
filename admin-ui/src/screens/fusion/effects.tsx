/** What enabling does: the price of the last days with the draft before it, and whether this edge location lists the profile after it. */
import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { readListing, repriceDraft } from '../../api/fusion.ts'
import { useResource } from '../../api/resource.ts'
import type { Repriced } from '../../api/schema/fusion.ts'
import { money, multiple } from '../../lib/format.ts'
import { list, plural } from '../../lib/text.ts'
import { TextButton } from '../../ui/button.tsx'
import { Callout } from '../../ui/callout.tsx'
import { Loaded } from '../../ui/loaded.tsx'

const pollMs = 2000

/** The sentence of the review; null when there was nothing to price. */
export function repricedText({ requests, before_usd, after_usd, unpriced }: Repriced): string | null {
  if (requests === 0) return null
  const times = before_usd > 0 ? `, ${multiple(after_usd / before_usd)}` : ''
  const least = unpriced.length ? 'at least ' : ''
  return `${plural(requests, 'request')} cost ${money(before_usd)}; with this draft ${least}${money(after_usd)}${times}.`
}

export function LastWeek({ profile, draft }: { profile: string; draft: string }): JSX.Element {
  const repriced = useResource(`reprice/${profile}/${draft}`, signal => repriceDraft(profile, signal))
  return (
    <Loaded of={repriced} what="The last 7 days" lines={1}>
      {data => (
        <>
          <p>
            Last 7 days: {repricedText(data) ?? 'no fusion traffic.'}
            {!data.complete && ` Of the newest ${plural(data.looked_at, 'row')}.`}
          </p>
          {data.unpriced.map(call => (
            <p key={call.slot + call.why} class="small muted">
              Without {call.slot} <code>{call.model}</code> in {plural(call.requests, 'request')}:{' '}
              {call.why === 'no_price' ? 'it has no price.' : 'no such call ran then, so its tokens are unknown.'}
            </p>
          ))}
        </>
      )}
    </Loaded>
  )
}

/** Asks until this edge location has the newest catalog, then says for whom the profile is listed. */
export function EdgeProgress({
  profile,
  revision,
  onClose,
}: {
  profile: string
  revision: number
  onClose: () => void
}): JSX.Element {
  const [asks, setAsks] = useState(true)
  const key = `listing/${profile}/${revision}`
  const { data, error } = useResource(key, signal => readListing(profile, signal), asks ? { pollMs } : {})
  useEffect(() => {
    if (data?.current) setAsks(false)
  }, [data])
  const text = !data?.current
    ? (error?.message ?? `Revision ${revision} is on its way to this edge location.`)
    : data.policies.length
      ? `Listed for ${list(data.policies)} at this edge location.`
      : 'This edge location has it and lists it for no policy.'
  return (
    <Callout tone={data?.current ? (data.policies.length ? 'ok' : 'warn') : error ? 'warn' : 'info'}>
      <span role="status">{text}</span> {data?.current && <TextButton onClick={onClose}>Close</TextButton>}
    </Callout>
  )
}
