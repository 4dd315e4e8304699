// Writes the text that `npm run dev` prints: its servers, the addresses it calls, and how to get and use a token.

import { isPlaceholder } from '../../config/file/placeholders.ts'
import type { IssuerSettings, Settings, WorkflowSettings } from '../../config/settings.ts'
import type { StoreLocation } from '../../config/store-url.ts'
import type { Accounts } from '../../embedded/sign-in/accounts.ts'
import { takenLine, USUAL_PORTS } from '../usual-port.ts'
import type { DevSetup } from './environment.ts'
import { isEmbedded } from './stand-ins.ts'

/** Facts of this run for the introduction. */
interface DevFacts {
  readonly setup: DevSetup
  readonly settings: Settings
  readonly urls: {
    readonly service: string
    readonly signIn: string
    /** Undefined when no workflow needs the embedded ChatKit API. */
    readonly chatkit: string | undefined
  }
  readonly accounts: Accounts
  /** A token of alice. */
  readonly token: string
  /** Says why that token ends early; undefined when it does not. */
  readonly remark: string | undefined
  /** Why that token mints no session; undefined when it mints one. */
  readonly refusal: string | undefined
  /** Addresses of self-hosted servers that accept no connection. */
  readonly silent: ReadonlySet<string>
}

/** The text. Every command to paste is complete on a line of its own. */
export function introduction(facts: DevFacts): string {
  const { setup, settings, urls, token, remark } = facts
  const { environment } = setup
  const create = `npx chatkit-mint token create --sub alice${signInOption(urls.signIn)}`
  const sessions = `${urls.service}/v1/sessions`
  return `
chatkit-mint dev: your config (${environment.configFile}) with a sign-in that asks nobody for a password.
For development, on this machine alone. Ctrl-C ends it.

  ${urls.service}  the service; its documentation is at ${urls.service}/docs.
  ${urls.signIn}  the sign-in: makes tokens as your issuers do, with keys of this start that no other service takes.
${consoleLine(facts)}${takenLine(environment.port, urls.service)}
Store: ${storeName(environment.store)}

Issuers, whose tokens it makes; the first is the default:
${setup.settings.issuers.map(issuerLine).join('\n')}

Workflows, and what is called for them:
${settings.workflows.map((workflow) => workflowLine(workflow, facts)).join('\n')}

Pages that may call it (cors.origins, and the usual ones of Next.js and Vite):
  ${settings.corsOrigins.join(', ')}

People, and their claims, which fit your config as far as its rules can be read; --account changes them:
${Object.entries(facts.accounts).map(personLine).join('\n')}
${setup.notes.map((line) => `\n${line}\n`).join('')}${notes(setup.settings)}${refusalLine(facts)}
A token of alice; --claim, --issuer, --audience and --expires-in change it, --help says how:
${create}

A client secret for her${remark === undefined ? '' : ` (${remark})`}:
curl -sS -X POST ${sessions} -H 'Authorization: Bearer ${token}'

The same with a new token each time:
curl -sS -X POST ${sessions} -H "Authorization: Bearer $(${create})"

`
}

/** Empty on the usual port, where the command line finds the sign-in by itself. */
function signInOption(url: string): string {
  return new URL(url).port === String(USUAL_PORTS.signIn) ? '' : ` --sign-in ${url}`
}

function consoleLine({ settings, urls }: DevFacts): string {
  if (settings.console === undefined) return ''
  return `  ${urls.service}/admin  the console: sign in as ada, or as somebody of --account for whom admins.when holds.\n`
}

function personLine([name, claims]: readonly [string, object]): string {
  return `  ${name}  ${JSON.stringify(claims)}`
}

function refusalLine({ refusal }: DevFacts): string {
  if (refusal === undefined) return ''
  return `\nThe lines below will be refused: ${refusal}. Add the claims that your config asks for with --claim.\n`
}

function storeName(store: StoreLocation): string {
  if (store.kind === 'memory') return 'memory: is gone when this ends; set STORE_URL to keep it.'
  return store.kind === 'sqlite' ? `sqlite:${store.path}` : 'the Redis of STORE_URL'
}

function issuerLine(issuer: IssuerSettings): string {
  const { audienceClaim, audience, algorithms, cookie, tokenHeader } = issuer
  const parts = [
    audienceClaim === 'none' ? 'no audience' : `${audienceClaim} ${audience.join(' or ')}`,
    algorithms.join(', '),
    ...(tokenHeader === undefined ? [] : [`also in the header ${tokenHeader}`]),
    ...(cookie === undefined ? [] : [`also in the cookie ${cookie}`]),
  ]
  return `  ${issuer.issuer}  (${parts.join('; ')})`
}

function workflowLine(workflow: WorkflowSettings, { setup, urls, silent }: DevFacts): string {
  if (workflow.kind === 'self-hosted') {
    const { name, server } = workflow
    const advice = `; nobody listens there yet: start your ChatKit server (${urls.service}/docs/move-to-self-hosted shows one)`
    return `  ${name}  your server ${server}${silent.has(server) ? advice : ''}`
  }
  const configured = setup.settings.workflows.find(({ name }) => name === workflow.name)
  if (configured?.kind === 'hosted' && isEmbedded(configured, setup.has)) {
    const { apiKeyEnv: key, id } = configured
    const why = setup.has(key) ? `${id} is a placeholder` : `${key} is not set`
    return `  ${workflow.name}  the embedded ChatKit API ${urls.chatkit}, because ${why}`
  }
  const { openaiBaseUrl, secret } = setup.environment
  const hint = secret(workflow.apiKeyEnv)?.().hint()
  return `  ${workflow.name}  ${workflow.baseUrl ?? openaiBaseUrl} with the key ${hint}`
}

function notes({ issuers, workflows }: Settings): string {
  const texts = [
    ...issuers.flatMap(({ issuer, audience }) => [issuer, ...audience]),
    ...workflows.map((workflow) => (workflow.kind === 'hosted' ? workflow.id : '')),
  ]
  if (!texts.some(isPlaceholder)) return ''
  return '\nPlaceholders of the shipped file (acme.example, wf_replace_me) will do here; npm start refuses them.\n'
}
