package plugin

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/kubectl-egress/kubectl-egress/diagnose"
	"github.com/kubectl-egress/kubectl-egress/diagnose/report"
	"github.com/kubectl-egress/kubectl-egress/diagnose/snapshot"
	"github.com/kubectl-egress/kubectl-egress/egress"
)

const (
	captures     = "../testdata/captures"
	offlineFiles = "../diagnose/snapshot/offline/testdata"
)

func mustRead(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func put(t *testing.T, name string, text []byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// tgz packs files as istioctl bug-report does.
func tgz(t *testing.T, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: int64(len(files[name])), Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(files[name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// bugReport are the files of an archive of istioctl bug-report.
func bugReport(t *testing.T) map[string][]byte {
	t.Helper()
	files := map[string][]byte{"bug-report/bug-report.log": []byte("x"), "bug-report/cluster/secrets": []byte("not: [read")}
	for from, to := range map[string]string{
		"crs.yaml": "cluster/crs", "k8s-resources.yaml": "cluster/k8s-resources",
		"sidecar.json": "proxies/default/POD-S/config_dump?include_eds", "sidecar-clusters.txt": "proxies/default/POD-S/clusters",
		"gateway.json": "proxies/istio-system/POD-G/config_dump?include_eds", "gateway-clusters.txt": "proxies/istio-system/POD-G/clusters",
	} {
		to = strings.NewReplacer("POD-S", "sleep-867947c9d5-27mdr", "POD-G", "istio-egressgateway-6f8654479b-57hq8").Replace(to)
		files["bug-report/"+to] = mustRead(t, filepath.Join(offlineFiles, from))
	}
	return files
}

// judged loads what --from names and gives the paths with their states, and the exit code.
func judged(t *testing.T, x *tool, names ...string) (string, int) {
	t.Helper()
	s, err := x.load(t.Context(), names)
	if err != nil {
		t.Fatal(err)
	}
	r, err := diagnose.Judge(s, diagnose.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, p := range r.Paths {
		out = append(out, p.Host+" "+p.Mode+" "+string(p.State()))
	}
	return strings.Join(out, ", "), r.ExitCode
}

// TestFromForms reads the same mesh in every form that there is of it.
func TestFromForms(t *testing.T) {
	t.Parallel()
	const want = "de.wikipedia.org http pass, de.wikipedia.org passthrough pass"
	dir := t.TempDir()
	files := bugReport(t)
	archive := put(t, filepath.Join(dir, "report.tgz"), tgz(t, files))
	for name, text := range files {
		put(t, filepath.Join(dir, "unpacked", name), text)
	}
	x := &tool{IOStreams: genericiooptions.IOStreams{In: bytes.NewReader(mustRead(t, archive))}}
	for form, names := range map[string][]string{
		"archive":             {archive},
		"stdin":               {"-"},
		"unpacked":            {filepath.Join(dir, "unpacked")},
		"unpacked bug-report": {filepath.Join(dir, "unpacked", "bug-report")},
		"two dumps":           {filepath.Join(offlineFiles, "sidecar.json"), filepath.Join(offlineFiles, "gateway.json")},
		"dumps and objects":   {filepath.Join(offlineFiles, "sidecar.json"), filepath.Join(offlineFiles, "gateway.json"), filepath.Join(offlineFiles, "crs.yaml")},
		"a folder of all":     {offlineFiles},
	} {
		if got, code := judged(t, x, names...); got != want || code != report.Fine {
			t.Errorf("%s: %s, exit code %d", form, got, code)
		}
	}
}

// TestFromCapture: an archive of a capture gives the report that the capture itself gives.
func TestFromCapture(t *testing.T) {
	t.Parallel()
	x := &tool{}
	for _, name := range []string{"set-auto-mtls", "set-broken-by-hand", "sni-proxy-mtls"} {
		plain := filepath.Join(captures, name, "snapshot.json")
		s, err := x.load(t.Context(), []string{plain})
		if err != nil {
			t.Fatal(err)
		}
		packed := filepath.Join(t.TempDir(), "egress.tar.gz")
		if err := x.create(packed, false, s.SaveArchive); err != nil {
			t.Fatal(err)
		}
		again, err := x.load(t.Context(), []string{packed})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s, again, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: -JSON +archive\n%s", name, diff)
		}
		var input *egress.InputError
		if _, err := x.load(t.Context(), []string{packed, plain}); !errors.As(err, &input) || !strings.Contains(err.Error(), "give it alone") {
			t.Errorf("two captures: %v", err)
		}
	}
}

// TestFromHostile: whatever somebody sends, it is an error of the input that names the file and the reason, in one line.
func TestFromHostile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	good := tgz(t, bugReport(t))
	var s snapshot.Snapshot
	var capture bytes.Buffer
	if err := s.SaveArchive(&capture); err != nil {
		t.Fatal(err)
	}
	evil := map[string][]byte{"bug-report/cluster/crs": []byte("a: [")}
	for name, tt := range map[string]struct {
		text []byte
		want string
	}{
		"cut.tgz":     {good[:len(good)*2/3], "unexpected EOF"},
		"capture.tgz": {capture.Bytes()[:capture.Len()-9], "unexpected EOF"},
		"other.tgz":   {tgz(t, map[string][]byte{"a": nil}), "neither a capture nor one of istioctl bug-report"},
		"out.tgz":     {tgz(t, map[string][]byte{"../../cluster/crs": nil}), "leads out of the archive"},
		"part.tgz":    {tgz(t, evil), "bug-report/cluster/crs: yaml"},
		"new.json":    {[]byte(`{"apiVersion":"kubectl-egress/v7","kind":"Snapshot"}`), `"kubectl-egress/v7", this program reads`},
		"long.yaml":   {[]byte("a: " + strings.Repeat("x", 1<<20) + "\n  b: c"), "yaml"},
		"zeros":       {make([]byte, 1<<16), "yaml"},
	} {
		file := put(t, filepath.Join(dir, name), tt.text)
		_, err := (&tool{}).load(t.Context(), []string{file})
		var input *egress.InputError
		if !errors.As(err, &input) || !strings.HasPrefix(err.Error(), file+": ") || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "\n") || len(err.Error()) > 500 {
			t.Errorf("%s: %.300v, want an *egress.InputError that says %q", name, err, tt.want)
		}
	}
}

// TestFromFolderStaysInside: links that lead out of a folder are not followed, whatever they lead to.
func TestFromFolderStaysInside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	outside := put(t, filepath.Join(dir, "outside", "crs.yaml"), mustRead(t, filepath.Join(offlineFiles, "crs.yaml")))
	inside := filepath.Join(dir, "inside")
	put(t, filepath.Join(inside, "a.yaml"), []byte("apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: g}\n"))
	put(t, filepath.Join(inside, ".git", "b.yaml"), []byte("a: ["))
	for name, to := range map[string]string{"file.yaml": outside, "folder": filepath.Dir(outside), "loop": "."} {
		if err := os.Symlink(to, filepath.Join(inside, name)); err != nil {
			t.Fatal(err)
		}
	}
	s, err := (&tool{}).load(t.Context(), []string{inside})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Objects.Gateways) != 1 || len(s.Objects.VirtualServices) > 0 {
		t.Errorf("%d Gateways, %d VirtualServices", len(s.Objects.Gateways), len(s.Objects.VirtualServices))
	}
}

// TestFromIsBounded: a file that never ends is not read to its end.
func TestFromIsBounded(t *testing.T) {
	t.Parallel()
	l := loader{tool: &tool{}, bytes: maxFromBytes - 10}
	if err := l.read("x", io.LimitReader(blanks{}, 1<<20)); err == nil || !strings.Contains(err.Error(), "more than 512 MiB") {
		t.Errorf("%v", err)
	}
	l = loader{tool: &tool{}, taken: maxFromFiles}
	if err := l.read("x", strings.NewReader("")); err == nil || !strings.Contains(err.Error(), "more than 5000 files") {
		t.Errorf("%v", err)
	}
}

// blanks never end.
type blanks struct{}

func (blanks) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}
