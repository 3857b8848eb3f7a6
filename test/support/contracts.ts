/**
 * Finds declarations whose contract a reader cannot know from names and types, and comments that do not begin with it.
 * CONTRIBUTING.md has the rule.
 */
import {
  type ClassDeclaration,
  type InterfaceDeclaration,
  isArrowFunction,
  isBlock,
  isCallExpression,
  isClassDeclaration,
  isFunctionDeclaration,
  isFunctionLikeDeclaration,
  isGetAccessorDeclaration,
  isInterfaceDeclaration,
  isMethodDeclaration,
  isMethodSignatureDeclaration,
  isNewExpression,
  isPropertyDeclaration,
  isPropertySignatureDeclaration,
  isStatement,
  isThrowStatement,
  isTypeAliasDeclaration,
  isTypeLiteralNode,
  isVariableStatement,
  type Node,
  type ParameterDeclaration,
} from 'typescript/unstable/ast';
import type { Checker, Type } from 'typescript/unstable/sync';
import { lineOf, type OwnFile } from './own-code.ts';

const whatItDoes = 'what it does';
/** Statements of a body that is read at a glance. */
const statementsMax = 5;
/** Parameters of a function that is read at a glance. */
const parametersMax = 3;

/** Words in names that say what a number is: units, and the numbers that docs/nouns.md and specifications name. */
const unitWords = new Set(
  (
    'ms ns us s seconds minutes hours days nanoseconds byte bits gas percent count index pages ' +
    'pid port status errno fd ino opcode pointer id version revision epoch cursor ordinal deployment ' +
    'u8 u16 u32 u64 s32 s64 f32 f64'
  ).split(' '),
);
/** Words for units in the comment of a class or interface, which speaks of its members together. */
const unitInComment =
  /\b(?:numbers?|status(?:es)?|counts?|index(?:es)?|indices|opcodes?|bytes?|milliseconds?|nanoseconds?|seconds?|offsets?|lines?|errno|percent|columns?|characters?|pages?|pointers?|addresses|gas|sockets)\b/i;

const numberType = /^(?:readonly )?\(?(?:number|bigint)(?: \| (?:number|bigint|null|undefined))*\)?(?:\[\])?$/;
const numberValue = /^-?\d[\d_]*n?$/;
const bytesType = /^(?:Uint8Array|Buffer|ArrayBuffer)(?: \| (?:null|undefined))*$/;

/** A comment that speaks of more than one member: "Host functions that …", "Bytes that …". */
const ofMany = /^[A-Z]\w+[^sui\W]s\b|^[A-Z]\w+ [a-z]+[^sui\W]s\b/;

/** Whether a name of a number says its unit: one of its words is a unit, or a plural, which counts things. */
export function saysUnit(name: string): boolean {
  const words = name.match(/[A-Z]?[a-z]+\d*|[A-Z]+\d*(?![a-z])/g) ?? [];
  return words.some((word) => {
    const lower = word.toLowerCase();
    return unitWords.has(lower) || (lower.length > 3 && /[^sui]s$/.test(lower));
  });
}

/** A documentation comment at the end of a text; only `|` of a union and modifiers may follow. */
const commentAtEnd = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/[ \t]*\n?[ \t]*(?:\/\/.*\n[ \t]*)?(?:\|\s*)?$/;

/** Returns the comment right above a node, without its marks; null without one. */
function commentOf(node: Node, text: string): string | null {
  const start = node.getStart();
  const [, comment] = commentAtEnd.exec(text.slice(Math.max(0, start - 4000), start)) ?? [];
  return comment === undefined ? null : comment.replace(/^[ \t]*\* ?/gm, '').trim();
}

interface FunctionNode extends Node {
  readonly parameters: readonly ParameterDeclaration[];
  readonly type?: Node;
  readonly body?: Node;
}

/** Visits a body without the functions inside. */
function visitBody(body: Node | undefined, visit: (node: Node) => void): void {
  body?.forEachChild((node) => {
    if (isFunctionLikeDeclaration(node)) return;
    visit(node);
    visitBody(node, visit);
  });
}

