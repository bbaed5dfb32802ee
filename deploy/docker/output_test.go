package docker

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/client"
)

// What a container with a terminal has written comes in another form.
func TestFollowTerminal(t *testing.T) {
	w := newTown(t)
	id := w.stranger(w.consenting("back-1"), func(o *client.ContainerCreateOptions) { o.Config.Tty = true }, "say", "hello")
	var b bytes.Buffer
	w.must(w.follow(w.ctx, id, time.Time{}, &b))
	if got := b.String(); !strings.Contains(got, "out: hello") || !strings.Contains(got, "err: hello") {
		t.Errorf("it said %q", got)
	}
}
