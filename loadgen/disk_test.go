package loadgen_test

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bedlamlab/bedlam/loadgen"
)

// A disk is a file in memory that takes so many bytes and no more.
type disk struct {
	mu    sync.Mutex
	bytes []byte
	room  int
}

func (d *disk) WriteAt(b []byte, at int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := min(len(b), max(0, d.room-int(at)))
	if need := int(at) + n; need > len(d.bytes) {
		d.bytes = append(d.bytes, make([]byte, need-len(d.bytes))...)
	}
	copy(d.bytes[at:], b[:n])
	if n < len(b) {
		return n, syscall.ENOSPC
	}
	return n, nil
}
func (d *disk) Truncate(n int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.bytes = d.bytes[:n]
	return nil
}
func (d *disk) Sync() error  { return nil }
func (d *disk) Close() error { return nil }
func (d *disk) content() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return bytes.Clone(d.bytes)
}
func (d *disk) set(room int) { d.mu.Lock(); d.room = room; d.mu.Unlock() }

func readBytes(b []byte) (rows []loadgen.Request, torn string, err error) {
	r, err := loadgen.NewReader(bytes.NewReader(b), "disk")
	if err != nil {
		return nil, "", err
	}
	for {
		if rows, err = r.Next(rows); err == io.EOF {
			return rows, r.Torn(), nil
		} else if err != nil {
			return rows, "", err
		}
	}
}

// A full disk: the load goes on, what was written stays readable, and the
// error is not forgotten.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{room: 3000}
		w, err := loadgen.WriterTo(d, header())
		if err != nil {
			t.Fatal(err)
		}
		for i := range 300 {
			w.Record(sample(i))
			time.Sleep(10 * time.Millisecond) // of the bubble's clock: several flushes in all
		}
		if !errors.Is(w.Err(), syscall.ENOSPC) {
			t.Errorf("the error is %v", w.Err())
		}
		rows, torn, err := readBytes(d.content())
		if err != nil || torn == "" || len(rows) == 0 {
			t.Errorf("%d rows, torn %q, err %v", len(rows), torn, err)
		}
		if err := w.Close(); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("close: %v", err)
		}
		after, torn, err := readBytes(d.content())
		if err != nil || torn == "" || len(after) != len(rows) {
			t.Errorf("after close: %d rows, torn %q, err %v", len(after), torn, err)
		}
	})
}

// A disk that has room again gets everything that waited.
func TestDiskWithRoomAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{room: 500}
		w, err := loadgen.WriterTo(d, header())
		if err != nil {
			t.Fatal(err)
		}
		want := samples(2000)
		for i, r := range want {
			w.Record(r)
			if i == 1000 {
				time.Sleep(time.Second) // of the bubble's clock: the disk has refused by now
				d.set(1 << 20)
			}
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if w.Err() == nil {
			t.Error("the error is forgotten")
		}
		rows, torn, err := readBytes(d.content())
		if err != nil || torn != "" || !reflect.DeepEqual(rows, want) {
			t.Errorf("%d rows, torn %q, err %v", len(rows), torn, err)
		}
	})
}

// What does not fit into memory either is counted, and the history says that
// it is not complete.
func TestLostRequestsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &disk{room: 500}
		w, err := loadgen.WriterTo(d, header())
		if err != nil {
			t.Fatal(err)
		}
		w.Record(sample(0))
		time.Sleep(time.Second) // of the bubble's clock: the first is written
		d.set(0)
		w.Record(sample(1))
		time.Sleep(time.Second) // of the bubble's clock: the second is encoded, and waits
		for i := range loadgen.MostHeld + 10 {
			w.Record(sample(i))
		}
		d.set(1 << 30)
		if err := w.Close(); err == nil || !strings.Contains(err.Error(), "10 requests could not be written") {
			t.Errorf("close: %v", err)
		}
		rows, torn, err := readBytes(d.content())
		if err != nil || !strings.Contains(torn, "10 requests could not be written") || len(rows) != loadgen.MostHeld+2 {
			t.Errorf("%d rows, torn %q, err %v", len(rows), torn, err)
		}
	})
}
