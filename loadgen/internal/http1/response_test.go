package http1_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/bedlamlab/bedlam/loadgen/internal/http1"
)

func TestResponses(t *testing.T) {
	long := strings.Repeat("x", 70_000)
	for _, c := range []struct {
		name, in string
		status   int
		body     string
		reusable bool
		err      error // nil: read; io.EOF and so on otherwise
	}{
		{name: "a length", in: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", status: 200, body: "hello", reusable: true},
		{name: "no reason", in: "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", status: 200, reusable: true},
		{name: "lines that end in LF alone", in: "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", status: 200, body: "ok", reusable: true},
		{name: "fields in any case", in: "HTTP/1.1 200 OK\r\ncOnTeNt-LeNgTh:2\r\n\r\nok", status: 200, body: "ok", reusable: true},
		{name: "the same length twice", in: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok", reusable: true},
		{name: "chunks", in: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n7;x=y\r\n, world\r\n0\r\nTrailer: 1\r\n\r\n", status: 200, body: "hello, world", reusable: true},
		{name: "chunks and a length", in: "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", status: 200, body: "a"},
		{name: "until the end", in: "HTTP/1.1 200 OK\r\n\r\nall of it", status: 200, body: "all of it"},
		{name: "HTTP/1.0 closes", in: "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok"},
		{name: "HTTP/1.0 kept alive", in: "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok", reusable: true},
		{name: "connection: close", in: "HTTP/1.1 503 No\r\nConnection: foo, CLOSE\r\nContent-Length: 2\r\n\r\nno", status: 503, body: "no"},
		{name: "204 has no body", in: "HTTP/1.1 204 No Content\r\n\r\n", status: 204, reusable: true},
		{name: "304 has no body though it tells a length", in: "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", status: 304, reusable: true},
		{name: "interim answers come first", in: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\n!", status: 201, body: "!", reusable: true},
		{name: "more than was asked for", in: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab", status: 200, body: "a"},
		{name: "a long field", in: "HTTP/1.1 200 OK\r\nX: " + long[:60_000] + "\r\nContent-Length: 1\r\n\r\na", status: 200, body: "a", reusable: true},

		{name: "nothing", in: "", err: io.EOF},
		{name: "cut in the status line", in: "HTTP/1.1 20", err: io.ErrUnexpectedEOF},
		{name: "cut in the fields", in: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", err: io.ErrUnexpectedEOF},
		{name: "cut in the body", in: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", err: io.ErrUnexpectedEOF},
		{name: "cut in a chunk", in: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", err: io.ErrUnexpectedEOF},
		{name: "cut before the last chunk", in: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n", err: io.ErrUnexpectedEOF},
		{name: "cut after an interim answer", in: "HTTP/1.1 100 Continue\r\n\r\n", err: io.ErrUnexpectedEOF},
		{name: "interim answers without end", in: strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 20), err: http1.ErrMalformed},
		{name: "another protocol unasked", in: "HTTP/1.1 101 Switching Protocols\r\n\r\n", err: http1.ErrMalformed},
		{name: "not HTTP", in: "SSH-2.0-OpenSSH_9.2\r\n\r\n", err: http1.ErrMalformed},
		{name: "HTTP/2", in: "HTTP/2.0 200 OK\r\n\r\n", err: http1.ErrMalformed},
		{name: "a status of letters", in: "HTTP/1.1 2x0 OK\r\n\r\n", err: http1.ErrMalformed},
		{name: "a status below 100", in: "HTTP/1.1 099 OK\r\n\r\n", err: http1.ErrMalformed},
		{name: "two lengths", in: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", err: http1.ErrMalformed},
		{name: "a negative length", in: "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", err: http1.ErrMalformed},
		{name: "a list of lengths", in: "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\na", err: http1.ErrMalformed},
		{name: "another encoding", in: "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", err: http1.ErrMalformed},
		{name: "a chunk size that is none", in: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", err: http1.ErrMalformed},
		{name: "a chunk size of nine digits", in: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n000000001\r\na\r\n0\r\n\r\n", err: http1.ErrMalformed},
		{name: "a chunk longer than its size", in: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n", err: http1.ErrMalformed},
		{name: "a chunk size that ends in LF alone", in: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\n\r\n", err: http1.ErrMalformed},
		{name: "a chunk that ends in LF alone", in: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\n0\r\n\r\n", err: http1.ErrMalformed},
		{name: "a folded field", in: "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", err: http1.ErrMalformed},
		{name: "a blank before the colon", in: "HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\na", err: http1.ErrMalformed},
		{name: "a NUL in a field", in: "HTTP/1.1 200 OK\r\nA: \x00\r\n\r\n", err: http1.ErrMalformed},
		{name: "a head too long", in: "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: "+long[:1000]+"\r\n", 80) + "\r\n", err: http1.ErrTooLarge},
		{name: "a line too long", in: "HTTP/1.1 200 OK\r\nA: " + long + "\r\n\r\n", err: http1.ErrTooLarge},
		{name: "a length above the limit", in: "HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", err: http1.ErrTooLarge},
		{name: "chunks above the limit", in: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n" + long[:1000] + "\r\n1\r\nx\r\n0\r\n\r\n", err: http1.ErrTooLarge},
		{name: "a rest above the limit", in: "HTTP/1.1 200 OK\r\n\r\n" + long, err: http1.ErrTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			// Read at once and byte by byte: where a read ends must not matter.
			for name, in := range map[string]io.Reader{
				"whole": strings.NewReader(c.in), "by bytes": iotest.OneByteReader(strings.NewReader(c.in)),
			} {
				var a http1.Answer
				reusable, err := http1.ReadResponse(in, &a, 1000)
				if c.err != nil {
					if !errors.Is(err, c.err) {
						t.Fatalf("%s: got %v, want %v", name, err, c.err)
					}
					continue
				}
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if name == "by bytes" && c.name == "more than was asked for" {
					reusable = false // the byte too many has not come yet; the pool's own look finds it
				}
				if a.Status != c.status || string(a.Body) != c.body || reusable != c.reusable {
					t.Errorf("%s: got %d %q reusable=%v, want %d %q %v", name, a.Status, a.Body, reusable, c.status, c.body, c.reusable)
				}
			}
		})
	}
}

func TestFieldsThatMatter(t *testing.T) {
	var a http1.Answer
	in := "HTTP/1.1 503 Busy\r\nX-Degraded:  recommend=best-sellers \r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
	if _, err := http1.ReadResponse(strings.NewReader(in), &a, 100); err != nil {
		t.Fatal(err)
	}
	if a.Degraded != "recommend=best-sellers" || !a.RetryAfter {
		t.Errorf("got %q and %v", a.Degraded, a.RetryAfter)
	}
	// An Answer is used again: nothing of the last one may stay.
	if _, err := http1.ReadResponse(strings.NewReader("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), &a, 100); err != nil {
		t.Fatal(err)
	}
	if a.Degraded != "" || a.RetryAfter || len(a.Body) != 0 {
		t.Errorf("left over: %+v", a)
	}
}

// FuzzResponse holds the parser against the standard library's: whatever this
// one takes, that one takes too, and they read the same.
func FuzzResponse(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
		"HTTP/1.0 200 OK\r\n\r\nall",
		"HTTP/1.1 200 OK\nA: b\n\nx",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		const limit = 1 << 16
		var a http1.Answer
		reusable, err := http1.ReadResponse(bytes.NewReader(in), &a, limit)
		if len(a.Body) > limit+4096 {
			t.Fatalf("%d bytes of body, the limit is %d", len(a.Body), limit)
		}
		if err != nil {
			return
		}
		theirs := bufio.NewReader(bytes.NewReader(in))
		r, err := http.ReadResponse(theirs, nil)
		for err == nil && r.StatusCode < 200 {
			r, err = http.ReadResponse(theirs, nil)
		}
		if err != nil {
			t.Fatalf("we read %d %q, net/http refuses: %v", a.Status, a.Body, err)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Fatalf("we read %q, net/http refuses the body: %v", a.Body, err)
		}
		if r.StatusCode != a.Status || !bytes.Equal(body, a.Body) {
			t.Fatalf("we read %d %q, net/http %d %q", a.Status, a.Body, r.StatusCode, body)
		}
		if reusable && r.Close {
			t.Fatalf("we would use the connection again, net/http would not")
		}
	})
}
