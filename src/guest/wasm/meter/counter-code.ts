/**
 * Writes the instructions that charge and check, for one function at a time: on the global counter `$left`, or on a
 * count in a local, from 0 downwards, that is settled (added to the global) now and then. helpers.ts has the functions
 * that they call.
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
  /** Index of the local that is added: the count or, where the function counts in the global, a copy of it. */
  readonly local: number;
  readonly countsInLocal: boolean;
  /** Index of an i64 global that adds up the function's own gas (profile build); null for none. */
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

  /** Starts the code of `counted`. */
  begin(counted: CountedFunction): void {
    this.#function = counted;
  }

  /** Takes `charge` off the counter. */
  subtract(charge: number): void {
    this.#subtract(charge, false);
  }

  /** Takes `charge` off the counter and checks; the credit behind is `credit`. */
  chargeAndCheck(charge: number, credit: number): void {
    if (!this.#function.countsInLocal) {
      this.chargeGlobal(charge, credit);
      return;
    }
    if (charge !== 0) this.#subtract(charge, true);
    else this.#put(op.localGet, this.#function.local);
    this.settleIfRun(credit);
  }

  /** The same on the global, settled: in front of a call, since the function called sees the global. */
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
   * In front of a counted loop: charges `charge` for each of the rounds whose number is in local `rounds`, and checks;
   * the credit behind is `credit`.
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

  /** Adds `charge` to the function's own gas, in a profile build. */
  profile(charge: number): void {
    const { profileGlobal } = this.#function;
    if (profileGlobal === null || charge === 0) return;
    this.#put(op.globalGet, profileGlobal);
    this.#writer.u8(op.i64Const);
    this.#writer.s32(charge);
    this.#writer.u8(op.i64Add);
    this.#put(op.globalSet, profileGlobal);
  }

  /** Adds the count to the global. */
  settle(): void {
    this.#put(op.globalGet, this.#indices.left);
    this.#put(op.localGet, this.#function.local);
    this.#writer.u8(op.i32Add);
    this.#put(op.globalSet, this.#indices.left);
  }

  /** Sets the count to 0; it has been settled. */
  clearCount(): void {
    this.#constant(0);
    this.#put(op.localSet, this.#function.local);
  }

  /**
   * Writes the exit of a function that counts in a local: settles, and checks if the function makes calls. Such a
   * function may have worked for two runs since its last call, and many nested ones could do so on their way back.
   */
  leave(hasCalls: boolean): void {
    if (hasCalls) this.chargeGlobal(0, exact);
    else this.settle();
  }

  /** Settles a run that is used up, checks, and begins the next one. */
  settleRun(credit: number): void {
    this.#put(op.localGet, this.#function.local);
    this.#constant(credit);
    this.#put(op.call, this.#indices.settle);
    this.#put(op.localSet, this.#function.local);
  }

  /** Takes the count from the stack; if the run is used up, settles it. */
  settleIfRun(credit: number): void {
    this.#ifBelow(-runGas, () => this.settleRun(credit));
  }

  /** Compares the count with what a run has; branches to `label` if the run is used up. */
  branchIfRun(label: number): void {
    this.#put(op.localGet, this.#function.local);
    this.#isBelow(-runGas);
    this.#put(op.brIf, label);
  }

  /** Takes the counter from the stack; if it is below `least`, does what `act` writes. */
  #ifBelow(least: number, act: () => void): void {
    this.#isBelow(least);
    this.#put(op.if, emptyBlock);
    act();
    this.#writer.u8(op.end);
  }

  /** Compares the counter on the stack; the branch behind is hardly ever taken. */
  #isBelow(least: number): void {
    this.#constant(least);
    this.#writer.u8(op.i32LtS);
    this.#hints.add(this.#writer.length - this.#function.bodyStart);
  }

  /** Takes `charge` off the counter; leaves the count on the stack where `keep`. */
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
