// Makes undici's Request, Response and fetch the global ones, before Hono keeps those that it finds. For its own, Node
// would load a second undici.
import { install } from 'undici'

install()
