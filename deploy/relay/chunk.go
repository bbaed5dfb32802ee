package relay

import "time"

// A chunk is a piece of one direction of a connection: bytes, or one of the
// marks that a network carries between them.
type chunk struct {
	mark mark
	data []byte // of a mark: none
	// at is when the chunk came (as a shaper receives it) or may go on (as a
	// shaper emits it).
	at time.Time
}

// A mark says what a chunk stands for.
type mark uint8

const (
	payload mark = iota
	opening      // the connection is being set up: SYN one way, SYN-ACK the other
	ending       // the sender has no more to say: FIN
	broken       // the sender is gone: RST
	closing      // the connection is over for both sides, after what stands before it
)

// never is when a withheld chunk may go on. Any time that no run reaches will do.
var never = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// overhead is counted for each chunk beside its bytes, so that a stream of
// one-byte chunks is bounded as well: the struct, its slice and their rounding
// in the allocator come to about this much.
const overhead = 128

// size is what c counts against a flow's limit, in bytes.
func (c chunk) size() int64 { return int64(len(c.data)) + overhead }
