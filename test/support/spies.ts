// Code to load into a process before ours, as `--import` takes it.

function module(code: string): string {
  return `data:text/javascript,${encodeURIComponent(code)}`
}

/** Says `listens on ADDRESS` on standard error for each port that the process opens. */
export const SAY_WHEN_LISTENING = module(`
import { Server } from 'node:net'
const listen = Server.prototype.listen
Server.prototype.listen = function (...options) {
  this.once('listening', () => process.stderr.write('listens on ' + this.address().address + '\\n'))
  return listen.apply(this, options)
}
`)

/** Says `connects to HOST` on standard error for each connection that the process opens. */
export const SAY_WHEN_CONNECTING = module(`
import { Socket } from 'node:net'
const connect = Socket.prototype.connect
Socket.prototype.connect = function (...given) {
  const [options] = [given[0]].flat()
  process.stderr.write('connects to ' + (options?.host ?? options) + '\\n')
  return connect.apply(this, given)
}
`)

/** Makes packages look as if they were not installed. */
export function withoutPackages(pattern: RegExp): string {
  return module(`
import { registerHooks } from 'node:module'
registerHooks({
  resolve(specifier, context, next) {
    if (!${pattern}.test(specifier)) return next(specifier, context)
    throw Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' })
  },
})
`)
}

/** At SIGUSR2, throws an error with the text of CRASH_WITH that nothing catches. */
export const CRASH_ON_SIGNAL = module(`
process.on('SIGUSR2', () => {
  const [message, ...more] = JSON.parse(process.env.CRASH_WITH)
  throw Object.assign(new Error(message, { cause: new Error(more.join(' ')) }), { token: more[0] })
})
`)

/** Makes the process believe that its Node is of another version. */
export function pretendVersion(version: string): string {
  return module(`Object.defineProperty(process, 'versions', { value: { node: '${version}' } })`)
}

/** Says at the end of the process when Node has loaded the undici that it brings. */
export const SAY_IF_NODE_BROUGHT_UNDICI = module(`
process.on('exit', () => {
  const loaded = process.moduleLoadList.includes('NativeModule internal/deps/undici/undici')
  if (loaded) process.stderr.write('loaded the undici of Node\\n')
})
`)
