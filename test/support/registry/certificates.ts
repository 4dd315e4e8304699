import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { scratchFolder } from '../scratch-folder.ts'

/**
 * Made with openssl, for a day.
 *
 * @param name - of the server, as a certificate has it
 */
export function makeCertificates(name = 'IP:127.0.0.1') {
  const folder = scratchFolder()
  const file = (of: string) => join(folder, of)
  const openssl = (line: string) =>
    execFileSync('openssl', line.split(' '), { cwd: folder, stdio: 'pipe' })
  const key = '-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
  openssl(`req -x509 ${key} -keyout ca.key -out ca.crt -days 1 -subj /CN=authority`)
  openssl(`req ${key} -keyout server.key -out server.csr -subj /CN=server`)
  writeFileSync(file('names'), `subjectAltName=${name}`)
  const signing = '-CA ca.crt -CAkey ca.key -CAcreateserial -days 1 -extfile names'
  openssl(`x509 -req -in server.csr -out server.crt ${signing}`)
  const files = ['cert-file', 'server.crt', 'key-file', 'server.key', 'ca-cert-file', 'ca.crt']
  const paths = files.map((part, at) => (at % 2 === 0 ? `--tls-${part}` : file(part)))
  return {
    authority: file('ca.crt'),
    /** Files of the server's own. */
    server: { key: file('server.key'), cert: file('server.crt') },
    /** Arguments that make redis-server speak TLS. */
    options: (port: number) => ['--tls-port', String(port), '--tls-auth-clients', 'no', ...paths],
  }
}
