/*
 * QuickJS with a handler in JavaScript. wizer.initialize makes the engine and runs the script, which defines the handler;
 * cwa_main calls the handler. With a snapshot a call takes the time of the handler alone; without one cwa_main begins
 * with what wizer.initialize does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wasi/libc-environ.h>
#include "quickjs.h"

static const char script[] =
    "const words = [];\n"
    "for (let i = 0; i < 2000; i++) words.push('word ' + i * i);\n"
    "const index = new Map(words.map((word, at) => [word, at]));\n"
    "function handle(path) {\n"
    "  return JSON.stringify({ path, of: index.size, at: index.get('word 1764'), text: path.replace(/[a-c]/g, (c) => c.toUpperCase()) });\n"
    "}\n";

static JSContext *context;

__attribute__((export_name("wizer.initialize"))) void initialize(void) {
  JSRuntime *runtime = JS_NewRuntime();
  context = JS_NewContext(runtime);
  JSValue done = JS_Eval(context, script, sizeof script - 1, "handler.js", JS_EVAL_TYPE_GLOBAL);
  if (JS_IsException(done)) abort();
  JS_FreeValue(context, done);
  __wasilibc_deinitialize_environ();
}

__attribute__((export_name("cwa_main"))) int answer(void) {
  if (context == NULL) initialize();
  const char *path = getenv("PATH_INFO");
  JSValue global = JS_GetGlobalObject(context);
  JSValue handler = JS_GetPropertyStr(context, global, "handle");
  JSValue argument = JS_NewString(context, path == NULL ? "" : path);
  JSValue answered = JS_Call(context, handler, global, 1, &argument);
  const char *text = JS_ToCString(context, answered);
  printf("Content-Type: application/json\n\n%s\n", text == NULL ? "exception" : text);
  fflush(stdout);
  return text == NULL;
}
