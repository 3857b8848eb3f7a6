// A Go reactor: the start of the Go runtime and what init does are done once where it is pushed with snapshot = true.
package main

import (
	"fmt"
	"os"
	"strings"
	"unsafe"
)

//go:wasmimport wasi_snapshot_preview1 environ_sizes_get
func environSizesGet(count, size *uint32) uint32

//go:wasmimport wasi_snapshot_preview1 environ_get
func environGet(pointers, text unsafe.Pointer) uint32

// getenv asks the host. os.Getenv tells what was set when the runtime started: in a snapshot, at the push.
func getenv(name string) string {
	var count, size uint32
	environSizesGet(&count, &size)
	if count == 0 {
		return ""
	}
	pointers := make([]uint32, count)
	text := make([]byte, size)
	environGet(unsafe.Pointer(&pointers[0]), unsafe.Pointer(&text[0]))
	for _, entry := range strings.Split(string(text), "\x00") {
		if value, found := strings.CutPrefix(entry, name+"="); found {
			return value
		}
	}
	return ""
}

var primes int
var calls int

func init() {
	composite := make([]bool, 1_000_000)
	for i := 2; i < len(composite); i++ {
		if composite[i] {
			continue
		}
		primes++
		for j := 2 * i; j < len(composite); j += i {
			composite[j] = true
		}
	}
	fmt.Fprintf(os.Stderr, "sieved %d primes\n", primes)
}

//go:wasmexport cwa_main
func answer() int32 {
	calls++
	fmt.Printf("Content-Type: text/plain\n\n%d primes, call %d, %s\n", primes, calls, getenv("PATH_INFO"))
	return 0
}

func main() {}
