// The same guest bytes inside workerd: CommonWA's calls that hello uses, CGI output parsed as simply as
// possible. FRESH is set by the configuration: a new instance per request, or one for ever.
import module from 'guest.wasm';

const decoder = new TextDecoder();
let instance = null;
let output = [];

const streams = { io_get_stdin: () => 0, io_get_stdout: () => 1, io_get_stderr: () => 2 };
const cwa = {
  ...streams,
  resource_write(_fd, pointer, length) {
    output.push(new Uint8Array(instance.exports.memory.buffer, pointer, length).slice());
    return length;
  },
};

function run() {
  output = [];
  if (FRESH || instance === null) instance = new WebAssembly.Instance(module, { cwa, env: cwa });
  instance.exports._start();
  const text = output.map((part) => decoder.decode(part)).join('');
  const end = text.indexOf('\n\n');
  const headers = {};
  for (const line of text.slice(0, end).split('\n')) {
    const colon = line.indexOf(':');
    headers[line.slice(0, colon)] = line.slice(colon + 1).trim();
  }
  return new Response(text.slice(end + 2), { headers });
}

// biome-ignore lint/style/noDefaultExport: workerd wants one.
export default { fetch: () => run() };
