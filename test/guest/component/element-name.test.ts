import { describe, expect, it } from 'vitest';
import {
  elementName,
  elementWord,
  lastWord,
  otherElement,
  spelledType,
} from '../../../src/guest/component/element-name.ts';
import { list, option, own, record, stream } from '../../../src/guest/component/wit.ts';

const known = new Set(['u8', '_', elementName(list('string'))]);
const resource = { kind: 'resource', id: '#3' } as const;

describe('the word for a type of a stream', () => {
  it('is its name if the host has functions for it', () => {
    expect(elementWord('u8', known)).toBe('u8');
    expect(elementWord(null, known)).toBe('_');
    expect(elementWord(list('string'), known)).toBe(elementName(list('string')));
  });

  it('is the type itself, without a space, if only the component has it', () => {
    const type = record({ name: 'string', of: option(list(own(resource))) });
    const word = elementWord(type, known);
    expect(word).not.toContain(' ');
    expect(spelledType(lastWord(`stream.read async ${word}`))).toEqual(type);
    expect(spelledType('u8')).toBeNull();
  });

  it('spells out streams, error contexts and options in a type', () => {
    const type = record({ of: stream(stream('u8')), why: list('error-context'), if: option(option('u8')) });
    expect(spelledType(elementWord(type, known))).toEqual(type);
  });

  it('is other for a type of more than 4,096 characters', () => {
    expect(elementWord(record({ ['x'.repeat(4096)]: 'u8' }), known)).toBe(otherElement);
  });
});
