/** Certificates for servers of tests, made by openssl. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Certificates {
  /** PEM of the authority. */
  readonly ca: string;
  /** PEM of the server `good.example`, 127.0.0.1. */
  readonly key: string;
  readonly cert: string;
}

export function makeCertificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'trisiel-tls-'));
  try {
    const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2', '-subj', '/CN=Test CA');
    openssl('req', ...key, '-keyout', 'server.key', '-out', 'server.csr', '-subj', '/CN=good.example');
    writeFileSync(join(folder, 'ext'), 'subjectAltName=DNS:good.example,IP:127.0.0.1\n');
    const signed = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-out', 'server.pem', '-days', '2'];
    openssl('x509', '-req', '-in', 'server.csr', ...signed, '-extfile', 'ext');
    const text = (name: string) => readFileSync(join(folder, name), 'utf8');
    return { ca: text('ca.pem'), key: text('server.key'), cert: text('server.pem') };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
