package bedlam

import (
	"bytes"
	_ "embed"
	"fmt"
	"strings"
	"text/template"

	"github.com/bedlamlab/bedlam/chaos/fault"
	"github.com/bedlamlab/bedlam/deploy"
	"github.com/bedlamlab/bedlam/deploy/attach"
	"github.com/bedlamlab/bedlam/deploy/docker"
)

// A FaultKind is one fault of the catalogue, and which engines have the powers
// that it needs. On some machine an engine may lack one of them all the same;
// then the run says so before anything is harmed.
type FaultKind struct {
	fault.Kind
	Engines []string `json:"engines"`
}

// Faults returns the catalogue, by name.
func Faults() []FaultKind {
	type model struct {
		name string
		deploy.Model
	}
	var models []model
	for _, name := range Engines() {
		if m, ok := engines[name].make("").(deploy.Modeler); ok {
			models = append(models, model{name, m.Model()})
		}
	}
	models = append(models, model{attached, docker.NewAttached(attach.File{}).Model()})
	var all []FaultKind
	for _, k := range fault.Kinds() {
		f := FaultKind{Kind: k, Engines: []string{}}
		for _, m := range models {
			if k.Needs.Within(m.Model) {
				f.Engines = append(f.Engines, m.name)
			}
		}
		all = append(all, f)
	}
	return all
}

// line says all of a fault on one line.
func (f FaultKind) line() string {
	text := f.Doc
	if f.Params != "" {
		text += " Parameters: " + f.Params + "."
	}
	return fmt.Sprintf("%s On %s; engines: %s; needs: %s.", text, f.On, strings.Join(f.Engines, ", "), f.Needs)
}

//go:embed catalogue.tmpl
var catalogue string

// FaultsPage returns the catalogue as docs/faults.md, which is written by
// make docs.
func FaultsPage() ([]byte, error) {
	// A bar would end the cell that it stands in.
	cell := func(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
	t, err := template.New("faults").Funcs(template.FuncMap{"cell": cell, "join": strings.Join}).Parse(catalogue)
	if err != nil {
		return nil, err
	}
	by := map[string][]FaultKind{}
	for _, f := range Faults() {
		on := f.On
		if f.Load { // it comes to instances, and harms none by itself
			on = "load"
		}
		by[on] = append(by[on], f)
	}
	told := map[string]any{"others": map[string][]FaultKind{}}
	for on, faults := range by {
		if strings.Contains(catalogue, "{{template \"table\" ."+on+"}}") {
			told[on] = faults
		} else { // what has no words of its own yet
			told["others"].(map[string][]FaultKind)[on] = faults
		}
	}
	var page bytes.Buffer
	err = t.Execute(&page, told)
	return page.Bytes(), err
}
