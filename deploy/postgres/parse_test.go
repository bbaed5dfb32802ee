package postgres_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam/deploy/postgres"
)

// depends has every kind of line that apt-cache depends --recurse prints.
const depends = `postgresql-15
 |Depends: locales
  Depends: locales-all
  Depends: postgresql-common
 |PreDepends: libfirst1
  PreDepends: libother1
  Depends: <libvirtual2>
    libreal2
    libsecond2
  Depends: libc6
  Depends: libllvm14
  Depends: libpq5
  Depends: zlib1g
  Depends: libnamed0
    libinstead0
locales-all
  Depends: libnever1
postgresql-common
  Depends: libnever2
libpq5:amd64
  Depends: libssl3
  Depends: libc6:amd64
libssl3
  Depends: libpq5
libreal2
  Depends: libdeep9
libllvm14
  Depends: libedit2
`

func TestNeeds(t *testing.T) {
	want := []string{"libdeep9", "libfirst1", "libnamed0", "libpq5", "libreal2", "libssl3", "zlib1g"}
	if got := postgres.Needs(depends, "postgresql-15"); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzNeeds(f *testing.F) {
	f.Add(depends)
	f.Add(" \n  : \n    \n |Depends: ")
	f.Fuzz(func(t *testing.T, text string) {
		got := postgres.Needs(text, "postgresql-15")
		for n, name := range got {
			if !strings.HasPrefix(name, "lib") && name != "zlib1g" || n > 0 && got[n-1] >= name {
				t.Errorf("%q: want libraries, sorted, each once", got)
			}
		}
	})
}

func TestRelease(t *testing.T) {
	for text, want := range map[string]string{
		"ID=debian\nVERSION_ID=\"12\"\n":     "debian-12",
		"VERSION_ID='24.04'\nID=ubuntu":      "ubuntu-24.04",
		"ID=debian\n":                        "debian-0", // testing names no version
		"ID=../etc\nVERSION_ID=a/b\n":        ".._etc-a_b",
		"NAME=x\n# a comment\nnonsense line": "linux-0",
	} {
		if got := postgres.Release(text); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}

func TestLockFile(t *testing.T) {
	const whole = "4711\n/data\n1769854504\n5432\n\n127.0.0.1\n  10010426        53\nready   \n"
	for _, c := range []struct {
		why, text string
		pid       int
		segment   *postgres.Segment
	}{
		{"a running server's", whole, 4711, &postgres.Segment{Key: 10010426, ID: 53}},
		{"one that is starting has not got its memory yet", "4711\n/data\n1769854504\n5432\n\n", 4711, nil},
		{"a key is a C int, written as unsigned long", strings.Replace(whole, "10010426", "18446744073709551615", 1), 4711, &postgres.Segment{Key: -1, ID: 53}},
		{"single-user mode writes a negative pid", strings.Replace(whole, "4711", "-4711", 1), 0, &postgres.Segment{Key: 10010426, ID: 53}},
		{"empty", "", 0, nil},
		{"nonsense", "a\nb\nc\nd\ne\nf\ng h\n", 0, nil},
	} {
		pid, s := postgres.LockFile(c.text)
		if pid != c.pid || (s == nil) != (c.segment == nil) || s != nil && *s != *c.segment {
			t.Errorf("%s: pid %d, segment %v; want %d, %v", c.why, pid, s, c.pid, c.segment)
		}
	}
}

func FuzzLockFile(f *testing.F) {
	f.Add("1\n2\n3\n4\n5\n6\n7 8\n")
	f.Fuzz(func(t *testing.T, text string) {
		if pid, _ := postgres.LockFile(text); pid < 0 {
			t.Errorf("pid %d", pid) // kill(2) takes a negative one for a group
		}
	})
}
