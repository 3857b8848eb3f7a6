/**
 * Generates random structured programs, as text, in two forms: plain, and with a call of $count before each run of
 * instructions. The meter must charge the gas that the counting form counts.
 */
import fc from 'fast-check';
import { type Costs, costs } from '../../src/guest/wasm/meter/costs.ts';

/** Prices of the counting form: every instruction costs 1, bulk work costs the platform's price. */
export const flatCosts: Costs = { ...costs, instruction: 1, instructions: {} };

/** Form of exception handling that a program uses; the engine accepts no module with both. */
export type Throws = 'none' | 'legacy' | 'table';

/**
 * A statement leaves the stack as it found it; `depth` is the number of labels around it, the function's is
 * one more. It may branch to the `free` innermost ones: going back in a counted loop would have no end.
 */
interface Statement {
  readonly text: (count: Counter, depth: number, free: number) => string;
}
/** Text that counts `n` instructions, or nothing in the plain form. */
type Counter = (n: number) => string;

const locals = 3;
/** Locals for counted loops, one per depth. */
const counters = 'i32 '.repeat(32);
const local = fc.integer({ min: 0, max: locals - 1 });
const small = fc.integer({ min: -5, max: 300 });

/** local := local op constant; costs four instructions. */
const assign: fc.Arbitrary<Statement> = fc
  .tuple(local, local, small, fc.constantFrom('add', 'sub', 'mul', 'xor', 'shr_u', 'rotl'))
  .map(([to, from, value, operation]) => ({
    text: (count) => `${count(4)} local.get ${from} i32.const ${value} i32.${operation} local.set ${to}`,
  }));

/** Reads or writes memory at an address inside of it; costs ten instructions. */
const memory: fc.Arbitrary<Statement> = fc.tuple(local, local).map(([to, from]) => ({
  text: (count) =>
    `${count(4)} local.get ${from} i32.const 0xfff8 i32.and local.get ${to}
     ${count(1)} i32.store8 offset=3 ${count(1)} local.get ${to} ${count(3)} i32.const 0xffff i32.and i32.load8_u ${count(1)} local.set ${to}`,
}));

/**
 * Grows the memory, which may be refused, and changes its last byte, which must have been 0 where it is new; what a
 * page costs is counted on success.
 */
const growth: fc.Arbitrary<Statement> = fc.tuple(local, fc.integer({ min: 0, max: 2 })).map(([to, pages]) => {
  const last = 'memory.size i32.const 16 i32.shl i32.const 1 i32.sub';
  return {
    text: (count) =>
      `${count(3)} i32.const ${pages} memory.grow local.set ${to}
       local.get ${to} i32.const -1 i32.ne if ${count(pages * costs.memoryPage + 1)} end ${count(4)}
       ${count(14)} ${last} ${last} i32.load8_u i32.const 1 i32.add i32.store8
       ${count(9)} ${last} i32.load8_u local.get ${to} i32.add local.set ${to}`,
  };
});

const callStatement: fc.Arbitrary<Statement> = fc.tuple(fc.integer({ min: 0, max: 2 }), local).map(([callee, to]) => ({
  text: (count) =>
    callee === 2
      ? `${count(3)} local.get ${to} i32.const 0 call_indirect (type $unary) ${count(1)} local.set ${to}`
      : `${count(2)} local.get ${to} call ${callee === 0 ? '$leaf' : '$host'} ${count(1)} local.set ${to}`,
}));

/** Throws when a local is a multiple of 4, so that most programs run for a while. */
const throwStatement: fc.Arbitrary<Statement> = fc.tuple(local, fc.boolean()).map(([on, withValue]) => ({
  text: (count) => {
    const thrown = withValue ? `${count(2)} local.get ${on} throw $value` : `${count(1)} throw $nothing`;
    return `${count(5)} local.get ${on} i32.const 3 i32.and i32.eqz if ${thrown} end`;
  },
}));

/** Throws the exception again with `again` where local `on` is even; `again` stands in one more label. */
function sometimes(count: Counter, on: number, again: string): string {
  return `${count(5)} local.get ${on} i32.const 1 i32.and i32.eqz if ${count(1)} ${again} end`;
}

type Tie = (name: 'statements') => fc.Arbitrary<Statement>;

function legacyStatements(tie: Tie): fc.Arbitrary<Statement>[] {
  return [
    throwStatement,
    fc
      .tuple(tie('statements'), tie('statements'), local, fc.constantFrom('rethrow', 'all', 'none'))
      .map(([inner, caught, on, last]) => ({
        text: (count: Counter, depth: number, free: number) => {
          const body = (statement: Statement) => statement.text(count, depth + 1, free + 1);
          const all = `${count(1)} catch_all ${body(caught)} ${last === 'rethrow' ? sometimes(count, on, 'rethrow 1') : ''}`;
          return `${count(1)} try ${body(inner)} ${count(1)} catch $value ${count(1)} local.set ${on} ${body(caught)}
            ${last === 'none' ? '' : all} ${count(1)} end`;
        },
      })),
    fc.tuple(tie('statements'), fc.nat(20)).map(([inner, label]) => ({
      text: (count: Counter, depth: number, free: number) =>
        `${count(1)} try ${inner.text(count, depth + 1, free + 1)} ${count(1)} delegate ${label % (depth + 1)}`,
    })),
  ];
}

