package message

import (
	"errors"
	"fmt"
	"strings"
)

// A Route names requests. The zero value names all of them.
type Route struct {
	// Method is of HTTP, GET or POST or another; empty: any.
	Method string `json:"method,omitempty"`
	// Path is the path without a query, or the full method of gRPC, such as
	// /bank.v1.Bank/Charge. A segment * stands for any one segment, a * at the
	// end for any rest; empty: any path.
	Path string `json:"path,omitempty"`
}

// Validate says what is wrong with the route.
func (r Route) Validate() error {
	if strings.ContainsFunc(r.Method, func(c rune) bool { return c < 'A' || c > 'Z' }) {
		return fmt.Errorf("method %.40q is not in capital letters", r.Method)
	}
	if r.Path == "" {
		return nil
	}
	if !strings.HasPrefix(r.Path, "/") {
		return fmt.Errorf("path %.100q does not begin with /", r.Path)
	}
	if strings.ContainsFunc(r.Path, func(c rune) bool { return c <= ' ' || c == '?' || c == '#' || c == 0x7f }) {
		return errors.New("a path has no spaces, no query and no fragment")
	}
	segments := strings.Split(r.Path, "/")
	for i, s := range segments {
		star := strings.IndexByte(s, '*')
		if star < 0 || s == "*" || i == len(segments)-1 && star == len(s)-1 {
			continue
		}
		return fmt.Errorf("path %.100q: a * is a whole segment, or stands at the end", r.Path)
	}
	return nil
}

// Matches reports whether the route names q.
func (r Route) Matches(q Request) bool {
	return (r.Method == "" || r.Method == q.Method) && (r.Path == "" || matches(r.Path, q.Path))
}

func matches(pattern, path string) bool {
	want, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	last := len(want) - 1
	rest, open := strings.CutSuffix(want[last], "*")
	if len(got) < len(want) || len(got) > len(want) && !open {
		return false
	}
	for i, s := range want[:last] {
		if s != got[i] && s != "*" {
			return false
		}
	}
	if open {
		return strings.HasPrefix(got[last], rest)
	}
	return got[last] == want[last]
}

// Example returns a path that the route names, with word in the place of each *;
// other, if it names every path.
func (r Route) Example(word, other string) string {
	if r.Path == "" {
		return other
	}
	return strings.ReplaceAll(r.Path, "*", word)
}

// String says the route in a few words.
func (r Route) String() string {
	switch {
	case r == Route{}:
		return "every request"
	case r.Path == "":
		return r.Method
	}
	return strings.TrimSpace(r.Method + " " + r.Path)
}
