/** The error codes of wasi:filesystem 0.3: those of 0.2 without would-block, and `other`. */
import { option, variant } from '../../../../component/wit.ts';
import { type Err, err, type Ok } from '../../../canonical/row.ts';
import { errorCodeType as errorCode2 } from '../../wasi2/filesystem/error-code.ts';

// An enumeration.
const labels = (errorCode2 as { readonly labels: readonly string[] }).labels.filter((label) => label !== 'would-block');

export const errorCodeType = variant({
  ...Object.fromEntries(labels.map((label) => [label, null])),
  other: option('string'),
});

type Result3 = Ok<unknown> | Err<{ readonly tag: string }>;

/** Returns the result of a function of 0.2 with its error as a case. */
export function toResult(result: unknown): Result3 {
  // Rows of 0.2 return results.
  const { tag, value } = result as { readonly tag: 'ok' | 'err'; readonly value: unknown };
  return tag === 'ok' ? { tag, value } : err({ tag: value as string }); // their errors are labels
}
