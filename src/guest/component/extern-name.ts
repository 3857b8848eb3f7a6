/**
 * The names of imports and exports, and the labels of types.
 *
 * Spec: component-model, Explainer.md "Import and Export Definitions", "Component Model Binary Format Explainer",
 * Import and Export Definitions.
 */
import type { Entry } from './graph.ts';
import type { ExternName, NameAttributes } from './model.ts';
import type { FunctionType, ResourceType, WitType } from './wit.ts';

const label = '(?:[a-z][0-9a-z]*|[A-Z][0-9A-Z]*)(?:-(?:[0-9a-z]+|[0-9A-Z]+))*';
const words = '[a-z][0-9a-z]*(?:-[0-9a-z]+)*';
const number = '(?:0|[1-9][0-9]*)';
const semver = `${number}\\.${number}\\.${number}(?:-[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*)?(?:\\+[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*)?`;
/** The part of a version that decides what it is compatible with: `1`, `0.2`, `0.0.3`. */
const compatible = `[1-9][0-9]*|0\\.[1-9][0-9]*|0\\.0\\.${number}`;
const unversioned = `${words}:${words}/${label}`;
const interfaceName = `${unversioned}(?:@${semver})?`;

const isLabelText = new RegExp(`^${label}$`);
const isInterface = new RegExp(`^${interfaceName}$`);
const isCutShort = new RegExp(`^${unversioned}@(?:${compatible})$`);
const labelled = new RegExp(`^\\[implements=<${interfaceName}>\\](${label})$`);
/** `[constructor]a`, `[method]a.b`, `[static]a.b`. */
const annotated = new RegExp(`^\\[(constructor)\\](${label})$|^\\[(method|static)\\](${label})\\.(${label})$`);
/** Names that say where a component comes from; only imports have them. */
const isDependency = /^(?:(?:un)?locked-dep|url|integrity)=<[^<]+>(?:,integrity=<[^<>]+>)?$/;

/** Returns whether `text` is a name in kebab case: words of letters of one case and digits, joined by `-`. */
export function isLabel(text: string): boolean {
  return isLabelText.test(text);
}

/**
 * Returns what is wrong with the labels of a type: one that is no label, or two that differ in case alone; null:
 * nothing.
 */
export function labelProblem(labels: readonly string[]): string | null {
  const seen = new Set<string>();
  for (const one of labels) {
    if (!isLabel(one)) return `the label ${quoted(one)} is not in kebab case`;
    const key = one.toLowerCase();
    if (seen.has(key)) return `two labels of one type are called ${quoted(one)}`;
    seen.add(key);
  }
  return null;
}

interface Annotation {
  readonly kind: 'constructor' | 'method' | 'static';
  readonly resource: string;
}

function annotationOf(name: string): Annotation | null {
  const match = annotated.exec(name);
  if (match === null) return null;
  const [, , made, kind, resource] = match;
  return made === undefined
    ? { kind: kind as 'method' | 'static', resource: resource as string } // groups of the match
    : { kind: 'constructor', resource: made };
}

/**
 * Returns what must differ between the names of one list: `[method]a.a` and `a` would be one name in many languages,
 * but `[constructor]a` and `a` would not.
 */
function uniqueKey(name: string): string {
  const plain = (labels: string): string => labels.toLowerCase().replaceAll('-', '');
  if (isInterface.test(name) || isCutShort.test(name)) return name;
  const alias = labelled.exec(name);
  if (alias !== null) return plain(alias[1] as string);
  if (name.startsWith('[constructor]')) return `[constructor]${plain(name.slice('[constructor]'.length))}`;
  const [resource, member] = name.replace(/^\[[^\]]*\]/, '').split('.');
  if (member === undefined) return plain(name);
  // What split gives has a first part.
  return plain(resource as string) === plain(member) ? plain(member) : `${plain(resource as string)}.${plain(member)}`;
}

