package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func blob(t *testing.T, dir, digest string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "blobs", "sha256", strings.TrimPrefix(digest, "sha256:")))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(text)
	if "sha256:"+hex.EncodeToString(sum[:]) != digest {
		t.Fatalf("blob %s has another digest", digest)
	}
	return text
}

// entry is what a test compares of a tar's header.
type entry struct {
	Name, Link, Content string
	Type                byte
	Mode                int64
	UID                 int
}

func list(t *testing.T, layer []byte) []entry {
	t.Helper()
	in := tar.NewReader(bytes.NewReader(layer))
	var all []entry
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if !h.ModTime.Equal(time.Unix(0, 0)) || h.Uname != "" || h.Gname != "" {
			t.Errorf("%s tells of the machine it was made on: %v %q %q", h.Name, h.ModTime, h.Uname, h.Gname)
		}
		content, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, entry{h.Name, h.Linkname, string(content), h.Typeflag, h.Mode, h.Uid})
	}
}

func write(t *testing.T, dir string, entries ...Entry) Layer {
	t.Helper()
	w, err := NewWriter(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Add(entries...); err != nil {
		t.Fatal(err)
	}
	l, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Abort(); err != nil {
		t.Errorf("Abort after Close must do nothing: %v", err)
	}
	return l
}

func sample(t *testing.T) []Entry {
	t.Helper()
	program := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(program, []byte("ELF"), 0o700); err != nil {
		t.Fatal(err)
	}
	return []Entry{
		{Path: "/usr/local/bin/envoy", From: program, Mode: 0o755},
		{Path: "/usr/local/bin/asis", From: program},
		{Path: "/etc/motd", Data: []byte("hello")},
		{Path: "/tmp", Mode: 0o1777},
		{Path: "/etc/istio/proxy", UID: 1337, GID: 1337},
		{Path: "/bin/sh", Link: "bash"},
	}
}

func TestLayer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	layer := write(t, dir, sample(t)...)
	text := blob(t, dir, layer.Digest)
	if layer.Size != int64(len(text)) {
		t.Errorf("Size = %d, the file has %d", layer.Size, len(text))
	}
	want := []entry{
		{"usr/", "", "", tar.TypeDir, 0o755, 0},
		{"usr/local/", "", "", tar.TypeDir, 0o755, 0},
		{"usr/local/bin/", "", "", tar.TypeDir, 0o755, 0},
		{"usr/local/bin/envoy", "", "ELF", tar.TypeReg, 0o755, 0},
		{"usr/local/bin/asis", "", "ELF", tar.TypeReg, 0o700, 0},
		{"etc/", "", "", tar.TypeDir, 0o755, 0},
		{"etc/motd", "", "hello", tar.TypeReg, 0o644, 0},
		{"tmp/", "", "", tar.TypeDir, 0o1777, 0},
		{"etc/istio/", "", "", tar.TypeDir, 0o755, 0},
		{"etc/istio/proxy/", "", "", tar.TypeDir, 0o755, 1337},
		{"bin/", "", "", tar.TypeDir, 0o755, 0},
		{"bin/sh", "bash", "", tar.TypeSymlink, 0o777, 0},
	}
	if d := cmp.Diff(want, list(t, text)); d != "" {
		t.Errorf("layer (-want +got):\n%s", d)
	}
}

// The same input gives the same layer, in whatever folder and at whatever time: that is what makes pulls cheap.
func TestLayerIsTheSameAgain(t *testing.T) {
	t.Parallel()
	a, b := write(t, t.TempDir(), sample(t)...), write(t, t.TempDir(), sample(t)...)
	if a != b {
		t.Errorf("%v and %v", a, b)
	}
}

func TestAddRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		entries []Entry
		want    string
	}{
		{"twice", []Entry{{Path: "/a", Data: []byte("1")}, {Path: "a", Data: []byte("2")}}, "it is there already"},
		{"a missing file", []Entry{{Path: "/a", From: "/no/such/file"}}, "no such file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			w, err := NewWriter(dir)
			if err != nil {
				t.Fatal(err)
			}
			if err := w.Add(tt.entries...); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Add = %v, want %q", err, tt.want)
			}
			if err := w.Abort(); err != nil {
				t.Error(err)
			}
			left, err := os.ReadDir(filepath.Join(dir, "blobs", "sha256"))
			if err != nil || len(left) > 0 {
				t.Errorf("an aborted layer leaves %v, %v", left, err)
			}
		})
	}
}

// rootFS is a root file system's tar as mmdebstrap writes it.
func rootFS(t *testing.T) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []*tar.Header{
		{Name: "./", Typeflag: tar.TypeDir, Mode: 0o755},
		{Name: "./dev/null", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3},
		{Name: "./etc/", Typeflag: tar.TypeDir, Mode: 0o755, ModTime: time.Unix(1e9, 0), Uname: "root", Gname: "root"},
		{Name: "./etc/passwd", Typeflag: tar.TypeReg, Mode: 0o600, Size: 3, ModTime: time.Unix(1e9, 0)},
		{Name: "./usr/bin/perl", Typeflag: tar.TypeReg, Mode: 0o755, Size: 3},
		{Name: "./usr/bin/perl5", Typeflag: tar.TypeLink, Linkname: "./usr/bin/perl", Mode: 0o755},
		{Name: "./usr/share/doc/x", Typeflag: tar.TypeReg, Mode: 0o644, Size: 3},
		{Name: "./lib", Typeflag: tar.TypeSymlink, Linkname: "usr/lib", Mode: 0o777},
	} {
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := w.Write([]byte("abc")); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}

func TestCopy(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w, err := NewWriter(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Add(Entry{Path: "/etc/passwd", Data: []byte("mine")}); err != nil {
		t.Fatal(err)
	}
	if err := w.Copy(rootFS(t), func(name string) bool { return !strings.HasPrefix(name, "/usr/share/doc") }); err != nil {
		t.Fatal(err)
	}
	if !w.Has("/usr/bin/perl") || w.Has("/dev/null") || w.Has("/usr/share/doc/x") {
		t.Error("Has does not tell what was copied")
	}
	layer, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	want := []entry{
		{"etc/", "", "", tar.TypeDir, 0o755, 0},
		{"etc/passwd", "", "mine", tar.TypeReg, 0o644, 0}, // what was there first stays
		{"usr/bin/perl", "", "abc", tar.TypeReg, 0o755, 0},
		{"usr/bin/perl5", "usr/bin/perl", "", tar.TypeLink, 0o755, 0},
		{"lib", "usr/lib", "", tar.TypeSymlink, 0o777, 0},
	}
	if d := cmp.Diff(want, list(t, blob(t, dir, layer.Digest))); d != "" {
		t.Errorf("layer (-want +got):\n%s", d)
	}
}

func TestCopyOfGarbage(t *testing.T) {
	t.Parallel()
	w, err := NewWriter(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Copy(strings.NewReader(strings.Repeat("no tar ", 200)), func(string) bool { return true }); err == nil {
		t.Error("garbage was taken for a root file system")
	}
	if err := w.Abort(); err != nil {
		t.Error(err)
	}
}
