package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A File is one entry of a bundle. What is not a link and has no From is an
// empty folder.
type File struct {
	Path  string      // where it stands, absolute and with slashes
	From  string      // the file of this machine that is copied there
	Link  string      // what a symbolic link points to
	Mode  fs.FileMode // permissions
	Owned bool        // it belongs to the server's account, not to root
}

// Bundle lists what a Linux system needs that has nothing else, such as an
// empty container image, to run this PostgreSQL: its programs, modules and
// data, every shared library with its loader, time zones, and a template for
// the account with the number uid below cache, so that [Install.Init] there
// need not run initdb. [Find] finds the programs there as [System]. Entries
// come sorted by path, no path twice, without the folders above them.
func (i *Install) Bundle(ctx context.Context, cache string, uid int) ([]File, error) {
	fail := func(err error) ([]File, error) {
		return nil, fmt.Errorf("postgres: bundling %s: %w", i.Bin, err)
	}
	l, err := layoutOf(i.Bin, i.Major)
	if err != nil {
		return fail(err)
	}
	b := bundle{at: map[string]File{}}
	for from, to := range l.trees {
		if err := b.tree(from, to, false, l.skip); err != nil {
			return fail(err)
		}
	}
	if err := i.libraries(ctx, &b, l); err != nil {
		return fail(err)
	}
	// Distributions whose PostgreSQL has no time zones of its own have it read
	// the system's. Their other spellings of the same zones stay out.
	other := func(rel string) bool { return rel == "posix" || rel == "right" || rel == "localtime" }
	if exists(zoneinfo) && !slices.ContainsFunc(b.files(), func(f File) bool { return path.Base(f.Path) == "timezone" }) {
		if err := b.tree(filepath.Dir(zoneinfo), "/usr/share/zoneinfo", false, other); err != nil {
			return fail(err)
		}
	}
	template, err := i.template(ctx, i.cache)
	if err != nil {
		return fail(err)
	}
	there := path.Join(cache, templates, i.templateName(uid))
	for at := there; at != cache; at = path.Dir(at) {
		b.add(File{Path: at, Mode: 0o700, Owned: true})
	}
	if err := b.tree(template, there, true, nil); err != nil {
		return fail(err)
	}
	return b.files(), nil
}

// A layout says which folders make an installation up, and where in a bundle
// they go so that the programs, who look beside themselves, find them.
type layout struct {
	trees   map[string]string // folder here → folder there
	modules string            // the folder there with what the server loads
}

// layoutOf reads the layout off the folder of the programs.
func layoutOf(bin string, major int) (layout, error) {
	to := fmt.Sprintf("/usr/lib/postgresql/%d", major)
	if m := debian.FindStringSubmatch(bin); m != nil {
		lib, share := filepath.Join(m[1], "lib/postgresql", m[2]), filepath.Join(m[1], "share/postgresql", m[2])
		return layout{
			trees:   map[string]string{lib: "/usr/lib/postgresql/" + m[2], share: "/usr/share/postgresql/" + m[2]},
			modules: path.Join("/usr/lib/postgresql", m[2], "lib"),
		}, nil
	}
	// Otherwise all of it stands in one folder, which must not be one that it
	// shares with the rest of the system.
	root := filepath.Dir(bin)
	if filepath.Base(bin) == "bin" && !slices.Contains([]string{"/", "/usr", "/usr/local"}, root) {
		for _, modules := range []string{"lib", "lib/postgresql"} {
			if !exists(filepath.Join(root, modules, "plpgsql.so")) {
				continue
			}
			l := layout{trees: map[string]string{}, modules: path.Join(to, modules)}
			for _, part := range []string{"bin", "lib", "share"} {
				if exists(filepath.Join(root, part)) {
					l.trees[filepath.Join(root, part)] = path.Join(to, part)
				}
			}
			return l, nil
		}
	}
	return layout{}, errors.New("it does not stand in a folder of its own")
}

// needless are the parts of an installation that no server reads: what
// extensions are compiled with, the compiler for queries, which the servers
// are told not to use and which is larger than all the rest, documentation,
// other languages' messages.
var needless = regexp.MustCompile(`^(bitcode|pgxs|pkgconfig|man|doc|locale|llvmjit.*|.*\.a)$`)

func (layout) skip(rel string) bool { return needless.MatchString(filepath.Base(rel)) }

// A bundle is one in the making.
type bundle struct{ at map[string]File }

// add adds a file; what is there already stays.
func (b bundle) add(f File) {
	if _, there := b.at[f.Path]; !there {
		b.at[f.Path] = f
	}
}

func (b bundle) files() []File {
	all := make([]File, 0, len(b.at))
	for _, f := range b.at {
		all = append(all, f)
	}
	slices.SortFunc(all, func(x, y File) int { return strings.Compare(x.Path, y.Path) })
	return all
}

// tree adds the folder from as to. A link that leads out of it is replaced by
// what it leads to; one that leads nowhere is left out.
func (b bundle) tree(from, to string, owned bool, skip func(rel string) bool) error {
	real, err := filepath.EvalSymlinks(from)
	if err != nil {
		return err
	}
	return filepath.WalkDir(real, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(real, name)
		if err != nil {
			return err
		}
		if rel != "." && skip != nil && skip(rel) {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		f := File{Path: path.Join(to, filepath.ToSlash(rel)), Owned: owned}
		if d.Type()&fs.ModeSymlink != 0 {
			return b.link(f, name, real)
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		f.Mode = info.Mode().Perm()
		switch {
		case info.Mode().IsRegular():
			f.From = name
		case !d.IsDir():
			return fmt.Errorf("%s is neither file nor folder", name)
		}
		b.add(f)
		return nil
	})
}

// link adds the link at name, which stands below root, as f.
func (b bundle) link(f File, name, root string) error {
	target, err := filepath.EvalSymlinks(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	text, err := os.Readlink(name)
	if err != nil {
		return err
	}
	if !filepath.IsAbs(text) && strings.HasPrefix(target, root+"/") {
		f.Link, f.Mode = text, 0o777
		b.add(f)
		return nil
	}
	info, err := os.Stat(target)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return b.tree(target, f.Path, f.Owned, nil)
	}
	f.From, f.Mode = target, info.Mode().Perm()
	b.add(f)
	return nil
}
