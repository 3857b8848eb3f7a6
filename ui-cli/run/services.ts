/** What control serves on the platform, for one local run: values live as long as the run. */
import type { KvService, QueueService } from '../../src/guest/kernel/process.ts';

export function memoryKv(): KvService {
  const values = new Map<string, Uint8Array>();
  const name = (bucket: string, key: string) => `${bucket}/${key}`;
  return {
    get: async (bucket, key) => values.get(name(bucket, key)) ?? null,
    put: async (bucket, key, value) => {
      values.set(name(bucket, key), value);
    },
  };
}

/** Messages go nowhere; that one was published is told. */
export function tellingQueues(tell: (line: string) => void): QueueService {
  return {
    publish: async (queue, message) => tell(`queue://${queue}: a message of ${message.length} bytes was published`),
  };
}
