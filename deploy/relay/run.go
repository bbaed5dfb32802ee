package relay

import "time"

// run moves bytes from src to dst until the connection is over.
func (f *flow) run() {
	f.setRunning(true)
	defer f.setRunning(false)
	defer f.alarm.Clear()
	defer f.stopReading()
	for {
		lost := f.takeOver()
		if f.conn.over() {
			return
		}
		if f.mute {
			f.discard()
			f.wait(never)
			continue
		}
		f.collect()
		if lost && f.sourced && !f.resetting {
			f.breakOff()
		}
		due := f.advance(time.Now())
		shaped := len(f.stages) > 0
		switch {
		case !shaped && f.reader != nil:
			f.stopReading() // before delivering, or a fast source would never let us catch up
		case shaped && f.reader == nil && !f.sourced:
			f.reader = startReader(f.src, f.rouse, f.load)
		case len(f.out) > 0:
			f.deliver()
		case !shaped && !f.sourced && f.pouring:
			f.splice()
		case !shaped && !f.sourced:
			f.ferry()
		default:
			f.wait(due)
		}
	}
}

// carry takes one mark through the stages before the flow runs, and reports
// false if the connection ended or was given up meanwhile.
func (f *flow) carry(m mark) bool {
	f.setRunning(true)
	defer f.setRunning(false)
	defer f.alarm.Clear()
	f.takeOver()
	f.enterChunk(chunk{mark: m, at: time.Now()})
	for {
		f.takeOver()
		if f.conn.over() {
			return false
		}
		due := f.advance(time.Now())
		if len(f.out) > 0 {
			f.account(-f.out[0].size())
			f.out = nil
			return true
		}
		if f.conn.abandoned(due == never) {
			return false
		}
		f.wait(due)
	}
}

// wait returns when something has changed or due has come. An alarm that is left
// behind by a flow that has been roused early does no harm, and is often the one
// that it wants next.
func (f *flow) wait(due time.Time) {
	if due == never {
		f.alarm.Clear()
	} else {
		f.alarm.Set(due)
	}
	select {
	case <-f.wake:
	case <-f.conn.ctx.Done():
	}
}

// collect takes what the reader has read.
func (f *flow) collect() {
	if f.reader == nil {
		return
	}
	for _, c := range f.reader.take() {
		f.load += c.size() // the reader has counted it for itself
		if c.mark != payload {
			f.sourced = true
			c = f.ended(c)
		}
		f.pass(0, c)
	}
	if f.sourced {
		f.reader = nil // it has ended by itself
	}
}

// stopReading ends the reader and takes the rest of what it has read.
func (f *flow) stopReading() {
	if f.reader == nil {
		return
	}
	f.reader.end()
	f.collect()
	f.reader = nil
	f.src.SetReadDeadline(time.Time{})
}

// ended looks twice at the end of the source. When a write to the source has
// met its reset, the error is used up and reading sees a plain end; the kernel
// still knows. (A source to which we have sent the end ourselves looks alike;
// whether we have is asked second, or it could happen between the questions.)
func (f *flow) ended(c chunk) chunk {
	if c.mark == ending && hungUp(f.src) && !f.other.finished.Load() {
		c.mark = broken
	}
	f.resetting = c.mark == broken
	return c
}

// breakOff sends the source's reset through the stages.
func (f *flow) breakOff() {
	f.sourced, f.resetting = true, true
	f.enterChunk(chunk{mark: broken, at: time.Now()})
}

// enterChunk puts a chunk of our own in at the front.
func (f *flow) enterChunk(c chunk) {
	f.account(c.size())
	f.pass(0, c)
}

// deliver acts on the first chunk that is past every stage.
func (f *flow) deliver() {
	c := &f.out[0]
	switch c.mark {
	case payload:
		if !f.write(c) {
			return
		}
	case ending:
		f.finished.Store(true) // first: see ended
		f.dst.CloseWrite()     // an error shows at the other flow's reads
		f.conn.finish()
	case broken:
		f.conn.reset()
	case closing:
		f.conn.close(false)
	}
	f.account(-c.size())
	f.out[0] = chunk{}
	f.out = f.out[1:]
}

// write reports whether all of c is delivered; what is not stays in it.
func (f *flow) write(c *chunk) bool {
	if !f.enter(inWrite) {
		return false
	}
	n, err := f.dst.Write(c.data)
	f.leave()
	f.moved.Add(int64(n))
	f.account(-int64(n))
	c.data = c.data[n:]
	if err != nil && !interrupted(err) {
		f.silence()
		return false
	}
	return len(c.data) == 0
}

// silence notes that the destination is gone. What it sent before, and then
// its reset, is the other flow's to carry, through the other flow's stages.
func (f *flow) silence() {
	f.mute = true
	f.other.lose()
	f.conn.silenced()
}

// discard drops what can no longer be delivered, and reads no more: the source
// meets a peer that does not take its bytes, as it would behind a network that
// has not brought the reset yet.
func (f *flow) discard() {
	f.stopReading()
	for _, s := range f.stages {
		s.queue = nil
	}
	f.out = nil
	f.load = 0
}
