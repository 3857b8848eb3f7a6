/**
 * Writes the instructions that charge and check, for one function at a time. A function counts either in the global
 * `$left` or in a local, from 0 downwards; the count in the local is settled (added to the global) now and then.
 * helpers.ts has the functions that this code calls.
 */
import { constant, emptyBlock, op } from '../format/instructions.ts';
import type { ByteWriter } from '../format/writer.ts';
import type { HintSink } from './branch-hints.ts';
import type { HelperIndices } from './helpers.ts';
import { runGas } from './loop-plan.ts';
import { exact } from './placement.ts';

export interface CountedFunction {
  /** Offset in the writer at which the body begins. */
  readonly bodyStart: number;
  /** Index of the added local. It holds the count or, if the function counts in the global, a copy of the counter. */
  readonly local: number;
  readonly countsInLocal: boolean;
  /** Index of the i64 global that adds up the function's own gas in a profile build; null in other builds. */
  readonly profileGlobal: number | null;
}

export interface CounterCodeOptions {
  readonly writer: ByteWriter;
  readonly indices: HelperIndices;
  readonly hints: HintSink;
}

export class CounterCode {
  readonly #writer: ByteWriter;
  readonly #indices: HelperIndices;
  readonly #hints: HintSink;
  #function: CountedFunction = { bodyStart: 0, local: 0, countsInLocal: false, profileGlobal: null };

  constructor({ writer, indices, hints }: CounterCodeOptions) {
    this.#writer = writer;
    this.#indices = indices;
    this.#hints = hints;
  }

  /** Begins the code of function `counted`. */
  begin(counted: CountedFunction): void {
    this.#function = counted;
  }

  /** Writes code that takes `charge` off the counter. */
  subtract(charge: number): void {
    this.#subtract(charge, false);
  }

  /** Writes code that takes `charge` off the counter and checks. `credit` is the credit after it. */
  chargeAndCheck(charge: number, credit: number): void {
    if (!this.#function.countsInLocal) {
      this.chargeGlobal(charge, credit);
      return;
    }
    if (charge !== 0) this.#subtract(charge, true);
    else this.#put(op.localGet, this.#function.local);
    this.settleIfRun(credit);
  }

  /**
   * Writes code that settles the count, takes `charge` off the global and checks. `credit` is the credit after it.
   * Calls need this, since the called function sees the global.
   */
  chargeGlobal(charge: number, credit: number): void {
    const { countsInLocal, local } = this.#function;
    this.#put(op.globalGet, this.#indices.left);
    if (countsInLocal) {
      this.#put(op.localGet, local);
      this.#writer.u8(op.i32Add);
    }
    if (charge !== 0) {
      this.#constant(charge);
      this.#writer.u8(op.i32Sub);
    }
    if (countsInLocal || charge !== 0) {
      this.#put(op.localTee, local);
      this.#put(op.globalSet, this.#indices.left);
      this.#put(op.localGet, local);
    }
    this.#ifBelow(-credit, () => {
      this.#constant(credit);
      this.#put(op.call, this.#indices.slow);
    });
    if (countsInLocal) this.clearCount();
  }

  /**
   * Writes code, for use before a counted loop, that charges `charge` for each of the rounds in local `rounds` and
   * checks. `credit` is the credit after it.
   */
  chargeRounds(charge: number, rounds: number, credit: number): void {
    const { local, profileGlobal } = this.#function;
    this.#put(op.localGet, local);
    this.#put(op.localGet, rounds);
    this.#constant(charge);
    this.#writer.u8(op.i32Mul);
    this.#writer.u8(op.i32Sub);
    this.#put(op.localTee, local);
    this.settleIfRun(credit);
    if (profileGlobal === null) return;
    this.#put(op.globalGet, profileGlobal);
    this.#put(op.localGet, rounds);
    this.#writer.u8(op.i64ExtendI32U);
    this.#writer.u8(op.i64Const);
    this.#writer.s32(charge);
    this.#writer.u8(op.i64Mul);
    this.#writer.u8(op.i64Add);
    this.#put(op.globalSet, profileGlobal);
  }

  /** Writes code that adds `charge` to the function's own gas in a profile build. */
  profile(charge: number): void {
    const { profileGlobal } = this.#function;
    if (profileGlobal === null || charge === 0) return;
    this.#put(op.globalGet, profileGlobal);
    this.#writer.u8(op.i64Const);
    this.#writer.s32(charge);
    this.#writer.u8(op.i64Add);
    this.#put(op.globalSet, profileGlobal);
  }

  /** Writes code that adds the count to the global. */
  settle(): void {
    this.#put(op.globalGet, this.#indices.left);
    this.#put(op.localGet, this.#function.local);
    this.#writer.u8(op.i32Add);
    this.#put(op.globalSet, this.#indices.left);
  }

  /** Writes code that sets the count to 0, after settle(). */
  clearCount(): void {
    this.#constant(0);
    this.#put(op.localSet, this.#function.local);
  }

  /**
   * Writes the exit of a function that counts in a local: settles, and checks if the function makes calls. Such a
   * function may have worked for two runs since its last call, and many nested ones could do so while they return.
   */
  leave(hasCalls: boolean): void {
    if (hasCalls) this.chargeGlobal(0, exact);
    else this.settle();
  }

  /** Writes code that settles a used-up run, checks, and begins the next run. */
  settleRun(credit: number): void {
    this.#put(op.localGet, this.#function.local);
    this.#constant(credit);
    this.#put(op.call, this.#indices.settle);
    this.#put(op.localSet, this.#function.local);
  }

  /** Writes code that takes the count from the stack and settles the run if it is used up. */
  settleIfRun(credit: number): void {
    this.#ifBelow(-runGas, () => this.settleRun(credit));
  }

  /** Writes code that branches to `label` if the run is used up. */
  branchIfRun(label: number): void {
    this.#put(op.localGet, this.#function.local);
    this.#isBelow(-runGas);
    this.#put(op.brIf, label);
  }

  /**
   * Writes code that takes the counter from the stack and runs the code that `act` writes if the counter is below
   * `least`.
   */
  #ifBelow(least: number, act: () => void): void {
    this.#isBelow(least);
    this.#put(op.if, emptyBlock);
    act();
    this.#writer.u8(op.end);
  }

  /** Writes code that compares the counter on the stack with `least`. The next branch is unlikely to be taken. */
  #isBelow(least: number): void {
    this.#constant(least);
    this.#writer.u8(op.i32LtS);
    this.#hints.add(this.#writer.length - this.#function.bodyStart);
  }

  /** Writes code that takes `charge` off the counter and, if `keep`, leaves the count on the stack. */
  #subtract(charge: number, keep: boolean): void {
    const { countsInLocal, local } = this.#function;
    const [get, set, index] = countsInLocal
      ? [op.localGet, keep ? op.localTee : op.localSet, local]
      : [op.globalGet, op.globalSet, this.#indices.left];
    this.#put(get, index);
    this.#constant(charge);
    this.#writer.u8(op.i32Sub);
    this.#put(set, index);
  }

  #put(opcode: number, immediate: number): void {
    this.#writer.instruction(opcode, immediate);
  }

  #constant(value: number): void {
    constant(this.#writer, value);
  }
}
