/**
 * Protective conditions as the source has them, found by their form: what `npm run mutate -- --sample` takes out. A
 * list by form has conditions whose loss nobody can see (a second wall, a short cut); a person sets those aside.
 * `unref` is left out: what it changes is seen when a process ends, and those of the platform end themselves.
 */
import {
  type CallExpression,
  type Expression,
  isBinaryExpression,
  isBlock,
  isCallExpression,
  isExpressionStatement,
  isIdentifier,
  isIfStatement,
  isNumericLiteral,
  isParenthesizedExpression,
  isPropertyAccessExpression,
  isPropertyAssignment,
  isReturnStatement,
  isShorthandPropertyAssignment,
  isStringLiteral,
  isThrowStatement,
  isTryStatement,
  isWhileStatement,
  type Node,
  type Statement,
  SyntaxKind,
} from 'typescript/unstable/ast';
import { lineOf, type OwnFile } from '../support/own-code.ts';

export type ConditionKind = 'refusal' | 'bound' | 'check' | 'clamp' | 'release' | 'signal' | 'where' | 'escape';

/** One condition: `replace` in place of the text from `start` to `end` (offsets in UTF-16 units) takes it out. */
export interface Condition {
  readonly kind: ConditionKind;
  /** Path in the repository. */
  readonly file: string;
  /** Line of its beginning; the first is 1. */
  readonly line: number;
  readonly start: number;
  readonly end: number;
  readonly replace: string;
}

const refusing = /refus|fail|reject|abort|denied|invalid|error|errno|destroy|terminate|kill|close|cancel|drop|evict/i;
const limitName = /(?:Max|Min|Limit|Limits|Budget|Left|Room)$|(?:^|\.)(?:max|min|limit|budget|left|room)(?![a-z(])/;
const checking = /^#?(?:check|require|assert|ensure|must|verify|validate|demand)(?:[A-Z]|$)/;
const escaping = /^(?:escape|encode|quote|printable|visible|sanit|strip|clean|redact|without)/;
const narrowing =
  /(?:^|\.)(?!id$)\w*(?:owner|user|state|epoch|handler|holder|control|expire|until|due|deleted|revoked|used|version)\w*$/;

/** Returns the protective conditions of a file, in their order. */
export function conditionsOf({ path, source, text }: OwnFile): readonly Condition[] {
  const found: Condition[] = [];
  const add = (kind: ConditionKind, node: Node, replace: string) =>
    found.push({ kind, file: path, line: lineOf(node, text), start: node.getStart(), end: node.end, replace });
  const textOf = (node: Node) => text.slice(node.getStart(), node.end);

  const visit = (node: Node): void => {
    if (isIfStatement(node) || isWhileStatement(node)) {
      const ends = isIfStatement(node) ? endOf(node.thenStatement, textOf) : null;
      for (const operand of alternatives(node.expression)) {
        // What is not there has to be asked for before it is used; only with an error does that refuse something.
        if (ends === 'error' || (ends === 'nothing' && !/[!=]== (?:null|undefined)$/.test(textOf(operand))))
          add('refusal', operand, 'false');
        else if (comparesWithLimit(operand, textOf)) add('bound', operand, 'false');
      }
    } else if (isTryStatement(node) && node.finallyBlock !== undefined) add('release', node.finallyBlock, '{}');
    else if ((isPropertyAssignment(node) || isShorthandPropertyAssignment(node)) && textOf(node.name) === 'signal')
      add('signal', node, 'signal: undefined');
    else if (isExpressionStatement(node) && checking.test(calledName(node.expression) ?? '')) add('check', node, ';');
    else if (isCallExpression(node)) visitCall(node);
    node.forEachChild(visit);
  };

  const visitCall = (call: CallExpression): void => {
    const name = calledName(call) ?? '';
    const [first, second] = call.arguments;
    if (name === 'timingSafeEqual') add('check', call, 'true');
    else if ((name === 'min' || name === 'max') && call.arguments.length === 2) {
      const limited = [first!, second!].filter((argument) => !isLimit(argument, textOf));
      if (limited.length === 1 && textOf(call.expression).startsWith('Math.')) add('clamp', call, textOf(limited[0]!));
    } else if (name === 'where' && isPropertyAccessExpression(call.expression) && first !== undefined) {
      if (isStringLiteral(first) && narrowing.test(first.text)) add('where', call, textOf(call.expression.expression));
    } else if (escaping.test(name) && call.arguments.length === 1) add('escape', call, textOf(first!));
  };

  visit(source);
  return found;
}

/** Returns the operands of a chain of `||`: each alone lets the branch be taken. */
function alternatives(expression: Expression): readonly Expression[] {
  if (isParenthesizedExpression(expression)) return alternatives(expression.expression);
  if (isBinaryExpression(expression) && expression.operatorToken.kind === SyntaxKind.BarBarToken)
    return [...alternatives(expression.left), ...alternatives(expression.right)];
  return [expression];
}

/** How a branch ends what would go on behind it: with an error, with nothing; null if it does not. */
function endOf(branch: Statement, textOf: (node: Node) => string): 'error' | 'nothing' | null {
  const last = isBlock(branch) ? branch.statements.at(-1) : branch;
  if (last === undefined) return null;
  if (isThrowStatement(last)) return 'error';
  if (isReturnStatement(last)) {
    const result = last.expression === undefined ? '' : textOf(last.expression);
    if (/^(?:null|undefined|false|-1|)$/.test(result)) return 'nothing';
    return refusing.test(result) ? 'error' : null;
  }
  return isExpressionStatement(last) && refusing.test(calledName(last.expression) ?? '') ? 'error' : null;
}

function comparesWithLimit(expression: Expression, textOf: (node: Node) => string): boolean {
  if (!isBinaryExpression(expression)) return false;
  const compares = [
    SyntaxKind.GreaterThanToken,
    SyntaxKind.GreaterThanEqualsToken,
    SyntaxKind.LessThanToken,
    SyntaxKind.LessThanEqualsToken,
  ];
  const { left, right, operatorToken } = expression;
  if (compares.includes(operatorToken.kind)) return [left, right].some((side) => limitName.test(textOf(side)));
  return (
    operatorToken.kind === SyntaxKind.AmpersandAmpersandToken &&
    [left, right].some((side) => comparesWithLimit(side, textOf))
  );
}

/** Whether an argument of Math.min or Math.max is what the other one is held to. */
function isLimit(argument: Expression, textOf: (node: Node) => string): boolean {
  return isNumericLiteral(argument) || limitName.test(textOf(argument));
}

/** Returns the last name of what is called, behind `await` too; null if nothing is, or what has no name. */
function calledName(expression: Node): string | null {
  let call: Node = expression;
  while (!isCallExpression(call)) {
    const inner = (call as { readonly expression?: Node }).expression;
    if (inner === undefined || isPropertyAccessExpression(call)) return null;
    call = inner;
  }
  const { expression: called } = call;
  if (isIdentifier(called)) return called.text;
  return isPropertyAccessExpression(called) ? called.name.text : null;
}
