// Makes undici's Request, Response and fetch the global ones; Node's own would load a second copy of undici. Import
// it before Hono, which keeps the ones that it finds when it is loaded.
import { install } from 'undici'

install()
