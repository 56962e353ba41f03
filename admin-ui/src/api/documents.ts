/** Calls for catalog documents: list, read, save, delete, history, rollback, credentials, export. */

import { segment } from '../lib/text.ts'
import { queryText } from '../lib/url.ts'
import { call, get, post, send } from './client.ts'
import { invalidate } from './resource.ts'
import { Deleted, History, type Page, type Stored, stored } from './schema/common.ts'
import {
  type Collection,
  Credential,
  Credentials,
  type DocumentOf,
  documents,
  Export,
  Imported,
  listOf,
} from './schema/documents.ts'

export type Filter = Record<string, string | number | null | undefined>

export const listDocuments = <C extends Collection>(collection: C, filter: Filter = {}, signal?: AbortSignal) =>
  get(listOf(collection), `${collection}?${queryText({ limit: 500, ...filter })}`, signal) as unknown as Promise<
    Page<Stored<DocumentOf<C>>>
  >

export const readDocument = <C extends Collection>(collection: C, id: string, signal?: AbortSignal) =>
  get(stored(documents[collection]), `${collection}/${segment(id)}`, signal) as unknown as Promise<
    Stored<DocumentOf<C>>
  >

export async function saveDocument<C extends Collection>(
  collection: C,
  document: DocumentOf<C> & { id?: unknown },
  revision: number | 'new',
  id = String(document.id),
): Promise<Stored<DocumentOf<C>>> {
  const saved = await call(stored(documents[collection]), 'PUT', `${collection}/${segment(id)}`, {
    body: document,
    revision,
  })
  invalidate(`documents/${collection}`, 'readiness', 'setup')
  return saved as unknown as Stored<DocumentOf<C>>
}

export async function deleteDocument(collection: Collection, id: string, revision: number) {
  const answer = await call(Deleted, 'DELETE', `${collection}/${segment(id)}`, { revision })
  invalidate(`documents/${collection}`, 'readiness', 'setup')
  return answer
}

export const documentHistory = (collection: Collection, id: string, signal?: AbortSignal) =>
  get(History, `${collection}/${segment(id)}/history`, signal)

export async function rollbackDocument<C extends Collection>(
  collection: C,
  id: string,
  revision: number,
  note?: string,
): Promise<Stored<DocumentOf<C>>> {
  const saved = await post(stored(documents[collection]), `${collection}/${segment(id)}/rollback`, {
    revision,
    ...(note ? { note } : {}),
  })
  invalidate(`documents/${collection}`, 'readiness', 'setup')
  return saved as unknown as Stored<DocumentOf<C>>
}

export const listCredentials = (pool: string, signal?: AbortSignal) =>
  get(Credentials, `pools/${segment(pool)}/credentials`, signal)

export async function putCredential(pool: string, label: string, value: string) {
  const saved = await call(Credential, 'PUT', `pools/${segment(pool)}/credentials/${segment(label)}`, {
    body: { value },
  })
  invalidate('credentials', 'documents/pools', 'health', 'readiness', 'setup')
  return saved
}

export async function deleteCredential(pool: string, label: string): Promise<void> {
  await send('DELETE', `pools/${segment(pool)}/credentials/${segment(label)}`)
  invalidate('credentials', 'documents/pools', 'health', 'readiness', 'setup')
}

export const exportCatalog = () => get(Export, 'export')

export async function importCatalog(catalog: unknown) {
  const answer = await post(Imported, 'import', catalog)
  invalidate('documents', 'readiness', 'setup')
  return answer
}
