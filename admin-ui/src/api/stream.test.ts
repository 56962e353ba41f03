import { describe, expect, it } from 'vitest'
import { EventSplitter } from './stream.ts'

const wire = ': ping\n\ndata: {"a":1}\r\n\r\nevent: x\ndata: one\ndata: two\n\nid: 7\ndata:last'
const expected = ['{"a":1}', 'one\ntwo', 'last']

describe('EventSplitter', () => {
  it('gives the same events however the bytes are cut', () => {
    for (let size = 1; size <= wire.length; size++) {
      const splitter = new EventSplitter()
      const out: string[] = []
      for (let at = 0; at < wire.length; at += size) out.push(...splitter.push(wire.slice(at, at + size)))
      out.push(...splitter.end())
      expect(out, `pieces of ${size}`).toEqual(expected)
    }
  })
})
