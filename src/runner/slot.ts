/**
 * A place in which an Invocation runs: memory, imports that are bound once, and an instance that is as new before every
 * Invocation.
 *
 * If a guest can change only memory and globals, the instance is kept and both are restored: memory from its image
 * right after instantiation, globals to their values at that time. If it can change more (table entries, dropped
 * segments; in Artifacts of meter version 4 and below a v128 global), the memory is wiped and a new instance is made. A
 * guest grows into the reserve pages of the memory; they are always zeroed, since the guest can write to them without
 * growing. A memory that has grown beyond its reserve cannot shrink: such a slot is given up, and so is one whose guest
 * did not end by itself.
 */
import { GuestInstance, makeMemory } from '../guest/kernel/instance.ts';
import type { Abi } from '../guest/kernel/syscall.ts';
import { KIB, MIB, PAGE_BYTES } from '../protocol/limits.ts';
import type { InstancePlan } from '../protocol/module.ts';
import { instanceGarbage } from './instance-garbage.ts';
import { poolLimits } from './limits.ts';

export interface GuestCode {
  readonly module: WebAssembly.Module;
  readonly plan: InstancePlan;
  readonly abis: readonly Abi[];
  /** Value of the Limits' memoryPages. */
  readonly memoryPages: number;
  /** Whether making an instance takes longer than a slice. */
  readonly isSlow?: boolean;
  /** Whether its owner rests between two instances (instance-rests.ts). */
  readonly rests?: boolean;
  /** Whether memories have no reserve, so that every access beyond memory.size traps. */
  readonly exactMemory: boolean;
}

/** Content of the initial pages right after instantiation, in blocks; null: a block of zeros. */
export interface MemoryImage {
  readonly parts: readonly { readonly start: number; readonly end: number; readonly bytes: Uint8Array | null }[];
}

/** Returns whether instances of `plan` can be restored instead of being made anew. */
export function isRecyclable(plan: InstancePlan): boolean {
  const { mutates, restore, mutableGlobals } = plan;
  const canSetBack = restore !== undefined || mutableGlobals.every((global) => global.type !== 'v128');
  return !mutates.table && !mutates.segments && canSetBack;
}

export interface SlotOptions {
  /** Image shared by all slots of the code; null: the slot makes it. */
  readonly image: MemoryImage | null;
  /** Pages that the guest may grow into before its memory grows; fewer if the maximum does not allow as many. */
  readonly reservePages: number;
}

/** Returns the most bytes that a slot of `plan` with `reservePages` of reserve counts before its guest has run. */
export function slotBytes(plan: InstancePlan, reservePages: number): number {
  const pages = plan.memory === null ? 0 : plan.memory.initialPages + reservePages;
  return pages * PAGE_BYTES + besidesMemoryBytes(plan);
}

function besidesMemoryBytes({ table, tableEntries }: InstancePlan): number {
  return (tableEntries ?? table?.initial ?? 0) * poolLimits.tableEntryBytes + poolLimits.overheadBytes;
}

export class Slot {
  readonly guest: GuestInstance;
  /** Value of the SlotOptions' reservePages. */
  readonly reserveWanted: number;
  readonly #module: WebAssembly.Module;
  readonly #isRecyclable: boolean;
  readonly #image: MemoryImage;
  readonly #initialPages: number;
  /** Bytes of the memory before the guest has run, reserve included. */
  readonly #madeBytes: number;
  /** Number of parts of the image that have been restored. */
  #restored = 0;
  /** Offset from which the memory is zero, up to its end. */
  #zeroFrom: number;
  /** View of the whole memory; detached once it has outgrown its reserve. */
  readonly #memory: Uint8Array;
  #restoreGlobals: (() => void) | null = null;
  /** Globals of Artifacts without a function that restores them. */
  #globals: readonly { readonly global: WebAssembly.Global; readonly value: unknown }[] = [];
  /** Bytes that the budget has recorded for this slot. */
  accountedBytes: number;

