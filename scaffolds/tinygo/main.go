// The request is in the environment and on standard input; the answer is what is printed: fields, an empty line, a body.
package main

import (
	"fmt"
	"os"
)

func variable(name, otherwise string) string {
	if value, ok := os.LookupEnv(name); ok {
		return value
	}
	return otherwise
}

func main() {
	fmt.Print("Content-Type: text/plain\n\n")
	fmt.Printf("%s from Go at %s\n", variable("GREETING", "Hello"), variable("PATH_INFO", "/"))
	fmt.Fprintf(os.Stderr, "answered a %s\n", variable("REQUEST_METHOD", "request"))
}
