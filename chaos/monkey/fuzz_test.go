package monkey_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// ourFault is a status of 500 and more that the API has answered: all its
// answers forbid caching. What the library refuses by itself, a version or a
// transfer coding that it has not got, bears no such header.
var ourFault = regexp.MustCompile(`HTTP/1\.[01] 5\d\d [^\r\n]*\r\nCache-Control:[^\r\n]*`)

// FuzzControl sends the control API of a running monkey whatever it is: nothing
// panics, nothing is answered with 500, and nothing is injected that is not
// answered with 201, nor changed without a 200.
func FuzzControl(f *testing.F) {
	const host = "localhost"
	token := strings.Repeat("token", 9) // of the length of a real one and known to the seeds
	right := "Host: " + host + "\r\nAuthorization: Bearer " + token + "\r\n"
	f.Add("POST", "/v1/faults", right+"Content-Type: application/json\r\n", killCart)
	for _, path := range []string{"/v1/status", "/v1/catalogue", "/v1/faults", "/v1/history", "/metrics", "/openapi.yaml"} {
		f.Add("GET", path, right, "")
		f.Add("HEAD", path, right, "")
	}
	for _, path := range []string{"/v1/pause", "/v1/resume", "/v1/halt"} {
		f.Add("POST", path, right, "")
	}
	for _, s := range strangers(host, token) {
		q, err := http.NewRequest(s.method, "http://"+host+s.path, nil)
		if err != nil {
			f.Fatal(err)
		}
		q.Header.Set("Authorization", "Bearer "+token)
		if s.body != "" {
			q.Header.Set("Content-Type", "application/json")
		}
		for _, change := range s.change {
			change(q)
		}
		var header strings.Builder
		fmt.Fprintf(&header, "Host: %s\r\n", q.Host)
		if err := q.Header.Write(&header); err != nil {
			f.Fatal(err)
		}
		f.Add(s.method, s.path, header.String(), s.body)
	}
	for _, text := range rawBytes(host, token) {
		line, rest, _ := strings.Cut(text, "\r\n")
		header, body, _ := strings.Cut(rest, "\r\n\r\n")
		if method, path, ok := strings.Cut(strings.TrimSuffix(line, " HTTP/1.1"), " "); ok {
			f.Add(method, path, header+"\r\n", body)
		}
	}
	f.Fuzz(func(t *testing.T, method, path, header, body string) {
		s := openTo(t, token, nil)
		text := method + " " + path + " HTTP/1.1\r\n" + header
		if h := strings.ToLower(header); !strings.Contains(h, "content-length") && !strings.Contains(h, "transfer-encoding") {
			text += fmt.Sprintf("Content-Length: %d\r\n", len(body))
		}
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(time.Minute)); err != nil { // far more than the server's own patience
			t.Fatal(err)
		}
		// Who is refused in the middle may be hung up on while he speaks, and miss
		// the answer.
		_, spoken := io.WriteString(c, text+"\r\n"+body)
		if spoken == nil {
			spoken = c.(*net.TCPConn).CloseWrite()
		}
		b, err := io.ReadAll(c)
		if timeout, ok := err.(net.Error); ok && timeout.Timeout() {
			t.Fatalf("it does not answer, nor hang up: %q", b)
		}
		answers := string(b)
		if bad := ourFault.FindString(answers); bad != "" {
			t.Errorf("%s", bad)
		}
		s.hand.mu.Lock()
		injected := 0
		for _, did := range s.hand.done {
			if strings.HasPrefix(did, "inject ") {
				injected++
			}
		}
		s.hand.mu.Unlock()
		if said := strings.Count(answers, " 201 Created\r\n"); injected > said && spoken == nil && err == nil {
			t.Errorf("%d faults are injected, and %d answered with 201:\n%s", injected, said, answers)
		}
		if state := s.m.Status().State; state != "running" && !strings.Contains(answers, " 200 OK\r\n") && spoken == nil && err == nil {
			t.Errorf("it is %s, and that was answered:\n%s", state, answers)
		}
	})
}