function tableStatements(tie: Tie): fc.Arbitrary<Statement>[] {
  return [
    throwStatement,
    // The value of the exception, or 5.
    fc.tuple(tie('statements'), local).map(([inner, to]) => ({
      text: (count: Counter, depth: number) =>
        `${count(2)} block (result i32) try_table (catch $value 0) ${inner.text(count, depth + 2, 1)}
          ${count(1)} end ${count(2)} i32.const 5 end ${count(1)} local.set ${to}`,
    })),
    // Any exception, dropped or thrown again.
    fc.tuple(tie('statements'), local, fc.boolean()).map(([inner, on, again]) => ({
      text: (count: Counter, depth: number) =>
        `${count(3)} block block (result exnref) try_table (catch_all_ref 0) ${inner.text(count, depth + 3, 1)}
          ${count(1)} end ${count(1)} br 1 end
          ${again ? `${count(1)} local.set $exception ${sometimes(count, on, `${count(1)} local.get $exception throw_ref`)}` : `${count(1)} drop`}
          ${count(1)} end`,
    })),
    // Exceptions that go back to the head of a loop, which burns fuel.
    tie('statements').map((inner) => ({
      text: (count: Counter, depth: number, free: number) =>
        `${count(2)} block loop ${count(3)} global.get $fuel i32.const 1 i32.sub ${count(1)} global.set $fuel
          ${count(4)} global.get $fuel i32.const 0 i32.lt_s br_if 1
          ${count(1)} try_table (catch_all 0) ${inner.text(count, depth + 3, free + 3)} ${count(1)} end ${count(2)} end end`,
    })),
    // Exceptions whose value is the function's result; others go behind a block.
    tie('statements').map((inner) => ({
      text: (count: Counter, depth: number, free: number) =>
        `${count(2)} block try_table (catch $value ${depth + 1}) (catch_all 0)
          ${inner.text(count, depth + 2, free + 2)} ${count(1)} end ${count(1)} end`,
    })),
  ];
}

