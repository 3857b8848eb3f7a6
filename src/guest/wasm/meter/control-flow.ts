/**
 * Follows the control flow of one function body, instruction by instruction: keeps the control stack, splits the body
 * into nodes, tells the placement how they are connected, and notes loops, branches and returns for the emitter. Each
 * public method handles an instruction whose opcode has just been read, and reads the immediates. docs/meter.md
 * explains the words used here.
 */
import type { Module } from '../format/model.ts';
import type { ByteReader } from '../format/reader.ts';
import { ControlStack, frame, noClass, nowhere } from './control-stack.ts';
import { CountedLoopFinder } from './counted-loops.ts';
import { EditList } from './edits.ts';
import type { ImmediateReader } from './immediates.ts';
import { LoopCounter } from './loop-counter.ts';
import { LoopTable } from './loop-table.ts';
import { exact, firstHeat, heatOfBranch, heatOfLoop, landing, Placement } from './placement.ts';

/**
 * Most calls in one node. A node checks only at its beginning; the cap bounds the gas of small callees between two
 * checks.
 */
const callsPerNodeMax = 8;

export interface ControlFlowOptions {
  readonly module: Module;
  /** Reader whose position is after the opcode of the current instruction. */
  readonly reader: ByteReader;
  readonly immediates: ImmediateReader;
}

/**
 * Handles the control instructions of a function. Each method that is named for an instruction is called once its
 * opcode has been read. `offset` is the byte offset of the opcode in the module.
 */
export class ControlFlow {
  readonly placement = new Placement();
  readonly edits = new EditList();
  readonly loops = new LoopTable();
  /** Finder of counted loops. The scanner tells it of every instruction. */
  readonly finder: CountedLoopFinder;
  readonly stack = new ControlStack();
  /** Number of operands on the stack. */
  height = 0;
  /** Whether control can reach the current instruction. */
  reachable = true;
  /** Sum of the prices of the current node's instructions so far. */
  weight = 0;
  /** Number of targets of all branches and ifs so far. */
  branches = 0;
  readonly #module: Module;
  readonly #reader: ByteReader;
  readonly #immediates: ImmediateReader;
  readonly #importedFunctions: number;
  /** Whether functions of the module can throw. */
  readonly #throws: boolean;
  /** Credit with which each function is entered, by function index. */
  #entries: Uint16Array;
  readonly #counter: LoopCounter;
  /** Number of try and try_table blocks around the current instruction. */
  #tries = 0;
  /** Number of calls in the current node so far. */
  #calls = 0;
  #heat = firstHeat;
  /** `clean` at the current instruction (control-stack.ts). */
  #clean = nowhere;

  constructor({ module, reader, immediates }: ControlFlowOptions) {
    this.#module = module;
    this.#reader = reader;
    this.#immediates = immediates;
    this.#importedFunctions = module.functionImports.length;
    this.#throws = module.tags.length > 0;
    this.finder = new CountedLoopFinder(module.bytes);
    this.#counter = new LoopCounter(this);
    this.#entries = new Uint16Array(module.functionTypes.length);
  }

  /** Sets the credits with which functions are entered, by function index (entry-credits.ts). They are 0 before. */
  setEntryCredits(credits: Uint16Array): void {
    this.#entries = credits;
  }

  /** Removes all facts about the previous function. */
  clear(): void {
    this.edits.clear();
    this.loops.clear();
    this.#counter.clear();
  }

