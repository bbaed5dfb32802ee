package relay

import (
	"errors"
	"math/rand/v2"

	"github.com/bedlamlab/bedlam/deploy"
)

func init() {
	register(Kind{
		Name: "limit_data",
		Doc: "Closes a connection for both sides when a direction that the rule names has carried so many bytes: they are delivered, and nothing after them. " +
			"Of a connection that is there already, the bytes after the rule has come count.",
		Args: []Arg{{Name: "bytes", Type: "bytes", Doc: "from 0, which closes at the first byte; each direction counts for itself"}},
	}, decodeLimitData)
}

// limitData closes. Its argument has the name of Toxiproxy's.
type limitData struct {
	Bytes *int64 `json:"bytes"`
}

func decodeLimitData(r deploy.Rule) (harm, error) {
	var h limitData
	if err := decodeArgs(r.Args, &h); err != nil {
		return nil, err
	}
	switch {
	case h.Bytes == nil:
		return nil, errors.New("bytes is missing: the rule would do nothing")
	case *h.Bytes < 0:
		return nil, errors.New("bytes must not be negative")
	}
	return h, nil
}

func (h limitData) meet(func(deploy.Direction) *rand.Rand) effect {
	return effect{to: &allowance{left: *h.Bytes}, from: &allowance{left: *h.Bytes}}
}

// An allowance is what one direction of one connection may still carry.
type allowance struct {
	left   int64 // bytes
	closed bool
}

func (a *allowance) shape(c chunk, emit func(chunk)) bool {
	switch {
	case a.closed: // what comes after the close has nowhere to go
		return false
	case c.mark != payload:
		emit(c)
		return false
	case int64(len(c.data)) < a.left:
		a.left -= int64(len(c.data))
		emit(c)
		return false
	}
	a.closed = true
	if a.left > 0 {
		emit(chunk{data: c.data[:a.left:a.left], at: c.at})
	}
	emit(chunk{mark: closing, at: c.at})
	return true
}