const statementsOf = (throws: Throws) =>
  fc.letrec<{ statement: Statement; statements: Statement }>((tie) => ({
    statements: fc.array(tie('statement'), { minLength: 0, maxLength: 4 }).map((list) => ({
      text: (count: Counter, depth: number, free: number) =>
        list.map((entry) => entry.text(count, depth, free)).join('\n'),
    })),
    statement: fc.oneof(
      { maxDepth: 5, depthIdentifier: 'statement' },
      assign,
      memory,
      growth,
      callStatement,
      ...(throws === 'legacy' ? legacyStatements(tie) : []),
      ...(throws === 'table' ? tableStatements(tie) : []),
      tie('statements').map((inner) => ({
        text: (count: Counter, depth: number, free: number) =>
          `${count(1)} block ${inner.text(count, depth + 1, free + 1)} ${count(1)} end`,
      })),
      fc.tuple(local, tie('statements')).map(([on, inner]) => ({
        text: (count: Counter, depth: number, free: number) =>
          `${count(2)} local.get ${on} if ${inner.text(count, depth + 1, free + 1)} ${count(1)} end`,
      })),
      // The assembler leaves out an empty else arm, so it begins with a nop.
      fc.tuple(local, tie('statements'), tie('statements')).map(([on, left, right]) => ({
        text: (count: Counter, depth: number, free: number) =>
          `${count(4)} local.get ${on} i32.const 1 i32.and if ${left.text(count, depth + 1, free + 1)} ${count(1)} else
         ${count(1)} nop ${right.text(count, depth + 1, free + 1)} ${count(1)} end`,
      })),
      // A loop of up to four rounds, in a local of its own.
      fc.tuple(tie('statements'), fc.integer({ min: 1, max: 4 }), fc.boolean()).map(([inner, rounds, first]) => ({
        text: (count: Counter, depth: number) => {
          const counter = locals + depth;
          const step = `local.get ${counter} i32.const 1 i32.add`;
          const again = `local.get ${counter} i32.const ${rounds}`;
          const body = inner.text(count, depth + (first ? 2 : 1), 0);
          const start = `${count(3)} i32.const 0 local.set ${counter} loop`;
          return first
            ? `${start} ${count(4)} ${again} i32.lt_u if ${body} ${count(5)} ${step} local.set ${counter} br 1 end ${count(1)} end`
            : `${start} ${body} ${count(7)} ${step} local.tee ${counter} i32.const ${rounds} i32.lt_u br_if 0 end ${count(1)}`;
        },
      })),
      // Loops burn fuel, so every program ends: leaves the block around when there is none left.
      fc.tuple(tie('statements'), fc.boolean(), local).map(([inner, bottom, on]) => ({
        text: (count: Counter, depth: number, free: number) => {
          const fuel = `${count(3)} global.get $fuel i32.const 1 i32.sub ${count(1)} global.set $fuel
          ${count(4)} global.get $fuel i32.const 0 i32.lt_s br_if 1`;
          const again = bottom ? `${count(2)} local.get ${on} br_if 0` : `${count(1)} br 0`;
          return `${count(1)} block ${count(1)} loop ${fuel} ${inner.text(count, depth + 2, free + 2)} ${again}
          ${bottom ? count(1) : ''} end ${bottom ? count(1) : ''} end`;
        },
      })),
      fc.tuple(local, fc.nat(6)).map(([on, label]) => ({
        text: (count: Counter, _: number, free: number) =>
          free === 0 ? `${count(1)} nop` : `${count(2)} local.get ${on} br_if ${label % free}`,
      })),
      fc.tuple(local, fc.array(fc.nat(6), { minLength: 1, maxLength: 4 })).map(([on, labels]) => ({
        text: (count: Counter, _: number, free: number) =>
          `${count(1)} block ${count(4)} local.get ${on} i32.const 7 i32.and br_table ${labels
            .map((label) => label % (free + 1))
            .join(' ')} end`,
      })),
      // Out of the function, the result on top.
      fc.tuple(local, fc.constantFrom('return', 'br', 'br_if', 'br_table')).map(([on, how]) => ({
        text: (count: Counter, depth: number) => {
          const isZero = `local.get ${on} i32.const 15 i32.and i32.eqz`;
          if (how === 'br_if') return `${count(6)} local.get ${on} ${isZero} br_if ${depth} ${count(1)} drop`;
          if (how === 'br_table')
            return `${count(7)} block (result i32) local.get ${on} ${isZero} br_table 0 ${depth + 1} end ${count(1)} drop`;
          const leave = how === 'br' ? `br ${depth + 1}` : 'return';
          return `${count(5)} ${isZero} if ${count(2)} local.get ${on} ${leave} end`;
        },
      })),
    ),
  })).statements;

/** Rewrites `text` so that the leaf calls the host instead of itself. */
function withoutRecursion(text: string): string {
  return text
    .replaceAll('call $leaf', 'call $host')
    .replaceAll('i32.const 0 call_indirect', 'i32.const 1 call_indirect');
}

export interface ProgramPair {
  readonly plain: string;
  readonly counting: string;
}

function moduleText(
  leaf: Statement,
  main: Statement,
  { counting, throws }: { counting: boolean; throws: Throws },
): string {
  const count: Counter = counting ? (n) => ` i32.const ${n} call $count ` : () => '';
  const exception = throws === 'table' ? '(local $exception exnref)' : '';
  return `(module
    (type $unary (func (param i32) (result i32)))
    (import "host" "call" (func $host (param i32) (result i32)))
    (memory (export "memory") 2 5)
    (table 2 funcref) (elem (i32.const 0) $leaf $host)
    ${throws === 'none' ? '' : '(tag $value (param i32)) (tag $nothing)'}
    (global $fuel (mut i32) (i32.const 60))
    (global $counted (export "counted") (mut i32) (i32.const 0))
    (func $count (param i32) local.get 0 global.get $counted i32.add global.set $counted)
    (func $leafBody (result i32) (local i32 i32 i32 ${counters}) ${exception} ${withoutRecursion(leaf.text(count, 0, 0))} ${count(2)} local.get 0)
    (func $leaf (param i32) (result i32)
      ${count(2)} local.get 0 ${count(0)} global.set $argument
      ${count(1)} call $leafBody ${count(5)} global.get $argument i32.const 3 i32.mul i32.add)
    (global $argument (mut i32) (i32.const 0))
    (func (export "run") (param i32 i32 i32) (result i32) (local ${counters}) ${exception} ${main.text(count, 0, 0)} ${count(2)} local.get 0))`;
}

function programsThat(throws: Throws): fc.Arbitrary<ProgramPair> {
  const statements = statementsOf(throws);
  return fc.tuple(statements, statements).map(([leaf, main]) => ({
    plain: moduleText(leaf, main, { counting: false, throws }),
    counting: moduleText(leaf, main, { counting: true, throws }),
  }));
}

export const programs = programsThat('none');
/** Programs that throw and catch, of one of the two forms each. */
export const throwingPrograms = fc.oneof(programsThat('legacy'), programsThat('table'));
