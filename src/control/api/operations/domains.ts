/** Operations on a handler's custom domains (docs/domains.md). */
import { z } from 'zod';
import { domainLimits } from '../../../protocol/domains.ts';
import type { Domains } from '../../domains/domains.ts';
import { forHandler, type Operation } from '../operation.ts';
import { domainSchema } from '../schemas/handlers.ts';
import { nextText, pageOfAll, pageQuery } from './paging.ts';

const tag = 'domains';
const one = z.object({ domain: domainSchema });

export function domainOperations({ domains }: { readonly domains: Domains }): readonly Operation[] {
  return [
    forHandler({
      id: 'listDomains',
      method: 'GET',
      path: '/handlers/{name}/domains',
      tag,
      summary: 'Custom domains, by name.',
      query: z.strictObject(pageQuery()),
      answer: z.object({ domains: z.array(domainSchema), next: nextText }),
      run: async ({ handler, query }) => {
        const { items, next } = pageOfAll(await domains.list(handler.id), query, ({ domain }) => domain);
        return { domains: items, next };
      },
    }),
    forHandler({
      id: 'addDomain',
      method: 'POST',
      path: '/handlers/{name}/domains',
      tag,
      summary:
        'Claim a domain and check it at once. It is served as soon as DNS has one of the two records of the answer, ' +
        'which is looked up by itself from time to time.',
      body: z.strictObject({ domain: z.string().max(domainLimits.textChars) }),
      status: 201,
      answer: one,
      errors: ['limit_exceeded', 'conflict', 'rate_limited'],
      run: async ({ handler, body }) => ({ domain: await domains.add(handler, body.domain) }),
    }),
    forHandler({
      id: 'getDomain',
      method: 'GET',
      path: '/handlers/{name}/domains/{domain}',
      tag,
      summary: 'One custom domain, as the last check found it.',
      answer: one,
      run: async ({ handler, params }) => ({ domain: await domains.get(handler.id, params.domain) }),
    }),
    forHandler({
      id: 'checkDomain',
      method: 'POST',
      path: '/handlers/{name}/domains/{domain}/check',
      tag,
      summary: 'Look the records of a domain up now.',
      answer: one,
      errors: ['conflict', 'rate_limited'],
      run: async ({ handler, params }) => ({ domain: await domains.check(handler.id, params.domain) }),
    }),
    forHandler({
      id: 'removeDomain',
      method: 'DELETE',
      path: '/handlers/{name}/domains/{domain}',
      tag,
      summary: 'Stop serving the handler under a domain, and forget it.',
      run: ({ handler, params }) => domains.remove(handler.id, params.domain),
    }),
  ];
}
