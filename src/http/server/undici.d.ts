// Types of the files of undici that are imported alone: its index also loads caches, mocks, WebSocket and what else
// is never used, which is twice as many files.

declare module 'undici/lib/api/api-connect.js' {
  import type { Dispatcher } from 'undici'

  const connect: Dispatcher['connect']
  export = connect
}
declare module 'undici/lib/api/api-request.js' {
  import type { Dispatcher } from 'undici'

  const request: Dispatcher['request']
  export = request
}
declare module 'undici/lib/core/connect.js' {
  import { buildConnector } from 'undici'
  export = buildConnector
}
declare module 'undici/lib/core/errors.js' {
  import { errors } from 'undici'
  export = errors
}
declare module 'undici/lib/dispatcher/agent.js' {
  import { Agent } from 'undici'
  export = Agent
}
declare module 'undici/lib/dispatcher/dispatcher.js' {
  import { Dispatcher } from 'undici'
  export = Dispatcher
}
declare module 'undici/lib/dispatcher/pool.js' {
  import { Pool } from 'undici'
  export = Pool
}
declare module 'undici/lib/dispatcher/proxy-agent.js' {
  import { ProxyAgent } from 'undici'
  export = ProxyAgent
}
declare module 'undici/lib/web/fetch/formdata.js' {
  export { FormData } from 'undici'
}
declare module 'undici/lib/web/fetch/headers.js' {
  export { Headers } from 'undici'
}
declare module 'undici/lib/web/fetch/request.js' {
  export { Request } from 'undici'
}
declare module 'undici/lib/web/fetch/response.js' {
  export { Response } from 'undici'
}
declare module 'undici/lib/web/websocket/events.js' {
  export { CloseEvent, ErrorEvent } from 'undici'
}
