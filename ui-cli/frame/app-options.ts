/** What the app is given, and the plain data it keeps. */
import type { PlatformError } from '../../src/protocol/errors.ts';
import type { Session } from '../config.ts';

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** Below this a table or a form does not fit in any useful way. */
export const minimumSize: Size = { columns: 60, rows: 14 };

export interface Message {
  readonly kind: 'done' | 'error';
  readonly lines: readonly string[];
}

/** Whether the server answered the last request; `connecting` until the first answer. */
export type Connection = 'connecting' | 'online' | 'offline';

export interface AppOptions {
  readonly session: Session;
  readonly size: Size;
  readonly noColour: boolean;
  /** Keeps a login in the config file and tells git. */
  readonly saveLogin: (server: string, account: { readonly user: string; readonly token: string }) => Promise<void>;
  readonly forgetLogin: () => Promise<void>;
  /** Writes an escape sequence to the terminal, for the clipboard. */
  readonly copy: (text: string) => void;
  readonly exit: () => void;
  /** How the person types this command; hints are written with it (command-name.ts). */
  readonly command: string;
  /** Opens a URL in the person's browser. */
  readonly browse: (url: string) => void;
  /** Stops the process, as Ctrl-Z does in a shell; resolves when it is in the foreground again. */
  readonly stop: () => Promise<void>;
  /** bin/wasmcloud.js: git asks it for credentials. */
  readonly launcher: string;
  /** Starts this very program, for local runs. */
  readonly runCommand: readonly string[];
  /** Where `create` looks for a repository. */
  readonly folder: string;
}

/** An error in words for this place. */
export type Explain = (error: PlatformError) => readonly string[];
