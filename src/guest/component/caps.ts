/** Bounds on what a component may be before it is linked. All lie far above what toolchains make. */
export const componentCaps = {
  /** Components within components; toolchains nest 3. Decoding recurses that deep. */
  nesting: 32,
  /** Definitions of a component, nested ones included, and steps of its instantiation; a large one has 3,000. */
  definitions: 200_000,
  /** Core instances: a nested component may be instantiated again and again, 2^n times with n definitions. Real ones have up to 8. */
  coreInstances: 256,
  /** Instances of nested components; real ones have up to 20. */
  instances: 1_000,
  /** Parts of one type written out as a tree: a type may name another twice, 2^n parts with n definitions. */
  typeParts: 10_000,
  /** Levels of one type: reading and comparing recurse that deep. */
  typeDepth: 100,
  /** Bytes of all core instances together: a module may be instantiated several times. */
  fusedBytes: 256 * 1024 * 1024,
} as const;
