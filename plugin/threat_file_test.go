package plugin

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// archiveOf packs headers as they are, each with its text; what archive/tar would refuse is left to the caller.
func archiveOf(t *testing.T, entries map[*tar.Header]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for head, text := range entries {
		head.Size, head.Mode = int64(len(text)), 0o644
		err := w.WriteHeader(head)
		if err == nil {
			_, err = w.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// claims is an archive whose only entry says to be larger than any disk.
func claims(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	head := &tar.Header{Name: "manifest.json", Typeflag: tar.TypeReg, Size: 1 << 40, Mode: 0o644, Format: tar.FormatGNU}
	if err := errors.Join(tar.NewWriter(z).WriteHeader(head), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// bombs are files that grow in whoever reads them.
func bombs() map[string]string {
	aliases := "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i := range 9 {
		aliases += strings.NewReplacer("N", string(rune('1'+i)), "P", string(rune('0'+i))).Replace("aN: &aN [*aP,*aP,*aP,*aP,*aP,*aP,*aP,*aP,*aP,*aP]\n")
	}
	gateway := "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: g}\n"
	return map[string]string{
		"aliases":          aliases,
		"aliases in spec":  gateway + "spec:\n  " + strings.ReplaceAll(aliases, "\n", "\n  "),
		"merges":           "a: &a {b: 1}\n" + strings.Repeat("<<: *a\n", 1000),
		"deep flow":        strings.Repeat("[", 1<<20),
		"deep maps":        strings.Repeat("{a: ", 1<<18),
		"deep block":       strings.Repeat("- ", 1<<19) + "x",
		"deep JSON":        strings.Repeat(`{"a":`, 1<<18),
		"deep snapshot":    `{"apiVersion":"kubectl-egress/v1","kind":"Snapshot","snapshot":` + strings.Repeat(`[`, 1<<20),
		"many documents":   strings.Repeat("---\na: b\n", 50_000) + "---\n\t{",
		"one long line":    gateway + "spec: {x: " + strings.Repeat("é", 1<<20),
		"a tag of the dev": "!!binary " + strings.Repeat("=", 1<<16),
		"zeros":            strings.Repeat("\x00", 1<<20),
	}
}

// TestHostileFiles hands each hostile file to every command that reads one: an error of one short line that names the file, exit code 2,
// in time and without growing, and nothing is written anywhere.
func TestHostileFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files := map[string][]byte{
		"up":       archiveOf(t, map[*tar.Header]string{{Name: "../../owned.json", Typeflag: tar.TypeReg}: "{}"}),
		"absolute": archiveOf(t, map[*tar.Header]string{{Name: filepath.ToSlash(filepath.Join(dir, "owned.json")), Typeflag: tar.TypeReg}: "{}"}),
		"symlink":  archiveOf(t, map[*tar.Header]string{{Name: "manifest.json", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}: ""}),
		"hardlink": archiveOf(t, map[*tar.Header]string{{Name: "manifest.json", Typeflag: tar.TypeLink, Linkname: "/etc/passwd"}: ""}),
		"device":   archiveOf(t, map[*tar.Header]string{{Name: "manifest.json", Typeflag: tar.TypeBlock, Devmajor: 8}: ""}),
		"pipe":     archiveOf(t, map[*tar.Header]string{{Name: "manifest.json", Typeflag: tar.TypeFifo}: ""}),
		"escapes":  archiveOf(t, map[*tar.Header]string{{Name: "\x1b]0;owned\x07\x1b[2J", Typeflag: tar.TypeChar}: ""}),
		"twice":    archiveOf(t, map[*tar.Header]string{{Name: "manifest.json", Typeflag: tar.TypeReg}: "{}", {Name: "./manifest.json", Typeflag: tar.TypeReg}: "{}"}),
		"deep":     archiveOf(t, map[*tar.Header]string{{Name: "manifest.json", Typeflag: tar.TypeReg}: strings.Repeat(`{"parts":[`, 1<<18)}),
		"claims":   claims(t),
		"notes":    archiveOf(t, map[*tar.Header]string{{Name: "a", Typeflag: tar.TypeReg, PAXRecords: map[string]string{"SCHILY.xattr.user.note": strings.Repeat("x", 1<<18)}}: ""}),
	}
	for name, text := range bombs() {
		files[name] = []byte(text)
	}
	for name, text := range files {
		file := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{
			{"check", "--from=" + file},
			{"render", "-f", file},
			{"enable", "--dry-run=client", "-f", file},
			{"logs", "--from=" + file, "-o", "text"},
		} {
			begun := time.Now()
			code, stdout, stderr := command(t, args...)
			took := time.Since(begun)
			harmless(t, name, args, stdout+stderr)
			if args[0] == "logs" { // any file is lines, of which none is an access log
				if code != exitOK || strings.Contains(stdout, "root:") {
					t.Errorf("%s: %v: exit code %d\n%.300s", name, args, code, stderr)
				}
				continue
			}
			if code != exitUsage || stdout != "" || !strings.HasPrefix(stderr, "error: "+file) || strings.Count(stderr, "\n") != 1 || len(stderr) > 1000 {
				t.Errorf("%s: %v: exit code %d\n%.300q\n%.300q", name, args, code, stdout, stderr)
			}
			if took > time.Minute {
				t.Errorf("%s: %v took %s", name, args, took)
			}
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != len(files) {
		t.Errorf("%d files where %d were put: %v", len(left), len(files), err)
	}
	var now runtime.MemStats
	if runtime.ReadMemStats(&now); now.Sys > 4<<30 {
		t.Errorf("%d MiB were taken", now.Sys>>20)
	}
}
