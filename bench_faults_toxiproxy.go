package bedlam

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"

	"github.com/bedlamlab/bedlam/deploy/peer"
)

// toxiproxy starts one, which is built first if the cache has not got it.
func (f *benchField) toxiproxy(ctx context.Context) error {
	program, err := peer.ToxiproxyServer.Built(ctx)
	if err != nil {
		return err
	}
	control, err := freeAddress()
	if err != nil {
		return err
	}
	_, port, _ := net.SplitHostPort(control)
	cmd := exec.Command(program, "-host", "127.0.0.1", "-port", port)
	cmd.Env = append(os.Environ(), "LOG_LEVEL=fatal") // a line for each connection is not what it is asked for
	if err := f.run(cmd); err != nil {
		return err
	}
	if err := reachable(ctx, control); err != nil {
		return err
	}
	var made struct{ Listen string }
	proxies := "http://" + control + "/proxies"
	if err := tellToxiproxy(ctx, http.MethodPost, proxies, map[string]any{"name": "bench", "listen": "127.0.0.1:0", "upstream": f.server, "enabled": true}, &made); err != nil {
		return err
	}
	toxics := proxies + "/bench/toxics"
	toxic := func(kind string, attributes map[string]any) func(context.Context) error {
		return func(ctx context.Context) error {
			return tellToxiproxy(ctx, http.MethodPost, toxics,
				map[string]any{"name": "one", "type": kind, "stream": "downstream", "toxicity": 1, "attributes": attributes}, nil)
		}
	}
	f.ways = append(f.ways, &benchWay{name: benchToxiproxy, address: made.Listen, process: cmd.Process,
		delay:  toxic("latency", map[string]any{"latency": benchDelay.Milliseconds()}),
		narrow: toxic("bandwidth", map[string]any{"rate": benchRate / 1000}),
		lift:   func(ctx context.Context) error { return tellToxiproxy(ctx, http.MethodDelete, toxics+"/one", nil, nil) }})
	return nil
}

func tellToxiproxy(ctx context.Context, method, url string, body, answer any) error {
	var content io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(b)
	}
	q, err := http.NewRequestWithContext(ctx, method, url, content)
	if err != nil {
		return err
	}
	a, err := (&http.Client{Timeout: benchPatience}).Do(q)
	if err != nil {
		return err
	}
	defer a.Body.Close()
	if a.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: status %d", method, url, a.StatusCode)
	}
	if answer == nil {
		_, err = io.Copy(io.Discard, a.Body)
		return err
	}
	return json.NewDecoder(a.Body).Decode(answer)
}
