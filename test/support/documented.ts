/** Holds each answer of the API against the OpenAPI document that the server hands out. */
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';

type Json = { readonly [key: string]: Json } | readonly Json[] | string | number | boolean | null;
interface Documented {
  readonly method: string;
  /** Matches paths below /api/v1, without a query. */
  readonly pattern: RegExp;
  readonly path: string;
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, { schema?: object }>> }>>;
}

export interface DocumentedAnswer {
  readonly method: string;
  /** Path below /api/v1, with its query. */
  readonly path: string;
  readonly status: number;
  /** Media type without parameters; null: no body. */
  readonly type: string | null;
  readonly body: unknown;
}

/** The document in a form that checks answers. */
export class ApiDocument {
  readonly #operations: readonly Documented[];
  readonly #schemas: Json;
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false });
  readonly #checks = new Map<object, ValidateFunction>();

  constructor(document: { readonly paths: object; readonly components: { readonly schemas: Json } }) {
    this.#operations = Object.entries(document.paths as Readonly<Record<string, Record<string, Documented>>>)
      .flatMap(([path, methods]) =>
        Object.entries(methods).map(([method, { responses }]) => ({
          method: method.toUpperCase(),
          pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`),
          path,
          responses,
        })),
      )
      // A path that is written out goes before one with a parameter at that place.
      .sort((a, b) => a.path.split('{').length - b.path.split('{').length);
    this.#schemas = document.components.schemas;
  }

  /**
   * Returns what the document does not say of an answer; none: it fits. A path or method without an operation always
   * fits.
   */
  faultsOf({ method, path, status, type, body }: DocumentedAnswer): readonly string[] {
    const [plain = ''] = path.split('?');
    const operation = this.#operations.find((one) => one.method === method && one.pattern.test(plain));
    if (operation === undefined) return [];
    const response = operation.responses[status];
    if (response === undefined) return [`${method} ${operation.path} answers ${status}, which is not documented`];
    const { content } = response;
    if (content === undefined || type === null)
      return (content === undefined) === (type === null) ? [] : [`${method} ${operation.path} ${status} and its body`];
    const media = content[type];
    if (media === undefined) return [`${method} ${operation.path} ${status} is ${type}, which is not documented`];
    if (media.schema === undefined) return [];
    const check = this.#check(media.schema);
    if (check(body)) return [];
    return (check.errors ?? []).map(
      ({ instancePath, message, params }) =>
        `${method} ${operation.path} ${status}: ${instancePath} ${message} ${JSON.stringify(params)}`,
    );
  }

  #check(schema: object): ValidateFunction {
    let check = this.#checks.get(schema);
    if (check === undefined) {
      check = this.#ajv.compile({
        ...(closed(schema as Json) as object),
        components: { schemas: closed(this.#schemas) },
      });
      this.#checks.set(schema, check);
    }
    return check;
  }
}

/** Returns a schema whose objects have the documented fields and no others: this server is no newer one. */
function closed(schema: Json): Json {
  if (typeof schema !== 'object' || schema === null) return schema;
  if (Array.isArray(schema)) return schema.map(closed);
  const fields = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)]));
  const isOpenObject =
    'properties' in schema && schema.type === 'object' && !('additionalProperties' in schema) && !('allOf' in schema);
  return isOpenObject ? { ...fields, additionalProperties: false } : fields;
}
