package collector

import "google.golang.org/protobuf/proto"

// EncodeForTest makes a request body of spans.
func EncodeForTest(spans []Span) []byte {
	b, err := proto.Marshal(encode(spans))
	if err != nil {
		panic(err)
	}
	return b
}
