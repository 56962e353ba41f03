import { afterEach, expect, it, vi } from 'vitest'
import { leaveSample, sample } from '../../api/sample.ts'
import { callerKeys, giveKey } from './caller.ts'
import { send } from './chat.ts'

afterEach(leaveSample)

it('sends nothing during the tour, with whatever key', async () => {
  const fetched = vi.spyOn(globalThis, 'fetch')
  sample.value = {}
  await expect(send('key', {}, new AbortController().signal, () => {})).rejects.toMatchObject({ code: 'sample' })
  expect(fetched).not.toHaveBeenCalled()
})

it('forgets keys when somebody signs out', () => {
  expect(giveKey('team', `clawrouter-test-abcd-${'x'.repeat(32)}`)).toBe(true)
  expect(callerKeys.value).toHaveLength(1)
  dispatchEvent(new Event('clawrouter:forget'))
  expect(callerKeys.value).toEqual([])
})
