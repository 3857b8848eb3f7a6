/** Bounds on a component, checked before it is linked. All of them lie far above what toolchains make. */
export const componentCaps = {
  /** Levels of components within components; toolchains nest 3. Decoding recurses that deep. */
  nesting: 32,
  /**
   * Definitions of a component, those of nested components included, and steps of its instantiation; a large one has
   * 3,000. What a core module imports and exports is compared with a declared type in as many steps.
   */
  definitions: 200_000,
  /**
   * Core instances; real components have up to 8. Nested components may be instantiated again and again: 2^n times with
   * n definitions.
   */
  coreInstances: 256,
  /**
   * Imports of all core instances together, those of nested components that nothing instantiates included: each is
   * compared with what it gets. Real components have up to 2,000.
   */
  coreImports: 1_000_000,
  /** Instances of nested components; real ones have up to 20. */
  instances: 1_000,
  /** Memories of a composed component; real ones have 2 to 5. */
  memories: 16,
  /**
   * Bytes of the code that connects the core modules. Types of any size are written out for every call between parts.
   */
  glueBytes: 8 * 1024 * 1024,
  /**
   * Parts of the types of all lifted and lowered functions together. Linking looks at every part of a type for each of
   * them; a large component has 20,000.
   */
  functionParts: 2_000_000,
  /**
   * Parts of one type written out as a tree. A type may name another type twice: 2^n parts with n definitions. Each
   * element of a list of fixed length counts: values of it are copied element by element.
   */
  typeParts: 10_000,
  /** Levels of one type. Reading and comparing a type recurse that deep. */
  typeDepth: 100,
  /**
   * Bytes of the modules of all core instances together, before and after they are fused: code that uses one of several
   * memories becomes longer. A module that is instantiated several times counts each time.
   */
  fusedBytes: 256 * 1024 * 1024,
} as const;
