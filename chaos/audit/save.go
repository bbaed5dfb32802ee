package audit

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"

	"github.com/bedlamlab/bedlam/chaos"
)

// An audit is a folder:
//
//	audit/01-kill-payment/meta.json                what there is, with checksums; written last
//	audit/01-kill-payment/payment.audit_charges.csv.zst
//
// It takes its name when it is whole and on the disk; until then it is called
// .01-kill-payment-*, which a reader takes for torn.

// metaSchema names the version of the format. A reader refuses what it does
// not know.
const metaSchema = "bedlam.audit/1"

type meta struct {
	Schema string     `json:"schema"`
	Name   string     `json:"name"`
	Time   time.Time  `json:"time"`
	Final  bool       `json:"final"`
	Views  []viewMeta `json:"views"` // by name
	Sum    string     `json:"sum"`   // SHA-256 of this, without Sum, as compact JSON
}

type viewMeta struct {
	Name  string `json:"name"`
	Rows  int    `json:"rows"`
	Plain int64  `json:"plain"` // bytes before compression
	Bytes int64  `json:"bytes"` // of the file
	Sum   string `json:"sum"`   // SHA-256 of the file
}

const (
	metaFile   = "meta.json"
	tableEnd   = ".csv.zst"
	unfinished = "."
)

// seal returns the checksum of everything else in m.
func (m meta) seal() (string, error) {
	m.Sum = ""
	b, err := json.Marshal(m)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

// plainName reports whether a name can be a file's.
func plainName(s string) bool {
	return s != "" && utf8.ValidString(s) && !strings.HasPrefix(s, unfinished) && !strings.ContainsAny(s, "/\x00")
}

// Save writes a to its own folder below dir, which is created if need be; one
// with its name must not be there yet. When Save returns, the audit is on the
// disk.
func Save(dir string, a chaos.Audit) error {
	if err := save(dir, a); err != nil {
		return fmt.Errorf("saving audit %s: %w", a.Name, err)
	}
	return nil
}

func save(dir string, a chaos.Audit) error {
	if !plainName(a.Name) {
		return fmt.Errorf("%q cannot be a folder's name", a.Name)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	to := filepath.Join(dir, a.Name)
	if _, err := os.Lstat(to); err == nil {
		return errors.New("there is one with this name")
	}
	temp, err := os.MkdirTemp(dir, unfinished+a.Name+"-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	if err := os.Chmod(temp, 0o755); err != nil {
		return err
	}
	m := meta{Schema: metaSchema, Name: a.Name, Time: a.Time, Final: a.Final, Views: []viewMeta{}}
	for _, name := range slices.Sorted(maps.Keys(a.Views)) {
		v, err := saveView(temp, name, a.Views[name])
		if err != nil {
			return fmt.Errorf("view %s: %w", name, err)
		}
		m.Views = append(m.Views, v)
	}
	if m.Sum, err = m.seal(); err != nil {
		return err
	}
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if err := onDisk(filepath.Join(temp, metaFile), func(w io.Writer) error { _, err := w.Write(append(b, '\n')); return err }); err != nil {
		return err
	}
	if err := syncFolder(temp); err != nil {
		return err
	}
	if err := os.Rename(temp, to); err != nil {
		return err
	}
	return syncFolder(dir)
}

func saveView(dir, name string, v chaos.View) (viewMeta, error) {
	if !plainName(name) {
		return viewMeta{}, errors.New("its name cannot be a file's")
	}
	if len(v.Columns) == 0 {
		return viewMeta{}, errors.New("it has no columns")
	}
	m := viewMeta{Name: name, Rows: len(v.Rows)}
	err := onDisk(filepath.Join(dir, name+tableEnd), func(w io.Writer) error {
		packed := &counter{w: w, sum: sha256.New()}
		// One thread: the machine is busy with the system under test.
		z, err := zstd.NewWriter(packed, zstd.WithEncoderConcurrency(1))
		if err != nil {
			return err
		}
		plain := &counter{w: z}
		if err := writeTable(bufio.NewWriter(plain), v.Columns, v.Rows); err != nil {
			z.Close()
			return err
		}
		if err := z.Close(); err != nil {
			return err
		}
		m.Plain, m.Bytes, m.Sum = plain.n, packed.n, hex.EncodeToString(packed.sum.Sum(nil))
		return nil
	})
	return m, err
}

// counter counts the bytes that go through it and, with a sum, digests them.
type counter struct {
	w   io.Writer
	n   int64
	sum hash.Hash
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	if c.sum != nil {
		c.sum.Write(p[:n])
	}
	return n, err
}

// onDisk creates a file and returns when it is on the disk.
func onDisk(path string, fill func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if err := errors.Join(fill(f), f.Sync()); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
