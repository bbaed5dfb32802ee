package collector

import (
	"bytes"

	"google.golang.org/protobuf/encoding/protowire"
)

// events takes what Bedlam reasons about out of a span's events: attributes
// named call.… count wherever they stand, and an event named call.… is itself
// an attribute, whose value is the callee it speaks of.
func (q *request) events(s *view, span []byte) error {
	return fields(span, func(num protowire.Number, typ protowire.Type, v []byte, _ uint64) error {
		if num != 11 || typ != protowire.BytesType {
			return nil
		}
		event := attr{value: []byte("true")}
		err := fields(v, func(num protowire.Number, typ protowire.Type, v []byte, _ uint64) error {
			switch {
			case typ != protowire.BytesType:
			case num == 2: // name
				event.key = cut(v)
			case num == 3: // attributes
				a, err := q.attribute(v)
				if err != nil {
					return err
				}
				if string(a.key) == "peer.service" {
					event.value = a.value
				} else {
					q.takeEvent(s, a)
				}
			}
			return nil
		})
		q.takeEvent(s, event)
		return err
	})
}

func (q *request) takeEvent(s *view, a attr) {
	if !bytes.HasPrefix(a.key, []byte("call.")) && string(a.key) != "exception.type" || string(a.key) == "call.attempt" {
		return
	}
	for _, has := range q.attrs[s.from:] {
		if string(has.key) == string(a.key) {
			return
		}
	}
	q.take(s, a)
}
