package relay

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/names"
	"github.com/bedlamlab/bedlam/deploy/relay/message"
)

// Whatever stands in a configuration, it is refused or it is sound.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(`{"control":"127.0.0.1:0","token":"0123456789abcdef","edges":[{"link":{"from":"a","to":"b"},"protocol":"http","listen":"127.0.0.1:0","upstream":"127.0.0.1:1"}]}`))
	f.Add([]byte(`{"control":"[::1]:0","token":"0123456789abcdef","rules":[{"id":"r"}]}`))
	f.Add([]byte(`{"control":"0.0.0.0:0"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := decodeConfig(bytes.NewReader(data))
		if err != nil {
			return
		}
		if c.validate() != nil || len(c.Token) < leastToken {
			t.Errorf("taken: control %q, token of %d bytes", c.Control, len(c.Token))
		}
		again, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decodeConfig(bytes.NewReader(again)); err != nil {
			t.Errorf("taken once, refused when written again: %v", err)
		}
	})
}

// Whatever a rule says, it is refused or it works: every kind meets a
// connection, shapes without panic and loses no byte, and no delay is negative
// or beyond its bound.
func FuzzRule(f *testing.F) {
	for _, args := range []string{
		`"kind":"latency","args":{"latency":"100ms","jitter":"20ms","correlation":"25","distribution":"pareto"}`,
		`"kind":"latency","args":{"jitter":"10m","distribution":"paretonormal","correlation":100}`,
		`"kind":"latency","args":{"latency":"1ns","jitter":"1ns","distribution":"normal"}`,
		`"kind":"partition"`,
		`"kind":"reset","args":{"probability":0.5}`,
		`"kind":"bandwidth","args":{"rate":"64KB/s"}`,
		`"kind":"bandwidth","args":{"rate":"1.5mbit"}`,
		`"kind":"blackhole"`,
		`"kind":"slow_close","args":{"delay":"3s"}`,
		`"kind":"partition","toxicity":0.5`,
		`"kind":"timeout","args":{"timeout":"3s"}`,
		`"kind":"reset_peer","args":{"timeout":"3s"},"established":true`,
		`"kind":"refuse"`,
		`"kind":"dial_latency","args":{"latency":"1s","jitter":"100ms"}`,
		`"kind":"slicer","args":{"average_size":3,"size_variation":2,"delay":"1ms"}`,
		`"kind":"slicer","args":{"average_size":1}`,
		`"kind":"limit_data","args":{"bytes":7}`,
		`"kind":"corrupt","args":{"percent":100}`,
		`"kind":"abort","args":{"status":"UNAVAILABLE","path":"/bank.v1.Bank/*"}`,
		`"kind":"abort","args":{"status":503,"method":"GET"}`,
		`"kind":"capacity","args":{"concurrency":2,"service_time":"50ms"}`,
		`"kind":"delay_request","args":{"delay":"1s","percent":"20"}`,
		`"kind":"drop_response","args":{"instead":"silence"}`,
		`"kind":"duplicate_request"`,
		`"kind":"dns_failure","args":{"answer":"none","percent":50}`,
		`"kind":"dns_delay","args":{"latency":"1s","jitter":"1s"}`,
	} {
		f.Add([]byte(`{"id":"r","links":[{"from":"a","to":"b"}],"direction":"both","ttl":"5s","seed":1,` + args + `}`))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var r deploy.Rule
		if decodeStrict(data, &r) != nil {
			return
		}
		h, err := decodeRule(&r)
		if err != nil {
			return
		}
		p := newPosting(&program{rule: r, harm: h}, r.Links[0])
		m := p.meet(1)
		if m.requests != nil {
			var fate message.Fate
			for range 3 {
				m.requests(message.Request{Method: "POST", Path: "/bank.v1.Bank/Charge"}, &fate, m)
			}
			for _, d := range fate.Delays {
				if d.For <= 0 || d.For > longest {
					t.Fatalf("%s: held back for %v", data, d.For)
				}
			}
		}
		if h, ok := h.(misleading); ok {
			var f names.Fate
			if h.mislead(&f, draws(r.Seed, r.Links[0], 1, "name")); f.Late < 0 || f.Late > 2*longestAnswer {
				t.Fatalf("%s: answered after %v", data, f.Late)
			}
		}
		var way chain
		way.held = func(int64) {}
		now := time.Now()
		for _, s := range []*stage{m.to, m.from} {
			if s != nil {
				way.restage(append(way.stages[:len(way.stages):len(way.stages)], s), now)
			}
		}
		var sent, got []byte
		for i := range byte(20) {
			sent = append(sent, i)
			way.pass(0, chunk{data: []byte{i}, at: now})
		}
		way.pass(0, chunk{mark: ending, at: now})
		for _, s := range way.stages {
			last := now
			for _, c := range s.queue {
				if c.at.Before(last) || (c.at != never && c.at.Sub(now) > 2*11*longest) {
					t.Fatalf("%s: due %v after %v", data, c.at.Sub(now), last.Sub(now))
				}
				last = c.at
			}
		}
		way.advance(now)
		way.restage(nil, now)
		closed := false
		for _, c := range way.out {
			got = append(got, c.data...)
			closed = closed || c.mark == closing
		}
		switch {
		case closed: // then what came before the close is all that had to
			sent = sent[:min(len(got), len(sent))]
		case r.Kind == "corrupt": // which changes bytes, but not their number
			sent = append(got[:0:0], got...)[:min(len(got), len(sent))]
		}
		// A connection that ends with the rule needs nothing of it any more.
		if !m.breaks && !bytes.Equal(got, sent) {
			t.Errorf("%s: %v came out of %v", data, got, sent)
		}
	})
}
