package bedlam_test

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/bedlamlab/bedlam/deploy/postgres"
)

// programs builds bedlam and shop beside each other, as a release has them.
func programs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"bedlam", "shop"} {
		c := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(dir, name), "./cmd/"+name)
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("building %s: %v\n%s", name, err, out)
		}
	}
	return dir
}

// chromium finds a browser; without one the test is skipped.
func chromium(t *testing.T) (path string) {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("a person's way through the pages needs a browser: there is no chromium on the PATH")
	return ""
}

// browser opens a page of a browser, for two minutes from now: many times what
// a person's way takes on a busy machine.
func browser(t *testing.T, path string) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()), chromedp.Env("TMPDIR="+t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.WindowSize(390, 844))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// TestAPersonCanBuy starts the whole shop as `make up` does and buys something
// from it with a real browser, at the size of a phone.
func TestAPersonCanBuy(t *testing.T) {
	if testing.Short() {
		t.Skip("starts the whole shop: not with -short")
	}
	cache, err := postgres.CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := postgres.Find(t.Context(), cache, nil); err != nil {
		t.Skipf("needs a PostgreSQL: %v", err)
	}
	path := chromium(t)
	dir := programs(t)
	up := exec.Command(filepath.Join(dir, "bedlam"), "up", "--rate", "0", "--out", filepath.Join(t.TempDir(), "run"))
	up.Env = append(os.Environ(), "BEDLAM_STATE="+filepath.Join(t.TempDir(), "state"))
	up.Stderr = os.Stderr
	out, err := up.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := up.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := up.Process.Signal(os.Interrupt); err != nil {
			t.Error(err)
		}
		if err := up.Wait(); err != nil {
			t.Errorf("bedlam up after Ctrl-C: %v", err)
		}
	}()
	base := ""
	for lines := bufio.NewScanner(out); base == "" && lines.Scan(); {
		if f := strings.Fields(lines.Text()); len(f) == 2 && f[0] == "Storefront" {
			base = f[1]
		}
	}
	if base == "" {
		t.Fatal("bedlam up printed no storefront")
	}
	page := browser(t, path)
	see(t, page, chromedp.Navigate(base))
	click(t, page, `a[href^="/products/"]`)
	click(t, page, `form[action="/cart/items"] button`)
	click(t, page, `a[href="/checkout"]`)
	see(t, page, chromedp.SendKeys(`input[name="customer"]`, "Ada", chromedp.NodeVisible))
	if wide := see(t, page, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > document.documentElement.clientWidth`)); wide {
		t.Error("the checkout page is wider than a phone")
	}
	click(t, page, `form[action="/checkout"] button`)
	see(t, page, chromedp.WaitNotPresent(`form[action="/checkout"]`))
	see(t, page, chromedp.WaitVisible("main h1"))
	at, state := see(t, page, chromedp.Location()), see(t, page, chromedp.Text("main"))
	if !strings.HasPrefix(at, base+"/orders/") {
		t.Errorf("after buying the person stands at %s", at)
	}
	if !strings.Contains(state, "Paid") {
		t.Errorf("the order's page says %q", state)
	}
}

// click waits until a page shows what is to be clicked, and clicks it. A page
// that has just been loaded is waited for until it has been drawn: before its
// first frame a browser throws a mouse's clicks away, since nobody can have
// meant what nobody has seen.
func click(t *testing.T, page context.Context, what string) {
	t.Helper()
	see(t, page, chromedp.WaitVisible(what))
	see(t, page, chromedp.Evaluate[bool](`new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(() => drawn(true))))`, chromedp.EvalAwaitPromise))
	see(t, page, chromedp.Click(what, chromedp.NodeVisible))
}

// see does one thing in the browser and returns what it gives.
func see[T any](t *testing.T, page context.Context, do chromedp.Action[T]) T {
	t.Helper()
	v, err := chromedp.Run(page, do)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
