/** Path and fields of control's HTTP door for nodes. */

export const nodeDoorPath = '/.trisiel/node/';
/** Field of a request: the epoch that the node got when it joined. */
export const epochField = 'trisiel-epoch';
/** Field of an answer: SHA-256 of the body, hex. */
export const digestField = 'trisiel-sha256';
