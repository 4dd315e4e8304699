import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { readSetup } from '../../src/config/setup.ts'
import { environmentSchema, SECRET_VARIABLES } from '../../src/config/variables.ts'
import { guideText } from '../docs/samples.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { problemsIn } from './fixtures.ts'

// CI has no container engine and no cluster, so these tests compare the recipes with what the service reads and
// serves.

const read = (file: string) => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')
const compose = parse(read('config/compose.yaml'))
const manifests = parseAllDocuments(read('config/kubernetes.yaml')).map((one) => one.toJS())
const folder = scratchFolder()

/** The longest drain after SIGTERM. */
const DRAIN_SECONDS = 20
const { PORT, METRICS_PORT, CONFIG_FILE } = environmentSchema.parse({})
const VARIABLES = [
  ...Object.keys(environmentSchema.shape),
  ...Object.keys(SECRET_VARIABLES).flatMap((name) => [name, `${name}_FILE`]),
]

function manifest(kind: string, name = 'chatkit-mint') {
  const found = manifests.filter((one) => one.kind === kind && one.metadata.name === name)
  expect(found).toHaveLength(1)
  return found[0]
}

/** `${NAME:-default}`, as Compose reads it without that variable. */
function interpolated(environment: Record<string, string>): Record<string, string> {
  const entries = Object.entries(environment).map(([name, value]) => [
    name,
    value.replace(/^\$\{\w+:-(.*)\}$/, '$1'),
  ])
  return Object.fromEntries(entries)
}

/** The result of a start with this environment, this text as its config file, and a file for each secret. */
function setUp(environment: Record<string, string>, config: string) {
  const [file, secret] = [join(folder, 'config.yaml'), join(folder, 'secret')]
  writeFileSync(file, config)
  writeFileSync(secret, 'sk-0123456789')
  const named = Object.keys(environment).filter((name) => name.endsWith('_FILE'))
  const secrets = Object.fromEntries(named.map((name) => [name, secret]))
  return readSetup({ ...environment, ...secrets, CONFIG_FILE: file })
}

const pod = manifest('Deployment').spec.template.spec
const [container] = pod.containers
const podVariables: { name: string; value?: string }[] = container.env
const stack = compose.services['chatkit-mint']

describe.each([
  {
    file: 'config/compose.yaml',
    environment: interpolated(stack.environment),
    config: String(compose.configs['chatkit-mint'].content),
    configAt: stack.configs[0].target,
    secretsAt: stack.secrets.map((name: string) => `/run/secrets/${name}`),
    waits: Number.parseInt(stack.stop_grace_period, 10),
  },
  {
    file: 'config/kubernetes.yaml',
    environment: Object.fromEntries(
      podVariables.map(({ name, value = 'rediss://default:word@redis.test:6379' }) => [
        name,
        value,
      ]),
    ),
    config: String(manifest('ConfigMap').data['chatkit-mint.yaml']),
    configAt: container.volumeMounts[0].mountPath,
    secretsAt: pod.volumes[1].secret.items.map(
      ({ path }: { path: string }) => `${container.volumeMounts[1].mountPath}/${path}`,
    ),
    waits: pod.terminationGracePeriodSeconds - container.lifecycle.preStop.sleep.seconds,
  },
])('$file', ({ file, environment, config, configAt, secretsAt, waits }) => {
  test('sets only variables that the service reads', () => {
    expect(Object.keys(environment).filter((name) => !VARIABLES.includes(name))).toEqual([])
  })

  test('is refused at start while its placeholders are in it, with nothing else wrong', () => {
    expect(problemsIn(() => setUp(environment, config))).toEqual([
      expect.stringContaining('is the placeholder acme.example'),
    ])
  })

  test('starts once they are replaced: environment and config file fit', () => {
    const { settings, environment: seen } = setUp(
      environment,
      config.replaceAll('acme.example', 'acme.test'),
    )
    expect(settings.workflows[0]?.kind).toBe('self-hosted')
    expect(seen.store.kind).toBe('redis')
    expect(seen.port).toBe(PORT)
  })

  test('mounts the config file where the service looks, and the secrets where the variables say', () => {
    expect(configAt).toBe(`/app/${CONFIG_FILE}`)
    const named = Object.keys(environment).filter((name) => name.endsWith('_FILE'))
    expect(named).toContain('SIGNING_KEY_FILE')
    expect(named.map((name) => environment[name]).toSorted()).toEqual(secretsAt.toSorted())
  })

  test('gives a drain enough time', () => {
    expect(waits).toBeGreaterThan(DRAIN_SECONDS)
  })

  test('is in the guide', () => {
    expect(guideText('deploy')).toContain(`\`${file}\``)
  })
})

