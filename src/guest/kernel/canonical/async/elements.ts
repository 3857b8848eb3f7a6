/**
 * Types of the values of streams and futures that the guest may copy: primitive ones, bytes, and those of the host's
 * interfaces.
 */
import { elementName, otherElement } from '../../../component/element-name.ts';
import { list, type WitType } from '../../../component/wit.ts';
import type { Element } from './shared.ts';

const elements = new Map<string, Element>();
/**
 * Whether all tables have been made. Types that guests bring are not kept: a runner would keep those of all components.
 */
let isComplete = false;
/** Elements by the objects that describe their types: finding the name of a type takes a hash. */
const ofObjects = new WeakMap<object, Element>();

/**
 * Returns the element of `type`. Tables of host functions call this when they are made, and functions for types of
 * guests.
 */
export function elementFor(type: WitType | null): Element {
  if (typeof type !== 'object' || type === null) return elementNamed(type);
  let element = ofObjects.get(type);
  if (element === undefined) {
    element = elementNamed(type);
    ofObjects.set(type, element);
  }
  return element;
}

function elementNamed(type: WitType | null): Element {
  const name = elementName(type);
  let element = elements.get(name);
  if (element === undefined) {
    element = { name, type };
    if (!isComplete) elements.set(name, element);
  }
  return element;
}

const numbers = ['u8', 's8', 'u16', 's16', 'u32', 's32', 'u64', 's64', 'f32', 'f64'] as const;
/** Types that no interface of the host may have in a stream, for the parts of composed components. */
const betweenParts = ['bool', 'char', 'string', 'error-context', list('u8'), list('string')] as const;

/** Returns all elements. Call it when all tables of host functions have been made. */
export function allElements(): readonly Element[] {
  for (const type of [null, ...numbers, ...betweenParts]) elementFor(type);
  isComplete = true;
  return [...elements.values(), { name: otherElement, type: null }];
}
