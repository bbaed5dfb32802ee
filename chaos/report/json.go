package report

import (
	_ "embed" // the schema
	"encoding/json"
	"io"
	"reflect"

	"github.com/bedlamlab/bedlam/chaos"
)

// Schema is the JSON Schema (draft 2020-12) of result.json.
//
//go:embed result.schema.json
var Schema []byte

// JSON writes the result as result.json holds it. What is a list in the
// schema is a list here, also when it is empty: a reader need not ask for null.
func JSON(w io.Writer, r chaos.Result) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(filled(reflect.ValueOf(r)).Interface())
}

// filled copies a value with empty slices and maps in the place of nil ones.
func filled(v reflect.Value) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	out.Set(v)
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() { // time.Time's are its own
				out.Field(i).Set(filled(v.Field(i)))
			}
		}
	case reflect.Pointer:
		if !v.IsNil() {
			out.Set(reflect.New(v.Type().Elem()))
			out.Elem().Set(filled(v.Elem()))
		}
	case reflect.Slice:
		out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		for i := range v.Len() {
			out.Index(i).Set(filled(v.Index(i)))
		}
	case reflect.Map:
		if v.IsNil() {
			out.Set(reflect.MakeMap(v.Type()))
		}
	}
	return out
}