/** Errors of a fault of our own, which no caller expects. */
const ownFault = /^(?:Error|TypeError|RangeError)$/;

/** Whether a body throws what its caller may get. */
function throwsCoded(body: Node | undefined, text: string): boolean {
  let throws = false;
  visitBody(body, (node) => {
    if (!isThrowStatement(node)) return;
    const { expression } = node;
    if (isNewExpression(expression))
      throws ||= !ownFault.test(text.slice(expression.expression.getStart(), expression.expression.end));
    else if (isCallExpression(expression)) throws = true;
  });
  return throws;
}

function countStatements(body: Node | undefined): number {
  let statements = 0;
  visitBody(body, (node) => {
    if (isStatement(node) && !isBlock(node)) statements++;
  });
  return statements;
}

/** Returns what of a function its names and types do not say. */
function unsaid(node: FunctionNode, name: string, around: string, text: string): readonly string[] {
  const source = (one: Node): string => text.slice(one.getStart(), one.end);
  const reasons: string[] = [];
  for (const parameter of node.parameters) {
    const called = source(parameter.name);
    const isSaid = saysUnit(called) || (called === 'value' && saysUnit(name)) || around.includes(`\`${called}\``);
    if (parameter.type !== undefined && numberType.test(source(parameter.type)) && !isSaid)
      reasons.push(`what number \`${called}\` is`);
  }
  const result = node.type === undefined ? '' : source(node.type).replace(/^Promise<(.*)>$/, '$1');
  if (numberType.test(result) && !saysUnit(name)) reasons.push('what number it returns');
  if (bytesType.test(result)) reasons.push('what the bytes are that it returns');
  if (throwsCoded(node.body, text)) reasons.push('which error it throws, and when');
  if (node.parameters.length > parametersMax) reasons.push('what its parameters are');
  if (countStatements(node.body) > statementsMax && !/\b(?:each|every) (?:public )?method\b/i.test(around))
    reasons.push(whatItDoes);
  return reasons;
}

/** Whether `name` is a member of what a class implements or extends, with a comment, or outside of our code. */
function isDeclaredAbove(of: ClassDeclaration | InterfaceDeclaration, name: string, checker: Checker): boolean {
  for (const { types } of of.heritageClauses ?? []) {
    for (const one of types) {
      const type: Type | undefined = checker.getTypeAtLocation(one);
      const member = type === undefined ? undefined : checker.getPropertyOfType(type, name);
      if (member === undefined) continue;
      if (checker.getDocumentationCommentOfSymbol(member) !== '') return true;
      const places = member.declarations.map((handle) => handle.path);
      if (places.some((path) => path.includes('/node_modules/'))) return true;
      const above = type?.getSymbol()?.declarations[0]?.resolve();
      if (above !== undefined && (isClassDeclaration(above) || isInterfaceDeclaration(above)))
        if (isDeclaredAbove(above, name, checker)) return true;
    }
  }
  return false;
}

export interface Declared {
  /** `FILE:LINE NAME`. */
  readonly place: string;
  readonly kind: 'function' | 'accessor' | 'number';
  readonly comment: string | null;
  /** What names, types and comments around it leave unsaid. */
  readonly unsaid: readonly string[];
  /** Whether it throws an error that a caller may get. */
  readonly throws: boolean;
}

/** Returns the exported functions, public methods and accessors, and members that are numbers, of a file. */
export function declarationsOf(file: OwnFile, checker: Checker): readonly Declared[] {
  return new DeclarationFinder(file, checker).find();
}

/** A function, and what a reader knows of it besides its own name and types. */
interface FunctionFacts {
  readonly node: FunctionNode;
  readonly name: string;
  /** Class or interface; null: none. */
  readonly owner: string | null;
  readonly kind: 'function' | 'accessor';
  /** Node that the comment is above: a statement, where a constant holds the function. */
  readonly commented: Node;
  /** Comment of the class or interface. */
  readonly around: string;
  /** Whether what the class implements says the contract. */
  readonly isDeclared: boolean;
}

