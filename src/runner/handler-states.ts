/** What a handler has in this runner besides its Deployments: its share of the thread, the services of its previews. */
import type { KvService, QueueService } from '../guest/kernel/process.ts';
import type { SchemeRegistry } from '../guest/kernel/scheme-registry.ts';
import type { CallRequest } from '../protocol/call-request.ts';
import type { DeploymentSpec } from '../protocol/messages.ts';
import type { HandlerId } from '../protocol/names.ts';
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
  /** Ends what is open beside Invocations. */
  readonly close: () => void;
}

/** What the invocations of one handler, those of its previews included, share in this runner. */
export interface HandlerState {
  readonly id: HandlerId;
  readonly share: Share;
  inFlight: number;
  /** Services by preview's id; '' for the handler itself. Previews share no kv values and no connections. */
  readonly services: Map<string, { readonly services: HandlerServices; deployments: number }>;
}

/** Whose services a Deployment uses. */
export type ServiceOwner = Pick<DeploymentSpec, 'handlerId' | 'preview'>;

export class HandlerStates {
  readonly #make: (owner: ServiceOwner) => HandlerServices;
  readonly #byId = new Map<HandlerId, HandlerState>();

  constructor(make: (owner: ServiceOwner) => HandlerServices) {
    this.#make = make;
  }

  /** Returns the state and the services that a Deployment uses until `release`; each call wants one. */
  acquire(owner: ServiceOwner): { readonly handler: HandlerState; readonly services: HandlerServices } {
    const id = owner.handlerId;
    let handler = this.#byId.get(id);
    if (handler === undefined) {
      handler = { id, share: new Share(), inFlight: 0, services: new Map() };
      this.#byId.set(id, handler);
    }
    const key = owner.preview?.id ?? '';
    let held = handler.services.get(key);
    if (held === undefined) {
      held = { services: this.#make(owner), deployments: 0 };
      handler.services.set(key, held);
    }
    held.deployments += 1;
    return { handler, services: held.services };
  }

  /** Lets go of what `acquire` gave; the last one closes the services. */
  release({ handlerId, preview }: ServiceOwner): void {
    const handler = this.#byId.get(handlerId);
    const key = preview?.id ?? '';
    const held = handler?.services.get(key);
    if (handler === undefined || held === undefined) return;
    held.deployments -= 1;
    if (held.deployments > 0) return;
    handler.services.delete(key);
    if (handler.services.size === 0) this.#byId.delete(handlerId);
    held.services.close();
  }
}
