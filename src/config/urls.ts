// Checks base URLs, and removes the slash at their end.

import { z } from 'zod'
import { isLoopback, isSecureUrl } from '../lib/loopback.ts'

/**
 * A web address without its host, such as `https:/chat.example.com`. `URL` reads the first part of the path as
 * the host, and so would hide the slip.
 */
export const WITHOUT_HOST = /^\s*https?:(?!\/\/[^/\\])/i

/** A base URL to which credentials are sent. */
export const baseUrl = z.string().transform((text, context) => {
  const url = plainUrl(text)
  if (url && isSecureUrl(url)) return withoutSlash(url)
  context.addIssue(
    `must be an https URL without credentials or query; http only for loopback${shellHint(text)}`,
  )
  return z.NEVER
})

/** The URL of this service, as clients see it. */
export const publicUrl = z.string().transform((text, context) => {
  const url = plainUrl(text)
  if (url && /^https?:$/.test(url.protocol)) return withoutSlash(url)
  context.addIssue(
    `must be an http or https URL such as https://chat.example.com${shellHint(text)}`,
  )
  return z.NEVER
})

/**
 * The end of a message about a URL in quotes; empty for others. Docker's `--env-file` and some hosting panels
 * keep quotes.
 */
export function quotesHint(text: string): string {
  return /^["'`]/.test(text.trim()) ? '; leave the quotes out' : ''
}

/** Characters that `URL` leaves in a host, and no host has: of a list, a pattern or a variable. */
export const NOT_IN_HOST = /[,*$(){}]/

/** `${NAME}`, `$(NAME)`, `$NAME` or `{{ … }}`, which a shell or a template was meant to fill in. */
export const UNFILLED = /\$(?:[{(][A-Za-z_]|[A-Z][A-Z0-9_]+)|\{\{/

/**
 * The end of a message about a text that a shell was meant to read; empty for others. Neither `.env` nor Docker's
 * `--env-file` fills in variables.
 */
export function shellHint(text: string): string {
  return UNFILLED.test(text)
    ? '; no variable in it is filled in: write its value'
    : quotesHint(text)
}

/** Whether a URL can only mean this machine; false when there is no URL. */
export function isAtLoopback(url: string | undefined): boolean {
  return url !== undefined && isLoopback(new URL(url).hostname)
}

/**
 * Null for a URL with credentials (they would end up in logs), with a query or fragment (no path can follow one), or with
 * a host that is none, or for one that was not filled in.
 */
function plainUrl(text: string): URL | null {
  const url = WITHOUT_HOST.test(text) ? null : URL.parse(text)
  const extra = url && (url.username || url.password || url.search || url.hash)
  return extra || NOT_IN_HOST.test(url?.hostname ?? '') || UNFILLED.test(text) ? null : url
}

function withoutSlash({ origin, pathname }: URL): string {
  return (origin + pathname).replace(/\/+$/, '')
}
