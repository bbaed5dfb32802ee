package report_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/bedlamlab/bedlam/chaos"
	"github.com/bedlamlab/bedlam/chaos/report"
)

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(report.Schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	if err := c.AddResource("result.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("result.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Made-up results, and real ones kept in testdata.
func TestSchemaAccepts(t *testing.T) {
	t.Parallel()
	all := map[string]chaos.Result{"everything": everything(), "huge": huge()}
	real, err := filepath.Glob("testdata/real-*.json")
	if err != nil || len(real) == 0 {
		t.Fatalf("no real result in testdata (%v)", err)
	}
	for _, path := range real {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var r chaos.Result
		if err := json.Unmarshal(b, &r); err != nil {
			t.Fatal(err)
		}
		all[path] = r
	}
	s := compiled(t)
	for name, r := range all {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(write(t, report.JSON, r)))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSchemaRefuses(t *testing.T) {
	t.Parallel()
	s := compiled(t)
	for name, change := range map[string]func(map[string]any){
		"another format":     func(m map[string]any) { m["schema"] = "bedlam.result/2" },
		"an unknown verdict": func(m map[string]any) { m["verdict"] = "GREEN" },
		"an unknown field":   func(m map[string]any) { m["colour"] = "red" },
		"no reasons":         func(m map[string]any) { delete(m, "reasons") },
		"an unknown exit":    func(m map[string]any) { m["exit"] = 2 },
		"no list of traces":  func(m map[string]any) { m["traces"] = nil },
		"a moment in words":  func(m map[string]any) { m["started"] = "yesterday" },
	} {
		var m map[string]any
		if err := json.Unmarshal([]byte(write(t, report.JSON, everything())), &m); err != nil {
			t.Fatal(err)
		}
		change(m)
		if err := s.Validate(m); err == nil {
			t.Errorf("accepts a result with %s", name)
		}
	}
}

// The schema names the fields of chaos.Result, all of them and no others, and
// requires those that are always written.
func TestSchemaHasEveryField(t *testing.T) {
	t.Parallel()
	var root map[string]any
	if err := json.Unmarshal(report.Schema, &root); err != nil {
		t.Fatal(err)
	}
	compare(t, "result", root, root, reflect.TypeFor[chaos.Result]())
}

func compare(t *testing.T, at string, root, schema map[string]any, typ reflect.Type) {
	if ref, ok := schema["$ref"].(string); ok {
		schema = root["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
	}
	switch typ.Kind() {
	case reflect.Pointer:
		compare(t, at, root, schema, typ.Elem())
	case reflect.Slice, reflect.Array:
		compare(t, at+"[]", root, schema["items"].(map[string]any), typ.Elem())
	case reflect.Struct:
		if typ == reflect.TypeFor[time.Time]() {
			return
		}
		properties := schema["properties"].(map[string]any)
		var names, always []string
		for i := range typ.NumField() {
			name, options, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
			names = append(names, name)
			if options != "omitempty" {
				always = append(always, name)
			}
			if of, ok := properties[name].(map[string]any); ok {
				compare(t, at+"."+name, root, of, typ.Field(i).Type)
			}
		}
		slices.Sort(names)
		if got := slices.Sorted(maps.Keys(properties)); !slices.Equal(got, names) {
			t.Errorf("%s has the properties %v, the type has %v", at, got, names)
		}
		var required []string
		for _, name := range schema["required"].([]any) {
			required = append(required, name.(string))
		}
		slices.Sort(required)
		slices.Sort(always)
		if !slices.Equal(required, always) {
			t.Errorf("%s requires %v, always written are %v", at, required, always)
		}
	}
}
