package docker

import (
	"archive/tar"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	spec1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// An entry is one file of an image: a folder, unless it has content or is a
// link.
type entry struct {
	path string // absolute
	mode fs.FileMode
	uid  int // and gid
	from string
	text string
	link string
}

func (e entry) isDir() bool { return e.from == "" && e.text == "" && e.link == "" }

// A layer is a set of files that lies over those of the layer below.
type layer []entry

// whole returns the layer sorted, with the folders above its files that it
// does not name itself.
func (l layer) whole() layer {
	there := map[string]bool{"/": true}
	for _, e := range l {
		there[e.path] = true
	}
	all := slices.Clone(l)
	for _, e := range l {
		for dir := path.Dir(e.path); !there[dir]; dir = path.Dir(dir) {
			there[dir] = true
			all = append(all, entry{path: dir, mode: 0o755})
		}
	}
	slices.SortFunc(all, func(x, y entry) int { return cmp.Compare(x.path, y.path) })
	return all
}

// write writes the layer as a tar, the same bytes for the same files.
func (l layer) write(w io.Writer) error {
	t := tar.NewWriter(w)
	for _, e := range l.whole() {
		if err := e.write(t); err != nil {
			return fmt.Errorf("%s: %w", e.path, err)
		}
	}
	return t.Close()
}

func (e entry) write(t *tar.Writer) error {
	h := &tar.Header{Name: strings.TrimPrefix(e.path, "/"), Mode: int64(e.mode.Perm()), Uid: e.uid, Gid: e.uid, ModTime: time.Unix(0, 0), Format: tar.FormatPAX}
	if e.mode&fs.ModeSticky != 0 {
		h.Mode |= 0o1000
	}
	var content io.Reader
	switch {
	case e.isDir():
		h.Typeflag, h.Name = tar.TypeDir, h.Name+"/"
	case e.link != "":
		h.Typeflag, h.Linkname = tar.TypeSymlink, e.link
	case e.text != "":
		h.Typeflag, h.Size, content = tar.TypeReg, int64(len(e.text)), strings.NewReader(e.text)
	default:
		f, err := os.Open(e.from)
		if err != nil {
			return err
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			return err
		}
		h.Typeflag, h.Size, content = tar.TypeReg, info.Size(), f
	}
	if err := t.WriteHeader(h); err != nil {
		return err
	}
	if content == nil {
		return nil
	}
	_, err := io.Copy(t, content)
	return err
}

// measure returns the digest and the size of the layer's tar.
func (l layer) measure() (sum string, size int64, err error) {
	hash := sha256.New()
	w := &counter{w: hash}
	if err := l.write(w); err != nil {
		return "", 0, err
	}
	return fmt.Sprintf("%x", hash.Sum(nil)), w.n, nil
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// An archive is an image in the form that `docker load` takes. Its layers are
// read twice, so that none of it needs a place on the disk. The same files
// give the same image: two runs that load it at once do not disturb each
// other.
type archive struct {
	tag    string
	config spec1.ImageConfig
	layers []layer // the lowest first
}

func (a archive) write(w io.Writer) error {
	image := spec1.Image{
		Platform: spec1.Platform{OS: "linux", Architecture: runtime.GOARCH},
		Config:   a.config,
		RootFS:   spec1.RootFS{Type: "layers"},
	}
	var names []string
	var sizes []int64
	for _, l := range a.layers {
		sum, size, err := l.measure()
		if err != nil {
			return err
		}
		image.RootFS.DiffIDs = append(image.RootFS.DiffIDs, digest.NewDigestFromEncoded(digest.SHA256, sum))
		image.History = append(image.History, spec1.History{CreatedBy: "bedlam"})
		names, sizes = append(names, sum+".tar"), append(sizes, size)
	}
	config, err := json.Marshal(image)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%x.json", sha256.Sum256(config))
	manifest, err := json.Marshal([]any{map[string]any{"Config": name, "RepoTags": []string{a.tag}, "Layers": names}})
	if err != nil {
		return err
	}
	t := tar.NewWriter(w)
	file := func(name string, size int64, write func(io.Writer) error) error {
		if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: size, ModTime: time.Unix(0, 0)}); err != nil {
			return err
		}
		return write(t)
	}
	text := func(name string, b []byte) error {
		return file(name, int64(len(b)), func(w io.Writer) error { _, err := w.Write(b); return err })
	}
	if err := text("manifest.json", manifest); err != nil {
		return err
	}
	if err := text(name, config); err != nil {
		return err
	}
	for i, l := range a.layers {
		if err := file(names[i], sizes[i], l.write); err != nil {
			return fmt.Errorf("a file changed while it was read: %w", err)
		}
	}
	return t.Close()
}
