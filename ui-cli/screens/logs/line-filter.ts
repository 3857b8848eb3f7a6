/**
 * Reads the filter that is typed under a log. Words `field:NAME=VALUE` (or `field:NAME`; with spaces in it
 * `field:"NAME=VALUE"`, where `""` stands for a quotation mark) and `status:404` (or `status:5xx`) are conditions; the
 * rest is a text that the row contains, in any case.
 */
import { hasField } from '../../../src/protocol/log-fields.ts';
import type { InvocationRecord, LogLine } from '../../../src/protocol/nouns.ts';

export interface LineFilter {
  /** Returns whether a line fits; a condition on the status fits lines of calls only. */
  line(line: LogLine): boolean;
  /** Returns whether a call fits, whose row has the text `row`; a condition on a field fits none. */
  call(record: InvocationRecord, row: () => string): boolean;
}

/** Returns the filter in `text`; null: it is empty, so that every row fits. */
export function readLineFilter(text: string): LineFilter | null {
  const fields: string[] = [];
  let status: ((status: number) => boolean) | null = null;
  const rest = text
    .replace(/(?<=^|\s)field:(?:"((?:[^"]|"")+)"|(\S+))(?=\s|$)/g, (_all, quoted?: string, word?: string) => {
      fields.push(word ?? quoted?.replaceAll('""', '"') ?? '');
      return '';
    })
    .replace(/(?<=^|\s)status:([1-5])(\d\d|xx)(?=\s|$)/gi, (_all, digit: string, others: string) => {
      status = (found) =>
        /^x/i.test(others) ? Math.floor(found / 100) === Number(digit) : found === Number(digit + others);
      return '';
    });
  const needle = (fields.length === 0 && status === null ? rest : rest.trim()).toLowerCase();
  if (needle === '' && fields.length === 0 && status === null) return null;
  const isWanted = status as ((status: number) => boolean) | null;
  return {
    line: (line) =>
      (isWanted === null || (line.status !== undefined && isWanted(line.status))) &&
      fields.every((condition) => hasField(line.fields ?? {}, condition)) &&
      line.text.toLowerCase().includes(needle),
    call: (record, row) =>
      fields.length === 0 &&
      (isWanted === null || isWanted(record.status)) &&
      (needle === '' || row().toLowerCase().includes(needle)),
  };
}
