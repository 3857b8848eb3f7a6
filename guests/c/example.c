/* Counts its calls, tells a queue, and asks another server, as the environment says. */
#include "trisiel.h"

static char answer[4096];

static void print_number(int32_t out, uint32_t number) {
  char digits[11];
  size_t at = sizeof digits;
  do digits[--at] = (char)('0' + number % 10);
  while ((number /= 10) > 0);
  trisiel_write(out, digits + at, sizeof digits - at);
}

int CWA_MAIN(void) {
  char path[1024], upstream[1024];
  uint32_t calls = 0;
  int32_t out = cwa_io_get_stdout();
  if (trisiel_kv_get("counter", "calls", &calls, sizeof calls) < 0) calls = 0;
  calls += 1;
  if (trisiel_kv_put("counter", "calls", &calls, sizeof calls) != 0) return 1;
  if (trisiel_publish("seen", "a call", 6) != 0) return 2;
  trisiel_print(out, "Content-Type: text/plain\n\n");
  trisiel_print(out, "call ");
  print_number(out, calls);
  if (trisiel_env("PATH_INFO", path, sizeof path) >= 0) {
    trisiel_print(out, " at ");
    trisiel_print(out, path);
  }
  trisiel_print(out, "\n");
  if (trisiel_env("UPSTREAM", upstream, sizeof upstream) > 0) {
    int32_t status;
    int32_t length = trisiel_http("POST", upstream, "Content-Type: text/plain\r\n", "ping", 4, &status, answer, sizeof answer);
    if (length < 0) return 3;
    trisiel_print(out, "upstream ");
    print_number(out, (uint32_t)status);
    trisiel_print(out, " ");
    trisiel_write(out, answer, (size_t)length);
  }
  trisiel_log(CWA_INFO, "answered");
  return 0;
}
