package image

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	base := write(t, dir, Entry{Path: "/a", Data: []byte("a")})
	top := write(t, dir, Entry{Path: "/b", Data: []byte("b")})
	i, err := Write(dir, Spec{Name: "pilot", Tag: "lab", User: "1337:1337", Entrypoint: []string{"/b"}, Layers: []Layer{base, top}})
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		SchemaVersion int
		Config        struct {
			MediaType, Digest string
			Size              int64
		}
		Layers []struct {
			MediaType, Digest string
			Size              int64
		}
	}
	if err := json.Unmarshal(i.Manifest, &m); err != nil {
		t.Fatal(err)
	}
	if i.Digest != digest(i.Manifest) || m.SchemaVersion != 2 || len(m.Layers) != 2 {
		t.Fatalf("manifest %s", i.Manifest)
	}
	for n, l := range []Layer{base, top} {
		if m.Layers[n].Digest != l.Digest || m.Layers[n].Size != l.Size || m.Layers[n].MediaType != layerType {
			t.Errorf("layer %d is %+v, want %+v", n, m.Layers[n], l)
		}
	}
	config := blob(t, dir, m.Config.Digest)
	if int64(len(config)) != m.Config.Size {
		t.Error("the configuration's size is wrong")
	}
	var c struct {
		OS     string
		Config struct {
			User            string
			Entrypoint, Env []string
		}
		RootFS struct {
			Type    string
			DiffIDs []string `json:"diff_ids"`
		} `json:"rootfs"`
	}
	if err := json.Unmarshal(config, &c); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{base.Digest, top.Digest}, c.RootFS.DiffIDs); d != "" || c.RootFS.Type != "layers" || c.OS != "linux" {
		t.Errorf("configuration %s", config)
	}
	if c.Config.User != "1337:1337" || c.Config.Entrypoint[0] != "/b" || !strings.HasPrefix(c.Config.Env[0], "PATH=") {
		t.Errorf("configuration %+v", c.Config)
	}
}

func TestPush(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if strings.Contains(r.URL.Path, "refused") {
			http.Error(w, "blob unknown", http.StatusNotFound)
			return
		}
		got <- r.Method + " " + r.URL.Path + " " + r.Header.Get("Content-Type") + " " + string(body)
		w.WriteHeader(http.StatusCreated)
	}))
	t.Cleanup(registry.Close)
	address := strings.TrimPrefix(registry.URL, "http://")
	if err := Push(t.Context(), address, Image{Name: "pilot", Tag: "lab", Manifest: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	if s := <-got; s != "PUT /v2/pilot/manifests/lab "+manifestType+" {}" {
		t.Errorf("the registry was asked %s", s)
	}
	err := Push(t.Context(), address, Image{Name: "refused", Tag: "lab"})
	if err == nil || !strings.Contains(err.Error(), "push image refused: 404 Not Found: blob unknown") {
		t.Errorf("a refusal gives %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Push(ctx, address, Image{Name: "late", Tag: "lab"}); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled push gives %v", err)
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"/usr/bin", "./etc/", "../../etc/passwd", "/", "", "a//b/../c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, p string) {
		got := clean(p)
		if strings.HasPrefix(got, "/") || got == ".." || strings.HasPrefix(got, "../") || got == "" {
			t.Errorf("clean(%q) = %q leads out of the image", p, got)
		}
		if clean(got) != got {
			t.Errorf("clean is not the same again: %q, %q", got, clean(got))
		}
	})
}
