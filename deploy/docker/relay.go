package docker

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/moby/moby/client"

	"github.com/bedlamlab/bedlam/deploy/relay"
	"github.com/bedlamlab/bedlam/deploy/supervise"
)

const (
	// controlPort is the relay's control port inside its container.
	controlPort = 10000
	// firstLink is the relay's port for the first link; the others follow.
	// They stay below 32768, where Linux begins to hand out ports for callers.
	firstLink = 10001
	mostLinks = 32768 - firstLink
)

// inside is what the relay is told, with its control port as it is inside its
// container.
func inside(told supervise.Told) ([]byte, error) {
	b, err := told()
	if err != nil {
		return nil, err
	}
	var c relay.Config
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, err
	}
	c.Control, c.Exposed = fmt.Sprintf("0.0.0.0:%d", controlPort), true
	return json.Marshal(c)
}

// startWith starts a container that reads its standard input, which is text.
func (d *daemon) startWith(ctx context.Context, id string, text []byte) error {
	stream, err := d.api.ContainerAttach(ctx, id, client.ContainerAttachOptions{Stream: true, Stdin: true})
	if err != nil {
		return fmt.Errorf("starting container: %w", plain(err))
	}
	defer stream.Close()
	if err := d.start(ctx, id); err != nil {
		return err
	}
	if _, err := stream.Conn.Write(text); err != nil {
		return fmt.Errorf("starting container: telling it what to do: %w", err)
	}
	if err := stream.CloseWrite(); err != nil {
		return fmt.Errorf("starting container: telling it what to do: %w", err)
	}
	return nil
}
