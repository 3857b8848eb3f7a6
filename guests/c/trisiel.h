/*
 * CommonWA and the resources of Trisiel for C and C++, with or without a C library:
 *
 *     clang --target=wasm32 -nostdlib -ffreestanding -Wl,--no-entry -Wl,--strip-debug -o function.wasm function.c
 *
 * Export the entry point as cwa_main: CWA_MAIN does it. One header, nothing to link. Functions that begin with cwa_ are
 * the system calls as the book describes them (docs/abi/cwa.md); those that begin with trisiel_ are made of them.
 * A result below 0 is one of the errors.
 */
#ifndef TRISIEL_H
#define TRISIEL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define TRISIEL_EXTERN extern "C"
#else
#define TRISIEL_EXTERN
#endif
#define TRISIEL_CALL(name) TRISIEL_EXTERN __attribute__((import_module("cwa"), import_name(#name)))
/* int CWA_MAIN(void) { … }: the entry point; what it returns is the exit status. */
#define CWA_MAIN __attribute__((export_name("cwa_main"))) cwa_main
#define TRISIEL_OWN static inline __attribute__((unused))

enum {
  CWA_UNKNOWN = -1,  /* also: the resource takes no bytes */
  CWA_INVALID = -2,  /* no such descriptor, a URL that is none, a buffer that is too small */
  CWA_DENIED = -3,   /* refused by the platform */
  CWA_MISSING = -4,  /* not found */
  CWA_END = -5       /* end of file */
};

enum { CWA_ERROR = 1, CWA_WARNING = 3, CWA_INFO = 6 };

/* Pointers are 32 bits wide, so their types are those of the calls. */
TRISIEL_CALL(log_write) void cwa_log_write(int32_t level, const char *text, size_t length);
TRISIEL_CALL(env_get) int32_t cwa_env_get(const char *key, size_t key_length, char *value, size_t value_length);
TRISIEL_CALL(runtime_spec_major) int32_t cwa_runtime_spec_major(void);
TRISIEL_CALL(runtime_spec_minor) int32_t cwa_runtime_spec_minor(void);
TRISIEL_CALL(runtime_name) int32_t cwa_runtime_name(char *name, size_t length);
TRISIEL_CALL(runtime_msleep) void cwa_runtime_msleep(int32_t ms);
TRISIEL_CALL(runtime_exit) __attribute__((noreturn)) void cwa_runtime_exit(int32_t status);
TRISIEL_CALL(startup_arg_len) int32_t cwa_startup_arg_len(void);
TRISIEL_CALL(startup_arg_at) int32_t cwa_startup_arg_at(int32_t number, char *argument, size_t length);
TRISIEL_CALL(resource_open) int32_t cwa_resource_open(const char *url, size_t length);
TRISIEL_CALL(resource_read) int32_t cwa_resource_read(int32_t fd, void *data, size_t length);
TRISIEL_CALL(resource_write) int32_t cwa_resource_write(int32_t fd, const void *data, size_t length);
TRISIEL_CALL(resource_close) int32_t cwa_resource_close(int32_t fd);
TRISIEL_CALL(resource_flush) int32_t cwa_resource_flush(int32_t fd);
TRISIEL_CALL(time_now) int64_t cwa_time_now(void);
TRISIEL_CALL(io_get_stdin) int32_t cwa_io_get_stdin(void);
TRISIEL_CALL(io_get_stdout) int32_t cwa_io_get_stdout(void);
TRISIEL_CALL(io_get_stderr) int32_t cwa_io_get_stderr(void);
TRISIEL_CALL(random_i32) int32_t cwa_random_i32(void);
TRISIEL_CALL(random_i64) int64_t cwa_random_i64(void);

TRISIEL_OWN size_t trisiel_length(const char *text) {
  size_t length = 0;
  while (text[length] != 0) length += 1;
  return length;
}

/* Opens a URL. Returns its descriptor. */
TRISIEL_OWN int32_t trisiel_open(const char *url) { return cwa_resource_open(url, trisiel_length(url)); }

/* Writes all bytes. Returns 0. */
TRISIEL_OWN int32_t trisiel_write(int32_t fd, const void *data, size_t length) {
  const char *at = (const char *)data;
  while (length > 0) {
    int32_t written = cwa_resource_write(fd, at, length);
    if (written < 0) return written;
    if (written == 0) return CWA_UNKNOWN;
    at += written;
    length -= (size_t)written;
  }
  return 0;
}

/* Writes text that ends with NUL. Returns 0. */
TRISIEL_OWN int32_t trisiel_print(int32_t fd, const char *text) { return trisiel_write(fd, text, trisiel_length(text)); }

/* Reads to the end, at most `size` bytes. Returns their number; CWA_INVALID where there are more. */
TRISIEL_OWN int32_t trisiel_read(int32_t fd, void *data, size_t size) {
  size_t length = 0;
  for (;;) {
    char spare;
    char *at = length < size ? (char *)data + length : &spare;
    int32_t read = cwa_resource_read(fd, at, length < size ? size - length : 1);
    if (read == CWA_END || read == 0) return (int32_t)length;
    if (read < 0) return read;
    if (length == size) return CWA_INVALID;
    length += (size_t)read;
  }
}

/* Writes a line into the log. */
TRISIEL_OWN void trisiel_log(int32_t level, const char *text) { cwa_log_write(level, text, trisiel_length(text)); }

/*
 * Reads a variable into `value`, which ends with NUL. Returns its length; CWA_MISSING without one, CWA_INVALID where it does
 * not fit into `size` bytes with the NUL.
 */
