// Names the settings of the config file that an operator may not have meant, though the service starts with them:
// those that accept more than the strict default does, those without effect, and placeholders.

import { placeholderNotes } from './file/placeholders.ts'
import type {
  AdminSettings,
  ApiKeySettings,
  IssuerSettings,
  Settings,
  WorkflowSettings,
} from './settings.ts'

/** One line for each, for `check-config` and the log of a start. */
export function settingsNotes(settings: Settings): string[] {
  const left = placeholderNotes(settings.issuers, settings.corsOrigins)
  return [...left, ...widenedTrust(settings), ...idleSettings(settings)]
}

function widenedTrust(settings: Settings): string[] {
  const { issuers, admins, corsOrigins, trustedProxies, apiKeys, workflows } = settings
  return [
    ...issuers.flatMap(issuerLines),
    ...(admins === undefined ? [] : adminLines(admins)),
    ...corsOrigins.filter((origin) => origin.includes('*')).map(originLine),
    ...trustedProxies.filter(isNearlyAll).map(proxyLine),
    ...apiKeys.flatMap((key) => apiKeyLines(key, workflows)),
    ...workflows.flatMap(workflowLines),
  ]
}

function idleSettings({ clientIpHeader, trustedProxies }: Settings): string[] {
  if (clientIpHeader === undefined || trustedProxies.length > 0) return []
  return [
    `client_ip_header: ${clientIpHeader} is never read without trusted_proxies, so that limits count all callers of a proxy as one; name the proxy there`,
  ]
}

/** An expression that names no claim has one result for all people of an issuer. */
function adminLines({ when, issuers }: AdminSettings): string[] {
  if (when.claims !== 'none') return []
  return issuers.flatMap((issuer) => {
    try {
      if (when.evaluate({ claims: { iss: issuer }, issuer }) !== true) return []
    } catch {
      return []
    }
    return `${issuer}: admins.when names no claim, so that everybody who can sign in there is an admin`
  })
}

/**
 * A thread does not name its workflow, so a key for one workflow sees the threads of all workflows with the
 * same source.
 */
function apiKeyLines(
  { id, workflows: allowed }: ApiKeySettings,
  workflows: readonly WorkflowSettings[],
): string[] {
  if (allowed === undefined) return []
  return [...Map.groupBy(workflows, threadsWith)].flatMap(([shared, group]) => {
    const names = group.map(({ name }) => String(name))
    const others = names.filter((name) => !allowed.includes(name))
    if (others.length === 0 || others.length === names.length) return []
    const its = names.filter((name) => allowed.includes(name)).join(', ')
    return `api_keys: ${id} sees the threads of ${others.join(', ')} too, which share ${shared} with ${its}`
  })
}

/** The name that workflows with shared threads have in common. */
function threadsWith(workflow: WorkflowSettings): string {
  if (workflow.kind === 'self-hosted') return `threads_at: ${workflow.threadsAt}`
  const { apiKeyEnv, baseUrl } = workflow
  return `the OpenAI key ${apiKeyEnv}${baseUrl === undefined ? '' : ` at ${baseUrl}`}`
}

function workflowLines(workflow: WorkflowSettings): string[] {
  if (workflow.kind === 'hosted' || !workflow.adoptThreads) return []
  return [
    `workflows.${workflow.name}.adopt_threads gives a thread that nobody owns to whoever asks for it first, and ids can be guessed; turn it off after the move`,
  ]
}

function originLine(pattern: string): string {
  return `cors.origins: ${pattern} lets in whoever can have a page of such a name, without cookies; only under a domain of your own`
}

/**
 * The largest private ranges are 10.0.0.0/8 and fc00::/7; a larger range holds nearly everybody.
 * `::ffff:0:0/96` holds every IPv4 address.
 */
function isNearlyAll(range: string): boolean {
  const [address = '', bits] = range.split('/')
  if (bits === undefined) return false
  const isMapped = /^::ffff:/i.test(address)
  if (isMapped) return Number(bits) < 96 + 8
  return Number(bits) < (address.includes(':') ? 7 : 8)
}

function proxyLine(range: string): string {
  return `trusted_proxies: ${range} believes the forwarding headers of nearly everyone, who can then choose the address that limits count; name your proxies`
}

function issuerLines(settings: IssuerSettings): string[] {
  const { issuer, audienceClaim, audienceWhenAbsent, sharedSecretEnv, insecureHttp, user } =
    settings
  const lines: string[] = []
  if (user.claims === 'none') {
    lines.push(
      'user names no claim, so that everybody is one ChatKit user and reads the same threads; name claims.sub',
    )
  }
  if (audienceClaim === 'none') {
    lines.push(
      'audience_claim: none accepts every token of this issuer, for whatever app it was made',
    )
  }
  if (audienceWhenAbsent === 'accept') {
    lines.push(
      'audience_when_absent: accept takes tokens that name no audience, except from a cookie',
    )
  }
  if (insecureHttp) {
    lines.push(
      'insecure_http lets whoever is on the way change its keys, and then sign in as anybody; only inside a cluster',
    )
  }
  if (sharedSecretEnv !== undefined) {
    lines.push(
      `secret_env beside a key set lets whoever knows ${sharedSecretEnv} make tokens; remove it after the move`,
    )
  }
  return lines.map((line) => `${issuer}: ${line}`)
}
