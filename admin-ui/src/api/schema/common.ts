/** Shapes that several endpoints share. Contract: docs/admin-api.md. */
import * as v from 'valibot'

/** Dollars: a JSON number, exact to nine places on the wire. */
export const Usd = v.pipe(v.number(), v.finite())
/** RFC 3339, UTC. */
export const Time = v.pipe(v.string(), v.isoTimestamp())
export const maybe = <S extends v.GenericSchema>(schema: S) => v.nullish(schema)

export const Fix = v.object({ kind: v.string(), id: v.string(), text: v.string() })
export type Fix = v.InferOutput<typeof Fix>

export const Reason = v.object({ code: v.string(), text: v.string(), fix: maybe(Fix) })
export type Reason = v.InferOutput<typeof Reason>

export const Change = v.object({ path: v.string(), before: v.optional(v.unknown()), after: v.optional(v.unknown()) })
export type Change = v.InferOutput<typeof Change>

export const Total = v.object({ value: v.number(), exact: v.boolean() })

/** One page of a list. */
export const page = <S extends v.GenericSchema>(item: S) =>
  v.object({ items: v.array(item), next: maybe(v.string()), total: maybe(Total), as_of: maybe(Time) })
export interface Page<T> {
  items: T[]
  next?: string | null | undefined
  total?: { value: number; exact: boolean } | null | undefined
  as_of?: string | null | undefined
}

/** A document with where it comes from and how far it has spread. */
export const stored = <S extends v.GenericSchema>(document: S) =>
  v.object({
    document,
    revision: v.number(),
    source: v.picklist(['bundled', 'admin']),
    updated_at: maybe(Time),
    updated_by: maybe(v.string()),
    effective_at: maybe(Time),
    propagation: maybe(v.object({ store: v.string(), max_seconds: v.number() })),
  })
export interface Stored<D> {
  document: D
  revision: number
  source: 'bundled' | 'admin'
  updated_at?: string | null | undefined
  updated_by?: string | null | undefined
  effective_at?: string | null | undefined
  propagation?: { store: string; max_seconds: number } | null | undefined
}

export const Deleted = v.object({ id: v.string(), deleted: v.boolean(), catalog_revision: maybe(v.number()) })

export const Usage = v.object({
  input_tokens: v.number(),
  output_tokens: v.number(),
  cached_tokens: maybe(v.number()),
  reasoning_tokens: maybe(v.number()),
})
export type Usage = v.InferOutput<typeof Usage>

export const Nothing = v.null()

export const History = v.object({
  items: v.array(
    v.object({
      revision: v.number(),
      at: Time,
      actor: v.string(),
      note: maybe(v.string()),
      deleted: maybe(v.boolean()),
      diff: v.array(Change),
      /** After the change; absent when it was deleted. */
      document: maybe(v.unknown()),
    }),
  ),
  next: maybe(v.string()),
})
export type History = v.InferOutput<typeof History>
