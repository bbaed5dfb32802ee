package compose_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bedlamlab/bedlam/deploy/docker"
)

// A project is the compose file as somebody has started it.
type project struct {
	name    string
	compose []string // the command, with what it needs before every other word
	env     []string
}

// composeCommand finds compose: the plugin of today or the program of old.
func composeCommand() []string {
	if exec.Command("docker", "compose", "version").Run() == nil {
		return []string{"docker", "compose"}
	}
	if _, err := exec.LookPath("docker-compose"); err == nil {
		return []string{"docker-compose"}
	}
	return nil
}

func (p project) do(ctx context.Context, args ...string) (string, error) {
	words := append(append([]string{}, p.compose...), args...)
	return output(ctx, p.env, words...)
}

func output(ctx context.Context, env []string, words ...string) (string, error) {
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Env = append(os.Environ(), env...)
	var out, wrong bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &wrong
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w\n%s%s", strings.Join(words, " "), err, out.String(), wrong.String())
	}
	return strings.TrimSpace(out.String()), nil
}

// start builds the images and starts the shop, which is gone after the test.
func start(t *testing.T) project {
	t.Helper()
	if testing.Short() {
		t.Skip("it brings a whole shop up: not with -short")
	}
	if _, err := docker.Version(t.Context()); err != nil {
		t.Skip("no Docker daemon can be used: ", err)
	}
	if _, err := exec.LookPath("docker"); err != nil {
		t.Skip("there is no docker command: ", err)
	}
	compose := composeCommand()
	if compose == nil {
		t.Skip("there is no compose command: neither docker compose nor docker-compose")
	}
	bin := t.TempDir()
	if _, err := output(t.Context(), []string{"CGO_ENABLED=0"}, "go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", bin, "../../cmd/bedlam", "../../cmd/shop"); err != nil {
		t.Fatal(err)
	}
	stores, err := docker.StoreImage(t.Context(), filepath.Join(bin, "bedlam"), func(text string) { t.Log(text) })
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("bedlam-compose-test-%d", os.Getpid())
	if _, err := output(t.Context(), nil, "docker", "build", "-q", "-t", name, "-f", "Dockerfile", bin); err != nil {
		t.Fatal(err)
	}
	p := project{
		name:    name,
		compose: append(compose, "-p", name, "-f", "compose.yaml", "-f", "bundled.yaml"),
		// Other passwords than the demonstration's, and whatever ports are free.
		env: []string{"BEDLAM_IMAGE=" + name, "BEDLAM_POSTGRES_IMAGE=" + stores, "BEDLAM_GATEWAY_1=0", "BEDLAM_GATEWAY_2=0",
			"BEDLAM_STORE_PASSWORD=one", "BEDLAM_SHOP_PASSWORD=another"},
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if _, err := p.do(ctx, "down", "-v", "--remove-orphans"); err != nil {
			t.Error(err)
		}
		if _, err := output(ctx, nil, "docker", "rmi", name); err != nil {
			t.Error(err)
		}
		for _, kind := range []string{"container", "volume", "network"} {
			words := []string{"docker", kind, "ls", "-q", "--filter", "label=com.docker.compose.project=" + name}
			if kind == "container" {
				words = append(words, "-a")
			}
			if left, err := output(ctx, nil, words...); err != nil || left != "" {
				t.Errorf("%ss left: %s, %v", kind, left, err)
			}
		}
	})
	if _, err := p.do(t.Context(), "up", "-d"); err != nil {
		t.Fatal(err)
	}
	return p
}

// ask sends one request and returns its answer's status and body.
func ask(ctx context.Context, method, url, key, body string) (int, []byte, error) {
	q, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if q.Header.Set("Content-Type", "application/json"); key != "" {
		q.Header.Set("Idempotency-Key", key)
	}
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		return 0, nil, err
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	return a.StatusCode, b, err
}

// TestTheShopSells starts the compose file and buys something.
func TestTheShopSells(t *testing.T) {
	p := start(t)
	var fronts []string
	for _, name := range []string{"gateway-1", "gateway-2"} {
		at, err := p.do(t.Context(), "port", name, "8080")
		if err != nil || !strings.HasPrefix(at, "127.0.0.1:") {
			t.Fatalf("%s is published at %q: %v", name, at, err)
		}
		fronts = append(fronts, "http://"+at)
	}
	// Until all that a purchase needs has found each other; asked again, a
	// request with the same key is the same request.
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // it takes a few seconds
	defer cancel()
	until := func(want int, method, url, key, body string) []byte {
		for {
			code, b, err := ask(ctx, method, url, key, body)
			if code == want {
				return b
			}
			select {
			case <-ctx.Done():
				t.Fatalf("%s %s: %d %s %v", method, url, code, b, err)
			case <-time.After(100 * time.Millisecond): // asked again, as a customer asks
			}
		}
	}
	until(200, "POST", fronts[0]+"/api/carts/mine/items", "add", `{"sku":"P00050","quantity":2}`)
	var receipt struct {
		Order, State string
		Total        int
	}
	for receipt.State != "PAID" { // 202 says that the shop is at it
		b := until(201, "POST", fronts[0]+"/api/checkout", "buy", `{"cart":"mine","customer":"ann","card":"visa"}`)
		if err := json.Unmarshal(b, &receipt); err != nil {
			t.Fatal(err)
		}
	}
	var order struct {
		State string
		Total int
		Lines []struct {
			SKU      string
			Quantity int
		}
	}
	// Shipping hears of it by the outbox, a moment later.
	for order.State != "SHIPPED" {
		if err := json.Unmarshal(until(200, "GET", fronts[1]+"/api/orders/"+receipt.Order, "", ""), &order); err != nil {
			t.Fatal(err)
		}
	}
	if order.Total != receipt.Total || order.Total == 0 || len(order.Lines) != 1 || order.Lines[0].SKU != "P00050" || order.Lines[0].Quantity != 2 {
		t.Errorf("bought %+v, paid %d", order, receipt.Total)
	}
	p.await(ctx, t)
}

// await returns when every container that can tell its health is well, and the
// others have done what they were for.
func (p project) await(ctx context.Context, t *testing.T) {
	t.Helper()
	for {
		ids, err := p.do(ctx, "ps", "-q")
		if err != nil {
			t.Fatal(err)
		}
		states, err := output(ctx, nil, append([]string{"docker", "inspect", "-f",
			"{{.Name}} {{if .State.Health}}{{.State.Health.Status}}{{else}}{{.State.ExitCode}}{{end}}"}, strings.Fields(ids)...)...)
		if err != nil {
			t.Fatal(err)
		}
		sick := slices.DeleteFunc(strings.Split(states, "\n"), func(line string) bool {
			return strings.HasSuffix(line, " healthy") || strings.HasSuffix(line, " 0")
		})
		if len(sick) == 0 {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal(sick)
		case <-time.After(time.Second): // health is checked every few seconds; inspecting it is the only way to learn of it
		}
	}
}
