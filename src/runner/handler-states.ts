/**
 * State of a handler in this runner besides its Deployments: its share of the thread, and the services of the handler
 * and its previews.
 */
import type { KvService, QueueService } from '../guest/kernel/process.ts';
import type { SchemeRegistry } from '../guest/kernel/scheme-registry.ts';
import type { CallRequest } from '../protocol/call-request.ts';
import type { DeploymentSpec } from '../protocol/messages.ts';
import type { HandlerId } from '../protocol/names.ts';
import { Share } from './scheduler.ts';

/** Requests to control for a handler's asynchronous calls. They reject with control's error, or with ControlAway. */
export interface CallService {
  /** Stores a call. Resolves when it is durable. */
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
  /** Closes connections that do not belong to Invocations. */
  readonly close: () => void;
}

/** State that all invocations of one handler, including its previews, share in this runner. */
export interface HandlerState {
  readonly id: HandlerId;
  readonly share: Share;
  /** Invocations in flight. */
  inFlight: number;
  /** Services by servicesKey. Previews, and owners before and after a transfer, share no connections. */
  readonly services: Map<string, { readonly services: HandlerServices; deployments: number }>;
}

/** Facts that select the services of a Deployment. */
export type ServiceOwner = Pick<DeploymentSpec, 'handlerId' | 'ownerId' | 'preview'>;

export class HandlerStates {
  readonly #make: (owner: ServiceOwner) => HandlerServices;
  readonly #byId = new Map<HandlerId, HandlerState>();

  constructor(make: (owner: ServiceOwner) => HandlerServices) {
    this.#make = make;
  }

  /** Returns the state and services of a Deployment. Each call must be followed by one `release`. */
  acquire(owner: ServiceOwner): { readonly handler: HandlerState; readonly services: HandlerServices } {
    const id = owner.handlerId;
    let handler = this.#byId.get(id);
    if (handler === undefined) {
      handler = { id, share: new Share(), inFlight: 0, services: new Map() };
      this.#byId.set(id, handler);
    }
    const key = servicesKey(owner);
    let held = handler.services.get(key);
    if (held === undefined) {
      held = { services: this.#make(owner), deployments: 0 };
      handler.services.set(key, held);
    }
    held.deployments += 1;
    return { handler, services: held.services };
  }

  /** Releases the result of `acquire`; the last release closes the services. */
  release(owner: ServiceOwner): void {
    const { handlerId } = owner;
    const handler = this.#byId.get(handlerId);
    const key = servicesKey(owner);
    const held = handler?.services.get(key);
    if (handler === undefined || held === undefined) return;
    held.deployments -= 1;
    if (held.deployments > 0) return;
    handler.services.delete(key);
    if (handler.services.size === 0) this.#byId.delete(handlerId);
    held.services.close();
  }
}

function servicesKey({ ownerId, preview }: ServiceOwner): string {
  return `${ownerId} ${preview?.id ?? ''}`;
}
