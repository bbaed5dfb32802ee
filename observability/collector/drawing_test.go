package collector_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/observability/collector"
)

// draw reads a trace as it is drawn: a span a line, children indented by two
// spaces, each starting a millisecond after the line above.
//
//	loader->gateway #1 ✗ 504          client span of loader, attempt 1, failed with that code
//	  gateway ✗                       server span
//	    gateway->catalog #1 x         failed marks are ✗; x is CANCELLED, which is none
//	    (cart) ✗ +9                   internal span; starts 9 ms later than it would
//	    ! shipping                    its parent was never exported
//	    gateway -- k=v                further attributes
func draw(t testing.TB, picture string) []collector.Span {
	t.Helper()
	var spans []collector.Span
	var path []collector.SpanID // of the parents
	start := epoch
	for i, line := range strings.Split(strings.Trim(picture, "\n"), "\n") {
		line = strings.TrimPrefix(line, "\t\t")
		text := strings.TrimLeft(line, " ")
		depth := (len(line) - len(text)) / 2
		if depth > len(path) {
			t.Fatalf("line %q stands below nothing", line)
		}
		s := collector.Span{Trace: trace(1), ID: span(byte(i + 1)), Start: start.Add(time.Millisecond), Kind: collector.Server}
		if depth > 0 {
			s.Parent = path[depth-1]
		}
		text, attrs, _ := strings.Cut(text, " -- ")
		for _, a := range strings.Fields(attrs) {
			if s.Attrs == nil {
				s.Attrs = map[string]string{}
			}
			k, v, _ := strings.Cut(a, "=")
			if k == "message" {
				s.Message = strings.ReplaceAll(v, "_", " ")
			} else {
				s.Attrs[k] = v
			}
		}
		for _, word := range strings.Fields(text) {
			switch {
			case word == "!":
				s.Parent = span(200)
			case word == "✗":
				s.Error = true
			case word == "x":
				s.Code = "CANCELLED"
			case strings.HasPrefix(word, "#"):
				fmt.Sscanf(word, "#%d", &s.Attempt)
			case strings.HasPrefix(word, "+"):
				var ms int
				fmt.Sscanf(word, "+%d", &ms)
				s.Start = s.Start.Add(time.Duration(ms) * time.Millisecond)
			case strings.HasPrefix(word, "("):
				s.Service, s.Kind = strings.Trim(word, "()"), collector.Internal
			case strings.Contains(word, "->"):
				s.Service, s.Peer, _ = strings.Cut(word, "->")
				s.Kind = collector.Client
				s.PeerInstance = s.Peer + "-1"
				if s.Attrs["call.breaker"] == "open" {
					s.PeerInstance = "" // nobody was picked
				}
			case s.Service == "":
				s.Service = word
			default:
				s.Code = word
			}
		}
		s.End = s.Start.Add(time.Second)
		start = s.Start
		path = append(path[:depth], s.ID)
		spans = append(spans, s)
	}
	return spans
}
