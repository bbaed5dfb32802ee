package relay

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/bedlamlab/bedlam/deploy"
)

// Whatever the limit and however the stream is read: the bytes up to it come
// out, then the close and nothing else; below it everything comes out.
func TestLimitDataIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sent := bytes.Repeat([]byte("bedlam "), rapid.IntRange(0, 300).Draw(t, "words"))
		limit := rapid.IntRange(0, 3000).Draw(t, "limit")
		h, err := decodeLimitData(deploy.Rule{Args: json.RawMessage(fmt.Sprintf(`{"bytes":%d}`, limit))})
		if err != nil {
			t.Fatal(err)
		}
		s := h.meet(nil).to
		var got []byte
		var marks []mark
		take := func(c chunk) {
			got = append(got, c.data...)
			if c.mark != payload {
				marks = append(marks, c.mark)
			} else if len(marks) > 1 {
				t.Fatal("bytes after a close")
			}
		}
		s.shape(chunk{mark: opening}, take)
		var touched int
		for rest := sent; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "size")
			if s.shape(chunk{data: rest[:n:n]}, take) {
				touched++
			}
			rest = rest[n:]
		}
		s.shape(chunk{mark: ending}, take)
		want, last := sent, ending
		if len(sent) > 0 && len(sent) >= limit {
			want, last = sent[:limit], closing
		}
		if !bytes.Equal(got, want) || fmt.Sprint(marks) != fmt.Sprint([]mark{opening, last}) || (touched == 1) != (last == closing) {
			t.Errorf("%d of %d bytes, limit %d, marks %v, touched %d", len(got), len(sent), limit, marks, touched)
		}
	})
}
