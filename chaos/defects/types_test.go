package defects_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// module is the import path of the module's root.
const module = "github.com/bedlamlab/bedlam"

// A listed package is what go list says of one.
type listed struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
}

// TestEveryPatchCompiles keeps the patches true while the shop changes: each
// applies, and the packages that it changes pass the compiler's own type check
// against those that it leaves alone. Building the shop some thirty times over
// would say the same, and take a minute.
func TestEveryPatchCompiles(t *testing.T) {
	root := sources(t)
	// With the flags of releases, whose packages are built already.
	list := exec.Command("go", "list", "-trimpath", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles", "./cmd/shop")
	list.Dir, list.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	var stderr bytes.Buffer
	list.Stderr = &stderr
	out, err := list.Output()
	if err != nil {
		t.Fatalf("listing what the shop is made of: %v: %s", err, stderr.Bytes())
	}
	packages := map[string]listed{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var l listed
		if err := d.Decode(&l); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		packages[l.ImportPath] = l
	}
	fset := token.NewFileSet()
	built := importer.ForCompiler(fset, "gc", func(name string) (io.ReadCloser, error) {
		if packages[name].Export == "" {
			return nil, fmt.Errorf("%s is no part of the shop", name)
		}
		return os.Open(packages[name].Export)
	})
	t.Run("what does not compile is refused", func(t *testing.T) {
		l := packages[module+"/services/payment"]
		if len(l.GoFiles) == 0 {
			t.Fatal("payment has no files")
		}
		broken := filepath.Join(t.TempDir(), "broken.go")
		if err := os.WriteFile(broken, []byte("package payment\n\nimport \"strconv\"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := compiles(fset, built, l, map[string]string{filepath.Join(l.Dir, l.GoFiles[0]): broken}); err == nil {
			t.Error("a file without its declarations, and with an import that it does not use, compiles")
		}
	})
	for _, p := range all(t) {
		t.Run(p.Name, func(t *testing.T) {
			copies, err := p.Apply(t.Context(), root, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			changed := map[string]bool{}
			for file := range copies {
				below, err := filepath.Rel(root, filepath.Dir(file))
				if err != nil {
					t.Fatal(err)
				}
				if strings.HasSuffix(file, ".go") {
					changed[path.Join(module, filepath.ToSlash(below))] = true
				}
			}
			for _, name := range slices.Sorted(maps.Keys(changed)) {
				l, ok := packages[name]
				if !ok {
					t.Fatalf("it changes %s, which is no part of the shop", name)
				}
				if err := compiles(fset, built, l, copies); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// compiles checks a package with some of its files replaced.
func compiles(fset *token.FileSet, built types.Importer, l listed, copies map[string]string) error {
	var files []*ast.File
	for _, name := range l.GoFiles {
		file := filepath.Join(l.Dir, name)
		if patched, ok := copies[file]; ok {
			file = patched
		}
		f, err := parser.ParseFile(fset, file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	_, err := (&types.Config{Importer: built}).Check(l.ImportPath, fset, files, nil)
	return err
}