  /** Makes a slot. Throws as WebAssembly.Memory and WebAssembly.Instance do. */
  constructor(code: GuestCode, { image, reservePages }: SlotOptions) {
    const { plan } = code;
    this.#module = code.module;
    const memory = makeMemory(plan, { limit: code.memoryPages, reserve: reservePages });
    this.guest = new GuestInstance({ module: code.module, plan, abis: code.abis, memory });
    this.reserveWanted = reservePages;
    this.#isRecyclable = isRecyclable(plan);
    this.#initialPages = plan.memory?.initialPages ?? 0;
    this.#memory = new Uint8Array(memory?.buffer ?? new ArrayBuffer(0));
    this.#madeBytes = this.#memory.length;
    this.#zeroFrom = this.#madeBytes;
    this.accountedBytes = slotBytes(plan, reservePages);
    // Without recycling, a new instance gets the memory, which must be zero. Covers initial pages only: slots with
    // other reserves share the image.
    const isKept = this.#initialPages * PAGE_BYTES <= poolLimits.restoreMaxBytes;
    if (image === null && isKept && !this.#isRecyclable) image = this.#takeImage();
    this.#instantiate();
    this.#image = image ?? (isKept ? this.#takeImage() : { parts: [] });
  }

  get image(): MemoryImage {
    return this.#image;
  }

  /** Bytes that restoring must write. */
  get restoreBytes(): number {
    return this.#madeBytes;
  }

  /** Pages by which the guest has grown its memory, in the reserve and beyond; 0 in a restored slot. */
  get grownPages(): number {
    return this.guest.guestMemory.pages - this.#initialPages;
  }

  /** Present bytes, as the budget counts. */
  get bytes(): number {
    return (this.guest.memory?.buffer.byteLength ?? 0) + besidesMemoryBytes(this.guest.plan);
  }

  /** Whether the memory itself has grown, because the guest needed more than the reserve. */
  get hasOutgrown(): boolean {
    return this.guest.memory !== null && this.guest.memory.buffer.byteLength !== this.#madeBytes;
  }

  /** Restores the slot. Throws on failure; the slot must then not be used again. */
  restore(): void {
    while (!this.restoreSome(Number.POSITIVE_INFINITY));
  }

  /** Restores about `bytes` of the slot. Returns true when it is restored. */
  restoreSome(bytes: number): boolean {
    if (this.hasOutgrown) throw new Error('a memory that has grown cannot be restored');
    if (!this.#restoreMemory(bytes)) return false;
    if (this.#isRecyclable) {
      this.#restoreGlobals?.();
      for (const { global, value } of this.#globals) global.value = value as never; // its own value
      this.guest.resetReserve();
    } else {
      this.guest.discard();
      this.#instantiate();
    }
    return true;
  }

  /** Writes about `bytes` of the image. Returns true when all of it has been written. */
  #restoreMemory(bytes: number): boolean {
    const memory = this.#memory;
    const { parts } = this.#image;
    const initialBytes = this.#initialPages * PAGE_BYTES;
    let left = bytes;
    while (this.#restored < parts.length) {
      if (left <= 0) return false;
      const part = parts[this.#restored] as MemoryImage['parts'][number];
      if (part.bytes === null) memory.fill(0, part.start, part.end);
      else memory.set(part.bytes, part.start);
      left -= part.end - part.start;
      this.#restored += 1;
    }
    while (this.#zeroFrom > initialBytes) {
      if (left <= 0) return false;
      const start = Math.max(initialBytes, this.#zeroFrom - zeroedBytes);
      memory.fill(0, start, this.#zeroFrom);
      left -= this.#zeroFrom - start;
      this.#zeroFrom = start;
    }
    this.#restored = 0;
    this.#zeroFrom = this.#madeBytes;
    return true;
  }

  #takeImage(): MemoryImage {
    return imageOf(Buffer.from(this.#memory.buffer, 0, this.#initialPages * PAGE_BYTES));
  }

  #instantiate(): void {
    this.guest.instantiate();
    instanceGarbage.made(this.#module);
    if (!this.#isRecyclable) return;
    const { exports, plan } = this.guest;
    if (plan.restore !== undefined) {
      this.#restoreGlobals = exports[plan.restore] as () => void; // rewriting exports it
      return;
    }
    this.#globals = plan.mutableGlobals.map(({ exportName }) => {
      const global = exports[exportName];
      if (!(global instanceof WebAssembly.Global)) throw new Error(`no global is exported as ${exportName}`);
      return { global, value: global.value };
    });
  }
}

/** Bytes of a compared block: a page of the operating system. */
const blockBytes = 4 * KIB;
/** Greatest bytes of a part, so that restoring can pause between parts. */
const partBytes = 256 * KIB;
const zeroBlock = Buffer.alloc(blockBytes);
/** Bytes of the reserve zeroed at once, which takes about 30 µs. */
const zeroedBytes = MIB;

/** Makes the image of a memory. Instantiation depends on the module only, so all instances have the same image. */
function imageOf(all: Buffer): MemoryImage {
  const parts: { start: number; end: number; bytes: Uint8Array | null }[] = [];
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
  // Copies the bytes: the image must not change with the memory.
  return { parts: parts.map((part) => ({ ...part, bytes: part.bytes === null ? null : new Uint8Array(part.bytes) })) };
}
