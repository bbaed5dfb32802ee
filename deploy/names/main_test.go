package names_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/names"
)

// Bad words and resolvers that name nobody end it with a line, and nothing is
// written that could be taken for answers.
func TestLookUpRefuses(t *testing.T) {
	write := func(text string) string {
		path := filepath.Join(t.TempDir(), "resolv.conf")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := write("nameserver 127.0.0.1\n")
	for want, c := range map[string][4]string{
		"no number of questions": {good, "cart-1", "0", "1s"},
		"invalid duration":       {good, "cart-1", "1", "soon"},
		"names no server":        {write("search .\n"), "cart-1", "1", "1s"},
		"no such file":           {good + ".gone", "cart-1", "1", "1s"},
	} {
		var out bytes.Buffer
		if err := names.LookUp(t.Context(), c[0], c[1], c[2], c[3], &out); err == nil || !strings.Contains(err.Error(), want) || out.Len() > 0 {
			t.Errorf("got %v and %q, want %q", err, out.String(), want)
		}
	}
}

// A server that is not there, or answers nobody, leaves each question without an
// answer or ends them all; which of the two is the kernel's to say.
func TestLookUpWithoutServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(path, []byte("nameserver 127.255.255.254\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := names.LookUp(t.Context(), path, "cart-1", "3", "50ms", &out); err != nil {
		return
	}
	var all []deploy.Answer
	if err := json.Unmarshal(out.Bytes(), &all); err != nil || len(all) != 3 || all[0].Code != "" {
		t.Errorf("%q: %v", out.String(), err)
	}
}
