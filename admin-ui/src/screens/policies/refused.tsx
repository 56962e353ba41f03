/** Which of the last days' requests the changed policy would have refused, as the Worker decides it. */
import type { JSX } from 'preact'
import { policyEffect } from '../../api/govern.ts'
import { useResource } from '../../api/resource.ts'
import type { Policy } from '../../api/schema/documents.ts'
import type { PolicyEffect } from '../../api/schema/govern.ts'
import { count } from '../../lib/format.ts'
import { list, plural } from '../../lib/text.ts'
import { Loaded } from '../../ui/loaded.tsx'

const shown = 5

export function refusedText({ requests, refused, models, complete, looked_at }: PolicyEffect): string {
  const of = `${complete ? '' : `newest ${plural(looked_at, 'row')} of the `}last 7 days`
  if (requests === 0) return `No request in the ${of}.`
  if (refused === 0) return `None of ${plural(requests, 'request')} in the ${of} would have been refused.`
  const named = models.slice(0, shown).map(row => `${row.model} (${count(row.requests)})`)
  const more = models.length > shown ? [`${models.length - shown} more`] : []
  return `Of ${plural(requests, 'request')} in the ${of} ${count(refused)} would have been refused: ${list([...named, ...more])}.`
}

export function Refused({ draft }: { draft: Policy }): JSX.Element {
  const effect = useResource(`effect/${JSON.stringify(draft)}`, signal => policyEffect(draft, signal))
  return (
    <Loaded of={effect} what="The last 7 days" lines={1}>
      {data => <p class={data.refused > 0 ? 'bad' : undefined}>{refusedText(data)}</p>}
    </Loaded>
  )
}
