/* The request is in the environment and on standard input; the answer is what is printed: fields, an empty line, a body. */
#include <stdio.h>
#include <stdlib.h>

static const char *variable(const char *name, const char *otherwise) {
  const char *value = getenv(name);
  return value == NULL ? otherwise : value;
}

int main(void) {
  printf("Content-Type: text/plain\n\n");
  printf("%s from C at %s\n", variable("GREETING", "Hello"), variable("PATH_INFO", "/"));
  fprintf(stderr, "answered a %s\n", variable("REQUEST_METHOD", "request"));
  return 0;
}
