// Workloads of bench/wasm.ts, freestanding: each exported function does `n` rounds and returns a checksum.
// Built by ./build.sh; the .wasm is committed.
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;
#define EXPORT(name) __attribute__((export_name(#name))) u32 name
#define NOINLINE __attribute__((noinline))

static u8 flags[1 << 20];

// Sieve of Eratosthenes: tight inner loops over memory.
EXPORT(sieve)(u32 n) {
  u32 count = 0;
  for (u32 round = 0; round < n; round++) {
    for (u32 i = 0; i < sizeof flags; i++) flags[i] = 1;
    count = 0;
    for (u32 i = 2; i < sizeof flags; i++) {
      if (!flags[i]) continue;
      count++;
      for (u32 j = i + i; j < sizeof flags; j += i) flags[j] = 0;
    }
  }
  return count;
}

// Recursion: little but calls.
static NOINLINE u32 fib(u32 n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
EXPORT(recursion)(u32 n) {
  u32 sum = 0;
  for (u32 round = 0; round < n; round++) sum += fib(27 + (round & 1));
  return sum;
}

// Matrix multiplication of doubles, row by column.
#define N 160
static double a[N][N], b[N][N], c[N][N];
EXPORT(matrix)(u32 n) {
  for (u32 i = 0; i < N; i++)
    for (u32 j = 0; j < N; j++) a[i][j] = i + j, b[i][j] = (double)i - j;
  double sum = 0;
  for (u32 round = 0; round < n; round++) {
    for (u32 i = 0; i < N; i++)
      for (u32 j = 0; j < N; j++) {
        double s = 0;
        for (u32 k = 0; k < N; k++) s += a[i][k] * b[k][j];
        c[i][j] = s;
      }
    sum += c[round % N][3];
  }
  return (u32)(int)(sum / 1000);
}

// SHA-256 of 64 KiB.
static const u32 K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
    0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
    0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
    0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
    0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
    0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
static u8 text[65536];
static inline u32 ror(u32 x, int k) { return x >> k | x << (32 - k); }
static NOINLINE void block(u32 *h, const u8 *p) {
  u32 w[64];
  for (int i = 0; i < 16; i++) w[i] = p[4 * i] << 24 | p[4 * i + 1] << 16 | p[4 * i + 2] << 8 | p[4 * i + 3];
  for (int i = 16; i < 64; i++) {
    u32 s0 = ror(w[i - 15], 7) ^ ror(w[i - 15], 18) ^ w[i - 15] >> 3, s1 = ror(w[i - 2], 17) ^ ror(w[i - 2], 19) ^ w[i - 2] >> 10;
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  u32 s[8];
  for (int i = 0; i < 8; i++) s[i] = h[i];
  for (int i = 0; i < 64; i++) {
    u32 S1 = ror(s[4], 6) ^ ror(s[4], 11) ^ ror(s[4], 25), ch = (s[4] & s[5]) ^ (~s[4] & s[6]);
    u32 t1 = s[7] + S1 + ch + K[i] + w[i];
    u32 S0 = ror(s[0], 2) ^ ror(s[0], 13) ^ ror(s[0], 22), maj = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
    for (int j = 7; j > 0; j--) s[j] = s[j - 1];
    s[4] += t1;
    s[0] = t1 + S0 + maj;
  }
  for (int i = 0; i < 8; i++) h[i] += s[i];
}
EXPORT(hash)(u32 n) {
  u32 h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  for (u32 i = 0; i < sizeof text; i++) text[i] = i * 31;
  for (u32 round = 0; round < n; round++)
    for (u32 i = 0; i < sizeof text; i += 64) block(h, text + i);
  return h[0];
}

// FNV-1a, one byte at a time: the shortest loop there is.
EXPORT(fnv)(u32 n) {
  u32 h = 2166136261u;
  for (u32 round = 0; round < n; round++)
    for (u32 i = 0; i < sizeof text; i++) h = (h ^ text[i]) * 16777619u;
  return h;
}

// JSON: writes a document, then parses it by recursive descent.
static char json[1 << 18];
static u32 jsonLength;
static const char *at;
static u32 depthMax;
static NOINLINE void put(const char *s) {
  while (*s) json[jsonLength++] = *s++;
}
static void putNumber(u32 v) {
  char digits[12];
  int i = 0;
  do digits[i++] = '0' + v % 10; while (v /= 10);
  while (i) json[jsonLength++] = digits[--i];
}
static void space(void) {
  while (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r') at++;
}
static u32 string(void) {
  u32 h = 5381;
  for (at++; *at != '"'; at++) {
    if (*at == '\\') at++;
    h = h * 33 + (u8)*at;
  }
  at++;
  return h;
}
static NOINLINE u32 value(u32 depth) {
  u32 sum = 0;
  if (depth > depthMax) depthMax = depth;
  space();
  switch (*at) {
    case '{':
      at++;
      for (space(); *at != '}'; space()) {
        sum += string();
        space();
        at++;
        sum = sum * 7 + value(depth + 1);
        space();
        if (*at == ',') at++, space();
      }
      at++;
      return sum;
    case '[':
      at++;
      for (space(); *at != ']'; space()) {
        sum = sum * 3 + value(depth + 1);
        space();
        if (*at == ',') at++;
      }
      at++;
      return sum;
    case '"': return string();
    case 't': at += 4; return 1;
    case 'f': at += 5; return 2;
    case 'n': at += 4; return 3;
    default: {
      int negative = *at == '-';
      if (negative) at++;
      u32 v = 0;
      while (*at >= '0' && *at <= '9') v = v * 10 + (*at++ - '0');
      if (*at == '.') for (at++; *at >= '0' && *at <= '9'; at++) v = v * 10 + (*at - '0');
      return negative ? -v : v;
    }
  }
}
EXPORT(jsonText)(u32 n) {
  u32 sum = 0;
  for (u32 round = 0; round < n; round++) {
    jsonLength = 0;
    put("{\"items\": [");
    for (u32 i = 0; i < 1000; i++) {
      if (i) put(", ");
      put("{\"id\": ");
      putNumber(i * 7919 + round);
      put(", \"name\": \"item \\\"number\\\" of the list\", \"tags\": [\"alpha\", \"beta\", true, null], \"price\": -12.5}");
    }
    put("]}");
    json[jsonLength] = 0;
    at = json;
    sum = sum * 31 + value(0);
  }
  return sum;
}

// Sorting: branches that no predictor knows, through a function pointer.
static u32 numbers[1 << 14];
typedef int (*compare)(u32, u32);
static int ascending(u32 x, u32 y) { return x < y; }
static int descending(u32 x, u32 y) { return x > y; }
static compare volatile orders[2] = {ascending, descending};
static NOINLINE void sort(int low, int high, compare less) {
  while (low < high) {
    u32 pivot = numbers[(low + high) >> 1];
    int i = low, j = high;
    while (i <= j) {
      while (less(numbers[i], pivot)) i++;
      while (less(pivot, numbers[j])) j--;
      if (i <= j) {
        u32 t = numbers[i];
        numbers[i++] = numbers[j];
        numbers[j--] = t;
      }
    }
    sort(low, j, less);
    low = i;
  }
}
EXPORT(sorting)(u32 n) {
  u32 seed = 1, sum = 0;
  for (u32 round = 0; round < n; round++) {
    for (u32 i = 0; i < sizeof numbers / 4; i++) numbers[i] = seed = seed * 1664525 + 1013904223;
    sort(0, sizeof numbers / 4 - 1, orders[round & 1]);
    sum += numbers[100];
  }
  return sum;
}

// A bytecode interpreter: a stack machine that counts the primes below 512 by trial division. A short
// fixed cycle of opcodes would measure how lucky the jumps lie in the processor's branch buffers.
enum { HALT, PUSH, LOAD, STORE, ADD, MUL, REM, LESS, ZERO_JUMP, JUMP };
static const u8 program[] = {
    /* 0 */ PUSH, 2, STORE, 0,                               // n = 2
    /* 4 */ PUSH, 2, STORE, 1,                               // d = 2
    /* 8 */ LOAD, 0, LOAD, 1, LOAD, 1, MUL, LESS,            // while not n < d * d
    /* 16 */ ZERO_JUMP, 27,                                  //
    /* 18 */ LOAD, 2, PUSH, 1, ADD, STORE, 2, JUMP, 43,      // count++, next n
    /* 27 */ LOAD, 0, LOAD, 1, REM, ZERO_JUMP, 43,           // if d divides n: next n
    /* 34 */ LOAD, 1, PUSH, 1, ADD, STORE, 1, JUMP, 8,       // d++
    /* 43 */ LOAD, 0, PUSH, 1, ADD, STORE, 0,                // n++
    /* 50 */ LOAD, 0, PUSH, 128, PUSH, 4, MUL, LESS,         // while n < 512
    /* 58 */ ZERO_JUMP, 62, JUMP, 4,                         //
    /* 62 */ HALT};
static u32 machine(void) {
  u32 stack[8], variables[3] = {0, 0, 0};
  u32 *top = stack;
  for (const u8 *pc = program;;) {
    switch (*pc++) {
      case PUSH: *top++ = *pc++; break;
      case LOAD: *top++ = variables[*pc++]; break;
      case STORE: variables[*pc++] = *--top; break;
      case ADD: top--; top[-1] += *top; break;
      case MUL: top--; top[-1] *= *top; break;
      case REM: top--; top[-1] %= *top; break;
      case LESS: top--; top[-1] = top[-1] < *top; break;
      case ZERO_JUMP: pc = *--top ? pc + 1 : program + *pc; break;
      case JUMP: pc = program + *pc; break;
      default: return variables[2];
    }
  }
}
EXPORT(interpreter)(u32 n) {
  u32 sum = 0;
  for (u32 round = 0; round < n; round++) sum = sum * 7 + machine();
  return sum;
}
