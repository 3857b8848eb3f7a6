// A Go command: the Go runtime starts in every call.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Printf("Content-Type: text/plain\n\nhello %s\n", os.Getenv("PATH_INFO"))
}
