/**
 * Connects a git hook with control; src/control/git/hook-endpoint.ts is the other end. Plain JavaScript with Node's own
 * modules only: every push waits for two of these processes to start.
 */
import { readFileSync, writeSync } from 'node:fs';
import { connect } from 'node:net';

/**
 * Returns the facts that control has written for the hooks of the running push; git runs hooks inside the repository.
 * Prints `interrupted` and exits with 1 when there are none.
 */
export function readFacts(interrupted) {
  try {
    return JSON.parse(readFileSync('trisiel-push', 'utf8'));
  } catch {
    print(interrupted);
    process.exit(1);
  }
}

/**
 * Tells control which hook this is, prints control's text, answers its questions with `answer`, and exits with
 * control's decision: 0, or 1 for a refusal. Prints `interrupted` when control cannot be reached or goes away.
 */
export function talkToControl({ facts, hook, answer, interrupted }) {
  const fail = () => {
    print(interrupted);
    process.exit(1);
  };
  const socket = connect(facts.socket);
  socket.on('error', fail);
  socket.on('close', fail);
  socket.on('connect', () => {
    socket.write(frame({ kind: 'hello', push: facts.push, secret: facts.secret, hook }));
  });
  let pending = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    for (;;) {
      if (pending.length < 8) return;
      const length = 8 + pending.readUInt32BE(0) + pending.readUInt32BE(4);
      if (pending.length < length) return;
      const message = JSON.parse(pending.toString('utf8', 8, 8 + pending.readUInt32BE(0)));
      pending = pending.subarray(length);
      if (message.kind === 'print') print(message.text);
      else if (message.kind === 'end') process.exit(message.ok ? 0 : 1);
      else answer(message, (head, bytes) => socket.write(frame(head, bytes)));
    }
  });
}

/** Prints `text` at once; git passes it on to the client. A client that has gone does not make the hook fail. */
export function print(text) {
  try {
    writeSync(1, text);
  } catch {}
}

function frame(head, bytes = Buffer.alloc(0)) {
  const json = Buffer.from(JSON.stringify(head));
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32BE(json.length, 0);
  lengths.writeUInt32BE(bytes.length, 4);
  return Buffer.concat([lengths, json, bytes]);
}
