package collector

import (
	"net/http"
	"os"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/proto"
)

// EncodeForTest makes a request body of spans.
func EncodeForTest(spans []Span) []byte {
	b, err := proto.Marshal(encode(spans))
	if err != nil {
		panic(err)
	}
	return b
}

// DecodeForTest returns a function that reads a request body and says how
// many spans it has.
func DecodeForTest() func([]byte) (int, error) {
	var q request
	return func(body []byte) (int, error) {
		q.reset()
		err := q.parse(body)
		return len(q.spans), err
	}
}

// FillDiskForTest makes every further write of spans fail as a full disk does.
func FillDiskForTest(c *Collector, full *os.File) {
	r := c.files[spansSignal]
	r.writing.Lock()
	defer r.writing.Unlock()
	r.file.Close()
	r.file = full
}

// ReceiverForTest returns what serves the collector's port.
func ReceiverForTest(c *Collector) http.Handler { return c.receiver() }

// FrameForTest makes a file of spans with one frame, whatever is in it.
func FrameForTest(raw []byte) []byte {
	pack, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err)
	}
	return appendFrame(firstLine(spansSignal), 0, 1, raw, pack)
}

// NewestForTest returns the n spans that arrived last.
func NewestForTest(s *Store, n int) []Span {
	p := s.snapshot()
	var spans []Span
	for i := p.n - n; i < p.n; i++ {
		spans = append(spans, p.span(p.record(i)))
	}
	return spans
}

// ComplainEvery is how often failures to forward are logged.
const ComplainEvery = complainEvery