  /** Begins the code of function `index`, which has `locals` locals, at the reader's position. */
  begin(index: number, locals: number): void {
    const { placement } = this;
    const { pos } = this.#reader;
    placement.reset();
    placement.begin(pos, placement.enter(this.#entries[index]!), 0);
    this.finder.begin(locals, pos);
    this.branches = 0;
    this.reachable = true;
    this.#tries = 0;
    this.#calls = 0;
    this.#heat = firstHeat;
    this.#clean = nowhere;
    this.stack.depth = 0;
    this.stack.push(frame.function, exact, firstHeat, 0, 0);
  }

  // Nodes.

  /** Begins a node after the instruction just read. `inClass` is the class of its edges in. */
  #beginNode(inClass: number): void {
    this.placement.begin(this.#reader.pos, inClass, this.stack.loop);
    this.weight = 0;
    this.#calls = 0;
  }

  /** Ends the current node. Returns the class of its edges out. */
  #endNode(): number {
    return this.placement.end(this.weight, this.#heat);
  }

  /** Marks the instructions up to the end or else of the block as unreachable. */
  #beginDeadCode(): void {
    this.reachable = false;
    this.height = this.stack.base(this.stack.top);
  }

  // Blocks.

  block(): void {
    const { params, results } = this.#immediates.blockType();
    this.stack.push(frame.block, noClass, this.#heat, this.height - params, results);
  }

  loop(offset: number): void {
    const { placement, loops } = this;
    const stack = this.stack;
    const { params, results } = this.#immediates.blockType();
    const into = placement.newClass();
    const loop = loops.open(stack.loop, placement.nodes, this.#reader.pos);
    stack.push(frame.loop, into, this.#heat, this.height - params, results);
    stack.enterLoop(loop);
    if (!this.reachable) return;
    if (params === 0) this.edits.beginLoop(offset, this.#reader.pos - offset, loop);
    else loops.takesParameters(loop);
    placement.join(this.#endNode(), into);
    this.#beginNode(into);
    this.#heat = heatOfLoop(this.#heat);
    this.#clean = Math.min(this.#clean, stack.top);
  }

  if(): void {
    this.branches++;
    const stack = this.stack;
    const { params, results } = this.#immediates.blockType();
    if (this.reachable && stack.isLoop(stack.top)) this.#counter.noteTest();
    const out = this.reachable ? this.#endNode() : noClass;
    stack.push(frame.if, noClass, this.#heat, this.height - params, results);
    stack.setFalseEdge(out, this.#clean);
    if (!this.reachable) return;
    this.#beginNode(out);
    this.#heat = heatOfBranch(this.#heat);
  }

  else(offset: number): void {
    const stack = this.stack;
    const at = stack.top;
    if (stack.kind(at) !== frame.if) this.#reader.fail('else without an if', offset);
    const goesBehind = this.reachable || stack.isTarget(at);
    if (this.reachable) this.#branch(at, this.#endNode(), this.#clean);
    stack.beginElse();
    // An if in dead code has no false edge, and its else is dead as well.
    const falseClass = stack.falseClass(at);
    this.reachable = falseClass !== noClass;
    this.weight = 0;
    this.#calls = 0;
    if (this.reachable) this.#beginNode(falseClass);
    this.#heat = goesBehind ? heatOfBranch(stack.heat(at)) : stack.heatWithout(at);
    this.#clean = stack.falseClean(at);
    this.height = stack.base(at);
  }

  end(): void {
    const stack = this.stack;
    const at = stack.pop();
    const kind = stack.kind(at);
    this.height = stack.heightBehind(at);
    if (kind === frame.function) {
      if (this.reachable) this.placement.endExact(this.weight, this.#heat);
      return;
    }
    stack.passOnReach(at);
    if (kind >= frame.try) this.#tries--;
    if (kind === frame.loop) this.#endLoop(at);
    else this.#endBlock(at, kind === frame.if);
  }

  /** Ends the loop at `at`. Only control that falls out of the loop gets here, so the node goes on. */
  #endLoop(at: number): void {
    const { loops, placement } = this;
    const loop = this.stack.loopAt(at);
    if (this.#clean >= at) this.#clean = nowhere;
    this.#heat = this.stack.heat(at);
    loops.close(loop);
    if (loops.hasCalls(loop) && !loops.hasParameters(loop) && loops.head(loop) > 0)
      placement.cool(loops.head(loop) - 1);
    this.edits.endLoop(this.#reader.pos, loop);
  }

  /** Ends a block, an else, or (`isIf`) an if without an else. */
  #endBlock(at: number, isIf: boolean): void {
    const stack = this.stack;
    const goesBehind = !isIf || this.reachable || stack.isTarget(at);
    // The false edge of an if without an else leads to the same place as its branches: after the end.
    if (isIf && stack.falseClass(at) !== noClass) this.#branch(at, stack.falseClass(at), stack.falseClean(at));
    if (stack.isTarget(at) && this.reachable) this.#branch(at, this.#endNode(), this.#clean);
    this.#heat = goesBehind ? stack.heat(at) : stack.heatWithout(at);
    if (!stack.isTarget(at)) return;
    this.#beginNode(stack.labelClass(at));
    this.reachable = true;
    this.#clean = stack.cleanBehind(at);
    if (stack.isLanding(at)) this.#markLanding();
  }

  // Exceptions. The credit is 0 at every edge on which an exception leaves a node or a caught one goes on. So the gas
  // charged is exactly the gas used, whichever catch of whichever function is found.

  /** Marks the node just begun as a landing: a caught exception goes on there, and the node checks. */
  #markLanding(): void {
    const { placement } = this;
    placement.mark(placement.nodes - 1, landing);
    this.#clean = nowhere;
  }

  try(): void {
    const { stack } = this;
    const { params, results } = this.#immediates.blockType();
    this.#module.features.add('legacy-exceptions');
    stack.push(frame.try, noClass, this.#heat, this.height - params, results);
    stack.setCatchEdge(this.reachable ? exact : noClass);
    this.#tries++;
  }

  catch(offset: number): void {
    const type = this.#immediates.tagType();
    this.#beginCatch(offset, frame.catch, this.#immediates.type(type).params);
  }

  catchAll(offset: number): void {
    this.#beginCatch(offset, frame.catchAll, 0);
  }

  /**
   * Begins a catch of `kind` with `values` operands. Control that falls into it from above goes to the end of the try.
   */
  #beginCatch(offset: number, kind: typeof frame.catch | typeof frame.catchAll, values: number): void {
    const { stack } = this;
    const at = stack.top;
    if (stack.kind(at) !== frame.try && stack.kind(at) !== frame.catch)
      this.#reader.fail('catch without a try', offset);
    this.branches++;
    if (this.reachable) this.#branch(at, this.#endNode(), this.#clean);
    stack.beginCatch(kind);
    this.#heat = heatOfBranch(stack.heat(at));
    this.height = stack.base(at) + values;
    this.reachable = stack.falseClass(at) !== noClass;
    this.weight = 0;
    this.#calls = 0;
    if (!this.reachable) return;
    this.#beginNode(exact);
    this.#markLanding();
  }

  /** Ends a try whose exceptions go on to an enclosing block. */
  delegate(offset: number): void {
    const { stack } = this;
    if (stack.kind(stack.top) !== frame.try) this.#reader.fail('delegate without a try', offset);
    const at = stack.pop();
    this.height = stack.heightBehind(at);
    stack.passOnReach(at);
    this.#tries--;
    this.#label();
    this.#endBlock(at, false);
  }

  tryTable(): void {
    const { stack } = this;
    const immediates = this.#immediates;
    const { params, results } = immediates.blockType();
    this.#module.features.add('exceptions');
    const count = this.#reader.count('catch clauses', 2);
    this.branches += count;
    for (let clause = 0; clause < count; clause++) {
      immediates.catchKind();
      const at = this.#label();
      if (this.reachable) this.#land(at);
    }
    stack.push(frame.tryTable, noClass, this.#heat, this.height - params, results);
    this.#tries++;
  }

  /** Notes that a caught exception can go on at the label of the frame at `at`. */
  #land(at: number): void {
    const { stack, loops, placement } = this;
    const to = stack.loopAt(at);
    stack.addEdge(at, exact, placement);
    loops.exit(stack.loop, to);
    stack.reach(stack.top, at);
    if (stack.isLoop(at)) {
      loops.back(to, true);
      placement.mark(loops.head(to), landing);
    } else stack.land(at);
  }

  throw(offset: number): void {
    this.#immediates.tagType();
    this.#throw(offset);
    this.#beginDeadCode();
  }

  throwRef(offset: number): void {
    this.#throw(offset);
    this.#beginDeadCode();
  }

  rethrow(offset: number): void {
    this.#throw(offset);
    this.#label();
    this.#beginDeadCode();
  }

  /** Ends the current node, which an exception leaves. The immediates may still have to be read. */
  #throw(offset: number): void {
    if (this.#tries > 0) this.branches++;
    if (!this.reachable) return;
    this.edits.throw(offset);
    this.loops.exit(this.stack.loop, 0);
    this.placement.endExact(this.weight, 0);
  }

  // Branches.

  br(): void {
    this.branches++;
    const stack = this.stack;
    const at = this.#label();
    if (this.reachable && stack.isLoop(at) && at === stack.top - 1 && stack.kind(stack.top) === frame.if)
      this.#counter.goAroundTested();
    if (this.reachable)
      this.#branch(at, this.placement.end(this.weight, Math.min(this.#heat, stack.labelHeat(at))), this.#clean);
    this.#beginDeadCode();
  }

  brIf(): void {
    this.branches++;
    const stack = this.stack;
    const at = this.#label();
    if (!this.reachable) return;
    if (stack.isLoop(at) && at === stack.top) this.#counter.goAround(this.#reader.pos);
    const out = this.#endNode();
    this.#branch(at, out, this.#clean);
    this.#beginNode(out);
    if (stack.labelHeat(at) >= this.#heat) this.#heat = heatOfBranch(this.#heat);
  }

  brTable(): void {
    const count = this.#reader.count('branch table entries');
    this.branches += count + 1;
    const out = this.reachable ? this.#endNode() : noClass;
    for (let entry = 0; entry <= count; entry++) {
      const at = this.#label();
      if (this.reachable) this.#branch(at, out, this.#clean);
    }
    this.#beginDeadCode();
  }

  /** Reads a label and returns the place of its frame. Notes an edit if the branch leaves loops. */
  #label(): number {
    const stack = this.stack;
    const offset = this.#reader.pos;
    const label = this.#immediates.index('label', stack.depth);
    const at = stack.top - label;
    const to = stack.loopAt(at);
    if (stack.loop !== to) this.edits.label(offset, this.#reader.pos - offset, label, stack.loop, to);
    return at;
  }

  /**
   * Notes an edge of class `from` to the label of the frame at `at`. An edge back to the head of a loop, on a path
   * without a call since the head, closes a cycle without a check: then the head must check.
   */
  #branch(at: number, from: number, clean: number): void {
    const stack = this.stack;
    const to = stack.loopAt(at);
    stack.addEdge(at, from, this.placement);
    this.loops.exit(stack.loop, to);
    stack.reach(stack.top, at);
    if (stack.isLoop(at)) this.loops.back(to, clean > at);
    else stack.addClean(at, clean);
  }

  return(offset: number): void {
    if (this.reachable) {
      this.edits.return(offset, this.stack.top, this.stack.loop);
      this.loops.exit(this.stack.loop, 0);
      this.placement.endExact(this.weight, firstHeat);
    }
    this.#beginDeadCode();
  }

  unreachable(offset: number): void {
    if (this.reachable) {
      this.edits.unreachable(offset);
      this.loops.exit(this.stack.loop, 0);
      this.placement.endExact(this.weight, 0);
    }
    this.#beginDeadCode();
  }

  // Calls.

  call(offset: number, isTail: boolean): void {
    const callee = this.functionIndex(offset);
    // The node's price includes the gas that callers of a short function pay ahead for it.
    if (this.reachable) this.weight += this.#entries[callee]!;
    // Host functions throw only for a Process that has ended, and no catch goes on then.
    this.#afterCall(this.#module.functionTypes[callee]!, isTail, this.#throws && callee >= this.#importedFunctions);
  }

  callIndirect(isTail: boolean): void {
    const type = this.#immediates.typeIndex();
    if (this.#immediates.tableIndex() !== 0) this.#module.features.add('reference-types');
    this.#afterCall(type, isTail, this.#throws);
  }

  /** Handles a call, just read, of a function of type index `type`. `throws`: an exception may leave the function. */
  #afterCall(type: number, isTail: boolean, throws: boolean): void {
    const { params, results } = this.#immediates.type(type);
    this.height += results - params;
    this.#clean = nowhere;
    if (this.reachable) {
      this.placement.call();
      this.loops.call(this.stack.loop);
    }
    if (isTail) {
      if (this.reachable) this.placement.endExact(this.weight, firstHeat);
      this.#module.features.add('tail-call');
      this.#beginDeadCode();
      return;
    }
    if (this.#tries > 0) this.branches++;
    if (!this.reachable) return;
    if (throws) {
      this.placement.endExact(this.weight, this.#heat);
      this.#beginNode(exact);
    } else if (++this.#calls === callsPerNodeMax) this.#beginNode(this.#endNode());
  }

  /**
   * Reads the function index after the opcode at `offset`. Notes an edit if it shifts: rewriting adds one import before
   * the module's own functions.
   */
  functionIndex(offset: number): number {
    const index = this.#immediates.functionIndex();
    if (index >= this.#importedFunctions) this.edits.index(offset + 1, this.#reader.pos - offset - 1, index + 1);
    return index;
  }

  /** Notes that the current loop calls a helper, which sees the counter. */
  callHelper(): void {
    this.loops.call(this.stack.loop);
  }
}
