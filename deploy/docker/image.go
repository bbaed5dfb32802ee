package docker

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/client"
	spec1 "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/bedlamlab/bedlam/deploy"
)

const (
	// imageFormat counts changes to how images are made, so that an older one
	// is never taken for a new one.
	imageFormat = "1"
	// nobody is the account that the shop runs under: a number that
	// distributions give to nobody else.
	nobody = 65532
	// idle is how long ago an image must have been used to be thrown away. A
	// run makes its containers, which hold an image, well within a minute
	// after it has asked for it.
	idle = 10 * time.Minute
)

// repository is where an image of a kind is tagged.
func repository(kind string) string { return "bedlam/" + kind }

// tag names an image by what is in it.
func tag(kind string, content ...[]byte) string {
	hash := sha256.New()
	for _, c := range append([][]byte{[]byte(imageFormat)}, content...) {
		fmt.Fprintf(hash, "%d:%s", len(c), c)
	}
	return fmt.Sprintf("%s:%x", repository(kind), hash.Sum(nil)[:6])
}

// shopImage returns the reference of an image with the static binaries /shop
// and /bedlam and nothing else but what they need, and makes it if it is not
// there. It is made from nothing: no registry is asked.
func (d *daemon) shopImage(ctx context.Context, run, shop, bedlam string, progress func(string)) (string, error) {
	fail := func(err error) (string, error) { return "", fmt.Errorf("the shop's image: %w", err) }
	if run == "" {
		return fail(errNoRun)
	}
	var digests [][]byte
	files := layer{
		// Telemetry asks for the user's name, which stands nowhere else.
		{path: "/etc/passwd", mode: 0o644, text: accounts("shop", nobody, "/tmp")},
		{path: "/tmp", mode: 0o777 | fs.ModeSticky},
	}
	for at, path := range map[string]string{"/shop": shop, "/bedlam": bedlam} {
		p, err := static(path)
		if err != nil {
			return fail(err)
		}
		digests = append(digests, append([]byte(at), p.digest[:]...))
		files = append(files, entry{path: at, mode: 0o755, from: path})
	}
	slices.SortFunc(digests, func(a, b []byte) int { return strings.Compare(string(a), string(b)) })
	a := archive{tag: tag("shop", digests...), layers: []layer{files}, config: spec1.ImageConfig{
		User: fmt.Sprintf("%d:%[1]d", nobody), WorkingDir: "/tmp", Env: []string{"PATH=/"},
		Labels: map[string]string{deploy.LabelImage: "shop"},
	}}
	if err := d.have(ctx, a, progress); err != nil {
		return fail(err)
	}
	d.retire(ctx, "shop", a.tag, idle)
	return a.tag, nil
}

// accounts is an /etc/passwd with root and one more.
func accounts(name string, id int, home string) string {
	return fmt.Sprintf("root:x:0:0:root:/:/sbin/nologin\n%s:x:%d:%[2]d:%[1]s:%[3]s:/sbin/nologin\n", name, id, home)
}

// have loads an image unless it is there.
func (d *daemon) have(ctx context.Context, a archive, progress func(string)) error {
	there, err := d.touch(ctx, a.tag)
	if err != nil || there {
		return err
	}
	say(progress, "loading the image "+a.tag+" into Docker")
	if err := d.load(ctx, a); err != nil {
		return err
	}
	_, err = d.touch(ctx, a.tag)
	return err
}

func say(progress func(string), text string) {
	if progress != nil {
		progress(text)
	}
}

// touch reports whether there is an image of that name, and marks it as used.
func (d *daemon) touch(ctx context.Context, ref string) (bool, error) {
	_, err := d.api.ImageInspect(ctx, ref)
	if err == nil {
		_, err = d.api.ImageTag(ctx, client.ImageTagOptions{Source: ref, Target: ref})
	}
	if errdefs.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// load gives an image to the daemon, which takes it whole or not at all.
func (d *daemon) load(ctx context.Context, a archive) error {
	r, w := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := a.write(w)
		w.CloseWithError(err)
		written <- err
	}()
	answer, err := d.api.ImageLoad(ctx, r, client.ImageLoadWithQuiet(true))
	if err == nil {
		err = said(answer)
		answer.Close()
	}
	r.CloseWithError(errors.New("the daemon stopped reading"))
	// The reason why our side ended says more than that it did.
	if e := <-written; e != nil && !errors.Is(e, io.ErrClosedPipe) && ctx.Err() == nil {
		err = errors.Join(e, err)
	}
	if err != nil {
		return fmt.Errorf("loading %s: %w", a.tag, err)
	}
	return nil
}

// said reads a daemon's running report to its end and returns the error in it.
func said(report io.Reader) error {
	for d := json.NewDecoder(report); ; {
		var m jsonstream.Message
		switch err := d.Decode(&m); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("reading what the daemon reports: %w", err)
		case m.Error != nil:
			return fmt.Errorf("the daemon says: %s", m.Error.Message)
		}
	}
}

// retire removes images of the kind that nobody needs any more, so that each
// new build does not leave one behind: those that no container has and that
// have not been used for so long. It is no matter if it does not succeed; the
// next run tries again.
func (d *daemon) retire(ctx context.Context, kind, keep string, unused time.Duration) {
	all, err := d.api.ImageList(ctx, client.ImageListOptions{Filters: client.Filters{}.Add("label", deploy.LabelImage+"="+kind)})
	if err != nil {
		return
	}
	for _, image := range all.Items {
		if slices.Contains(image.RepoTags, keep) || image.Labels[deploy.LabelImage] != kind {
			continue
		}
		got, err := d.api.ImageInspect(ctx, image.ID)
		if err != nil {
			continue
		}
		names := ours(kind, got.RepoTags)
		if got.Metadata.LastTagTime.IsZero() { // its maker came no further: from now on it counts as unused
			for _, name := range names {
				d.touch(ctx, name)
			}
			continue
		}
		if time.Since(got.Metadata.LastTagTime) < unused {
			continue
		}
		if len(got.RepoTags) == 0 {
			names = []string{image.ID}
		}
		for _, name := range names { // not by force: a container, running or not, keeps it
			d.api.ImageRemove(ctx, name, client.ImageRemoveOptions{PruneChildren: true})
		}
	}
}

// ours returns those of an image's names that we give to that kind.
func ours(kind string, names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !strings.HasPrefix(n, repository(kind)+":") })
}
