package monkey_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/bedlamlab/bedlam/chaos/monkey"
)

// fits holds an answer, or each element of one that is a list, against a schema
// of the file.
func fits(t *testing.T, name, body string) error {
	t.Helper()
	var file any
	if err := yaml.Unmarshal(monkey.OpenAPI(), &file); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("openapi.json#/components/schemas/" + name)
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
	if err != nil {
		return err
	}
	if list, ok := v.([]any); ok {
		for _, one := range list {
			if err := schema.Validate(one); err != nil {
				return err
			}
		}
		return nil
	}
	return schema.Validate(v)
}
