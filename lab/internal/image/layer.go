// Package image writes container images: layers that come out byte for byte the same from the same input, and an OCI
// layout that a registry can serve as it lies.
package image

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Entry is one file, folder or link of a layer.
type Entry struct {
	// Path is absolute inside the image: /usr/local/bin/envoy.
	Path string
	// Mode holds the permissions; 0o644 for files and 0o755 for folders if zero.
	Mode int64
	// UID and GID own it.
	UID, GID int
	// Exactly one of the following, or none for an empty folder.
	From string // a file on this machine
	Data []byte // the content itself
	Link string // where a symbolic link points
}

// Layer is a tar on disk, uncompressed: it goes over loopback only, and gzip would cost more than it saves.
type Layer struct {
	Digest string // sha256:… of the tar, which is also its diff ID because nothing is compressed
	Size   int64
}

// Writer writes one layer into the blobs folder of a layout.
type Writer struct {
	dir  string
	file *os.File
	tar  *tar.Writer
	sum  *counter
	seen map[string]bool
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// NewWriter begins a layer in dir, the folder that holds blobs/sha256.
func NewWriter(dir string) (*Writer, error) {
	blobs := filepath.Join(dir, "blobs", "sha256")
	if err := os.MkdirAll(blobs, 0o750); err != nil {
		return nil, fmt.Errorf("begin a layer: %w", err)
	}
	f, err := os.CreateTemp(blobs, ".layer-*")
	if err != nil {
		return nil, fmt.Errorf("begin a layer: %w", err)
	}
	sum := &counter{w: f}
	return &Writer{dir: blobs, file: f, sum: sum, tar: tar.NewWriter(sum), seen: map[string]bool{}}, nil
}

// Has tells whether the layer holds path already.
func (w *Writer) Has(p string) bool { return w.seen[clean(p)] }

// Add writes entries, and the folders above them that are not there yet.
func (w *Writer) Add(entries ...Entry) error {
	for _, e := range entries {
		if err := w.add(e); err != nil {
			return fmt.Errorf("add %s to a layer: %w", e.Path, err)
		}
	}
	return nil
}

func (w *Writer) add(e Entry) error {
	p := clean(e.Path)
	if w.seen[p] {
		return errors.New("it is there already")
	}
	if err := w.parents(p); err != nil {
		return err
	}
	h := &tar.Header{Name: p, Mode: e.Mode, Uid: e.UID, Gid: e.GID, Typeflag: tar.TypeReg, Format: tar.FormatPAX}
	switch {
	case e.Link != "":
		h.Typeflag, h.Linkname, h.Mode = tar.TypeSymlink, e.Link, 0o777
	case e.From != "":
		return w.copyFile(h, e.From)
	case e.Data != nil:
		h.Size = int64(len(e.Data))
	default:
		h.Typeflag, h.Name = tar.TypeDir, p+"/"
	}
	if h.Mode == 0 {
		h.Mode = 0o644
		if h.Typeflag == tar.TypeDir {
			h.Mode = 0o755
		}
	}
	w.seen[p] = true
	if err := w.tar.WriteHeader(h); err != nil {
		return err
	}
	_, err := w.tar.Write(e.Data)
	return err
}

func (w *Writer) copyFile(h *tar.Header, from string) error {
	f, err := os.Open(from) //nolint:gosec // a path that the lab made
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it is only read
	info, err := f.Stat()
	if err != nil {
		return err
	}
	h.Size = info.Size()
	if h.Mode == 0 {
		h.Mode = int64(info.Mode().Perm())
	}
	w.seen[h.Name] = true
	if err := w.tar.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.Copy(w.tar, f)
	return err
}

// parents writes the folders above p. Their owner is root, as in the images of any distribution.
func (w *Writer) parents(p string) error {
	dir := path.Dir(p)
	if dir == "." || w.seen[dir] {
		return nil
	}
	if err := w.parents(dir); err != nil {
		return err
	}
	w.seen[dir] = true
	return w.tar.WriteHeader(&tar.Header{Name: dir + "/", Mode: 0o755, Typeflag: tar.TypeDir, Format: tar.FormatPAX})
}

// Copy adds what a root file system's tar holds and keep wants, in the order of the tar, without its times, owners' names
// and device nodes: containerd makes /dev anew for each container.
func (w *Writer) Copy(from io.Reader, keep func(name string) bool) error {
	in := tar.NewReader(from)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read a root file system: %w", err)
		}
		p := clean(h.Name)
		if p == "." || w.seen[p] || !keep("/"+p) {
			continue
		}
		out := &tar.Header{Name: p, Linkname: h.Linkname, Mode: h.Mode, Uid: h.Uid, Gid: h.Gid, Size: h.Size, Typeflag: h.Typeflag, Format: tar.FormatPAX}
		switch h.Typeflag {
		case tar.TypeReg, tar.TypeSymlink:
		case tar.TypeDir:
			out.Name = p + "/"
		case tar.TypeLink:
			out.Linkname = clean(h.Linkname)
		default:
			continue
		}
		w.seen[p] = true
		if err := w.tar.WriteHeader(out); err != nil {
			return fmt.Errorf("copy %s into a layer: %w", p, err)
		}
		if _, err := io.Copy(w.tar, in); err != nil { //nolint:gosec // a tar that mmdebstrap made just before
			return fmt.Errorf("copy %s into a layer: %w", p, err)
		}
	}
}

// Close ends the layer and moves it to where its digest names it.
func (w *Writer) Close() (Layer, error) {
	if err := w.tar.Close(); err != nil {
		return Layer{}, fmt.Errorf("end a layer: %w", err)
	}
	digest, err := hashFile(w.file)
	if err != nil {
		return Layer{}, err
	}
	if err := w.file.Close(); err != nil {
		return Layer{}, fmt.Errorf("end a layer: %w", err)
	}
	if err := os.Rename(w.file.Name(), filepath.Join(w.dir, digest)); err != nil {
		return Layer{}, fmt.Errorf("end a layer: %w", err)
	}
	return Layer{Digest: "sha256:" + digest, Size: w.sum.n}, nil
}

// Abort takes an unfinished layer away; after Close it does nothing.
func (w *Writer) Abort() error {
	if err := w.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		return fmt.Errorf("give a layer up: %w", err)
	}
	if err := os.Remove(w.file.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("give a layer up: %w", err)
	}
	return nil
}

func hashFile(f *os.File) (string, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", fmt.Errorf("hash a layer: %w", err)
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("hash a layer: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// clean is a path as tars hold it: relative, without dots.
func clean(p string) string {
	p = path.Clean("/" + p)
	if p == "/" {
		return "."
	}
	return strings.TrimPrefix(p, "/")
}
