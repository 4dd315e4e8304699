// Plain JavaScript, so that a Node too old to run TypeScript can still say so. Loaded with --import
// before every entry point of package.json, and imported first by the command line.

const OLDEST = [24, 11]

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
  process.stderr.write(
    `chatkit-mint needs Node ${OLDEST.join('.')} or newer; this is ${process.versions.node}.\n` +
      'Run "npm ci", which brings the right one, and start through the npm scripts ("npm start",\n' +
      '"npm run demo") or "npx chatkit-mint": they use it by themselves.\n',
  )
  process.exit(78)
}
