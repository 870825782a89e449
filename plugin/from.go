package plugin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/gather"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot/offline"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

// Bounds on what --from reads: a folder may be anyone's.
const (
	maxFromFiles = 5000
	maxFromBytes = 512 << 20 // of all files together
	maxFromDepth = 20        // folders in folders
)

// load makes a snapshot of what --from names. What is wrong with a file is an *egress.InputError that names it.
func (t *tool) load(ctx context.Context, names []string) (*snapshot.Snapshot, error) {
	l := loader{tool: t, files: offline.New()}
	for _, name := range names {
		if err := l.take(name); err != nil {
			if _, known := errors.AsType[*egress.InputError](err); known {
				return nil, err
			}
			return nil, egress.Inputf("%s: %v", name, err)
		}
	}
	switch {
	case l.capture != nil && l.taken > 1:
		return nil, egress.Inputf("%s is a capture, which is whole by itself: give it alone", l.captured)
	case l.capture != nil:
		return l.capture, nil
	}
	s, err := l.files.Load(ctx, gather.Options{MaxNamespaces: maxFromFiles, MaxPods: maxFromFiles})
	if err != nil && ctx.Err() == nil {
		return nil, egress.Inputf("%s: %v", strings.Join(names, ", "), err)
	}
	return s, err
}

// loader sorts files.
type loader struct {
	tool     *tool
	files    *offline.Files
	capture  *snapshot.Snapshot
	captured string // its file
	taken    int
	bytes    int64
}

// take reads one name: a file, a folder, or stdin.
func (l *loader) take(name string) error {
	if name != "-" {
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			return l.folder(name)
		}
	}
	in, done, err := l.tool.open(name)
	if err != nil {
		return err
	}
	defer done()
	return l.read(name, in)
}

// read takes a file by what is in it.
func (l *loader) read(name string, in io.Reader) error {
	if l.taken++; l.taken > maxFromFiles {
		return fmt.Errorf("more than %d files", maxFromFiles)
	}
	b := bufio.NewReaderSize(in, 4096)
	head, err := b.Peek(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if snapshot.IsGzip(head) {
		return l.archive(name, b)
	}
	left := &io.LimitedReader{R: b, N: maxFromBytes - l.bytes + 1}
	text, err := io.ReadAll(left)
	if err != nil {
		return err
	}
	if l.bytes += int64(len(text)); left.N <= 0 {
		return fmt.Errorf("more than %d MiB", maxFromBytes>>20)
	}
	if snapshot.IsSnapshot(text) {
		return l.whole(name, func() (*snapshot.Snapshot, error) { return snapshot.Load(strings.NewReader(string(text))) })
	}
	return l.files.Add(path.Base(name), text)
}

// archive takes a capture or the archive of an istioctl bug-report.
func (l *loader) archive(name string, in io.Reader) error {
	ours := false
	files, err := snapshot.Unpack(in, func(entry string) bool {
		ours = ours || snapshot.IsPart(entry)
		return ours || offline.Wanted(entry)
	}, snapshot.Limits{})
	switch {
	case err != nil:
		return err
	case snapshot.IsArchive(files):
		return l.whole(name, func() (*snapshot.Snapshot, error) { return snapshot.Assemble(files) })
	case !offline.IsReport(files):
		return errors.New("the archive is neither a capture nor one of istioctl bug-report")
	}
	for _, entry := range slices.Sorted(maps.Keys(files)) {
		if err := l.files.Add(entry, files[entry]); err != nil {
			return fmt.Errorf("%s: %w", entry, err)
		}
	}
	return nil
}

func (l *loader) whole(name string, load func() (*snapshot.Snapshot, error)) (err error) {
	l.capture, err = load()
	l.captured = name
	return err
}

// folder takes the files of a folder whose names say that they may hold objects or configuration. Nothing outside of it is read,
// whatever links in it say.
func (l *loader) folder(name string) error {
	root, err := os.OpenRoot(name)
	if err != nil {
		return err
	}
	before := l.taken
	err = fs.WalkDir(root.FS(), ".", func(entry string, d fs.DirEntry, err error) error {
		hidden := strings.HasPrefix(d.Name(), ".") && entry != "."
		switch {
		case err != nil:
			return err
		case d.IsDir() && (hidden || strings.Count(entry, "/") >= maxFromDepth):
			return fs.SkipDir
		case hidden, !d.Type().IsRegular(), !readable(entry):
			return nil
		}
		f, err := root.Open(entry)
		if err != nil {
			return err
		}
		err = errors.Join(l.inFolder(name, entry, f), f.Close())
		if err != nil {
			return egress.Inputf("%s: %v", path.Join(name, entry), err)
		}
		return nil
	})
	if err == nil && l.taken == before {
		err = errors.New("no .yaml, .yml, .json or config_dump is in the folder")
	}
	return errors.Join(err, root.Close())
}

// inFolder takes a file of a folder; one of an unpacked bug-report is known by where it is.
func (l *loader) inFolder(folder, entry string, in io.Reader) error {
	if !offline.Wanted(path.Join(path.Base(folder), entry)) {
		return l.read(entry, in)
	}
	l.taken++
	left := &io.LimitedReader{R: in, N: maxFromBytes - l.bytes + 1}
	text, err := io.ReadAll(left)
	if err != nil {
		return err
	}
	if l.bytes += int64(len(text)); left.N <= 0 {
		return fmt.Errorf("more than %d MiB", maxFromBytes>>20)
	}
	return l.files.Add(path.Join(path.Base(folder), entry), text)
}

// readable says whether a file's name is one of those that are read in a folder.
func readable(name string) bool {
	base := path.Base(name)
	return slices.Contains([]string{".yaml", ".yml", ".json"}, strings.ToLower(path.Ext(base))) ||
		strings.HasPrefix(base, "config_dump") || offline.Wanted(name)
}
