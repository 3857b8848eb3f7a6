//go:build wasip1

// Package trisiel has CommonWA and the resources of Trisiel, for functions that are built with GOOS=wasip1. Everything
// outside of a function is opened by URL, then read, written, flushed and closed; see the book, docs/schemes.md.
package trisiel

import (
	"errors"
	"io"
	"runtime"
	"strconv"
	"strings"
	"unsafe"
)

//go:wasmimport cwa log_write
func logWrite(level int32, text unsafe.Pointer, length uint32)

//go:wasmimport cwa resource_open
func resourceOpen(url unsafe.Pointer, length uint32) int32

//go:wasmimport cwa resource_read
func resourceRead(fd int32, data unsafe.Pointer, length uint32) int32

//go:wasmimport cwa resource_write
func resourceWrite(fd int32, data unsafe.Pointer, length uint32) int32

//go:wasmimport cwa resource_close
func resourceClose(fd int32) int32

//go:wasmimport cwa resource_flush
func resourceFlush(fd int32) int32

// Errors of the kernel. The end of a resource is io.EOF.
var (
	// ErrUnknown is whatever has no number of its own, such as a resource that takes no bytes.
	ErrUnknown = errors.New("trisiel: unknown error")
	// ErrInvalid is a URL that is none, or an answer that cannot be read.
	ErrInvalid = errors.New("trisiel: invalid argument")
	// ErrDenied is what the platform refuses, such as a value for which the quota has no room.
	ErrDenied = errors.New("trisiel: permission denied")
	// ErrMissing is what is not there.
	ErrMissing = errors.New("trisiel: not found")
)

func check(result int32) (int, error) {
	switch {
	case result >= 0:
		return int(result), nil
	case result == -2:
		return 0, ErrInvalid
	case result == -3:
		return 0, ErrDenied
	case result == -4:
		return 0, ErrMissing
	case result == -5:
		return 0, io.EOF
	}
	return 0, ErrUnknown
}

// A Resource is something that was opened by URL.
type Resource struct{ fd int32 }

// Open opens a URL.
func Open(url string) (*Resource, error) {
	fd, err := check(resourceOpen(unsafe.Pointer(unsafe.StringData(url)), uint32(len(url))))
	runtime.KeepAlive(url)
	if err != nil {
		return nil, err
	}
	return &Resource{int32(fd)}, nil
}

// Read reads some bytes, waiting for the first one; io.EOF is the end.
func (r *Resource) Read(into []byte) (int, error) {
	if len(into) == 0 {
		return 0, nil
	}
	length, err := check(resourceRead(r.fd, unsafe.Pointer(&into[0]), uint32(len(into))))
	runtime.KeepAlive(into)
	if err == nil && length == 0 {
		err = io.EOF
	}
	return length, err
}

// Write writes all bytes.
func (r *Resource) Write(data []byte) (int, error) {
	done := 0
	for done < len(data) {
		written, err := check(resourceWrite(r.fd, unsafe.Pointer(&data[done]), uint32(len(data)-done)))
		if err == nil && written == 0 {
			err = ErrUnknown
		}
		if err != nil {
			return done, err
		}
		done += written
	}
	runtime.KeepAlive(data)
	return done, nil
}

// Flush commits or sends what was written, and waits until that is done.
func (r *Resource) Flush() error {
	_, err := check(resourceFlush(r.fd))
	return err
}

// Close closes it, which commits what was written.
func (r *Resource) Close() error {
	_, err := check(resourceClose(r.fd))
	return err
}

// Log writes a line into the log, level info. Lines on standard error are warnings.
func Log(text string) {
	logWrite(6, unsafe.Pointer(unsafe.StringData(text)), uint32(len(text)))
	runtime.KeepAlive(text)
}

// Get reads a value of the handler's store; ErrMissing without one.
func Get(bucket, key string) ([]byte, error) {
	resource, err := Open("kv://" + bucket + "/" + key)
	if err != nil {
		return nil, err
	}
	defer resource.Close()
	return io.ReadAll(resource)
}

// Put replaces a value as a whole; it is durable when this returns.
func Put(bucket, key string, value []byte) error {
	return send("kv://"+bucket+"/"+key, value)
}

// Publish publishes a message; it is durable when this returns.
func Publish(queue string, message []byte) error {
	return send("queue://"+queue, message)
}

func send(url string, data []byte) error {
	resource, err := Open(url)
	if err != nil {
		return err
	}
	defer resource.Close()
	if _, err := resource.Write(data); err != nil {
		return err
	}
	return resource.Flush()
}

// A Response is what another server answers.
type Response struct {
	Status int
	// Head has its lines without the empty one.
	Head string
	Body []byte
}

// Request sends a request to an http: or https: URL. Fields are further header lines, each ended by \r\n.
func Request(method, url, fields string, body []byte) (*Response, error) {
	_, rest, found := strings.Cut(url, "://")
	if !found {
		return nil, ErrInvalid
	}
	// What follows # is for the platform.
	rest, _, _ = strings.Cut(rest, "#")
	host, path := rest, ""
	if at := strings.IndexAny(rest, "/?"); at >= 0 {
		host, path = rest[:at], rest[at:]
	}
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	head := method + " " + path + " HTTP/1.1\r\nHost: " + host + "\r\n" + fields
	if len(body) > 0 {
		head += "Content-Length: " + strconv.Itoa(len(body)) + "\r\n"
	}
	resource, err := Open(url)
	if err != nil {
		return nil, err
	}
	defer resource.Close()
	if _, err := resource.Write(append([]byte(head+"\r\n"), body...)); err != nil {
		return nil, err
	}
	if err := resource.Flush(); err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(resource)
	if err != nil {
		return nil, err
	}
	before, after, found := strings.Cut(string(answer), "\r\n\r\n")
	if !found || len(before) < 12 {
		return nil, ErrInvalid
	}
	status, err := strconv.Atoi(before[9:12])
	if err != nil {
		return nil, ErrInvalid
	}
	return &Response{status, before, []byte(after)}, nil
}
