package collector

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// fromJSON turns an OTLP-JSON body into protobuf. empty is the message to
// read into.
func fromJSON(body []byte, empty proto.Message) ([]byte, error) {
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(body, empty); err != nil {
		return nil, fmt.Errorf("reading JSON: %w", err)
	}
	if err := wireIDs(empty.ProtoReflect()); err != nil {
		return nil, fmt.Errorf("reading JSON: %w", err)
	}
	return proto.Marshal(empty)
}

// OTLP-JSON departs from protobuf's JSON in one thing: ids are hexadecimal, not
// base64. Hexadecimal digits are base64 digits too, and ids have a multiple
// of four of them, so what protojson makes of an id can be turned back into
// its text without a loss, and the other way round.

// wireIDs mends the ids of a message that was read from JSON.
func wireIDs(m protoreflect.Message) error {
	return eachID(m, func(b []byte) ([]byte, error) {
		text := base64.StdEncoding.EncodeToString(b)
		id, err := hex.DecodeString(text)
		if err != nil {
			return nil, fmt.Errorf("id %q is not hexadecimal", text)
		}
		return id, nil
	})
}

// jsonIDs prepares the ids of a message that is to be written as JSON.
func jsonIDs(m protoreflect.Message) {
	eachID(m, func(b []byte) ([]byte, error) {
		return base64.StdEncoding.DecodeString(hex.EncodeToString(b))
	})
}

// eachID replaces every trace id and span id in m, however deep.
func eachID(m protoreflect.Message, f func([]byte) ([]byte, error)) (err error) {
	m.Range(func(d protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case d.Kind() == protoreflect.BytesKind && !d.IsList():
			switch d.Name() {
			case "trace_id", "span_id", "parent_span_id":
				var id []byte
				if id, err = f(v.Bytes()); err == nil {
					m.Set(d, protoreflect.ValueOfBytes(id))
				}
			}
		case d.Kind() == protoreflect.MessageKind && d.IsList():
			for i := range v.List().Len() {
				if err = eachID(v.List().Get(i).Message(), f); err != nil {
					break
				}
			}
		case d.Kind() == protoreflect.MessageKind && !d.IsMap():
			err = eachID(v.Message(), f)
		}
		return err == nil
	})
	return err
}
