// Counts its calls, tells a queue, and asks another server, as the environment says.
package main

import (
	"encoding/binary"
	"fmt"
	"log"
	"os"

	"trisiel"
)

func main() {
	if err := answer(); err != nil {
		log.Fatal(err)
	}
}

func answer() error {
	kept, err := trisiel.Get("counter", "calls")
	if err != nil && err != trisiel.ErrMissing {
		return err
	}
	calls := uint32(1)
	if len(kept) == 4 {
		calls += binary.LittleEndian.Uint32(kept)
	}
	if err := trisiel.Put("counter", "calls", binary.LittleEndian.AppendUint32(nil, calls)); err != nil {
		return err
	}
	if err := trisiel.Publish("seen", []byte("a call")); err != nil {
		return err
	}
	fmt.Printf("Content-Type: text/plain\n\ncall %d", calls)
	if path, found := os.LookupEnv("PATH_INFO"); found {
		fmt.Printf(" at %s", path)
	}
	fmt.Println()
	if url, found := os.LookupEnv("UPSTREAM"); found {
		answer, err := trisiel.Request("POST", url, "Content-Type: text/plain\r\n", []byte("ping"))
		if err != nil {
			return err
		}
		fmt.Printf("upstream %d %s", answer.Status, answer.Body)
	}
	trisiel.Log("answered")
	return nil
}
