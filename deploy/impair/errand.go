package impair

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// An errand is what one process of [Main] does where an instance is: beside it in
// its namespaces, so that it sees of the kernel what the instance does.
type errand string

const (
	toDo   errand = "do" // and stays; at the end, of whatever kind, undoes it
	toUndo errand = "undo"
	toShow errand = "show"
	toCan  errand = "can"
	toTry  errand = "try" // in a network namespace that nobody lives in
)

// A reply is a line that it writes.
type reply struct {
	Save  json.RawMessage `json:"save,omitempty"` // an answer is waited for, which is one line
	Done  bool            `json:"done,omitempty"`
	Shows bool            `json:"shows,omitempty"`
	Error string          `json:"error,omitempty"`
	Lacks bool            `json:"lacks,omitempty"` // the error is one of what is missing
}

// failed is the reply that says so.
func failed(err error) reply {
	return reply{Error: err.Error(), Lacks: errors.Is(err, errors.ErrUnsupported)}
}

// errorOf is what failed was made of, as far as others can tell.
func (r reply) errorOf() error {
	switch {
	case r.Error == "":
		return nil
	case r.Lacks:
		return lacking(r.Error)
	}
	return errors.New(r.Error)
}

// lacking is an error of what is missing that comes from another process.
type lacking string

func (l lacking) Error() string        { return string(l) }
func (l lacking) Is(target error) bool { return target == errors.ErrUnsupported }

// run does the errand. It returns an error only if something may be left of the
// harm; everything else is a reply.
func (s spec) run(ctx context.Context, in *bufio.Reader, out io.Writer) error {
	say := func(r reply) error { return json.NewEncoder(out).Encode(r) }
	h, err := Build(s.Impairment)
	if err == nil {
		err = s.Target.settle()
	}
	if err != nil {
		return say(failed(err))
	}
	if s.Errand == toDo {
		return s.stay(ctx, h, in, say)
	}
	r := reply{Done: true}
	switch s.Errand {
	case toUndo:
		release := func() error {
			if s.Lock == "" {
				return nil
			}
			return free(ctx, s.Lock)
		}
		// Whoever is at it undoes it himself; but he may have been killed.
		err = undo(ctx, h, s.Job, release)
	case toShow:
		r.Shows, err = h.Shows(ctx, s.Target)
	case toCan:
		err = h.Can(s.Target)
	case toTry:
		packets, ok := h.(Packets)
		if !ok {
			return fmt.Errorf("%s harms no packets", s.Impairment.Kind)
		}
		err = packets.Try(s.Target.Net)
	default:
		return fmt.Errorf("unknown errand %q", s.Errand)
	}
	if err != nil {
		return errors.Join(say(failed(err)), err)
	}
	return say(r)
}

// stay does the harm and undoes it when ctx ends, or whoever is at the other end
// does.
func (s spec) stay(ctx context.Context, h Harm, in *bufio.Reader, say func(reply) error) error {
	if s.Lock != "" {
		lock, err := s.lock()
		if err != nil {
			return say(failed(err))
		}
		defer lock.Close()
		defer os.Remove(s.Lock)
	}
	stop, err := s.hold(ctx, h)
	if err != nil {
		return say(failed(err))
	}
	err = do(ctx, h, s.Target, func(before json.RawMessage) error {
		s.Before = before
		if err := say(reply{Save: before}); err != nil {
			return err
		}
		_, err := in.ReadBytes('\n')
		return err
	})
	if err == nil {
		err = say(reply{Done: true})
	}
	if err == nil {
		gone, cancel := until(ctx, in)
		<-gone.Done()
		cancel()
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
	defer cancel()
	if left := undo(last, h, s.Job, stop); left != nil {
		return errors.Join(err, left)
	}
	if err != nil {
		return say(failed(err))
	}
	return nil
}

// hold has the harm held by this process until stop is called, if it is one that
// needs it.
func (s spec) hold(ctx context.Context, h Harm) (stop func() error, err error) {
	held, ok := h.(Held)
	if !ok {
		return func() error { return nil }, nil
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // until undo stops it
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- held.Hold(ctx, s.Target, func() { close(ready) }) }()
	stop = func() error {
		cancel()
		err := <-ended
		ended <- err // for who asks again
		return err
	}
	select {
	case <-ready:
		return stop, nil
	case err := <-ended:
		cancel()
		if err == nil {
			err = errors.New("nobody holds it")
		}
		return nil, err
	}
}
