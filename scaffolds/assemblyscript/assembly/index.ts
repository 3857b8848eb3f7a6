// The request is in the environment and on standard input; the answer is what is printed: fields, an empty line, a body.
function variable(name: string, otherwise: string): string {
  return process.env.has(name) ? process.env.get(name) : otherwise;
}

process.stdout.write('Content-Type: text/plain\n\n');
process.stdout.write(variable('GREETING', 'Hello') + ' from AssemblyScript at ' + variable('PATH_INFO', '/') + '\n');
process.stderr.write('answered a ' + variable('REQUEST_METHOD', 'request') + '\n');
