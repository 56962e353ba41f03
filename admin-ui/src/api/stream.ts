/** Server-sent events from a POST: bytes in, `data:` payloads out. The browser's EventSource can only GET. */

/** Splits a growing text into events; keeps what is not complete yet. */
export class EventSplitter {
  private rest = ''
  private data: string[] = []

  /** Feeds text and returns the payloads that became complete. Comments and other fields are dropped. */
  push(text: string): string[] {
    this.rest += text
    const out: string[] = []
    for (;;) {
      const at = this.rest.search(/\r\n|\n|\r(?!$)/)
      if (at < 0) return out
      const line = this.rest.slice(0, at)
      this.rest = this.rest.slice(at + (this.rest.startsWith('\r\n', at) ? 2 : 1))
      if (line === '') {
        if (this.data.length) out.push(this.data.join('\n'))
        this.data = []
      } else if (line.startsWith('data:')) {
        this.data.push(line.slice(line.startsWith('data: ') ? 6 : 5))
      }
    }
  }

  /** What was left without its empty line when the stream ended. */
  end(): string[] {
    const out = this.push('\n\n')
    this.rest = ''
    return out
  }
}

/** Payloads of a response as they arrive. Ends quietly when the response ends; throws when the connection breaks. */
export async function* eventsOf(response: Response): AsyncGenerator<string> {
  if (!response.body) return
  const reader = response.body.getReader()
  const decoder = new TextDecoder()
  const splitter = new EventSplitter()
  try {
    for (;;) {
      const { value, done } = await reader.read()
      if (done) break
      yield* splitter.push(decoder.decode(value, { stream: true }))
    }
    yield* splitter.end()
  } finally {
    reader.releaseLock()
  }
}
