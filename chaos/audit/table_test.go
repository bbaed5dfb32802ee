package audit

import (
	"bufio"
	"bytes"
	"slices"
	"strings"
	"testing"
)

func TestTableRefuses(t *testing.T) {
	for _, text := range []string{
		"",                     // no columns
		"a\n",                  // not quoted
		"\"a\"",                // no end of line
		"\"a\",\n",             // a value is missing
		"\"a\"\n\"1\",\"2\"\n", // a value too many
		"\"a\"\n\"1\"x\n",      // something after the quote
		"\"a\"\n\"1\n",         // an open quote
	} {
		if columns, rows, err := readTable(bufio.NewReader(strings.NewReader(text))); err == nil {
			t.Errorf("%q was read as %q %q", text, columns, rows)
		}
	}
}

// FuzzTable reads anything; what it accepts it writes back byte by byte.
func FuzzTable(f *testing.F) {
	f.Add([]byte("\"a\",\"b\"\n\"\",\"\"\"\"\n"))
	f.Add([]byte("\"a\"\n\"\r\n\"\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		columns, rows, err := readTable(bufio.NewReader(bytes.NewReader(b)))
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := writeTable(bufio.NewWriter(&out), columns, rows); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(out.Bytes(), b) {
			t.Errorf("read %q, wrote %q", b, out.Bytes())
		}
	})
}

// FuzzRows writes any rows; they are read back as they were.
func FuzzRows(f *testing.F) {
	f.Add("a", "", "b\r\n\"")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		var out bytes.Buffer
		if err := writeTable(bufio.NewWriter(&out), []string{a, b}, [][]string{{b, c}, {"", ""}}); err != nil {
			t.Fatal(err)
		}
		columns, rows, err := readTable(bufio.NewReader(&out))
		if err != nil || !slices.Equal(columns, []string{a, b}) || len(rows) != 2 || !slices.Equal(rows[0], []string{b, c}) {
			t.Errorf("%q %q %q came back as %q %q, error %v", a, b, c, columns, rows, err)
		}
	})
}
