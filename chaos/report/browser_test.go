package report_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/bedlamlab/bedlam/chaos/report"
)

// chromium is a browser of its own for one test; the test is skipped where
// there is none.
func chromium(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, p := range []string{"/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"} {
		if _, err := os.Stat(p); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Skip("skipped: there is no Chromium in /usr/bin to look at the page with")
	}
	ctx, stop := chromedp.NewExecAllocator(context.Background(), chromedp.ExecPath(path), chromedp.Headless, chromedp.NoSandbox,
		chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.UserDataDir(t.TempDir()), chromedp.Env("TMPDIR="+t.TempDir()), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true))
	t.Cleanup(stop)
	ctx, end := context.WithTimeout(ctx, 2*time.Minute) // a browser that hangs must not hang the tests
	t.Cleanup(end)
	ctx, closeTab := chromedp.NewContext(ctx)
	t.Cleanup(closeTab)
	return ctx
}

// heard is what a page did that a report must not do.
type heard struct {
	mu    sync.Mutex
	page  string // what may be asked for
	lines []string
}

func (h *heard) add(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lines = append(h.lines, fmt.Sprintf(format, args...))
}

func (h *heard) listen(ev any) {
	switch e := ev.(type) {
	case *network.EventRequestWillBeSent:
		if e.Request.URL != h.of() {
			h.add("asked the network for %.200s", e.Request.URL)
		}
	case *runtime.EventExceptionThrown:
		h.add("threw %s", e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		h.add("wrote to the console: %s", e.Type)
	case *log.EventEntryAdded:
		h.add("made the browser say %s: %.300s", e.Entry.Level, e.Entry.Text)
	}
}

func (h *heard) of() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.page
}

// begin forgets all and allows one page.
func (h *heard) begin(page string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.page, h.lines = page, nil
}

// The page as a person meets it: on a desk and in a hand, by day and by night,
// with and without JavaScript.
func TestPageInABrowser(t *testing.T) {
	ctx := chromium(t)
	folder := t.TempDir()
	pages := map[string]string{}
	for name, r := range results() {
		path := filepath.Join(folder, strings.ReplaceAll(name, " ", "-")+".html")
		if err := os.WriteFile(path, []byte(write(t, report.HTML, r)), 0o644); err != nil {
			t.Fatal(err)
		}
		pages[name] = (&url.URL{Scheme: "file", Path: path}).String()
	}
	h := &heard{}
	if err := chromedp.Listen(ctx, h.listen); err != nil {
		t.Fatal(err)
	}
	for name, page := range pages {
		for _, see := range []struct {
			width  int64
			scheme string
			script bool
		}{{1280, "light", true}, {1280, "dark", false}, {390, "dark", true}, {390, "light", false}} {
			t.Run(fmt.Sprintf("%s at %d in the %s, script %v", name, see.width, see.scheme, see.script), func(t *testing.T) {
				h.begin(page)
				prepare := chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
					_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: see.scheme}}})
					return err
				})
				script := chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
					_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !see.script})
					return err
				})
				if err := chromedp.Do(ctx, chromedp.EmulateViewport(see.width, 900), prepare, script, chromedp.Navigate(page), chromedp.WaitVisible("#verdict")); err != nil {
					t.Fatal(err)
				}
				look := func(js string) int {
					n, err := chromedp.Run(ctx, chromedp.Evaluate[int](js))
					if err != nil {
						t.Fatal(err)
					}
					return n
				}
				// All that is folded is unfolded: it must fit too.
				look(`document.querySelectorAll("details").forEach((d) => { d.open = true }), 0`)
				if w := look("document.documentElement.scrollWidth"); int64(w) > see.width {
					wide, err := chromedp.Run(ctx, chromedp.Evaluate[string](fmt.Sprintf(`[...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > %d).slice(0, 5).map((e) => e.outerHTML.slice(0, 160)).join("\n")`, see.width)))
					if err != nil {
						t.Fatal(err)
					}
					t.Errorf("is %d px wide, want at most %d; too wide:\n%s", w, see.width, wide)
				}
				if top := look(`Math.round(document.getElementById("verdict").getBoundingClientRect().bottom)`); top > 300 {
					t.Errorf("the verdict ends %d px below the top, want it to be seen at once", top)
				}
				if n := look(`document.querySelectorAll("svg[role=img]:not([aria-label])").length`); n > 0 {
					t.Errorf("%d drawings say nothing to one who cannot see them", n)
				}
				if n := look(`document.querySelectorAll("img, iframe, object, embed, link, base, form, [style], script:not(:last-child), svg script").length`); n > 0 {
					t.Errorf("%d elements came out of the result's texts", n)
				}
				h.mu.Lock()
				defer h.mu.Unlock()
				for _, line := range h.lines {
					t.Errorf("the page %s", line)
				}
			})
		}
	}
}

// With a pointer over the chart, the page says the second's figures.
func TestChartSaysTheSecondUnderThePointer(t *testing.T) {
	ctx := chromium(t)
	path := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(path, []byte(write(t, report.HTML, everything())), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(1280, 900), chromedp.Navigate("file://"+path)); err != nil {
		t.Fatal(err)
	}
	said, err := chromedp.Run(ctx, chromedp.Evaluate[string](`(() => {
		const svg = document.getElementById("run-chart"), box = svg.getBoundingClientRect();
		svg.dispatchEvent(new PointerEvent("pointermove", {clientX: box.left + box.width * 30.5 / 81, clientY: box.top + 50}));
		return svg.closest("figure").querySelector(".readout").textContent;
	})()`))
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("30 s: %d intended", everything().Series.Intended[30])
	if !strings.HasPrefix(said, want) || !strings.Contains(said, "15 failed, 5 unknown") {
		t.Errorf("says %q, want it to begin with %q and to have 15 failed, 5 unknown", said, want)
	}
}
