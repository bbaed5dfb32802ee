package disk_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam/deploy/disk"
)

func TestReadAilment(t *testing.T) {
	for _, c := range []struct{ name, told, want string }{ // in the error; empty: none
		{"full", `{}`, ""},
		{"full", `{"free":1048576}`, ""},
		{"full", `{"free":-1}`, "free must be between 0 and"},
		{"full", `{"free":1000000000000}`, "free must be between"},
		{"full", `{"left":1}`, `unknown field "left"`},
		{"slow", `{"latency":"40ms","percent":100}`, ""},
		{"slow", `{"latency":"1s","percent":5,"operations":["fsync"],"seed":7}`, ""},
		{"slow", `{"latency":"40ms"}`, "percent must be between 5 and 100"},
		{"slow", `{"latency":"1ms","percent":100}`, "latency must be between 5ms and 1s"},
		{"slow", `{"latency":"40ms","percent":100,"operations":["stat"]}`, `unknown operation "stat"`},
		{"slow", `{"latency":"40ms","percent":100,"operations":["read","write","read"]}`, "operation read stands there twice"},
		{"read_only", `{}`, ""},
		{"read_only", `{}{}`, "more than one value"},
		{"read_only", ``, "EOF"},
		{"frozen", `{}`, `unknown ailment "frozen"`},
	} {
		a, err := disk.ReadAilment(c.name, []byte(c.told))
		switch {
		case c.want == "" && (err != nil || a.Name() != c.name):
			t.Errorf("%s %s: %v, %v", c.name, c.told, a, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s %s: got %v, want %s", c.name, c.told, err, c.want)
		}
	}
}

// What is taken is good, and is the same when it is told again.
func FuzzReadAilment(f *testing.F) {
	f.Add("full", []byte(`{"free":4096}`))
	f.Add("slow", []byte(`{"latency":"40ms","percent":"50","operations":["read"],"seed":1}`))
	f.Add("read_only", []byte(`{}`))
	f.Fuzz(func(t *testing.T, name string, told []byte) {
		a, err := disk.ReadAilment(name, told)
		if err != nil {
			return
		}
		if err := a.Validate(); err != nil {
			t.Fatalf("%s %s is taken: %v", name, told, err)
		}
		b, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		again, err := disk.ReadAilment(a.Name(), b)
		if err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		if c, err := json.Marshal(again); err != nil || string(c) != string(b) {
			t.Errorf("%s became %s (%v)", b, c, err)
		}
	})
}
