/** What a handler has in this runner besides its Deployments: its share of the thread, its services. */
import type { KvService, QueueService } from '../guest/kernel/process.ts';
import type { SchemeRegistry } from '../guest/kernel/scheme-registry.ts';
import type { CallRequest } from '../protocol/call-request.ts';
import type { HandlerId, HandlerName } from '../protocol/names.ts';
import { Share } from './scheduler.ts';

/** What a handler asks of control for its asynchronous calls. Rejects with what control says, or with ControlAway. */
export interface CallService {
  /** Resolves when the call is durable. */
  accept(call: {
    readonly id: string;
    readonly request: CallRequest;
    readonly body: Uint8Array;
    readonly attemptsMax: number;
  }): Promise<void>;
  /** Returns the call's state as JSON. */
  show(id: string): Promise<Uint8Array>;
  /** Returns the answer's head as JSON, a line end, and its body. */
  answer(id: string): Promise<Uint8Array>;
}

export interface HandlerServices {
  readonly schemes: SchemeRegistry;
  readonly kv: KvService;
  readonly queues: QueueService;
  readonly calls: CallService;
  /** Ends what the handler has open beside its Invocations. */
  readonly close: () => void;
}

/** What the invocations of one handler share in this runner. */
export interface HandlerState extends HandlerServices {
  readonly id: HandlerId;
  readonly name: HandlerName;
  readonly share: Share;
  inFlight: number;
  /** Deployments of the handler held here. */
  deployments: number;
}

export class HandlerStates {
  readonly #make: (handlerId: HandlerId, name: HandlerName) => HandlerServices;
  readonly #byId = new Map<HandlerId, HandlerState>();

  constructor(make: (handlerId: HandlerId, name: HandlerName) => HandlerServices) {
    this.#make = make;
  }

  acquire(id: HandlerId, name: HandlerName): HandlerState {
    let state = this.#byId.get(id);
    if (state === undefined) {
      state = { ...this.#make(id, name), id, name, share: new Share(), inFlight: 0, deployments: 0 };
      this.#byId.set(id, state);
    }
    state.deployments += 1;
    return state;
  }

  release(state: HandlerState): void {
    state.deployments -= 1;
    if (state.deployments > 0) return;
    this.#byId.delete(state.id);
    state.close();
  }
}
