/** A receiver of OTLP over HTTP, as an OpenTelemetry Collector is one: JSON, perhaps compressed. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';

interface AnyValue {
  readonly stringValue?: string;
  readonly intValue?: number | string;
  readonly doubleValue?: number;
  readonly boolValue?: boolean;
}

interface KeyValue {
  readonly key: string;
  readonly value: AnyValue;
}

export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly status: { readonly code: number; readonly message?: string };
  readonly flags: number;
  /** Attributes by name. */
  readonly facts: Readonly<Record<string, string | number | boolean | undefined>>;
}

interface TraceRequest {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly KeyValue[] };
    readonly scopeSpans: readonly {
      readonly spans: readonly (Omit<ReceivedSpan, 'facts'> & { readonly attributes: readonly KeyValue[] })[];
    }[];
  }[];
}

export class OtlpReceiver {
  readonly spans: ReceivedSpan[] = [];
  readonly resources: Readonly<Record<string, unknown>>[] = [];
  readonly requests: {
    readonly url: string | undefined;
    readonly headers: IncomingHttpHeaders;
    readonly text: string;
  }[] = [];
  /** Status of the answers. */
  status = 200;
  readonly #server: Server;
  readonly #watchers = new Set<() => void>();

  private constructor() {
    this.#server = createServer(async (request, response) => {
      const parts: Buffer[] = [];
      for await (const part of request) parts.push(part);
      const body = Buffer.concat(parts);
      const text = (request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body).toString();
      this.requests.push({ url: request.url, headers: request.headers, text });
      if (this.status === 200 && request.url === '/v1/traces') this.#take(JSON.parse(text) as TraceRequest);
      response.writeHead(this.status, { 'content-type': 'application/json' }).end('{}');
      for (const watch of this.#watchers) watch();
    });
  }

  static async start(): Promise<OtlpReceiver> {
    const receiver = new OtlpReceiver();
    receiver.#server.listen(0, '127.0.0.1');
    await once(receiver.#server, 'listening');
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Resolves with what `find` returns, once that is not undefined. */
  until<T>(find: () => T | undefined): Promise<T> {
    return new Promise((resolve) => {
      const watch = (): void => {
        const found = find();
        if (found === undefined) return;
        this.#watchers.delete(watch);
        resolve(found);
      };
      this.#watchers.add(watch);
      watch();
    });
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #take({ resourceSpans }: TraceRequest): void {
    for (const { resource, scopeSpans } of resourceSpans) {
      this.resources.push(factsOf(resource.attributes));
      for (const { spans } of scopeSpans)
        for (const { attributes, ...span } of spans) this.spans.push({ ...span, facts: factsOf(attributes) });
    }
  }
}

function factsOf(attributes: readonly KeyValue[]): ReceivedSpan['facts'] {
  return Object.fromEntries(
    attributes.map(({ key, value }) => [
      key,
      value.stringValue ??
        value.boolValue ??
        value.doubleValue ??
        (value.intValue === undefined ? undefined : Number(value.intValue)),
    ]),
  );
}
