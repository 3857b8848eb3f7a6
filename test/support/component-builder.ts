/**
 * Writes components byte by byte, for tests of their decoder (component-model, "Component Model Binary Format
 * Explainer").
 */

type Part = number | string | readonly Part[] | Uint8Array;

/** Joins parts: a number is a byte, a string is a name with its length before it. */
export function bytes(...parts: readonly Part[]): Uint8Array {
  const out: number[] = [];
  const add = (part: Part): void => {
    if (typeof part === 'number') out.push(part);
    else if (typeof part === 'string') {
      const encoded = Buffer.from(part);
      out.push(...leb(encoded.length), ...encoded);
    } else for (const one of part) add(one);
  };
  for (const part of parts) add(part);
  return Uint8Array.from(out);
}

/** Returns an unsigned LEB128. */
export function leb(value: number): number[] {
  const out: number[] = [];
  for (let left = value; ; ) {
    const low = left % 128;
    left = Math.floor(left / 128);
    out.push(left > 0 ? low | 0x80 : low);
    if (left === 0) return out;
  }
}

export const magic = bytes(0, 0x61, 0x73, 0x6d, 0x0d, 0, 1, 0);

export function section(id: number, content: Uint8Array): Uint8Array {
  return bytes(id, leb(content.length), content);
}

export function vector(items: readonly Part[]): Uint8Array {
  return bytes(leb(items.length), ...items);
}

export function component(...sections: readonly Uint8Array[]): Uint8Array {
  return bytes(magic, ...sections);
}

export const coreModule = (module: Uint8Array) => section(1, module);
export const coreInstances = (...items: readonly Part[]) => section(2, vector(items));
export const nested = (inner: Uint8Array) => section(4, inner);
export const instances = (...items: readonly Part[]) => section(5, vector(items));
export const aliases = (...items: readonly Part[]) => section(6, vector(items));
export const types = (...items: readonly Part[]) => section(7, vector(items));
export const canons = (...items: readonly Part[]) => section(8, vector(items));
export const imports = (...items: readonly Part[]) => section(10, vector(items));
export const exports = (...items: readonly Part[]) => section(11, vector(items));

/** `(core instance (instantiate module (with name (instance i))…))` */
export const instantiateCore = (module: number, args: Readonly<Record<string, number>> = {}) => [
  0,
  ...leb(module),
  vector(Object.entries(args).map(([name, instance]) => [name, 0x12, ...leb(instance)])),
];
/** `(core instance (export name (func i))…)` */
export const coreBundle = (functions: Readonly<Record<string, number>>) => [
  1,
  vector(Object.entries(functions).map(([name, index]) => [name, 0, ...leb(index)])),
];
/** `(alias core export i name (core func))` */
export const aliasCore = (instance: number, name: string, sort = 0) => [0, sort, 1, ...leb(instance), name];
/** `(alias export i name (sort))`: sort 1 func, 3 type, 5 instance. */
export const aliasExport = (instance: number, name: string, sort: number) => [sort, 0, ...leb(instance), name];
/** `(func (param name type)… (result type)?)`; types as bytes. */
export const funcType = (params: Readonly<Record<string, Part>>, result: Part | null = null) => [
  0x40,
  vector(Object.entries(params).map(([name, type]) => [name, type])),
  ...(result === null ? [1, 0] : [0, result]),
];
export const lift = (func: number, type: number, ...options: readonly Part[]) => [
  0,
  0,
  ...leb(func),
  vector(options),
  ...leb(type),
];
export const lower = (func: number, ...options: readonly Part[]) => [1, 0, ...leb(func), vector(options)];
/** `(instance type (export name (func type)))` with the function's type. */
export const instanceType = (...declarations: readonly Part[]) => [0x42, vector(declarations)];
export const declareType = (type: Part) => [1, type];
export const declareFunc = (name: string, type: number) => [4, 0, name, 1, ...leb(type)];
export const importInstance = (name: string, type: number) => [0, name, 5, ...leb(type)];
export const exportAs = (name: string, sort: number, index: number) => [0, name, sort, ...leb(index), 0];
/** `(instance (export name (func i)))` */
export const bundle = (name: string, sort: number, index: number) => [1, vector([[0, name, sort, ...leb(index)]])];