test('docker run gives a drain enough time, in the guide and in the Dockerfile', () => {
  for (const text of [guideText('deploy'), read('Dockerfile')]) {
    const [, seconds] = /docker run .*--stop-timeout (\d+)/.exec(text) ?? []
    expect(Number(seconds)).toBeGreaterThan(DRAIN_SECONDS)
  }
})

describe('config/compose.yaml', () => {
  const { redis, 'chatkit-server': server } = compose.services

  test('publishes the service alone, on loopback', () => {
    expect(stack.ports).toEqual([`127.0.0.1:${PORT}:${PORT}`])
    expect(redis.ports ?? server.ports).toBeUndefined()
    expect(compose.networks[redis.networks[0]]).toEqual({ internal: true })
  })

  test('gives the ChatKit server the addresses by which tokens name it and the service', () => {
    const { CHATKIT_MINT_URL, CHATKIT_MINT_KEYS_URL, CHATKIT_SERVER_URL, ...others } =
      server.environment
    expect(others).toEqual({})
    const { workflows } = parse(compose.configs['chatkit-mint'].content)
    expect(CHATKIT_SERVER_URL).toBe(workflows.helpdesk.server)
    expect(CHATKIT_MINT_URL).toBe(stack.environment.PUBLIC_URL)
    expect(CHATKIT_MINT_KEYS_URL).toBe(`http://chatkit-mint:${PORT}/.well-known/jwks.json`)
    const [, port] = /"--port", "(\d+)"/.exec(server.build.dockerfile_inline) ?? []
    expect(CHATKIT_SERVER_URL).toBe(`http://chatkit-server:${port}/chatkit`)
  })

  test('builds the server from the files of the guide, and reads the variables that they read', () => {
    const [, files = ''] = /^COPY (.+) \.\/$/m.exec(server.build.dockerfile_inline) ?? []
    const source = files.split(' ').map((name) => read(`src/docs/${name}`))
    expect(source).toHaveLength(2)
    for (const name of Object.keys(server.environment)) expect(source.join()).toContain(name)
  })

  test('lets Redis keep what it acknowledged', () => {
    expect(redis.command.join(' ')).toContain('--appendonly yes --maxmemory-policy noeviction')
    expect(redis.volumes).toEqual(['redis-data:/data'])
    expect(compose.volumes).toHaveProperty('redis-data')
  })
})

describe('config/kubernetes.yaml', () => {
  const labels = manifest('Deployment').spec.template.metadata.labels

  test('runs without root, without a writable file system, without privileges', () => {
    expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 1000 })
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
    expect(pod.automountServiceAccountToken).toBe(false)
  })

  test('restarts on /livez, sends traffic on /readyz, at the ports that are served', () => {
    const { startupProbe, livenessProbe, readinessProbe, ports } = container
    expect(startupProbe.httpGet).toEqual({ path: '/livez', port: 'http' })
    expect(livenessProbe.httpGet).toEqual({ path: '/livez', port: 'http' })
    expect(readinessProbe.httpGet).toEqual({ path: '/readyz', port: 'http' })
    expect(ports).toEqual([
      { name: 'http', containerPort: PORT },
      { name: 'metrics', containerPort: METRICS_PORT },
    ])
    const { annotations } = manifest('Deployment').spec.template.metadata
    expect(annotations['prometheus.io/port']).toBe(String(METRICS_PORT))
  })

  test('every volume is there and mounted', () => {
    const mounted = container.volumeMounts.map(({ name }: { name: string }) => name)
    expect(pod.volumes.map(({ name }: { name: string }) => name)).toEqual(mounted)
  })

  test('service, disruption budget and network policy are of its pods', () => {
    expect(manifest('Deployment').spec.selector.matchLabels).toEqual(labels)
    expect(manifest('Service').spec.selector).toEqual(labels)
    expect(manifest('PodDisruptionBudget').spec.selector.matchLabels).toEqual(labels)
    expect(manifest('NetworkPolicy').spec.podSelector.matchLabels).toEqual(labels)
    expect(manifest('PodDisruptionBudget').spec.minAvailable).toBeLessThan(
      manifest('Deployment').spec.replicas,
    )
  })

  test('users reach the pods by one port, Prometheus by the other, and only the service reaches the server', () => {
    const { ingress, egress } = manifest('NetworkPolicy').spec
    expect(ingress.map((rule: { ports: unknown }) => rule.ports)).toEqual([
      [{ port: PORT }],
      [{ port: METRICS_PORT }],
    ])
    const server = manifest('NetworkPolicy', 'chatkit-server').spec
    expect(server.ingress).toEqual([
      { from: [{ podSelector: { matchLabels: labels } }], ports: [{ port: 8000 }] },
    ])
    expect(egress).toContainEqual({
      to: [{ podSelector: server.podSelector }],
      ports: [{ port: 8000 }],
    })
  })
})
