/**
 * Parts of the schemas of this folder, which check the API's nouns (src/protocol/views.ts) once, when answers arrive.
 * Unknown keys are ignored: a newer server may send more.
 */
import * as z from 'zod/mini';

export const text = z.string();
export const number = z.number();
/**
 * Text that is printed unchanged, so it must not contain characters that control a terminal; free text is printed
 * through `visible` instead.
 */
export const plain = z.string().check(z.regex(/^[^\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]*$/));
export const orNull = <T extends z.ZodMiniType>(type: T) => z.nullable(type);
