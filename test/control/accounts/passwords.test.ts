import { argon2Sync, randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { Passwords, passwordLimits } from '../../../src/control/accounts/passwords.ts';

test('a flood of log-ins costs a bounded queue: the rest is told to come back', async () => {
  const passwords = new Passwords({ randomBytes, cost: { memory: 64, passes: 1, parallelism: 1 } });
  const results = await Promise.allSettled(
    Array.from({ length: passwordLimits.waiting + passwordLimits.concurrent + 20 }, () => passwords.hash('x')),
  );
  const refused = results.filter((result) => result.status === 'rejected');
  expect(refused).toHaveLength(20);
  expect(refused[0]!.reason).toMatchObject({ code: 'overloaded', status: 503, retryAfterSeconds: expect.any(Number) });
  expect(await passwords.verify('x', await passwords.hash('x'))).toBe(true);
});

test('each hash has its own salt, and other costs in a stored hash are honoured', async () => {
  const passwords = new Passwords({ randomBytes });
  const [a, b] = [await passwords.hash('same'), await passwords.hash('same')];
  expect(a).not.toBe(b);
  const salt = Buffer.from('0123456789abcdef');
  const tag = argon2Sync('argon2id', {
    message: 'cheap',
    nonce: salt,
    memory: 64,
    passes: 1,
    parallelism: 1,
    tagLength: 24,
  });
  const stored = `$argon2id$v=19$m=64,t=1,p=1$${salt.toString('base64').replaceAll('=', '')}$${tag.toString('base64').replaceAll('=', '')}`;
  expect(await passwords.verify('cheap', stored)).toBe(true);
  expect(await passwords.verify('cheaq', stored)).toBe(false);
  expect(await passwords.verify('no such user', null)).toBe(false);
  await expect(passwords.verify('x', 'plain')).rejects.toThrow(/argon2id/);
});