/** Returns what is wrong with the attributes of a name; null: nothing. */
function attributeProblem(name: string, { implements: implemented, versionSuffix }: NameAttributes, entry: Entry) {
  if (implemented !== null) {
    if (!isInterface.test(implemented)) return `implements ${quoted(implemented)}, which is no name of an interface`;
    if (entry.sort !== 'instance' || !isLabel(name))
      return 'implements an interface and is no instance with a plain name';
  }
  if (versionSuffix !== null && !(isCutShort.test(name) && isInterface.test(name + versionSuffix)))
    return `has ${quoted(versionSuffix)} as the rest of its version`;
  return null;
}

function quoted(name: string): string {
  return JSON.stringify(name.slice(0, 60));
}

/**
 * The imports, or the exports, of one component, instance or type. An instance made of single exports names no types,
 * so it has no resources that constructors and methods could belong to.
 */
export class ExternNames {
  readonly #what: 'import' | 'export' | 'bundled export';
  readonly #isOpen: boolean;
  readonly #keys = new Set<string>();
  readonly #entries = new Map<string, Entry>();

  /** `isOpen`: nothing is given for imports, so a type that has several names is one object for each of them. */
  constructor(what: 'import' | 'export' | 'bundled export', isOpen: boolean) {
    this.#what = what;
    this.#isOpen = isOpen;
  }

  /** Adds `entry`. Returns what is wrong with its name; null: nothing. */
  add({ name, attributes }: ExternName, entry: Entry): string | null {
    const isPlain = isLabel(name);
    const annotation = isPlain ? null : annotationOf(name);
    if (!isPlain && annotation === null && !this.#isOther({ name, attributes }, entry))
      return `${quoted(name)} is no name of an ${this.#what.replace('bundled ', '')}`;
    const misplaced = attributes === null ? null : attributeProblem(name, attributes, entry);
    if (misplaced !== null) return `${quoted(name)} ${misplaced}`;
    const key = uniqueKey(name);
    if (this.#keys.has(key)) return `two ${this.#what.replace('bundled ', '')}s are called ${quoted(name)}`;
    this.#keys.add(key);
    if (this.#what !== 'bundled export') this.#entries.set(name, entry);
    if (annotation === null) return null;
    const problem = entry.sort === 'func' ? this.#annotationProblem(annotation, entry.value.type) : 'it is no function';
    return problem === null ? null : `${quoted(name)}: ${problem}`;
  }

  #isOther({ name, attributes }: ExternName, entry: Entry): boolean {
    const suffix = attributes?.versionSuffix ?? '';
    if (isInterface.test(name) || (isCutShort.test(name) && isInterface.test(name + suffix))) return true;
    if (labelled.test(name)) return entry.sort === 'instance';
    return this.#what === 'import' && isDependency.test(name);
  }

  #annotationProblem({ kind, resource: label }: Annotation, { params, result, async }: FunctionType): string | null {
    const found = this.#entries.get(label);
    if (found?.sort !== 'type' || found.value.kind !== 'resource')
      return `there is no resource ${quoted(label)} beside it`;
    const { resource } = found.value;
    const isSame = (one: ResourceType) => (this.#isOpen ? one === resource : one.id === resource.id);
    const isHandle = (type: WitType | null | undefined, of: 'own' | 'borrow'): boolean =>
      typeof type === 'object' && type !== null && type.kind === of && isSame(type.resource);
    if (kind === 'method') {
      const [self] = params;
      return self?.name === 'self' && isHandle(self.type, 'borrow')
        ? null
        : 'its first parameter is not a borrowed self';
    }
    if (kind === 'static') return null;
    if (async) return 'a constructor is not asynchronous';
    if (isHandle(result, 'own')) return null;
    const isFallible = typeof result === 'object' && result?.kind === 'result' && isHandle(result.ok, 'own');
    return isFallible ? null : 'it does not return the resource';
  }
}
