/** Small operations on words and ids. */

/** Keeps both ends of a long id: `req_01K9…7F3`. */
export function middle(id: string, max = 18): string {
  if (id.length <= max) return id
  const tail = Math.max(3, Math.floor((max - 1) / 3))
  return `${id.slice(0, max - 1 - tail)}…${id.slice(-tail)}`
}

/** Digits in threes, `12,400.50`: the browser's own formatter takes longer than everything else of a table row together. */
export function grouped(digits: string): string {
  const [whole = '', ...rest] = digits.split('.')
  return [whole.replace(/\B(?=(\d{3})+$)/g, ','), ...rest].join('.')
}

/** "1 key", "3 keys"; the plural may be given when it is irregular. */
export function plural(amount: number, one: string, many = `${one}s`): string {
  return `${grouped(`${amount}`)} ${amount === 1 ? one : many}`
}

/** "a, b and c". */
export function list(words: readonly string[]): string {
  if (words.length < 2) return words[0] ?? ''
  return `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`
}

/** First letter upper case. */
export function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

/** `fill_first` -> `fill first`. */
export function spaced(code: string): string {
  return code.replaceAll('_', ' ')
}

/** One path segment of an admin URL or an API URL. */
export function segment(id: string): string {
  return encodeURIComponent(id)
}

/** A number from a name, for colours that must not move when a filter hides a neighbour (FNV-1a, 32 bit). */
export function hash(text: string): number {
  let value = 0x811c9dc5
  for (let i = 0; i < text.length; i++) {
    value ^= text.charCodeAt(i)
    value = Math.imul(value, 0x01000193) >>> 0
  }
  return value
}

/** Case-insensitive "does every word of the query occur". */
export function matches(text: string, query: string): boolean {
  const haystack = text.toLowerCase()
  return query
    .toLowerCase()
    .split(/\s+/)
    .every(word => haystack.includes(word))
}
