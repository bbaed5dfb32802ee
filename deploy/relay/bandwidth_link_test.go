package relay_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/relay"
	"github.com/bedlamlab/bedlam/topology"
)

// sink counts what it is sent, and answers the end with one byte.
func sink(t testing.TB) string {
	return serve(t, func(c *net.TCPConn) {
		defer c.Close()
		if _, err := io.Copy(io.Discard, c); err == nil {
			c.Write([]byte{1})
		}
	})
}

// A limit can make nothing quicker, so a test of the time has a floor that no
// busy machine can break; that it is no slower is for the simulation and the
// benchmark to say. The floor leaves a twentieth for the line's lateness.
func TestBandwidth(t *testing.T) {
	const total, floor = 50_000, 475 * time.Millisecond // at 100 KB/s half a second
	for _, test := range []struct {
		direction deploy.Direction
		to, from  time.Duration
	}{
		{deploy.To, floor, 0}, {deploy.From, 0, floor}, {deploy.Both, floor, floor},
	} {
		t.Run(string(test.direction), func(t *testing.T) {
			r := between(t, serve(t, func(c *net.TCPConn) {
				defer c.Close()
				io.CopyN(io.Discard, c, total)
				c.Write([]byte{1})
				c.Write(make([]byte, total-1))
			}))
			c := r.dial()
			eventually(t, "a live connection", func() bool { return r.link(ab).Open == 1 })
			r.shape(rule("r", "bandwidth", test.direction, `{"rate":"100KB/s"}`))
			began := time.Now()
			c.Write(make([]byte, total))
			want(t, c, "\x01")
			asked := time.Since(began)
			began = time.Now()
			if _, err := io.CopyN(io.Discard, c, total-1); err != nil {
				t.Fatal(err)
			}
			if answered := time.Since(began); asked < test.to || answered < test.from {
				t.Errorf("%d bytes took %v one way and %v the other", total, asked, answered)
			}
			bytes := int64(total)
			if test.direction == deploy.Both {
				bytes *= 2
			}
			if e := r.evidence(ab, "r"); e.Bytes != bytes || e.Connections != 1 {
				t.Errorf("evidence %+v, want %d bytes", e, bytes)
			}
		})
	}
}

// All connections of a link share it; another link has its own.
func TestBandwidthIsOfTheLink(t *testing.T) {
	ac := topology.Link{From: "a-1", To: "c-1"}
	up := sink(t)
	r := start(t, relay.Config{Edges: []relay.Edge{{Link: ab, Upstream: up}, {Link: ac, Upstream: up}}})
	limit := rule("r", "bandwidth", "to", `{"rate":"100KB/s"}`)
	limit.Links = append(limit.Links, ac)
	r.shape(limit)
	const each = 20_000
	send := func(c *net.TCPConn) error {
		c.Write(make([]byte, each))
		c.CloseWrite()
		_, err := io.ReadFull(c, make([]byte, 1))
		return err
	}
	var all sync.WaitGroup
	errs := make([]error, 4)
	began := time.Now()
	for i := range errs {
		c := r.dial()
		all.Go(func() { errs[i] = send(c) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 760*time.Millisecond {
		t.Errorf("four connections carried %d bytes within %v: they do not share the limit", 4*each, took)
	}
	if err := send(r.dialLink(ac)); err != nil {
		t.Fatal(err)
	}
	if e := r.evidence(ac, "r"); e.Bytes != each {
		t.Errorf("evidence of the other link %+v", e)
	}
}

// A small question does not wait until a large one on another connection is
// through, which here would take a quarter of an hour; and a lift lets go of
// all that is held at once.
func TestBandwidthTakesTurns(t *testing.T) {
	sum := make(chan int64, 2)
	r := between(t, serve(t, func(c *net.TCPConn) {
		defer c.Close()
		n, _ := io.Copy(io.Discard, c)
		sum <- n
		c.Write([]byte{1})
	}))
	r.shape(rule("r", "bandwidth", "to", `{"rate":"1KB/s"}`))
	large, small := r.dial(), r.dial()
	large.Write(make([]byte, 1_000_000))
	large.CloseWrite()
	eventually(t, "the large one is on its way", func() bool { return r.evidence(ab, "r").Bytes == 1_000_000 })
	io.WriteString(small, "hello")
	small.CloseWrite()
	want(t, small, "\x01")
	if n := <-sum; n != 5 {
		t.Fatalf("%d bytes were through first, want the small question", n)
	}
	r.unshape("r")
	want(t, large, "\x01")
	if n := <-sum; n != 1_000_000 {
		t.Errorf("%d bytes arrived of the large one", n)
	}
}

// HTTP/2 works over a narrow line: streams of one connection interleave, no
// byte is changed, and a connection that is given up does not hold the rest up.
func TestBandwidthUnderHTTP2(t *testing.T) {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	page := bytes.Repeat([]byte("bedlam "), 20_000)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "small") {
			fmt.Fprint(w, "small")
			return
		}
		w.Write(page)
	}))
	server.Config.Protocols = &protocols
	server.Start()
	t.Cleanup(server.Close)
	r := between(t, server.Listener.Addr().String())
	client := &http.Client{Transport: &http.Transport{Protocols: &protocols}, Timeout: patience}
	t.Cleanup(client.CloseIdleConnections)
	url := "http://" + r.link(ab).Listen
	get := func(path string) ([]byte, error) {
		res, err := client.Get(url + path)
		if err != nil {
			return nil, err
		}
		defer res.Body.Close()
		return io.ReadAll(res.Body)
	}
	if _, err := get("/small"); err != nil {
		t.Fatal(err)
	}
	r.shape(rule("r", "bandwidth", "both", `{"rate":"1mbit"}`)) // the page takes more than a second
	done := make(chan error, 1)
	go func() {
		got, err := get("/page")
		if err == nil && !bytes.Equal(got, page) {
			err = errors.New("the page has changed on its way")
		}
		done <- err
	}()
	eventually(t, "the page is on its way", func() bool { return r.evidence(ab, "r").Bytes > int64(len(page))/10 })
	for range 3 {
		if got, err := get("/small"); err != nil || string(got) != "small" {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if s := r.link(ab); s.Accepted != 1 {
		t.Errorf("it took %d connections, want the one", s.Accepted)
	}
}
