// Makes undici's Request, Response and fetch the global ones, before Hono keeps those that it finds. The ones of Node
// would load a second copy of undici.
import { install } from 'undici'

install()
