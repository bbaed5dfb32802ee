package impair

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/bedlamlab/bedlam/deploy"
)

// A Talk is with a process of [Main] that somebody has started where an instance
// is, over its standard input and output. One can be asked for one thing.
type Talk struct {
	in   io.Writer
	says *json.Decoder
	// Lock is a file there by which processes find the one that does a job; empty
	// where that one is found otherwise.
	Lock string
}

// NewTalk returns the talk over a process's standard input and output.
func NewTalk(in io.Writer, out io.Reader) *Talk {
	return &Talk{in: in, says: json.NewDecoder(out)}
}

// Do has a job done. When it returns, the harm shows, and stays until the process
// is asked to end or its standard input ends; then it undoes the harm, and ends
// with code 0 if nothing is left of it.
func (t *Talk) Do(j Job, save func(before json.RawMessage) error) error {
	if err := t.ask(toDo, j); err != nil {
		return err
	}
	for {
		r, err := t.hear()
		if err != nil || r.Done {
			return err
		}
		if err := save(r.Save); err != nil {
			return err
		}
		if _, err := io.WriteString(t.in, "\n"); err != nil {
			return fmt.Errorf("answering who does it: %w", err)
		}
	}
}

// Undo has it undone, by whomever it was done.
func (t *Talk) Undo(j Job) error {
	_, err := t.one(toUndo, j)
	return err
}

// Shows asks whether the kernel has it in force.
func (t *Talk) Shows(j Job) (bool, error) {
	r, err := t.one(toShow, j)
	return r.Shows, err
}

// Can asks what is missing, see [Harm].
func (t *Talk) Can(j Job) error {
	_, err := t.one(toCan, j)
	return err
}

// Try does a harm to packets where nobody is, see [Packets].
func (t *Talk) Try(i deploy.Impairment) error {
	_, err := t.one(toTry, Job{Impairment: i, Target: Beside(Target{})})
	return err
}

// Beside returns the target as a process sees it that shares the instance's
// namespaces: which is what [Talk] is to be given.
func Beside(t Target) Target {
	t.Net, t.Beside, t.Cgroups, t.Data = "/proc/self/ns/net", true, nil, ""
	return t
}

func (t *Talk) one(what errand, j Job) (reply, error) {
	if err := t.ask(what, j); err != nil {
		return reply{}, err
	}
	return t.hear()
}

func (t *Talk) ask(what errand, j Job) error {
	b, err := json.Marshal(spec{Job: j, Lock: t.Lock, Errand: what})
	if err != nil {
		return err
	}
	if _, err := t.in.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("asking who is to %s it: %w", what, err)
	}
	return nil
}

// hear returns what the process says next.
func (t *Talk) hear() (reply, error) {
	var r reply
	if err := t.says.Decode(&r); err != nil {
		return r, fmt.Errorf("hearing of who is at it: %w", err)
	}
	return r, r.errorOf()
}
