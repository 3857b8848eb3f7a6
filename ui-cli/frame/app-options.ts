/** Options of the app, and its plain data. */
import type { PlatformError } from '../../src/protocol/errors.ts';
import type { Session } from '../config.ts';

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** Smallest size of the terminal at which tables and forms are usable. */
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
  /** Stores a login in the config file and configures git. */
  readonly saveLogin: (server: string, account: { readonly user: string; readonly token: string }) => Promise<void>;
  readonly forgetLogin: () => Promise<void>;
  /** Writes an escape sequence to the terminal, for the clipboard. */
  readonly copy: (text: string) => void;
  readonly exit: () => void;
  /** Command as the user types it (command-name.ts), for hints. */
  readonly command: string;
  /** Opens a URL in the user's browser. */
  readonly browse: (url: string) => void;
  /** Stops the process, as Ctrl-Z does in a shell; resolves when it is in the foreground again. */
  readonly stop: () => Promise<void>;
  /** Path of bin/wasmcloud.js, which git runs for credentials. */
  readonly launcher: string;
  /** Words of the command that starts this program, for local runs. */
  readonly runCommand: readonly string[];
  /** Folder in which `create` looks for a repository. */
  readonly folder: string;
}

/** Returns the lines of an error as this screen shows them. */
export type Explain = (error: PlatformError) => readonly string[];