TRISIEL_OWN int32_t trisiel_env(const char *key, char *value, size_t size) {
  if (size == 0) return CWA_INVALID;
  int32_t length = cwa_env_get(key, trisiel_length(key), value, size - 1);
  value[0 <= length && (size_t)length < size ? length : 0] = 0;
  return length < 0 || (size_t)length < size ? length : CWA_INVALID;
}

/* Appends text to the NUL-terminated text in `to`, which has `size` bytes. Returns 0; CWA_INVALID where it does not fit. */
TRISIEL_OWN int32_t trisiel_append(char *to, size_t size, const char *text) {
  size_t at = trisiel_length(to);
  for (; *text != 0; text += 1) {
    if (at + 1 >= size) return CWA_INVALID;
    to[at++] = *text;
    to[at] = 0;
  }
  return 0;
}

/* Opens SCHEME://NAME/REST; a REST of NULL: SCHEME://NAME. */
TRISIEL_OWN int32_t trisiel_open_parts(const char *scheme, const char *name, const char *rest) {
  char url[2048];
  url[0] = 0;
  if (trisiel_append(url, sizeof url, scheme) != 0 || trisiel_append(url, sizeof url, "://") != 0 ||
      trisiel_append(url, sizeof url, name) != 0)
    return CWA_INVALID;
  if (rest != NULL && (trisiel_append(url, sizeof url, "/") != 0 || trisiel_append(url, sizeof url, rest) != 0))
    return CWA_INVALID;
  return trisiel_open(url);
}

/* Reads a value of the handler's store. Returns its length; CWA_MISSING without one. */
TRISIEL_OWN int32_t trisiel_kv_get(const char *bucket, const char *key, void *value, size_t size) {
  int32_t fd = trisiel_open_parts("kv", bucket, key);
  if (fd < 0) return fd;
  int32_t length = trisiel_read(fd, value, size);
  cwa_resource_close(fd);
  return length;
}

/* Replaces a value. Returns 0 when it is durable; CWA_DENIED where there is no room. */
TRISIEL_OWN int32_t trisiel_kv_put(const char *bucket, const char *key, const void *value, size_t length) {
  int32_t fd = trisiel_open_parts("kv", bucket, key);
  if (fd < 0) return fd;
  int32_t result = trisiel_write(fd, value, length);
  if (result == 0) result = cwa_resource_flush(fd);
  cwa_resource_close(fd);
  return result;
}

/* Publishes a message. Returns 0 when it is durable; CWA_DENIED where there is no room. */
TRISIEL_OWN int32_t trisiel_publish(const char *queue, const void *message, size_t length) {
  int32_t fd = trisiel_open_parts("queue", queue, NULL);
  if (fd < 0) return fd;
  int32_t result = trisiel_write(fd, message, length);
  if (result == 0) result = cwa_resource_flush(fd);
  cwa_resource_close(fd);
  return result;
}

/*
 * Sends an HTTP request to an http: or https: URL. `fields`: further header lines, each ended by \r\n; NULL: none. Reads the
 * answer's body into `answer`. Returns its length and sets `status`.
 */
TRISIEL_OWN int32_t trisiel_http(const char *method, const char *url, const char *fields, const void *body,
                                 size_t body_length, int32_t *status, char *answer, size_t size) {
  const char *host = url;
  while (*host != 0 && *host != ':') host += 1;
  if (host[0] == 0 || host[1] != '/' || host[2] != '/') return CWA_INVALID;
  host += 3;
  const char *path = host;
  while (*path != 0 && *path != '/' && *path != '?' && *path != '#') path += 1;
  /* What follows # is for the platform. */
  const char *end = path;
  while (*end != 0 && *end != '#') end += 1;
  int32_t fd = trisiel_open(url);
  if (fd < 0) return fd;
  char digits[24];
  size_t digit = sizeof digits;
  digits[--digit] = 0;
  size_t number = body_length;
  do digits[--digit] = (char)('0' + number % 10);
  while ((number /= 10) > 0);
  int32_t error = trisiel_print(fd, method);
  if (error == 0) error = trisiel_print(fd, *path == '/' ? " " : " /");
  if (error == 0) error = trisiel_write(fd, path, (size_t)(end - path));
  if (error == 0) error = trisiel_print(fd, " HTTP/1.1\r\nHost: ");
  if (error == 0) error = trisiel_write(fd, host, (size_t)(path - host));
  if (error == 0) error = trisiel_print(fd, "\r\n");
  if (error == 0 && fields != NULL) error = trisiel_print(fd, fields);
  if (error == 0 && body_length > 0) {
    error = trisiel_print(fd, "Content-Length: ");
    if (error == 0) error = trisiel_print(fd, digits + digit);
    if (error == 0) error = trisiel_print(fd, "\r\n");
  }
  if (error == 0) error = trisiel_print(fd, "\r\n");
  if (error == 0 && body_length > 0) error = trisiel_write(fd, body, body_length);
  if (error == 0) error = cwa_resource_flush(fd);
  /* The head, byte by byte: "HTTP/1.1 200 OK", fields, an empty line. */
  int32_t line = 0, column = 0;
  *status = 0;
  while (error == 0) {
    char letter;
    int32_t read = cwa_resource_read(fd, &letter, 1);
    if (read != 1) error = read == 0 ? CWA_END : read;
    else if (letter == '\n') {
      if (column == 0) break;
      line += 1;
      column = 0;
    } else if (letter != '\r') {
      if (line == 0 && column >= 9 && column <= 11 && letter >= '0' && letter <= '9') *status = *status * 10 + (letter - '0');
      column += 1;
    }
  }
  int32_t length = error == 0 ? trisiel_read(fd, answer, size) : error;
  cwa_resource_close(fd);
  return length;
}

#endif
