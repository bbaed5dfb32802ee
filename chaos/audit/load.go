package audit

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/bedlamlab/bedlam/chaos"
)

// largest is the most that one view may hold, uncompressed: a hundred times
// the largest of a ten-minute run. It keeps a damaged file from taking all
// memory.
const largest = 1 << 30

// Load returns the audits saved below dir, by name, and says what is torn: an
// audit whose writing was cut short, or a file that is shorter than it was. A
// torn audit is not among those returned. Whatever is wrong in another way is
// an error: a checksum, a schema that is not known, a folder without its name.
func Load(dir string) (audits []chaos.Audit, torn []string, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, []string{"there are no audits"}, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("loading audits: %w", err)
	}
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, unfinished) {
			torn = append(torn, fmt.Sprintf("audit %s was not finished", strings.TrimPrefix(name, unfinished)))
			continue
		}
		if !e.IsDir() {
			return nil, nil, fmt.Errorf("loading audits: %s is not an audit's folder", name)
		}
		a, err := load(filepath.Join(dir, name))
		var t tornError
		switch {
		case errors.As(err, &t):
			torn = append(torn, fmt.Sprintf("audit %s: %s", name, string(t)))
		case err != nil:
			return nil, nil, fmt.Errorf("loading audit %s: %w", name, err)
		default:
			audits = append(audits, a)
		}
	}
	return audits, torn, nil
}

// A tornError says what is missing of an audit.
type tornError string

func (e tornError) Error() string { return string(e) }

func load(dir string) (chaos.Audit, error) {
	b, err := os.ReadFile(filepath.Join(dir, metaFile))
	if errors.Is(err, fs.ErrNotExist) {
		return chaos.Audit{}, tornError("it has no " + metaFile)
	}
	if err != nil {
		return chaos.Audit{}, err
	}
	m, err := parseMeta(b)
	if err != nil {
		return chaos.Audit{}, err
	}
	if m.Name != filepath.Base(dir) {
		return chaos.Audit{}, fmt.Errorf("%s says that its name is %q", metaFile, m.Name)
	}
	a := chaos.Audit{Name: m.Name, Time: m.Time, Final: m.Final, Views: map[string]chaos.View{}}
	for _, v := range m.Views {
		if _, twice := a.Views[v.Name]; twice || !plainName(v.Name) {
			return chaos.Audit{}, fmt.Errorf("%s names the view %q, which it cannot (twice)", metaFile, v.Name)
		}
		b, err := os.ReadFile(filepath.Join(dir, v.Name+tableEnd))
		if errors.Is(err, fs.ErrNotExist) {
			return chaos.Audit{}, tornError("it lacks the view " + v.Name)
		}
		if err != nil {
			return chaos.Audit{}, err
		}
		if a.Views[v.Name], err = v.parse(b); err != nil {
			if t, ok := errors.AsType[tornError](err); ok {
				return chaos.Audit{}, tornError("view " + v.Name + ": " + string(t))
			}
			return chaos.Audit{}, fmt.Errorf("view %s: %w", v.Name, err)
		}
	}
	return a, nil
}

func parseMeta(b []byte) (meta, error) {
	var m meta
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields() // the checksum does not cover them
	if err := d.Decode(&m); err != nil {
		if len(bytes.TrimSpace(b)) == 0 || errors.Is(err, io.ErrUnexpectedEOF) {
			return m, tornError(metaFile + " is cut short")
		}
		return m, fmt.Errorf("%s: %w", metaFile, err)
	}
	if m.Schema != metaSchema {
		return m, fmt.Errorf("%s has the schema %q, want %s", metaFile, m.Schema, metaSchema)
	}
	sum, err := m.seal()
	if err != nil {
		return m, fmt.Errorf("%s: %w", metaFile, err)
	}
	if sum != m.Sum {
		return m, fmt.Errorf("%s has been changed: wrong checksum", metaFile)
	}
	return m, nil
}

// parse returns the view that the file's bytes hold.
func (v viewMeta) parse(b []byte) (chaos.View, error) {
	if int64(len(b)) < v.Bytes {
		return chaos.View{}, tornError(fmt.Sprintf("%d of %d bytes are left", len(b), v.Bytes))
	}
	if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != v.Sum {
		return chaos.View{}, errors.New("it has been changed: wrong checksum")
	}
	if v.Plain < 0 || v.Plain > largest {
		return chaos.View{}, fmt.Errorf("%d bytes are more than a view may hold", v.Plain)
	}
	z, err := zstd.NewReader(bytes.NewReader(b), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(largest))
	if err != nil {
		return chaos.View{}, err
	}
	defer z.Close()
	columns, rows, err := readTable(bufio.NewReader(io.LimitReader(z, v.Plain+1)))
	if err != nil {
		return chaos.View{}, err
	}
	if len(rows) != v.Rows {
		return chaos.View{}, fmt.Errorf("it has %d rows, want %d", len(rows), v.Rows)
	}
	return chaos.View{Columns: columns, Rows: rows}, nil
}
