/** Provides kv and queues, which control serves on the platform, for one local run. Values live as long as the run. */
import type { KvService, QueueService } from '../../src/guest/kernel/process.ts';
import { kvLimits } from '../../src/protocol/limits.ts';

export function memoryKv(): KvService {
  const values = new Map<string, Uint8Array>();
  const name = (bucket: string, key: string) => `${bucket}/${key}`;
  return {
    get: async (bucket, key) => values.get(name(bucket, key)) ?? null,
    put: async (bucket, key, value) => {
      values.set(name(bucket, key), value);
    },
    replace: async (bucket, key, value, expected) => {
      const old = values.get(name(bucket, key));
      const isExpected =
        old === undefined || expected === null
          ? old === undefined && expected === null
          : Buffer.compare(old, expected) === 0;
      if (isExpected) values.set(name(bucket, key), value);
      return isExpected;
    },
    delete: async (bucket, key) => {
      values.delete(name(bucket, key));
    },
    keys: async (bucket, after) =>
      [...values.keys()]
        .filter((one) => one.startsWith(`${bucket}/`))
        .map((one) => one.slice(bucket.length + 1))
        .filter((key) => key > after)
        .sort()
        .slice(0, kvLimits.keysPerPage),
  };
}

/** Makes queues that drop messages and report each publication. */
export function tellingQueues(tell: (line: string) => void): QueueService {
  return {
    publish: async (queue, message) => tell(`queue://${queue}: a message of ${message.length} bytes was published`),
  };
}
