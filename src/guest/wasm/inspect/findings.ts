/** Makes the errors that refuse a module, with the texts of docs/push.md. */
import { type ErrorCode, PlatformError } from '../../../protocol/errors.ts';
import { PAGE_BYTES } from '../../../protocol/limits.ts';
import { caps } from '../format/caps.ts';
import { acceptedFeatures, refusedFeatures } from '../format/features.ts';
import type { CapBreach, Module } from '../format/model.ts';
import { functionNamesOf } from '../format/sections/custom.ts';
import type { Processed } from '../meter/process.ts';

/** One reason to refuse a module, with all items that it concerns. */
export interface Finding {
  readonly code: ErrorCode;
  /** End of a sentence that begins with the module's name: `imports 2 functions that nothing provides`. */
  readonly message: string;
  readonly details: readonly string[];
  readonly hints: readonly string[];
}

/** Most detail lines of one finding; further ones are counted. */
export const detailsMax = 30;

/** Makes one error of all findings: the first gives code and message, the others are added to the details. */
export function toError(subject: string, findings: readonly Finding[]): PlatformError {
  const [first, ...others] = findings;
  if (first === undefined) return new PlatformError('internal', `${subject} was refused without a finding`);
  const details = [...first.details];
  for (const finding of others)
    details.push(`it also ${finding.message}`, ...finding.details.map((line) => `  ${line}`));
  return new PlatformError(first.code, `${subject} ${first.message}`, {
    details,
    hints: [...new Set(findings.flatMap((finding) => finding.hints))],
  });
}

/** Returns at most detailsMax lines; a last line counts the rest. */
export function cutDetails(lines: readonly string[]): string[] {
  if (lines.length <= detailsMax) return [...lines];
  return [...lines.slice(0, detailsMax), `… and ${lines.length - detailsMax} more`];
}

/** Returns a name from the module as one printable line. */
export function printable(text: string): string {
  const cut = text.length > 60 ? `${text.slice(0, 60)}…` : text;
  // A match is not empty.
  return cut.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (char) => `\\u{${char.codePointAt(0)!.toString(16)}}`);
}

export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** Returns `function 12 "parse"`, or '' for null, outside of code. */
function functionLabel(names: ReadonlyMap<number, string>, index: number | null): string {
  if (index === null) return '';
  const name = names.get(index);
  return ` in function ${index}${name === undefined ? '' : ` "${printable(name)}"`}`;
}

function namesFor(module: Module, uses: readonly { readonly functionIndex: number | null }[]): Map<number, string> {
  const wanted = new Set<number>();
  for (const use of uses.slice(0, detailsMax)) if (use.functionIndex !== null) wanted.add(use.functionIndex);
  return wanted.size === 0 ? new Map() : functionNamesOf(module, wanted);
}

export function featureFindings({ module }: Pick<Processed, 'module'>): Finding[] {
  if (module.refused.length === 0) return [];
  const names = namesFor(module, module.refused);
  const used = [...new Set(module.refused.map((use) => use.feature))];
  return [
    {
      code: 'module_unsupported',
      message:
        used.length === 1 ? `uses ${used[0]}, which is refused` : `uses ${used.length} features that are refused`,
      details: cutDetails(
        module.refused.map(
          (use) => `${use.feature}: ${use.what}${functionLabel(names, use.functionIndex)} @+${use.offset}`,
        ),
      ),
      hints: [
        ...used.map((feature) => `${feature}: ${refusedFeatures[feature]}`),
        `accepted beyond the MVP: ${acceptedFeatures.join(', ')}`,
      ],
    },
  ];
}

export function capFindings(module: Module, breaches: readonly CapBreach[]): Finding[] {
  if (breaches.length === 0) return [];
  const names = namesFor(module, breaches);
  return [
    {
      code: 'module_too_large',
      message: breaches.length === 1 ? 'exceeds a limit' : `exceeds ${breaches.length} limits`,
      details: cutDetails(
        breaches.map(
          ({ cap, value, functionIndex }) =>
            `${caps[cap].noun}${functionLabel(names, functionIndex)}: ${number(value)}, at most ${number(caps[cap].limit)}`,
        ),
      ),
      hints: [...new Set(breaches.map(({ cap }) => `${caps[cap].noun}: ${caps[cap].reason}`))],
    },
  ];
}

/** Returns findings for active data segments that no instantiation could copy. */
export function dataFindings(module: Module): Finding[] {
  const count = module.misplacedData.length;
  if (count === 0) return [];
  const bytes = (module.memories[0]?.initial ?? 0) * PAGE_BYTES;
  return [
    {
      code: 'module_invalid',
      message: `has ${plural(count, 'data segment')} outside of its memory of ${number(bytes)} bytes`,
      details: cutDetails(
        module.misplacedData.map(
          (data) => `data segment ${data.segment}: ${number(data.bytes)} bytes at address ${number(data.address)}`,
        ),
      ),
      hints: ['every call would trap before its first instruction: build with a larger initial memory'],
    },
  ];
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}
