/**
 * A place where an Invocation can run: memory, imports bound once, and an instance that is as new
 * before every Invocation.
 *
 * Where a guest can change nothing but memory and globals, the instance is kept and both are set
 * back: memory from its image right after instantiation, globals to the values they had then. Where
 * it can change more (table entries, dropped segments, a v128 global, which JavaScript cannot set),
 * the memory is wiped and a new instance made. A memory that has grown cannot shrink: such a slot is
 * given up, and so is one whose guest did not end by itself.
 */
import { GuestInstance, makeMemory } from '../guest/kernel/instance.ts';
import type { Abi } from '../guest/kernel/syscall.ts';
import { KIB, PAGE_BYTES } from '../protocol/limits.ts';
import type { InstancePlan } from '../protocol/module.ts';
import { poolLimits } from './limits.ts';

export interface GuestCode {
  readonly module: WebAssembly.Module;
  readonly plan: InstancePlan;
  readonly abis: readonly Abi[];
  /** The Limits' memoryPages. */
  readonly memoryPages: number;
}

/** What memory holds right after instantiation, block by block; null stands for zeros. */
export interface MemoryImage {
  readonly parts: readonly { readonly start: number; readonly end: number; readonly bytes: Uint8Array | null }[];
}

/** Whether instances of `plan` can be set back instead of being made anew. */
export function isRecyclable(plan: InstancePlan): boolean {
  return !plan.mutates.table && !plan.mutates.segments && plan.mutableGlobals.every((global) => global.type !== 'v128');
}

/** Bytes that a slot of `plan` counts before its guest has run. */
export function slotBytes(plan: InstancePlan): number {
  return (plan.memory?.initialPages ?? 0) * PAGE_BYTES + poolLimits.overheadBytes;
}

export class Slot {
  readonly guest: GuestInstance;
  readonly #isRecyclable: boolean;
  readonly #image: MemoryImage;
  readonly #initialBytes: number;
  /** Parts of the image that are back in place. */
  #restored = 0;
  #globals: readonly { readonly global: WebAssembly.Global; readonly value: unknown }[] = [];
  /** What the budget has on record for this slot. */
  accountedBytes: number;

  /** Throws as WebAssembly.Memory and WebAssembly.Instance do. `image` is shared by all slots of the code. */
  constructor(code: GuestCode, image: MemoryImage | null) {
    const { plan } = code;
    this.guest = new GuestInstance({
      module: code.module,
      plan,
      abis: code.abis,
      memory: makeMemory(plan, code.memoryPages),
    });
    this.#isRecyclable = isRecyclable(plan);
    this.#initialBytes = (plan.memory?.initialPages ?? 0) * PAGE_BYTES;
    this.accountedBytes = slotBytes(plan);
    // Without recycling the memory is handed to a new instance, which wants it zeroed.
    const isKept = this.#initialBytes <= poolLimits.restoreMaxBytes;
    if (image === null && isKept && !this.#isRecyclable) image = imageOf(this.guest.memory);
    this.#instantiate();
    this.#image = image ?? (isKept ? imageOf(this.guest.memory) : { parts: [] });
  }

  get image(): MemoryImage {
    return this.#image;
  }

  /** Bytes that setting back has to write. */
  get restoreBytes(): number {
    return this.#initialBytes;
  }

  /** Present size, as the budget counts. */
  get bytes(): number {
    return (this.guest.memory?.buffer.byteLength ?? 0) + poolLimits.overheadBytes;
  }

  get hasGrown(): boolean {
    return this.guest.memory !== null && this.guest.memory.buffer.byteLength !== this.#initialBytes;
  }

  /** Makes the slot as new. Throws where that fails: then it must not be used again. */
  restore(): void {
    while (!this.restoreSome(Number.POSITIVE_INFINITY));
  }

  /** As restore, but stops after about `bytes`. True when the slot is as new. */
  restoreSome(bytes: number): boolean {
    if (this.hasGrown) throw new Error('a memory that has grown cannot be restored');
    const memory = this.guest.guestMemory.all;
    const { parts } = this.#image;
    let left = bytes;
    while (this.#restored < parts.length) {
      if (left <= 0) return false;
      const part = parts[this.#restored] as MemoryImage['parts'][number];
      if (part.bytes === null) memory.fill(0, part.start, part.end);
      else memory.set(part.bytes, part.start);
      left -= part.end - part.start;
      this.#restored += 1;
    }
    this.#restored = 0;
    if (this.#isRecyclable) for (const { global, value } of this.#globals) global.value = value as never;
    else {
      this.guest.discard();
      this.#instantiate();
    }
    return true;
  }

  #instantiate(): void {
    this.guest.instantiate();
    if (!this.#isRecyclable) return;
    const { exports, plan } = this.guest;
    this.#globals = plan.mutableGlobals.map(({ exportName }) => {
      const global = exports[exportName];
      if (!(global instanceof WebAssembly.Global)) throw new Error(`no global is exported as ${exportName}`);
      return { global, value: global.value as unknown };
    });
  }
}

/** Unit of comparison: an operating system's page. */
const blockBytes = 4 * KIB;
/** Longest part, so that restoring can pause in between. */
const partBytes = 256 * KIB;
const zeroBlock = Buffer.alloc(blockBytes);

/** Instantiation is a function of the module: what one instance finds in its memory, every other finds. */
function imageOf(memory: WebAssembly.Memory | null): MemoryImage {
  const parts: { start: number; end: number; bytes: Uint8Array | null }[] = [];
  if (memory === null) return { parts };
  const all = Buffer.from(memory.buffer);
  let wasZero: boolean | null = null;
  for (let at = 0; at < all.length; at += blockBytes) {
    const isZero = zeroBlock.compare(all, at, at + blockBytes) === 0;
    const last = parts.at(-1);
    if (last === undefined || isZero !== wasZero || last.end - last.start >= partBytes) {
      parts.push({ start: at, end: at + blockBytes, bytes: null });
    } else last.end = at + blockBytes;
    wasZero = isZero;
    const current = parts.at(-1);
    if (!isZero && current !== undefined) current.bytes = all.subarray(current.start, current.end);
  }
  // The image must not change with the memory it was taken from.
  return { parts: parts.map((part) => ({ ...part, bytes: part.bytes === null ? null : new Uint8Array(part.bytes) })) };
}
