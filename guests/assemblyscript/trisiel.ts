/**
 * CommonWA and the resources of Trisiel for AssemblyScript: copy this file beside your program. Functions that begin with
 * cwa_ are the system calls as the book describes them (docs/abi/cwa.md). A result below 0 is an error.
 */

// @ts-ignore: decorators of AssemblyScript
@external("cwa", "log_write") declare function cwa_log_write(level: i32, text: usize, length: i32): void;
// @ts-ignore
@external("cwa", "env_get") declare function cwa_env_get(key: usize, keyLength: i32, value: usize, valueLength: i32): i32;
// @ts-ignore
@external("cwa", "runtime_msleep") declare function cwa_runtime_msleep(ms: i32): void;
// @ts-ignore
@external("cwa", "resource_open") declare function cwa_resource_open(url: usize, length: i32): i32;
// @ts-ignore
@external("cwa", "resource_read") declare function cwa_resource_read(fd: i32, data: usize, length: i32): i32;
// @ts-ignore
@external("cwa", "resource_write") declare function cwa_resource_write(fd: i32, data: usize, length: i32): i32;
// @ts-ignore
@external("cwa", "resource_close") declare function cwa_resource_close(fd: i32): i32;
// @ts-ignore
@external("cwa", "resource_flush") declare function cwa_resource_flush(fd: i32): i32;
// @ts-ignore
@external("cwa", "time_now") declare function cwa_time_now(): i64;
// @ts-ignore
@external("cwa", "io_get_stdin") declare function cwa_io_get_stdin(): i32;
// @ts-ignore
@external("cwa", "io_get_stdout") declare function cwa_io_get_stdout(): i32;

export const UNKNOWN: i32 = -1;
export const INVALID: i32 = -2;
export const DENIED: i32 = -3;
export const MISSING: i32 = -4;
export const END: i32 = -5;

/** Something that was opened by URL. `error`: below 0 where it could not be opened. */
export class Resource {
  constructor(private fd: i32) {}

  static open(url: string): Resource {
    const bytes = String.UTF8.encode(url);
    return new Resource(cwa_resource_open(changetype<usize>(bytes), bytes.byteLength));
  }

  /** The body of the request. */
  static stdin(): Resource {
    return new Resource(cwa_io_get_stdin());
  }

  /** The answer. */
  static stdout(): Resource {
    return new Resource(cwa_io_get_stdout());
  }

  get error(): i32 {
    return this.fd < 0 ? this.fd : 0;
  }

  /** Writes all bytes. Returns 0. */
  write(bytes: ArrayBuffer): i32 {
    let at = 0;
    while (at < bytes.byteLength) {
      const written = cwa_resource_write(this.fd, changetype<usize>(bytes) + <usize>at, bytes.byteLength - at);
      if (written <= 0) return written < 0 ? written : UNKNOWN;
      at += written;
    }
    return 0;
  }

  print(text: string): i32 {
    return this.write(String.UTF8.encode(text));
  }

  /** Commits or sends what was written, and waits until that is done. Returns 0. */
  flush(): i32 {
    return cwa_resource_flush(this.fd);
  }

  /** Reads to the end. Null: an error, such as a key that is missing. */
  readAll(): ArrayBuffer | null {
    let all = new ArrayBuffer(0);
    const chunk = new ArrayBuffer(4096);
    let length = cwa_resource_read(this.fd, changetype<usize>(chunk), chunk.byteLength);
    while (length > 0) {
      const more = new ArrayBuffer(all.byteLength + length);
      memory.copy(changetype<usize>(more), changetype<usize>(all), all.byteLength);
      memory.copy(changetype<usize>(more) + <usize>all.byteLength, changetype<usize>(chunk), length);
      all = more;
      length = cwa_resource_read(this.fd, changetype<usize>(chunk), chunk.byteLength);
    }
    return length == 0 || length == END ? all : null;
  }

  /** Closes it, which commits what was written. */
  close(): i32 {
    return cwa_resource_close(this.fd);
  }
}

/** Writes a line into the log, level info. */
export function log(text: string): void {
  const bytes = String.UTF8.encode(text);
  cwa_log_write(6, changetype<usize>(bytes), bytes.byteLength);
}

/** The variable; null without one. */
export function env(key: string): string | null {
  const name = String.UTF8.encode(key);
  const length = cwa_env_get(changetype<usize>(name), name.byteLength, 0, 0);
  if (length < 0) return null;
  const value = new ArrayBuffer(length);
  cwa_env_get(changetype<usize>(name), name.byteLength, changetype<usize>(value), length);
  return String.UTF8.decode(value);
}

/** The time, in whole Unix seconds. */
export function now(): i64 {
  return cwa_time_now();
}

/** Suspends the guest. */
export function sleep(ms: i32): void {
  cwa_runtime_msleep(ms);
}

/** A value of the handler's store; null without one. */
export function kvGet(bucket: string, key: string): ArrayBuffer | null {
  const resource = Resource.open("kv://" + bucket + "/" + key);
  if (resource.error != 0) return null;
  const value = resource.readAll();
  resource.close();
  return value;
}

/** Replaces a value. Returns 0 when it is durable; DENIED where there is no room. */
export function kvPut(bucket: string, key: string, value: ArrayBuffer): i32 {
  return send("kv://" + bucket + "/" + key, value);
}

/** Publishes a message. Returns 0 when it is durable; DENIED where there is no room. */
export function publish(queue: string, message: ArrayBuffer): i32 {
  return send("queue://" + queue, message);
}

function send(url: string, bytes: ArrayBuffer): i32 {
  const resource = Resource.open(url);
  if (resource.error != 0) return resource.error;
  let result = resource.write(bytes);
  if (result == 0) result = resource.flush();
  resource.close();
  return result;
}

export class Response {
  constructor(
    public status: i32,
    /** The head, with its lines. */
    public head: string,
    public body: string,
  ) {}
}

/** Sends a request to an http: or https: URL. `fields`: further header lines, each ended by \r\n. Null: an error. */
export function request(method: string, url: string, fields: string, body: string): Response | null {
  const after = url.indexOf("://") + 3;
  const fragment = url.indexOf("#");
  const rest = url.substring(after, fragment < 0 ? url.length : fragment);
  let slash = rest.indexOf("/");
  const query = rest.indexOf("?");
  if (slash < 0 || (query >= 0 && query < slash)) slash = query;
  const host = slash < 0 ? rest : rest.substring(0, slash);
  const path = slash < 0 ? "" : rest.substring(slash);
  const bytes = String.UTF8.encode(body);
  let head = method + (path.startsWith("/") ? " " : " /") + path + " HTTP/1.1\r\nHost: " + host + "\r\n" + fields;
  if (bytes.byteLength > 0) head += "Content-Length: " + bytes.byteLength.toString() + "\r\n";
  const resource = Resource.open(url);
  if (resource.error != 0) return null;
  let result = resource.print(head + "\r\n");
  if (result == 0) result = resource.write(bytes);
  if (result == 0) result = resource.flush();
  const answer = result == 0 ? resource.readAll() : null;
  resource.close();
  if (answer === null) return null;
  const text = String.UTF8.decode(answer);
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return null;
  return new Response(<i32>parseInt(text.substring(9, 12)), text.substring(0, end), text.substring(end + 4));
}
