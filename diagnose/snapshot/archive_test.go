package snapshot

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func archived(t testing.TB, s *Snapshot) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := s.SaveArchive(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestArchiveOfEveryCapture: nothing that decides is lost on the way through an archive, of any capture of a real cluster, and the
// same snapshot gives the same bytes.
func TestArchiveOfEveryCapture(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../testdata/captures/*/snapshot.json")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d captures, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want, err := Load(bytes.NewReader(text))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		first := archived(t, want)
		got, err := Load(bytes.NewReader(first))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%s: -saved +loaded\n%s", file, diff)
		}
		if !bytes.Equal(first, archived(t, got)) {
			t.Errorf("%s: the same snapshot makes two archives", file)
		}
		if bytes.Contains(text, []byte(Removed)) {
			t.Errorf("%s: something in it looked like a secret", file)
		}
	}
}

func TestArchiveIsReadable(t *testing.T) {
	t.Parallel()
	files, err := Unpack(bytes.NewReader(archived(t, sample(t))), func(string) bool { return true }, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"manifest.json":                     `"kind": "Capture"`,
		"facts.json":                        `"rootNamespace": "istio-system"`,
		"objects/gateways.json":             `"name": "cnn"`,
		"proxies/0000-istio-system.gw.json": `"opened": 9223372036854775808`,
		"states.json":                       `"forbidden"`,
		"taken.json":                        `"2026-11-21T01:02:03Z"`,
	} {
		if !strings.Contains(string(files[name]), want) {
			t.Errorf("%s does not say %s:\n%s", name, want, files[name])
		}
	}
}

// packed makes an archive of entries: name and text, or a header as it is.
func packed(t testing.TB, entries ...any) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for i := 0; i < len(entries); i += 2 {
		text, _ := entries[i+1].(string)
		head, ok := entries[i].(*tar.Header)
		if !ok {
			head = &tar.Header{Name: entries[i].(string), Typeflag: tar.TypeReg, Mode: 0o600}
		}
		if head.Typeflag == tar.TypeReg {
			head.Size = int64(len(text))
		}
		if err := w.WriteHeader(head); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestUnpackRefuses holds every kind of archive that a hostile sender might make to an error that says what is wrong with it.
func TestUnpackRefuses(t *testing.T) {
	t.Parallel()
	whole := packed(t, "a", strings.Repeat("text", 5000))
	zeros := strings.Repeat("\x00", 3<<20)
	small := Limits{Entries: 3, Bytes: 2 << 20, Entry: 1 << 20}
	for name, tt := range map[string]struct {
		text []byte
		want string
	}{
		"no gzip":              {[]byte("hello"), "read the archive"},
		"nothing in it":        {packed(t), "the archive is empty"},
		"cut off":              {whole[:len(whole)/2], "unexpected EOF"},
		"cut in its last byte": {whole[:len(whole)-1], "unexpected EOF"},
		"changed":              {append(bytes.Clone(whole[:len(whole)-6]), 1, 2, 3, 4, 5, 6), "checksum"},
		"no tar":               {gzipped(t, "this is no archive, whatever gzip says"), "read the archive"},
		"up and out":           {packed(t, "../etc/passwd", "x"), `"../etc/passwd" has a name that leads out`},
		"up in the middle":     {packed(t, "a/../../b", "x"), "leads out"},
		"absolute":             {packed(t, "/etc/passwd", "x"), "leads out"},
		"a drive":              {packed(t, `C:x`, "x"), "leads out"},
		"other slashes":        {packed(t, `..\x`, "x"), "leads out"},
		"a symlink":            {packed(t, &tar.Header{Name: "a", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}, ""), "links and devices are not followed"},
		"a hard link":          {packed(t, &tar.Header{Name: "a", Typeflag: tar.TypeLink, Linkname: "b"}, ""), "links and devices are not followed"},
		"a device":             {packed(t, &tar.Header{Name: "a", Typeflag: tar.TypeChar}, ""), "links and devices are not followed"},
		"the same twice":       {packed(t, "a", "1", "./a", "2"), `"a" is there twice`},
		"many entries":         {packed(t, "a", "", "b", "", "c", "", "d", ""), "more than 3 entries"},
		"a bomb":               {packed(t, "skipped", zeros), "unpacks to more than 2 MiB"},
		"a bomb behind":        {gzipped(t, string(unzipped(t, packed(t, "a", "x")))+zeros), "unpacks to more than 2 MiB"},
		"a large entry":        {packed(t, "a", zeros[:1<<20+1]), `"a" has more than 1 MiB`},
		"many large entries":   {packed(t, "a", zeros[:1<<20], "b", zeros[:1<<20]), "unpacks to more than 2 MiB"},
	} {
		files, err := Unpack(bytes.NewReader(tt.text), func(name string) bool { return name != "skipped" }, small)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v (%d files), want an error that says %q", name, err, len(files), tt.want)
		}
	}
}

func gzipped(t testing.TB, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := io.WriteString(z, text)
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func unzipped(t testing.TB, text []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestUnpackKeepsWhatIsWanted(t *testing.T) {
	t.Parallel()
	text := packed(t, &tar.Header{Name: "./d/", Typeflag: tar.TypeDir}, "", "./d/a", "1", "d/b", "2", "log", "long")
	got, err := Unpack(bytes.NewReader(text), func(name string) bool { return name != "log" }, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string][]byte{"d/a": []byte("1"), "d/b": []byte("2")}, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// TestAssembleRefuses changes one thing in a good archive at a time.
func TestAssembleRefuses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(files map[string][]byte)
		want   string
	}{
		"a part is missing": {func(f map[string][]byte) { delete(f, "facts.json") }, "parts, and there are"},
		"a part is added":   {func(f map[string][]byte) { f["more.json"] = []byte("{}") }, "parts, and there are"},
		"a part is renamed": {func(f map[string][]byte) { f["x.json"] = f["facts.json"]; delete(f, "facts.json") }, "part facts.json is missing"},
		"a part is cut":     {func(f map[string][]byte) { f["facts.json"] = []byte("{}") }, "part facts.json has 2 bytes"},
		"a part is changed": {func(f map[string][]byte) { f["facts.json"][0] = '[' }, "SHA-256 differs"},
		"no manifest":       {func(f map[string][]byte) { f[manifestName] = []byte("x") }, "manifest.json: invalid"},
		"another kind":      {func(f map[string][]byte) { f[manifestName] = []byte(`{"kind":"List"}`) }, `kind is "List", not Capture`},
		"a later version": {func(f map[string][]byte) {
			f[manifestName] = []byte(`{"kind":"Capture","apiVersion":"kubectl-egress/v9"}`)
		}, `"kubectl-egress/v9", this program reads`},
		"manifest as a part": {func(f map[string][]byte) {
			f[manifestName] = bytes.Replace(f[manifestName], []byte(`"facts.json"`), []byte(`"manifest.json"`), 1)
		}, "part manifest.json is missing"},
	} {
		files, err := Unpack(bytes.NewReader(archived(t, sample(t))), func(string) bool { return true }, Limits{})
		if err != nil {
			t.Fatal(err)
		}
		tt.change(files)
		if _, err := Assemble(files); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "load capture: ") {
			t.Errorf("%s: %v, want an error that says %q", name, err, tt.want)
		}
	}
	if _, err := Load(bytes.NewReader(packed(t, "a", "b"))); err == nil || !strings.Contains(err.Error(), "has no manifest.json") {
		t.Errorf("an archive of something else: %v", err)
	}
}

// FuzzArchive: whatever the bytes, there is a snapshot or an error, and what was loaded can be saved and loaded again.
func FuzzArchive(f *testing.F) {
	s := &Snapshot{Notes: []string{"one"}, Proxies: []Proxy{{Namespace: "a", Pod: "b"}}, States: map[Source]State{Sets: {Kind: Read}}}
	good := archived(f, s)
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add(packed(f, "../a", "x", "a", "y"))
	f.Add(packed(f, manifestName, `{"apiVersion":"kubectl-egress/v1","kind":"Capture","parts":[]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		files, err := Unpack(bytes.NewReader(text), func(string) bool { return true }, Limits{Entries: 50, Bytes: 1 << 20})
		if err != nil {
			return
		}
		for name := range files {
			if strings.HasPrefix(name, "/") || strings.Contains("/"+name+"/", "/../") {
				t.Errorf("kept %q", name)
			}
		}
		s, err := Assemble(files)
		if err != nil {
			return
		}
		if _, err := Load(bytes.NewReader(archived(t, s))); err != nil {
			t.Errorf("what was saved cannot be loaded: %v", err)
		}
	})
}