type MemberNode = Node & { readonly name: Node; readonly type?: Node; readonly initializer?: Node };

class DeclarationFinder {
  readonly #file: OwnFile;
  readonly #checker: Checker;
  readonly #found: Declared[] = [];
  /** Whether the file has one function, so that the comment at its head says what the function does. */
  #isOfOneFunction = false;
  /** Whether the present class or interface is exported: otherwise only its numbers count. */
  #isExported = true;
  /** Comment of the numbers right above, if it speaks of more than one; null: none does. */
  #ofGroup: string | null = null;

  constructor(file: OwnFile, checker: Checker) {
    this.#file = file;
    this.#checker = checker;
  }

  find(): readonly Declared[] {
    const { source, text } = this.#file;
    const exported = [...source.statements].filter((node) => this.#modifiers(node).includes('export'));
    this.#isOfOneFunction = exported.filter(isFunctionDeclaration).length === 1 && /^(?:#!.*\n)?\/\*\*/.test(text);
    for (const node of exported) {
      const around = commentOf(node, text) ?? '';
      if (isFunctionDeclaration(node)) this.#addExported(node, node.name, node);
      else if (isVariableStatement(node)) {
        for (const { name, initializer } of node.declarationList.declarations)
          if (initializer !== undefined && isArrowFunction(initializer)) this.#addExported(initializer, name, node);
      } else if (isTypeAliasDeclaration(node)) this.#visitType(node.type, this.#textOf(node.name), around);
    }
    for (const node of source.statements) {
      const around = commentOf(node, text) ?? '';
      this.#isExported = exported.includes(node);
      this.#ofGroup = null;
      if (isInterfaceDeclaration(node))
        for (const member of node.members) this.#visitType(member, this.#textOf(node.name), around);
      else if (isClassDeclaration(node)) this.#visitClass(node, around);
    }
    return this.#found;
  }

  #textOf(node: Node | undefined): string {
    return node === undefined ? '' : this.#file.text.slice(node.getStart(), node.end);
  }

  #modifiers(node: Node & { readonly modifiers?: readonly Node[] }): readonly string[] {
    return (node.modifiers ?? []).map((modifier) => this.#textOf(modifier));
  }

