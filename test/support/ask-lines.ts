/** Requests as text, for what no HTTP client sends. */
import { connect } from 'node:net';

/**
 * Sends a request of these lines to a port of this machine, with Host and `Connection: close`, and returns what the
 * server sends until it closes, one character for each octet; `<broken off>` at the end where it resets the connection.
 */
export async function askLines(port: number, lines: readonly string[]): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.setEncoding('latin1');
  socket.write(`${[...lines, 'Host: localhost', 'Connection: close'].join('\r\n')}\r\n\r\n`, 'latin1');
  let answer = '';
  try {
    for await (const part of socket) answer += String(part);
  } catch {
    answer += '<broken off>';
  }
  return answer;
}
