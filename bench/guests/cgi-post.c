/* A CGI program in C as they are usually written: reads CONTENT_LENGTH bytes of the body, answers with their number. */
#include <stdio.h>
#include <stdlib.h>

static char body[65536];

int main(void) {
  const char *length = getenv("CONTENT_LENGTH");
  size_t wanted = length ? strtoul(length, NULL, 10) : 0, have = 0;
  if (wanted > sizeof body) wanted = sizeof body;
  while (have < wanted) {
    size_t got = fread(body + have, 1, wanted - have, stdin);
    if (got == 0) break;
    have += got;
  }
  printf("Content-Type: text/plain\n\n%zu bytes\n", have);
  return 0;
}
