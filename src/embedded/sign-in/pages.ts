// The pages of the embedded sign-in: welcome, choice of an account, sign-out, error.

import { html, raw } from 'hono/html'
import type { Accounts } from './accounts.ts'

// The pages have no script and load nothing from another host.

const STYLE = `
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
main { max-width: 24rem; margin: 4rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; }
button { display: block; width: 100%; margin: .75rem 0; padding: .75rem 1rem; border: 1px solid GrayText; border-radius: .5rem; background: Canvas; color: CanvasText; font: inherit; font-weight: 600; text-align: left; overflow-wrap: anywhere; cursor: pointer; }
button:hover { border-color: CanvasText; }
button small { display: block; font-weight: 400; }
`

/**
 * The page on which a person chooses an account.
 *
 * @param accounts - one button each
 */
export function accountPage(accounts: Accounts): string {
  const buttons = Object.entries(accounts).map(
    ([name, claims]) =>
      html`<button name="account" value="${name}">${name} <small>${summary(claims)}</small></button>`,
  )
  return page(
    'Sign in',
    html`<h1>Sign in</h1>
<p>People of the embedded sign-in, for development. Nobody needs a password.</p>
<form method="post">${buttons}</form>`,
  )
}

/** The page at `/`, for a person who opens the address that the terminal prints. */
export function welcomePage(): string {
  return page(
    'Sign-in for development',
    html`<h1>Sign-in for development</h1>
<p>Apps on this machine send people here to sign in, without a password. There is nothing to do at this address.</p>
<p>A token, in a terminal in the folder of the service:</p>
<p><code>npx chatkit-mint token create --sub alice</code></p>
<p>For apps: <a href="/.well-known/openid-configuration">OpenID Connect discovery</a>.</p>`,
  )
}

/** @param form - oidc-provider's, without a button; already HTML */
export function signOutPage(form: string): string {
  return page(
    'Sign out',
    html`<h1>Sign out?</h1>
${raw(form)}
<button form="op.logoutForm" name="logout" value="yes">Sign out</button>
<button form="op.logoutForm">Stay signed in</button>`,
  )
}

/** Shown when a sign-out names no page to return to. */
export function signedOutPage(): string {
  return page('Signed out', html`<h1>Signed out</h1><p>You can close this page.</p>`)
}

/** @param why - plain text */
export function errorPage(why: string): string {
  return page(
    'Sign-in failed',
    html`<h1>Sign-in failed</h1><p>${why}</p><p>Go back to the app and start again.</p>`,
  )
}

function page(title: string, content: ReturnType<typeof html>): string {
  const whole = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="icon" href="data:,">
<style>${raw(STYLE)}</style>
</head>
<body><main>
${content}
</main></body>
</html>
`
  return String(whole)
}

function shown(value: unknown): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

function summary(claims: Readonly<Record<string, unknown>>): string {
  return Object.entries(claims)
    .map(([name, value]) => `${name}: ${[value].flat().map(shown).join(', ') || 'none'}`)
    .join(' · ')
}
