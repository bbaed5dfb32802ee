package bedlam_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/bedlamlab/bedlam/services"
	"github.com/bedlamlab/bedlam/topology"
)

const module = "github.com/bedlamlab/bedlam"

// floors are the house, from the ground up: an import goes down, or stays on
// its floor. The longest prefix counts.
var floors = []struct {
	prefix string
	floor  int
}{
	{"topology", 0},
	{"stats", 0},
	{"observability", 1},
	{"services", 2},
	{"deploy", 3},
	{"loadgen", 4},
	{"chaos", 5},
	{"", 6}, // package bedlam
	{"cmd", 7},
	{"bedlamtest", 7},
	{"observability/dashboard", 7},
	{"verify", 7},
}

// meets says which packages under chaos/ may know another one; all the others
// meet in package bedlam. The loader turns words into faults, and so does the API.
var meets = map[string][]string{"chaos/experiments": {"chaos/fault"}, "chaos/toxiproxy": {"chaos/fault"}}

func floorOf(pkg string) int {
	best, floor := -1, -1
	for _, f := range floors {
		in := f.prefix == pkg || strings.HasPrefix(pkg, f.prefix+"/") || f.prefix == "" && pkg == ""
		if in && len(f.prefix) > best {
			best, floor = len(f.prefix), f.floor
		}
	}
	return floor
}

// A source is one Go file of the module.
type source struct {
	file    string
	pkg     string // path below the module
	test    bool
	imports []string // below the module
	ast     *ast.File
}

// sources reads the module's files in this process: a test that asked another
// program would be served stale from the test cache.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || slices.Contains([]string{"testdata", "runs", "bin", "node_modules"}, d.Name())):
			return filepath.SkipDir
		case d.IsDir() || path.Ext(name) != ".go":
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		s := source{file: name, pkg: filepath.ToSlash(filepath.Dir(name)), test: strings.HasSuffix(name, "_test.go"), ast: f}
		if s.pkg == "." {
			s.pkg = ""
		}
		for _, i := range f.Imports {
			p, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			if p == module || strings.HasPrefix(p, module+"/") {
				s.imports = append(s.imports, strings.TrimPrefix(strings.TrimPrefix(p, module), "/"))
			}
		}
		all = append(all, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 100 {
		t.Fatalf("found %d files: is this the module's root?", len(all))
	}
	return all
}

// climbs says what is wrong with an import, or nothing.
func climbs(from, to string) string {
	a, b := floorOf(from), floorOf(to)
	switch {
	case a < 0:
		return fmt.Sprintf("%s stands on no floor of the house", from)
	case b > a:
		return fmt.Sprintf("%s (floor %d) climbs to %s (floor %d)", from, a, to, b)
	case strings.HasPrefix(from, "chaos/") && strings.HasPrefix(to, "chaos/") && from != to && !slices.Contains(meets[from], to):
		return fmt.Sprintf("%s knows its sibling %s: they meet in package bedlam", from, to)
	}
	return ""
}

func TestImportsGoDown(t *testing.T) {
	for _, s := range sources(t) {
		if s.test {
			continue // a test may stand wherever it sees best
		}
		for _, to := range s.imports {
			if wrong := climbs(s.pkg, to); wrong != "" {
				t.Errorf("%s: %s", s.file, wrong)
			}
		}
	}
}

func TestClimbingIsSeen(t *testing.T) {
	for _, c := range []struct{ from, to, why string }{
		{"services/cart", "deploy", "a service that knows the engines"},
		{"topology", "services", "the leaf"},
		{"chaos/check", "chaos/fault", "siblings"},
		{"chaos/runner", "", "a part that knows the whole"},
		{"attic", "topology", "a room outside the house"},
	} {
		if climbs(c.from, c.to) == "" {
			t.Errorf("%s importing %s passes (%s)", c.from, c.to, c.why)
		}
	}
	for _, c := range []struct{ from, to string }{
		{"observability/dashboard", ""}, {"cmd/bedlam", "deploy/relay"}, {"chaos/experiments", "chaos/fault"}, {"chaos", "loadgen"},
	} {
		if wrong := climbs(c.from, c.to); wrong != "" {
			t.Error(wrong)
		}
	}
}

// TestCallsFollowTheTopology holds the shop's import graph against its
// topology: who calls whom is said once.
func TestCallsFollowTheTopology(t *testing.T) {
	shop := services.Shop()
	if err := shop.Validate(); err != nil {
		t.Fatal(err)
	}
	called := map[string]bool{}
	for _, s := range sources(t) {
		rest, ok := strings.CutPrefix(s.pkg, "services/")
		if !ok || s.test {
			continue
		}
		from, _, _ := strings.Cut(rest, "/")
		if from == "internal" {
			continue
		}
		for _, to := range s.imports {
			rest, ok := strings.CutPrefix(to, "services/")
			callee, _, _ := strings.Cut(rest, "/")
			if !ok || callee == "internal" || callee == from {
				continue
			}
			if _, ok := shop.Edge(from, callee); !ok {
				t.Errorf("%s: %s calls %s, which services/shop.go does not say", s.file, from, callee)
			}
			called[from+"->"+callee] = true
		}
	}
	for _, e := range shop.Edges {
		if e.From != topology.Loader && e.Protocol == topology.GRPC && !called[e.Name()] {
			t.Errorf("services/shop.go says %s, and no file of %s imports %s", e.Name(), e.From, e.To)
		}
	}
}

// TestEverythingIsDocumented wants a comment on every package and on every
// exported name, beginning with the name as go doc shows it.
func TestEverythingIsDocumented(t *testing.T) {
	packages := map[string]bool{}
	for _, s := range sources(t) {
		if s.test || ast.IsGenerated(s.ast) {
			continue
		}
		packages[s.pkg] = packages[s.pkg] || s.ast.Doc != nil
		for _, d := range s.ast.Decls {
			for _, name := range undocumented(d) {
				t.Errorf("%s: %s has no comment", s.file, name)
			}
		}
	}
	for pkg, ok := range packages {
		if !ok {
			t.Errorf("package %q has no comment that says which function you want", pkg)
		}
	}
}

// undocumented returns the exported names of a declaration without a comment.
func undocumented(d ast.Decl) []string {
	var names []string
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && d.Doc == nil && (d.Recv == nil || exportedReceiver(d.Recv)) {
			names = append(names, d.Name.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				if spec.Name.IsExported() && spec.Doc == nil && d.Doc == nil {
					names = append(names, spec.Name.Name)
				}
			case *ast.ValueSpec:
				for _, n := range spec.Names {
					if n.IsExported() && spec.Doc == nil && d.Doc == nil && spec.Comment == nil {
						names = append(names, n.Name)
					}
				}
			}
		}
	}
	return names
}

func exportedReceiver(r *ast.FieldList) bool {
	e := r.List[0].Type
	if star, ok := e.(*ast.StarExpr); ok {
		e = star.X
	}
	if index, ok := e.(*ast.IndexExpr); ok {
		e = index.X
	}
	id, ok := e.(*ast.Ident)
	return ok && id.IsExported()
}
