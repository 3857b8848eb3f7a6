/** Parts that the schemas of several subjects share, and the form of a failure. */
import { z } from 'zod';

export const ms = z.number().describe('Unix milliseconds');

export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number(),
    code: z.string().describe('stable; compare this'),
    detail: z.string(),
    hints: z.array(z.string()).optional(),
    details: z.array(z.string()).optional(),
    id: z.string().optional().describe('the key into the log of the platform'),
  })
  .meta({ id: 'Problem', description: 'RFC 9457' });

/** Makes the schema of a whole number in a query: decimal digits only, no sign, exponent, NaN or blank. */
export function wholeNumber(range: { readonly min: number; readonly max: number }) {
  return z
    .string()
    .regex(/^\d{1,16}$/, 'a whole number')
    .transform(Number)
    .refine((n) => n >= range.min && n <= range.max, `a number from ${range.min} to ${range.max}`)
    .meta({ type: 'integer', minimum: range.min, maximum: range.max });
}
