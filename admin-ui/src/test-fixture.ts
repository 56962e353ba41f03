/** Golden answers of the router, shared with its own tests. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as v from 'valibot'

const folder = join(import.meta.dirname, '../../tests/fixtures/admin')

/** The answer in `name`.json as its schema reads it. */
export const fixture = <S extends v.GenericSchema>(schema: S, name: string): v.InferOutput<S> =>
  v.parse(schema, JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')))