  #placeOf(node: Node, name: string): string {
    return `${this.#file.path}:${lineOf(node, this.#file.text)} ${name}`;
  }

  #addExported(node: FunctionNode, name: Node | undefined, commented: Node): void {
    const facts = { owner: null, kind: 'function', around: '', isDeclared: false } as const;
    this.#addFunction({ ...facts, node, name: this.#textOf(name), commented });
  }

  #addFunction({ node, name, owner, kind, commented, around, isDeclared }: FunctionFacts): void {
    const { path, text } = this.#file;
    const isComponent = path.endsWith('.tsx') && /^[A-Z]/.test(name);
    const reasons = isDeclared || isComponent ? [] : unsaid(node, name, around, text);
    const isSaidByHead = owner === null && this.#isOfOneFunction;
    this.#found.push({
      place: this.#placeOf(commented, owner === null ? name : `${owner}.${name}`),
      kind,
      comment: commentOf(commented, text),
      unsaid: isSaidByHead ? reasons.filter((reason) => reason !== whatItDoes) : reasons,
      throws: throwsCoded(node.body, text),
    });
  }

  #addNumber(node: MemberNode, owner: string, around: string): void {
    const comment = commentOf(node, this.#file.text);
    const isNumber = numberType.test(this.#textOf(node.type)) || numberValue.test(this.#textOf(node.initializer));
    if (!isNumber || comment !== null) this.#ofGroup = null;
    if (!isNumber) return;
    if (comment !== null && ofMany.test(comment)) this.#ofGroup = comment;
    const name = this.#textOf(node.name);
    const isSaid = saysUnit(name) || unitInComment.test(around) || this.#ofGroup !== null;
    const place = this.#placeOf(node, `${owner}.${name}`);
    this.#found.push({ place, kind: 'number', comment, unsaid: isSaid ? [] : ['what number it is'], throws: false });
  }

  /** Visits a member of an interface, or a type with the members of the object types in it. */
  #visitType(node: Node, owner: string, around: string): void {
    if (isMethodSignatureDeclaration(node)) {
      if (!this.#isExported) return;
      const facts = { node, name: this.#textOf(node.name), commented: node, isDeclared: false };
      this.#addFunction({ ...facts, owner, kind: 'function', around });
      return;
    }
    if (isPropertySignatureDeclaration(node)) this.#addNumber(node, owner, around);
    const isSpokenOf = isPropertySignatureDeclaration(node) || isTypeLiteralNode(node);
    const inner = isSpokenOf ? `${around} ${commentOf(node, this.#file.text) ?? ''}` : around;
    node.forEachChild((child) => this.#visitType(child, owner, inner));
  }

  /** Visits a class: the numbers in all of its fields, and its public methods and accessors if it is exported. */
  #visitClass(node: ClassDeclaration, around: string): void {
    const owner = this.#textOf(node.name);
    for (const member of node.members) {
      const isMethod = isMethodDeclaration(member);
      if (!isMethod && !isGetAccessorDeclaration(member) && !isPropertyDeclaration(member)) continue;
      const name = this.#textOf(member.name);
      const isDeclared = isDeclaredAbove(node, name, this.#checker);
      if (isPropertyDeclaration(member)) {
        if (!isDeclared) this.#addNumber(member, owner, around);
      } else if (
        this.#isExported &&
        !name.startsWith('#') &&
        !/private|protected/.test(this.#modifiers(member).join())
      ) {
        const kind = isMethod ? 'function' : 'accessor';
        this.#addFunction({ node: member, name, owner, kind, commented: member, around, isDeclared });
      }
    }
  }
}

/** Words that end as verbs in the third person do, and are none, or none before these words. */
const notVerb =
  /^(?:Always|Has|Is|Process|Status|This|Thus|Was)\b|^(?:Arguments|Bytes|Connections|Exports|Figures|Ids|Items|Limits|Lines|Milliseconds|Names|Pages|Rows|Spans|Values) (?:of|that|which|in|from)\b/;

/** Whether a comment begins with a verb in the third person, or with a parameter of a constructor. */
export function beginsWithVerb(comment: string): boolean {
  return /^(?:[A-Z][a-z]+(?:-[a-z]+)?s\b|`)/.test(comment) && !notVerb.test(comment);
}

/** Whether a comment speaks of errors. */
export function saysError(comment: string): boolean {
  return /\b(?:throws|rejects|refuses|fails|errors?)\b/i.test(comment);
}

/** Words that point at something that has a name. */
const pointing =
  /^(?:The same|Those that)\b|\b[Ww]hoever\b|\b[Ww]hat is there\b|\bbehind it\b|\b[Oo]f both(?=[.,;:)]|\s*$)/g;

/** Returns the words of a comment that point at something. */
export function pointsAt(comment: string): readonly string[] {
  return comment.match(pointing) ?? [];
}

/** Returns the comments of a source text, with their lines; strings that look like comments count as comments. */
export function commentsIn(text: string): readonly { readonly line: number; readonly comment: string }[] {
  return [...text.matchAll(/\/\*\*?([\s\S]*?)\*\/|(?<=^|\s)\/\/ (.*)/gm)].map((match) => ({
    line: text.slice(0, match.index).split('\n').length,
    comment: (match[1] ?? match[2] ?? '').replace(/\s*\n[ \t]*\*?[ \t]*/g, ' ').trim(),
  }));
}

/** Columns of a line, as in biome.json. */
export const columnsMax = 120;

/** Returns the numbers of the lines of `text` that are too wide and hold or end with a comment; the first line is 1. */
export function wideComments(text: string): readonly number[] {
  return text
    .split('\n')
    .flatMap((line, index) =>
      line.length > columnsMax && /^\s*(?:\/\/|\/\*|\*)|[;,(){}\]] \/\/ [^'"`]*$/.test(line) ? [index + 1] : [],
    );
}
