/** Files for those who work on the project: they are there, and issue forms are what GitHub takes. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';

const root = join(import.meta.dirname, '../..');
const folder = '.github/ISSUE_TEMPLATE';
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

const text = z.string().trim().min(1);
const validations = z.strictObject({ required: z.boolean() });
const field = { label: text, description: text.optional() };
const id = z.string().regex(/^[\w-]+$/);

/** GitHub's syntax of issue forms: https://docs.github.com/en/communities, "Syntax for GitHub's form schema". */
const form = z.strictObject({
  name: text,
  description: text,
  title: text.optional(),
  labels: z.array(text).optional(),
  body: z
    .array(
      z.discriminatedUnion('type', [
        z.strictObject({ type: z.literal('markdown'), attributes: z.strictObject({ value: text }) }),
        z.strictObject({
          ...{ type: z.literal('textarea'), id, validations: validations.optional() },
          attributes: z.strictObject({ ...field, placeholder: text.optional(), render: text.optional() }),
        }),
        z.strictObject({
          ...{ type: z.literal('input'), id, validations: validations.optional() },
          attributes: z.strictObject({ ...field, placeholder: text.optional() }),
        }),
      ]),
    )
    .min(1),
});
const config = z.strictObject({
  blank_issues_enabled: z.boolean(),
  contact_links: z.array(z.strictObject({ name: text, url: z.url({ protocol: /^https$/ }), about: text })),
});

describe('an issue form', () => {
  const forms = globSync(`${folder}/*.yml`, { cwd: root }).filter((file) => !file.endsWith('/config.yml'));

  it('is there for a fault and for an idea', () => {
    expect(forms.sort()).toEqual([`${folder}/bug.yml`, `${folder}/idea.yml`]);
  });

  it.each(forms)('%s is one, asks for something, and has each id once', (file) => {
    const { body } = form.parse(parse(read(file)));
    const ids = body.flatMap((part) => (part.type === 'markdown' ? [] : [part.id]));
    expect(ids.length).toBeGreaterThan(0);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('leads somebody who found a hole in security to another way', () => {
    const { contact_links } = config.parse(parse(read(`${folder}/config.yml`)));
    expect(contact_links.map(({ about }) => about).join()).toContain('SECURITY.md');
    expect(read(`${folder}/bug.yml`)).toContain('SECURITY.md');
  });
});

describe('a page for those who work on it', () => {
  it.each(['SECURITY.md', 'CODE_OF_CONDUCT.md', 'CONTRIBUTING.md', 'LICENSE'])('%s has text', (file) => {
    expect(read(file).length).toBeGreaterThan(500);
  });

  it('SECURITY.md leads to the threat model and the hazards', () => {
    for (const page of ['docs/threat-model.md', 'docs/safety.md']) expect(read('SECURITY.md')).toContain(`](${page})`);
  });

  it('nobody owns code', () => {
    expect(globSync('{.github/,docs/,}CODEOWNERS', { cwd: root })).toEqual([]);
  });
});
