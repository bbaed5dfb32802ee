// Package mutate measures the judge's own tests: it changes one comparison or
// constant of a package at a time and sees whether a test fails. What no test
// notices is printed, with the reason if there is one.
//
// [Of] finds the mutants of a package, [Prove] tries them and remembers what
// came of each, and [Sum] counts.
package mutate

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A Mutant is one change of a source file.
type Mutant struct {
	File   string `json:"file"` // below the package's folder
	Line   int    `json:"line"` // from 1
	Column int    `json:"column"`
	From   string `json:"from"`
	To     string `json:"to"`
	Text   string `json:"text"` // the line as it is

	offset int // of From in the file, in bytes
}

// String says where it is and what it does.
func (m Mutant) String() string {
	return fmt.Sprintf("%s:%d:%d: %s → %s", m.File, m.Line, m.Column, m.From, m.To)
}

// flips say what becomes of a comparison: its border moves by one, or, where it
// has none, it means the opposite.
var flips = map[token.Token]token.Token{
	token.EQL: token.NEQ, token.NEQ: token.EQL,
	token.LSS: token.LEQ, token.LEQ: token.LSS,
	token.GTR: token.GEQ, token.GEQ: token.GTR,
}

// Of returns the mutants of the package in a folder, its tests left out, in the
// order of their places.
func Of(folder string) ([]Mutant, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return nil, err
	}
	var all []Mutant
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		of, err := mutants(path)
		if err != nil {
			return nil, err
		}
		all = append(all, of...)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s holds nothing to change: no comparison and no constant", folder)
	}
	return all, nil
}

func mutants(path string) ([]Mutant, error) {
	source, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(string(source), "\n")
	var all []Mutant
	add := func(at token.Pos, from, to string) {
		p := set.Position(at)
		all = append(all, Mutant{File: filepath.Base(path), Line: p.Line, Column: p.Column, From: from, To: to,
			Text: strings.TrimSpace(lines[p.Line-1]), offset: p.Offset})
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.BinaryExpr:
			if to, ok := flips[n.Op]; ok {
				add(n.OpPos, n.Op.String(), to.String())
			}
		case *ast.BasicLit:
			if to, ok := other(n); ok {
				add(n.Pos(), n.Value, to)
			}
		}
		return true
	})
	slices.SortFunc(all, func(a, b Mutant) int { return a.offset - b.offset })
	return all, nil
}

// other is another constant: the next whole number, twice a broken one.
func other(l *ast.BasicLit) (string, bool) {
	switch l.Kind {
	case token.INT:
		n, err := strconv.ParseInt(l.Value, 0, 64)
		return strconv.FormatInt(n+1, 10), err == nil
	case token.FLOAT:
		f, err := strconv.ParseFloat(l.Value, 64)
		if f == 0 {
			return "1.0", err == nil
		}
		return strconv.FormatFloat(2*f, 'g', -1, 64), err == nil
	}
	return "", false
}

// apply returns the file with the mutant in it.
func (m Mutant) apply(folder string) ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(folder, m.File))
	if err != nil {
		return nil, err
	}
	end := m.offset + len(m.From)
	if end > len(b) || string(b[m.offset:end]) != m.From {
		return nil, fmt.Errorf("%s has changed since its mutants were looked for", m.File)
	}
	return slices.Concat(b[:m.offset], []byte(m.To), b[end:]), nil
}
