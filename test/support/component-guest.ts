/**
 * Calls host functions of components as a linked component would: arguments are lowered into core values and the
 * guest's memory, results are lifted out of it, lists are allocated by a `realloc` that only goes up. Values are those
 * of src/guest/kernel/canonical/row.ts, but for handles, which are numbers on this side.
 */
import { randomFillSync } from 'node:crypto';
import { elementName } from '../../src/guest/component/element-name.ts';
import {
  alignment,
  alignTo,
  casesOf,
  discriminantBytes,
  elementBytes,
  flagsBytes,
  flattenFunction,
  flattenType,
  payloadOffset,
  recordLayout,
} from '../../src/guest/component/flatten.ts';
import type { WitType } from '../../src/guest/component/wit.ts';
import { abis } from '../../src/guest/kernel/abi/all.ts';
import { blocked } from '../../src/guest/kernel/canonical/async/copy-end.ts';
import { waitableOf } from '../../src/guest/kernel/canonical/async/waitable.ts';
import { toKey } from '../../src/guest/kernel/canonical/lift.ts';
import { makeFileSystem } from '../../src/guest/kernel/fs/file-system.ts';
import { systemClock } from '../../src/guest/kernel/local-run.ts';
import { GuestMemory } from '../../src/guest/kernel/memory.ts';
import { GasMeter } from '../../src/guest/kernel/meter.ts';
import { CompiledPolicy } from '../../src/guest/kernel/policy.ts';
import { Process, type ProcessOptions } from '../../src/guest/kernel/process.ts';
import { localSchemes } from '../../src/guest/kernel/resources/all.ts';
import { SchemeRegistry } from '../../src/guest/kernel/scheme-registry.ts';
import type { Syscall, SyscallResult } from '../../src/guest/kernel/syscall.ts';
import { defaultLimits } from '../../src/protocol/limits.ts';
import type { Policy } from '../../src/protocol/nouns.ts';
import { bytesSource, sink } from './run-guest.ts';

type Core = number | bigint;

export interface ComponentGuestOptions extends Partial<Omit<ProcessOptions, 'policy' | 'env' | 'stdin'>> {
  readonly policy?: Policy;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string | ProcessOptions['stdin'];
}

export interface LoggedLine {
  readonly level: number;
  readonly stream: string;
  readonly text: string;
}

export class ComponentGuest {
  readonly process: Process;
  readonly lines: LoggedLine[] = [];
  readonly #stdout: Uint8Array[] = [];
  readonly #stderr: Uint8Array[] = [];
  #top = 1024;

