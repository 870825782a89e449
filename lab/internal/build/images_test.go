package build

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kubectl-egress/kubectl-egress/lab/internal/image"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/pki"
	"github.com/kubectl-egress/kubectl-egress/lab/internal/site"
)

// baseTar is a small root file system as mmdebstrap's extract variant leaves it, with or without a merged /usr.
func baseTar(t *testing.T, merged bool, without ...string) string {
	t.Helper()
	top := ""
	if merged {
		top = "usr/"
	}
	path := filepath.Join(t.TempDir(), "base.tar")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(f)
	if merged {
		if err := w.WriteHeader(&tar.Header{Name: "./bin", Typeflag: tar.TypeSymlink, Linkname: "usr/bin", Mode: 0o777}); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{
		top + "bin/bash", top + "bin/busybox", "usr/bin/curl", "usr/bin/awk", "usr/sbin/xtables-nft-multi",
		"usr/share/base-passwd/passwd.master", "usr/share/base-passwd/group.master",
		"usr/share/doc/curl/copyright", "var/cache/apt/x", "dev/null",
	} {
		if slices.Contains(without, name) {
			continue
		}
		text := []byte("of " + name)
		if err := w.WriteHeader(&tar.Header{Name: "./" + name, Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// content is what a layer holds: path to content, or "-> target" for links.
func content(t *testing.T, layout, digest string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(layout, "blobs", "sha256", strings.TrimPrefix(digest, "sha256:")))
	if err != nil {
		t.Fatal(err)
	}
	in, all := tar.NewReader(bytes.NewReader(text)), map[string]string{}
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		switch h.Typeflag {
		case tar.TypeSymlink:
			all["/"+h.Name] = "-> " + h.Linkname
		case tar.TypeReg:
			all["/"+h.Name] = string(text)
		}
	}
}

func TestBaseLayer(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		merged  bool
		shell   string
		busybox string
	}{
		{"folders apart", false, "/bin/sh", "/bin/busybox"},
		{"merged /usr", true, "/usr/bin/sh", "/usr/bin/busybox"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			layer, err := baseLayer(dir, baseTar(t, tt.merged), []byte("CERT"))
			if err != nil {
				t.Fatal(err)
			}
			got := content(t, dir, layer.Digest)
			want := map[string]string{
				"/etc/ssl/certs/ca-certificates.crt": "CERT", // what Envoy and curl believe
				"/etc/passwd":                        "of usr/share/base-passwd/passwd.master",
				"/etc/group":                         "of usr/share/base-passwd/group.master",
				tt.shell:                             "-> bash",
				"/usr/sbin/iptables":                 "-> xtables-nft-multi",
				"/usr/sbin/ip6tables-restore":        "-> xtables-nft-multi",
				"/usr/local/bin/nslookup":            "-> " + tt.busybox,
				"/usr/bin/curl":                      "of usr/bin/curl",
			}
			for path, text := range want {
				if got[path] != text {
					t.Errorf("%s holds %q, want %q", path, got[path], text)
				}
			}
			for _, path := range []string{"/usr/share/doc/curl/copyright", "/var/cache/apt/x", "/dev/null", "/usr/local/bin/awk"} {
				if text, there := got[path]; there {
					t.Errorf("%s should not be there: %q", path, text)
				}
			}
		})
	}
}

func TestBaseLayerFails(t *testing.T) {
	t.Parallel()
	_, err := baseLayer(t.TempDir(), baseTar(t, false, "usr/share/base-passwd/group.master"), nil)
	if err == nil || !strings.Contains(err.Error(), "lists of users and groups") {
		t.Errorf("without groups: %v", err)
	}
	if _, err := baseLayer(t.TempDir(), "/no/such.tar", nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a tar: %v", err)
	}
}

// fakeBuild is a finished build of small files, but for its images.
func fakeBuild(t *testing.T, s site.Site) Record {
	t.Helper()
	r := Record{Parts: s.Build("parts-1"), Envoy: s.Build("envoy-1", "envoy"), Base: s.Build("base-1.tar")}
	files := []string{r.Envoy, filepath.Join(r.Parts, "envoy_bootstrap.json"), filepath.Join(r.Manifests(), "charts", "x")}
	for _, p := range []string{"pause", "coredns", "pilot-discovery", "pilot-agent", "kube-apiserver", "etcd"} {
		files = append(files, r.Program(p))
	}
	for _, f := range files {
		if err := os.MkdirAll(filepath.Dir(f), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f, []byte("program "+filepath.Base(f)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(baseTar(t, false), r.Base); err != nil {
		t.Fatal(err)
	}
	return r
}

func newSite(t *testing.T) site.Site {
	t.Helper()
	s, err := site.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func layersOf(t *testing.T, i image.Image) []string {
	t.Helper()
	var m struct{ Layers []struct{ Digest string } }
	if err := json.Unmarshal(i.Manifest, &m); err != nil {
		t.Fatal(err)
	}
	var digests []string
	for _, l := range m.Layers {
		digests = append(digests, l.Digest)
	}
	return digests
}

func TestFinish(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if _, err := Current(s); !errors.Is(err, ErrNotBuilt) {
		t.Fatalf("before the first build: %v", err)
	}
	r := fakeBuild(t, s)
	said := ""
	if err := finish(s, &r, func(w string) { said = w }); err != nil {
		t.Fatal(err)
	}
	got, err := Current(s)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(r, got); d != "" || said != "5 made" {
		t.Errorf("said %q; record (-made +read):\n%s", said, d)
	}
	by := map[string]image.Image{}
	for _, i := range got.Images {
		by[i.Name] = i
	}
	pilot, proxy, base := layersOf(t, by["pilot"]), layersOf(t, by["proxyv2"]), layersOf(t, by["base"])
	if len(pilot) != 2 || len(proxy) != 2 || len(base) != 1 || pilot[0] != base[0] || proxy[0] != base[0] {
		t.Fatalf("the base layer is not shared: %v %v %v", pilot, proxy, base)
	}
	if c := content(t, r.Layout, proxy[1]); c["/usr/local/bin/envoy"] != "program envoy" || c["/var/lib/istio/envoy/envoy_bootstrap_tmpl.json"] == "" {
		t.Errorf("the proxy's layer holds %v", c)
	}
	ca, err := pki.Load(s.Outside(), "ca")
	if err != nil || content(t, r.Layout, base[0])["/etc/ssl/certs/ca-certificates.crt"] != string(ca.Cert) {
		t.Errorf("the images do not trust the outside CA: %v", err)
	}

	again := Record{Parts: r.Parts, Envoy: r.Envoy, Base: r.Base}
	if err := finish(s, &again, func(w string) { said = w }); err != nil || said != "cached" {
		t.Errorf("a second time it is %q, %v", said, err)
	}
}

// A build of which a piece was deleted does not count as one.
func TestCurrentIsWhole(t *testing.T) {
	t.Parallel()
	for _, lose := range []func(Record) string{
		func(r Record) string { return r.Envoy },
		func(r Record) string { return r.Program("etcd") },
		func(r Record) string { return r.Manifests() },
		func(r Record) string { return filepath.Join(r.Layout, "blobs") },
	} {
		s := newSite(t)
		r := fakeBuild(t, s)
		if err := finish(s, &r, func(string) {}); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(lose(r)); err != nil {
			t.Fatal(err)
		}
		if _, err := Current(s); !errors.Is(err, ErrNotBuilt) {
			t.Errorf("without %s: %v", lose(r), err)
		}
	}
	s := newSite(t)
	if err := os.MkdirAll(s.Build(), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.Build("current.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Current(s); err == nil || errors.Is(err, ErrNotBuilt) || !strings.Contains(err.Error(), "current.json") {
		t.Errorf("a damaged record: %v", err)
	}
}

func TestPrune(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	r := fakeBuild(t, s)
	if err := finish(s, &r, func(string) {}); err != nil {
		t.Fatal(err)
	}
	for _, old := range []string{"parts-0/bin/etcd", "images-0/blobs/x", "base-0.tar", "parts-1.new/bin/x", ".wheel-1/x"} {
		if err := os.MkdirAll(filepath.Dir(s.Build(old)), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(s.Build(old), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := Prune(s, r); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(s.Build())
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if d := cmp.Diff([]string{"base-1.tar", "current.json", "envoy-1", filepath.Base(r.Layout), "parts-1"}, left); d != "" {
		t.Errorf("left (-want +got):\n%s", d)
	}
	if _, err := Current(s); err != nil {
		t.Errorf("the current build was pruned: %v", err)
	}
}
