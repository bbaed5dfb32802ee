package attach

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Read reads a file.
func Read(path string) (File, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return File{}, err
	}
	return parse(path, b)
}

// parse reads b, strictly: an unknown key is refused with the file and its
// line. name is the file's.
func parse(name string, b []byte) (File, error) {
	f := File{Path: name}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&f); err != nil {
		if errors.Is(err, io.EOF) {
			return File{}, fmt.Errorf("%s: the file holds no system", name)
		}
		return File{}, at(name, err)
	}
	if err := d.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return File{}, fmt.Errorf("%s: holds more than one document", name)
	}
	if err := f.Validate(); err != nil {
		return File{}, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}

// How yaml says where something is wrong, and that a key is not known.
var (
	lineOf  = regexp.MustCompile(`^line (\d+): `)
	unknown = regexp.MustCompile(`^field (.+) not found in type .*$`)
)

// at puts the file and the line in front of what is wrong. Of several things
// it says the first.
func at(name string, err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if t := (*yaml.TypeError)(nil); errors.As(err, &t) && len(t.Errors) > 0 {
		text = t.Errors[0]
	}
	where := name
	if m := lineOf.FindStringSubmatch(text); m != nil {
		where, text = name+":"+m[1], text[len(m[0]):]
	}
	text = unknown.ReplaceAllString(text, "unknown key $1")
	return fmt.Errorf("%s: %s", where, text)
}
