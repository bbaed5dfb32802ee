package monkey_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/monkey"
	"github.com/bedlamlab/bedlam/topology"
)

// members are the names that encoding/json takes for a struct's fields, those of
// embedded ones included.
func members(t reflect.Type) (all []string) {
	for _, f := range reflect.VisibleFields(t) {
		tag := f.Tag.Get("json")
		name, _, _ := strings.Cut(tag, ",")
		switch {
		case tag == "-" || !f.IsExported() || f.Anonymous && name == "":
		case name == "":
			all = append(all, f.Name)
		default:
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

// TestTheFileHasEveryMember of what is asked and answered: the file's schemas let
// in nothing else, so that one which is missing there cannot be used by anybody
// who goes by it.
func TestTheFileHasEveryMember(t *testing.T) {
	var file struct {
		Components struct {
			Schemas map[string]struct {
				AdditionalProperties *bool `yaml:"additionalProperties"`
				Properties           map[string]struct {
					AdditionalProperties *bool `yaml:"additionalProperties"`
					Properties           map[string]any
				}
			}
		}
	}
	if err := yaml.Unmarshal(monkey.OpenAPI(), &file); err != nil {
		t.Fatal(err)
	}
	types := map[string]reflect.Type{"Selector": reflect.TypeFor[chaos.Selector](), "Ask": reflect.TypeFor[monkey.Ask](), "Link": reflect.TypeFor[topology.Link](),
		"Fault": reflect.TypeFor[monkey.Fault](), "Choice": reflect.TypeFor[monkey.Choice](), "Counts": reflect.TypeFor[monkey.Counts](), "Status": reflect.TypeFor[monkey.Status]()}
	for name, schema := range file.Components.Schemas {
		if name == "Error" { // it has no type: TestAnswersAreAsTheFileSays holds it
			continue
		}
		of, ok := types[name]
		if !ok {
			t.Errorf("schema %s is of no type that this test knows", name)
			continue
		}
		if schema.AdditionalProperties == nil || *schema.AdditionalProperties {
			t.Errorf("%s: what it does not name is let in", name)
		}
		var documented []string
		for p := range schema.Properties {
			documented = append(documented, p)
		}
		slices.Sort(documented)
		if diff := cmp.Diff(members(of), documented); diff != "" {
			t.Errorf("%s: Go and openapi.yaml differ (-Go +documented):\n%s", name, diff)
		}
		delete(types, name)
	}
	if len(types) > 0 {
		t.Errorf("the file has no schema for %v", types)
	}
	var next []string
	for p := range file.Components.Schemas["Status"].Properties["next"].Properties {
		next = append(next, p)
	}
	slices.Sort(next)
	if diff := cmp.Diff(members(reflect.TypeFor[monkey.Coming]()), next); diff != "" {
		t.Errorf("Status.next: Go and openapi.yaml differ (-Go +documented):\n%s", diff)
	}
}

// TestWhatTheFileAllowsIsTaken: an Ask with every member that there is fits its
// schema, and is read.
func TestWhatTheFileAllowsIsTaken(t *testing.T) {
	all := chaos.Selector{}
	for v, i := reflect.ValueOf(&all).Elem(), 0; i < v.NumField(); i++ {
		v.Field(i).Set(reflect.ValueOf([]string{"x"}))
	}
	a := monkey.Ask{Fault: "latency", Selector: all, Target: &all, Mode: chaos.Fixed, Value: 1, Direction: "from", Args: []byte(`{"delay":{"latency":"1s"}}`), Duration: topology.Duration(10e9)}
	if v := reflect.ValueOf(a); slices.ContainsFunc(reflect.VisibleFields(v.Type()), func(f reflect.StructField) bool { return v.FieldByIndex(f.Index).IsZero() }) {
		t.Fatalf("a member is left out: %+v", a)
	}
	b, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	if err := fits(t, "Ask", string(b)); err != nil {
		t.Error(err)
	}
	if _, err := monkey.ParseAsk(b); err != nil {
		t.Error(err)
	}
}
