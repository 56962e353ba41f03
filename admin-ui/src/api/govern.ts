/** Calls for usage, audit and the setup checklist. */
import { queryText } from '../lib/url.ts'
import { get } from './client.ts'
import { Audit, Setup, UsageReport } from './schema/govern.ts'

type Filter = Record<string, string | number | null | undefined>

export const readUsage = (filter: Filter, signal?: AbortSignal) =>
  get(UsageReport, `usage?${queryText(filter)}`, signal)
export const listAudit = (filter: Filter, signal?: AbortSignal) =>
  get(Audit, `audit?${queryText({ limit: 50, ...filter })}`, signal)
export const readSetup = (signal?: AbortSignal) => get(Setup, 'setup', signal)