  constructor(options: ComponentGuestOptions = {}) {
    const { policy, env, stdin, ...rest } = options;
    this.process = new Process({
      identity: { handler: 'swift-otter', deployment: 1, commit: 'c', invocation: 'i' },
      args: ['guest'],
      env: new Map(Object.entries(env ?? {})),
      stdin: typeof stdin === 'string' || stdin === undefined ? bytesSource(stdin ?? '') : stdin,
      stdout: sink('stdout', this.#stdout),
      stderr: sink('stderr', this.#stderr),
      limits: defaultLimits,
      policy: policy === undefined ? null : new CompiledPolicy(policy),
      schemes: new SchemeRegistry(localSchemes),
      meter: new GasMeter(1_000_000),
      log: { line: ({ level, stream, text }) => void this.lines.push({ level, stream, text }) },
      clock: systemClock,
      random: (into) => void randomFillSync(into),
      files: () =>
        makeFileSystem({ lower: null, nowNs: () => BigInt(Math.round(systemClock.wallMs() * 1000)) * 1000n }),
      kv: null,
      queues: null,
      ...rest,
    });
    this.process.memory = new GuestMemory(new WebAssembly.Memory({ initial: 64 }));
  }

  get stdout(): string {
    return Buffer.concat(this.#stdout).toString();
  }

  get stderr(): string {
    return Buffer.concat(this.#stderr).toString();
  }

  /** Calls `name` of `interfaceName` (`wasi:io/streams`, 0.2 unless it says more). Returns its result. */
  // biome-ignore lint/suspicious/noExplicitAny: results are as various as the types of the interfaces.
  async call(interfaceName: string, name: string, ...values: readonly unknown[]): Promise<any> {
    const row = rowOf(interfaceName, name);
    const { wit } = row;
    if (wit === undefined) throw new Error(`${name} is no function of an interface`);
    const core = flattenFunction(wit, 'lower');
    let args: Core[];
    if (wit.params.reduce((sum, { type }) => sum + flattenType(type).length, 0) > core.params.length) {
      const types = wit.params.map(({ type }) => type);
      const { bytes, offsets } = recordLayout(types);
      const pointer = this.#allocate(bytes, 8);
      types.forEach((type, index) => {
        this.#store(type, pointer + (offsets[index] as number), values[index]);
      });
      args = [pointer];
    } else args = wit.params.flatMap(({ type }, index) => this.#flat(type, values[index]));
    const isIndirect = wit.result !== null && flattenType(wit.result).length > 1;
    const pointer = isIndirect ? this.#allocate(elementBytes(wit.result as WitType), 8) : 0;
    if (isIndirect) args.push(pointer);
    const returned = await (row.run as unknown as (guest: Process, ...args: readonly Core[]) => SyscallResult)(
      this.process,
      ...args,
    );
    this.#allocateRequested();
    if (wit.result === null) return undefined;
    if (isIndirect) return this.#load(wit.result, pointer);
    const place = this.#allocate(8, 8);
    if (returned === undefined) return this.#load(wit.result, place);
    if (typeof returned === 'bigint') this.process.memory.setU64(place, BigInt.asUintN(64, returned));
    else this.process.memory.setU32(place, returned);
    return this.#load(wit.result, place);
  }

  /** Returns a function that calls functions of one interface. */
  // biome-ignore lint/suspicious/noExplicitAny: as for call.
  of(interfaceName: string): (name: string, ...values: readonly unknown[]) => Promise<any> {
    return (name, ...values) => this.call(interfaceName, name, ...values);
  }

  /**
   * Calls a function of asynchronous calls by the name that the linker gives it: `stream.new u8`. A copy that waits is
   * begun and waited for: the test goes on in between, which no guest does, so its wait may be one that nothing would
   * end.
   */
  async canon(name: string, ...args: readonly number[]): Promise<number | bigint | undefined> {
    if (/^(stream|future)\.(read|write) [^ ]+$/.test(name)) {
      const begun = await this.canon(name.replace(' ', ' begin '), ...args);
      if (begun !== blocked) return begun;
      const end = waitableOf(this.process, args[0] as number);
      await end.happened();
      const { payload } = end.take();
      this.#allocateRequested();
      return payload;
    }
    const row = rowOf('trisiel:component/async', name);
    const run = row.run as unknown as (guest: Process, ...args: readonly Core[]) => SyscallResult;
    const returned = await run(this.process, ...args);
    this.#allocateRequested();
    return returned;
  }

  /** Makes a stream or future of values of `type`. Returns the handles of its ends. */
  async ends(kind: 'stream' | 'future', type: WitType | null): Promise<{ readable: number; writable: number }> {
    const both = (await this.canon(`${kind}.new ${elementName(type)}`)) as bigint;
    return { readable: Number(both & 0xffff_ffffn), writable: Number(both >> 32n) };
  }

  /** Returns the readable end of a stream of bytes. They are written while the host reads. */
  async streamOf(text: string): Promise<number> {
    const { readable, writable } = await this.ends('stream', 'u8');
    const [pointer, length] = this.#bytes(Buffer.from(text));
    void (async () => {
      for (let done = 0; done < length; ) {
        const payload = (await this.canon('stream.write u8', writable, pointer + done, length - done)) as number;
        done += payload >>> 4;
        if ((payload & 15) !== 0) break;
      }
      await this.canon('stream.drop-writable u8', writable);
    })();
    return readable;
  }

  /** Returns the readable end of a future of `type` with `value`. It is written when the host reads. */
  async futureOf(type: WitType, value: unknown): Promise<number> {
    const { readable, writable } = await this.ends('future', type);
    const pointer = this.#allocate(elementBytes(type), 8);
    this.#store(type, pointer, value);
    void this.canon(`future.write ${elementName(type)}`, writable, pointer);
    return readable;
  }

  /** Reads the stream to its end and drops it. Returns the text of its bytes. */
  async textOf(stream: number): Promise<string> {
    return Buffer.from((await this.valuesOf(stream, 'u8')) as number[]).toString();
  }

  /** Reads the stream of values of `type` to its end and drops it. */
  async valuesOf(stream: number, type: WitType): Promise<unknown[]> {
    const count = 64;
    const values: unknown[] = [];
    const bytes = elementBytes(type);
    for (;;) {
      const pointer = this.#allocate(count * bytes, 8);
      const payload = (await this.canon(`stream.read ${elementName(type)}`, stream, pointer, count)) as number;
      for (let index = 0; index < payload >>> 4; index += 1) values.push(this.#load(type, pointer + index * bytes));
      if ((payload & 15) === 0) continue;
      await this.canon(`stream.drop-readable ${elementName(type)}`, stream);
      return values;
    }
  }

  /** Reads the value of the future and drops it. */
  // biome-ignore lint/suspicious/noExplicitAny: as for call.
  async valueOf(future: number, type: WitType): Promise<any> {
    const pointer = this.#allocate(elementBytes(type), 8);
    const payload = await this.canon(`future.read ${elementName(type)}`, future, pointer);
    if (payload !== 0) throw new Error(`the future ended with ${payload}`);
    await this.canon(`future.drop-readable ${elementName(type)}`, future);
    return this.#load(type, pointer);
  }

  #allocate(bytes: number, align: number): number {
    const start = alignTo(this.#top, align);
    this.#top = start + bytes;
    if (this.#top <= this.process.memory.all.length) return start;
    this.#top = 1024 + bytes;
    return 1024;
  }

  #allocateRequested(): void {
    const { allocations } = this.process.component;
    for (let next = allocations.next(); next !== 0; next = allocations.next())
      allocations.put(this.process.memory, this.#allocate(next >>> 3, 1 << ((next >>> 1) & 3)));
  }

  #bytes(bytes: Uint8Array): [pointer: number, length: number] {
    const pointer = this.#allocate(bytes.length, 1);
    this.process.memory.put(pointer, bytes);
    return [pointer, bytes.length];
  }

  #list(type: WitType, value: unknown): [pointer: number, length: number] {
    if (type === 'string') return this.#bytes(Buffer.from(value as string));
    const { of } = type as { readonly of: WitType };
    if (of === 'u8') return this.#bytes(typeof value === 'string' ? Buffer.from(value) : (value as Uint8Array));
    const values = value as readonly unknown[];
    const bytes = elementBytes(of);
    const pointer = this.#allocate(values.length * bytes, alignment(of));
    values.forEach((one, index) => {
      this.#store(of, pointer + index * bytes, one);
    });
    return [pointer, values.length];
  }

  #flat(type: WitType, value: unknown): Core[] {
    if (type === 's64' || type === 'u64') return [BigInt.asIntN(64, value as bigint)];
    if (isList(type)) return this.#list(type, value);
    if (typeof type !== 'string') {
      if (type.kind === 'record')
        return type.fields.flatMap(({ name, type: of }) =>
          this.#flat(of, (value as Record<string, unknown>)[toKey(name)]),
        );
      if (type.kind === 'tuple') return type.of.flatMap((of, index) => this.#flat(of, (value as unknown[])[index]));
      const choice = chosen(type, value);
      if (choice !== null) {
        const joined = flattenType(type).slice(1);
        const own = choice.type === null ? [] : this.#flat(choice.type, choice.payload);
        const padded = joined.map((core, index) => {
          const one = own[index] ?? 0;
          return core === 'i64' ? BigInt(one) : one;
        });
        return [choice.index, ...padded];
      }
    }
    const place = this.#allocate(8, 8);
    this.process.memory.setU64(place, 0n);
    this.#store(type, place, value);
    return [this.process.memory.u32(place) | 0];
  }

  #store(type: WitType, pointer: number, value: unknown): void {
    const { memory } = this.process;
    if (isList(type)) {
      const [start, length] = this.#list(type, value);
      memory.setU32(pointer, start);
      memory.setU32(pointer + 4, length);
      return;
    }
    if (typeof type === 'string') {
      const bytes = elementBytes(type);
      if (bytes === 8) memory.setU64(pointer, value as bigint);
      else this.#integer(pointer, bytes, Number(value));
      return;
    }
    switch (type.kind) {
      case 'record': {
        const { offsets } = recordLayout(type.fields.map((field) => field.type));
        type.fields.forEach((field, index) => {
          const one = (value as Record<string, unknown>)[toKey(field.name)];
          this.#store(field.type, pointer + (offsets[index] as number), one);
        });
        return;
      }
      case 'tuple': {
        const { offsets } = recordLayout(type.of);
        type.of.forEach((of, index) => {
          this.#store(of, pointer + (offsets[index] as number), (value as unknown[])[index]);
        });
        return;
      }
      case 'flags': {
        const set = new Set(value as Iterable<string>);
        const bits = type.labels.reduce((sum, label, index) => sum | (set.has(label) ? 1 << index : 0), 0);
        this.#integer(pointer, flagsBytes(type.labels.length), bits);
        return;
      }
      case 'own':
      case 'borrow':
      case 'stream':
      case 'future':
        memory.setU32(pointer, value as number);
        return;
      default: {
        const choice = chosen(type, value);
        if (choice === null) throw new Error(`cannot store a ${type.kind}`);
        const cases = casesOf(type as Parameters<typeof casesOf>[0]);
        this.#integer(pointer, discriminantBytes(cases.length), choice.index);
        if (choice.type !== null) this.#store(choice.type, pointer + payloadOffset(cases), choice.payload);
      }
    }
  }

  #integer(pointer: number, bytes: number, value: number): void {
    const { memory } = this.process;
    if (bytes === 1) memory.setU8(pointer, value);
    else if (bytes === 2) memory.setU16(pointer, value);
    else memory.setU32(pointer, value);
  }

  #load(type: WitType, pointer: number): unknown {
    const { memory } = this.process;
    const word = (bytes: number): number =>
      bytes === 1 ? memory.u8(pointer) : bytes === 2 ? memory.u16(pointer) : memory.u32(pointer);
    if (type === 'string') return memory.strictText(memory.u32(pointer), memory.u32(pointer + 4));
    if (typeof type === 'string') {
      if (type === 'bool') return memory.u8(pointer) !== 0;
      if (type === 's32') return memory.u32(pointer) | 0;
      return elementBytes(type) === 8 ? memory.u64(pointer) : word(elementBytes(type));
    }
    switch (type.kind) {
      case 'list': {
        const start = memory.u32(pointer);
        const length = memory.u32(pointer + 4);
        if (type.of === 'u8') return memory.bytes(start, length).slice();
        const bytes = elementBytes(type.of);
        return Array.from({ length }, (_, index) => this.#load(type.of, start + index * bytes));
      }
      case 'record': {
        const { offsets } = recordLayout(type.fields.map((field) => field.type));
        return Object.fromEntries(
          type.fields.map((field, index) => [
            toKey(field.name),
            this.#load(field.type, pointer + (offsets[index] as number)),
          ]),
        );
      }
      case 'tuple': {
        const { offsets } = recordLayout(type.of);
        return type.of.map((of, index) => this.#load(of, pointer + (offsets[index] as number)));
      }
      case 'flags':
        return new Set(type.labels.filter((_, index) => ((word(flagsBytes(type.labels.length)) >>> index) & 1) === 1));
      case 'own':
      case 'borrow':
      case 'stream':
      case 'future':
        return memory.u32(pointer);
      default: {
        const cases = casesOf(type);
        const index = word(discriminantBytes(cases.length));
        const one = cases[index];
        if (one === undefined) throw new Error(`case ${index} of ${cases.length}`);
        const payload = one.type === null ? undefined : this.#load(one.type, pointer + payloadOffset(cases));
        if (type.kind === 'option') return index === 0 ? null : payload;
        if (type.kind === 'enum') return type.labels[index];
        if (type.kind === 'result') return index === 0 ? { ok: payload } : { err: payload };
        return one.type === null ? { tag: one.name } : { tag: one.name, value: payload };
      }
    }
  }
}

/** Returns the row of a host function, by the name of its interface with or without `@0.2`. */
export function rowOf(interfaceName: string, name: string): Syscall {
  const names = [interfaceName, `${interfaceName}@0.2`];
  const rows = abis
    .filter(({ modules }) => modules.some((module) => names.includes(module)))
    .flatMap((abi) => abi.syscalls);
  const row = rows.find((one) => one.name === name);
  if (row === undefined) throw new Error(`nobody provides ${interfaceName} ${name}`);
  return row;
}

function isList(type: WitType): boolean {
  return type === 'string' || (typeof type !== 'string' && type.kind === 'list' && type.length === null);
}

function chosen(
  type: Exclude<WitType, string>,
  value: unknown,
): { readonly index: number; readonly type: WitType | null; readonly payload: unknown } | null {
  switch (type.kind) {
    case 'option':
      return value === null ? { index: 0, type: null, payload: null } : { index: 1, type: type.of, payload: value };
    case 'enum':
      return { index: type.labels.indexOf(value as string), type: null, payload: null };
    case 'result': {
      const isOk = Object.hasOwn(value as object, 'ok');
      return isOk
        ? { index: 0, type: type.ok, payload: (value as { ok: unknown }).ok }
        : { index: 1, type: type.err, payload: (value as { err: unknown }).err };
    }
    case 'variant': {
      const { tag, value: payload } = value as { readonly tag: string; readonly value?: unknown };
      const index = type.cases.findIndex(({ name }) => name === tag);
      return { index, type: type.cases[index]?.type ?? null, payload };
    }
    default:
      return null;
  }
}
