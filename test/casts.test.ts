/**
 * A cast (`as`, `!`) says of a value what the compiler cannot see, so a reader has to be told why it is true: on its
 * line, on the line above, or, where one reason holds for a whole file, in a paragraph `Casts:` of the file's first
 * comment. The compiler's own types tell which casts say more than it knows.
 */
import {
  type AsExpression,
  type Expression,
  isAsExpression,
  isElementAccessExpression,
  isNonNullExpression,
  type Node,
  type NonNullExpression,
} from 'typescript/unstable/ast';
import { type Checker, TypeFlags } from 'typescript/unstable/sync';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type OwnCode, readOwnCode } from './support/own-code.ts';

let code: OwnCode;
beforeAll(() => {
  code = readOwnCode();
});
afterAll(() => code.close());

/** An element at an index, or the first or last one: the lines around know how long the list is. */
function isElement(expression: Expression, text: string): boolean {
  return isElementAccessExpression(expression) || /\.(?:at|pop|shift)\([^()]*\)$/.test(text);
}

/** A view of an object as one whose fields are all unknown claims nothing of them. */
const claimsNothing = /^(?:Readonly<)?Record<string, unknown>>?$|^\{(?: (?:readonly )?\w+\??: unknown;?)+ \}$/;

function needsReason(cast: AsExpression | NonNullExpression, text: string, checker: Checker): boolean {
  const { expression } = cast;
  const from = checker.getTypeAtLocation(expression);
  const to = checker.getTypeAtLocation(cast);
  if (from === undefined || to === undefined) return true;
  if ((from.flags & TypeFlags.Any) === 0 && checker.isTypeAssignableTo(from, to)) return false;
  if (isAsExpression(cast) && claimsNothing.test(text.slice(cast.type.pos, cast.type.end).trim())) return false;
  const source = text.slice(expression.pos, expression.end).trim();
  const present = checker.getNonNullableType(from);
  return !(isElement(expression, source) && present !== undefined && checker.isTypeAssignableTo(present, to));
}

/** Whether a comment stands in these lines of code. */
function hasComment(lines: readonly string[]): boolean {
  const code = lines.join('\n').replace(/'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`/g, "''");
  return /\/\/|\*\//.test(code);
}

/** The casts in a source text that lack a reason, by line. */
function unreasoned(source: Node, text: string, checker: Checker): readonly number[] {
  if (/^\/\*\*(?:(?!\*\/)[\s\S])*\n \* Casts: /.test(text)) return [];
  const lines = text.split('\n');
  const lineAt = (at: number) => text.slice(0, at).split('\n').length;
  const found: number[] = [];
  const visit = (node: Node): void => {
    if ((isAsExpression(node) || isNonNullExpression(node)) && needsReason(node, text, checker)) {
      const first = lineAt(node.pos + (/^\s*/.exec(text.slice(node.pos))?.[0].length ?? 0));
      const last = lineAt(node.end);
      if (!hasComment(lines.slice(Math.max(0, first - 2), last))) found.push(last);
    }
    node.forEachChild(visit);
  };
  visit(source);
  return found;
}

describe('a cast', () => {
  it('of our own code has its reason beside it', () => {
    const { files, checker } = code;
    expect(files.length).toBeGreaterThan(500);
    const missing = files.flatMap(({ path, source, text }) =>
      unreasoned(source, text, checker).map((line) => `${path}:${line}`),
    );
    expect(missing).toEqual([]);
  });
});
