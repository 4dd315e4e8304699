// Makes the page about the environment: every variable with its default and its meaning.

import { z } from 'zod'
import { CLI_VARIABLES } from '../../config/cli-environment.ts'
import { TRACING_VARIABLES } from '../../config/tracing.ts'
import { environmentSchema, SECRET_VARIABLES } from '../../config/variables.ts'
import { codeRows, table } from './table.ts'

/** @returns the page, as Markdown */
export function environmentPage(): string {
  const { properties = {} } = z.toJSONSchema(environmentSchema, { io: 'input' })
  const plain = Object.entries(properties).map(([name, schema]) => {
    const { default: value, description = '' } = typeof schema === 'object' ? schema : {}
    return [`\`${name}\``, value === undefined ? '–' : `\`${value}\``, description]
  })
  return `# Environment

For those who run the service: every variable that it and its command line read. The service reads its own once, when it starts. A blank variable counts as unset. When any is wrong, the start prints every
problem and ends with exit code 78 before it opens a port.

What the environment lacks comes from \`.env\` beside package.json, for \`npm start\`, \`npm run check-config\`, \`npx chatkit-mint doctor\` and
\`npx chatkit-mint threads import\`. A \`NODE_*\` name in that file is an error, since Node has started by then. There, in the environment and in the config file
values are taken as they are: no \`\${NAME}\` is filled in.

## The service

${table(['variable', 'default', 'meaning'], plain)}

## Secrets

Each may come in a file instead: \`OPENAI_API_KEY_FILE=/run/secrets/openai\` names the file with the key, a regular file of at most 256 KiB. It is read again when it
changes, so a key can be replaced without a restart; while it is gone, or holds a text that cannot be such a key, the old one stays in use, and the
log says why. Two files are read at the start alone: those of \`USER_PSEUDONYM_KEY\`, with which all users would get other names, and \`SIGNING_KEY_FILE\`
([how to replace it](operate.md#replace-a-key)). The variable and its \`_FILE\` twin together are an error.

${described(SECRET_VARIABLES)}

The [config file](configuration.md) names further ones: \`workflows.NAME.api_key_env\`, \`issuers[].secret_env\` and
\`console.client_secret_env\`. Each of those has a \`_FILE\` twin, too.

## The command line

\`chatkit-mint\` reads \`OPENAI_API_KEY\`, \`OPENAI_BASE_URL\`, \`OPENAI_ORG_ID\`, \`OPENAI_PROJECT_ID\` and the proxies as well, and respects
\`NO_COLOR\`. [All commands](command-line.md).

${described(CLI_VARIABLES)}

## Traces

The service exports traces when OpenTelemetry's own variables ask for them and the packages \`@opentelemetry/api\` and
\`@opentelemetry/sdk-node\` are installed. OpenTelemetry reads all of its other variables itself.

${described(TRACING_VARIABLES)}

## Node

| variable | meaning |
| --- | --- |
| \`NODE_EXTRA_CA_CERTS\` | Path of a PEM file with certificate authorities of your own, for issuers, the ChatKit API, servers and Redis. |
`
}

function described(variables: Readonly<Record<string, string>>): string {
  return table(['variable', 'meaning'], codeRows(Object.entries(variables)))
}
