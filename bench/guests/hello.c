/* A CGI program: printf and getenv; with -DGROW also a block of 100 KB, of 3 MB with -DGROW=3000000. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
#ifdef GROW
  volatile char *large = malloc(GROW);
  memset((char *)large, 7, GROW);
#endif
  const char *method = getenv("REQUEST_METHOD");
  printf("content-type: text/plain\n\n");
  for (int i = 0; i < 20; i++) printf("word %d of %s\n", i, method ? method : "none");
#ifdef GROW
  return large[GROW - 1] - 7;
#else
  return 0;
#endif
}
