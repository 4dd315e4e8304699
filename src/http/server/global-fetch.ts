// Makes the classes of undici's Fetch API the global ones; Node's own would load a second copy of undici. Import it
// before Hono, which keeps the ones that it finds when it is loaded.

// First, because the file of Request keeps a function that this file defines: without it no Request can have a body.
import 'undici/lib/web/fetch/response.js'
import { FormData } from 'undici/lib/web/fetch/formdata.js'
import { Headers } from 'undici/lib/web/fetch/headers.js'
import { Request } from 'undici/lib/web/fetch/request.js'
import { Response } from 'undici/lib/web/fetch/response.js'
import { CloseEvent, ErrorEvent } from 'undici/lib/web/websocket/events.js'

// Hono's adapter reads the two events.
Object.assign(globalThis, { FormData, Headers, Request, Response, CloseEvent, ErrorEvent })
