/** Calls for usage, audit and the setup checklist. */

import { segment } from '../lib/text.ts'
import { queryText } from '../lib/url.ts'
import { get, post } from './client.ts'
import type { Policy } from './schema/documents.ts'
import { Audit, PolicyEffect, Setup, UsageReport } from './schema/govern.ts'

type Filter = Record<string, string | number | null | undefined>

export const readUsage = (filter: Filter, signal?: AbortSignal) =>
  get(UsageReport, `usage?${queryText(filter)}`, signal)
export const listAudit = (filter: Filter, signal?: AbortSignal) =>
  get(Audit, `audit?${queryText({ limit: 50, ...filter })}`, signal)
export const readSetup = (signal?: AbortSignal) => get(Setup, 'setup', signal)
export const policyEffect = (document: Policy, signal?: AbortSignal) =>
  post(PolicyEffect, `policies/${segment(document.id)}/effect`, { document }, signal)
